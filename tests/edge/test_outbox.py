"""Answers that wait for the end of a turn."""

from __future__ import annotations

import asyncio
from typing import cast

from antipodes.edge.outbox import LARGE_BYTES, LOT, Outbox


class Recorder:
    """Stands for a transport; all of them write into one list."""

    def __init__(self, name: str, written: list[tuple[str, bytes]]) -> None:
        self.name = name
        self.written = written
        self.ended = False

    def is_closing(self) -> bool:
        return self.ended

    def write(self, data: bytes) -> None:
        assert not self.ended
        self.written.append((self.name, data))


def made(*names: str) -> tuple[Outbox, list[tuple[str, bytes]], list[asyncio.Transport]]:
    written: list[tuple[str, bytes]] = []
    transports = [cast("asyncio.Transport", Recorder(name, written)) for name in names]
    return Outbox(asyncio.get_running_loop()), written, transports


def test_answers_of_one_turn_go_out_together_and_in_order() -> None:
    async def main() -> None:
        outbox, written, (one, other) = made("one", "other")
        outbox.send(one, b"1")
        outbox.send(other, b"2")
        outbox.send(one, b"3")
        assert written == []
        await asyncio.sleep(0.001)
        assert written == [("one", b"1"), ("other", b"2"), ("one", b"3")]
        outbox.send(other, b"4")
        await asyncio.sleep(0.001)
        assert written[3:] == [("other", b"4")]

    asyncio.run(main())


def test_a_lot_and_a_large_answer_do_not_wait() -> None:
    async def main() -> None:
        outbox, written, (one,) = made("one")
        for number in range(LOT):
            assert len(written) == 0
            outbox.send(one, b"%d" % number)
        assert [data for _, data in written] == [b"%d" % number for number in range(LOT)]
        written.clear()
        outbox.send(one, b"small")
        outbox.send(one, b"x" * LARGE_BYTES)
        assert [len(data) for _, data in written] == [5, LARGE_BYTES]

    asyncio.run(main())


def test_what_waits_for_a_transport_that_has_ended_is_dropped_and_the_others_get_theirs() -> None:
    async def main() -> None:
        outbox, written, (one, other) = made("one", "other")
        outbox.send(one, b"1")
        outbox.send(other, b"2")
        cast("Recorder", one).ended = True
        outbox.flush()
        assert written == [("other", b"2")]

    asyncio.run(main())
