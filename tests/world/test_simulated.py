"""What only simulated time promises: repeatable runs, crashes, clocks, reports of deadlock."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from antipodes.world.sim_greenlets import await_only, in_handler, run_sync
from antipodes.world.simulated import Simulation, TaskFailed
from antipodes.world.simulated_loop import Deadlock
from antipodes.world.world import ConnectionLost, Refused, SiteDown, Unreachable
from tests.world.story import digest_of
from tests.world.test_conformance import Echo, LastWords, read_exactly

NEAR, FAR = "eu-west-1", "ap-southeast-2"
RUN = """
import sys
from tests.world.story import digest_of
print(digest_of(int(sys.argv[1])))
"""


def digest_in_another_process(seed: int, hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(seed)],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_seed_repeats_itself_in_any_process() -> None:
    assert digest_in_another_process(7, "1") == digest_in_another_process(7, "2")


def test_seeds_differ() -> None:
    assert len({digest_of(seed) for seed in range(5)}) == 5


def test_the_seed_chooses_among_what_is_ready() -> None:
    def order(seed: int) -> list[int]:
        came: list[int] = []
        simulation = Simulation(seed)
        world = simulation.world(NEAR)

        async def arrive(number: int) -> None:
            came.append(number)

        async def main() -> None:
            for number in range(10):
                world.spawn(arrive(number), f"arrival {number}")
            await world.sleep(1)

        simulation.run(main())
        return came

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == list(range(10))


def test_hours_pass_in_no_time() -> None:
    simulation = Simulation(1)
    world = simulation.world(NEAR)

    async def main() -> float:
        await world.sleep(86_400)
        return world.now()

    assert simulation.run(main()) == simulation.epoch + 86_400 == simulation.epoch + simulation.elapsed_s


def test_a_deadlock_names_who_waits() -> None:
    simulation = Simulation(1)
    world = simulation.world(NEAR)

    async def wait_for_godot() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        world.spawn(wait_for_godot(), "vladimir")
        await wait_for_godot()

    with pytest.raises(Deadlock, match=r"(?s)nothing is scheduled.*eu-west-1: vladimir: waits in wait_for_godot"):
        simulation.run(main())


def test_a_crash_stops_code_between_two_steps() -> None:
    simulation = Simulation(1)
    said: list[str] = []

    async def talk() -> None:
        try:
            while True:
                said.append("tick")
                await asyncio.sleep(1)
        finally:
            said.append("a dead process cleans nothing up")

    async def region() -> None:
        simulation.world(NEAR).spawn(talk(), "talk")

    async def main() -> None:
        await simulation.boot(NEAR, region)
        await asyncio.sleep(3.5)
        simulation.crash(NEAR)
        assert not simulation.is_up(NEAR)
        await asyncio.sleep(10)
        assert said == ["tick"] * 4

    simulation.run(main())


def test_a_crashed_site_refuses_and_its_streams_break() -> None:
    simulation = Simulation(1)
    near = simulation.world(NEAR)

    async def region() -> None:
        await simulation.world(FAR).serve(80, Echo)
        await simulation.world(FAR).serve_datagrams(53, lambda data, client: data)

    async def main() -> None:
        await simulation.boot(FAR, region)
        stream = await near.connect("127.44.24.1", 80)
        stream.write(b"x")
        assert await read_exactly(stream, 1) == b"x"
        simulation.crash(FAR)
        with pytest.raises(ConnectionLost):
            await stream.read()
        with pytest.raises(Refused):
            await near.connect("127.44.24.1", 80)
        with pytest.raises(Refused):
            await near.ask("127.44.24.1", 53, b"x")
        await simulation.boot(FAR, region)
        again = await near.connect("127.44.24.1", 80)
        again.write(b"y")
        assert await read_exactly(again, 1) == b"y"

    simulation.run(main())


def test_a_crashed_dialler_breaks_its_streams_at_the_listener() -> None:
    simulation = Simulation(1)
    ends: list[Exception | None] = []

    async def caller() -> None:
        stream = await simulation.world(NEAR).connect("127.44.24.1", 80)
        stream.write(b"x")
        await stream.read()

    async def main() -> None:
        await simulation.world(FAR).serve(80, lambda: Echo(ends))
        await simulation.boot(NEAR, caller)
        simulation.crash(NEAR)
        await asyncio.sleep(1)
        assert [type(end) for end in ends] == [ConnectionResetError]

    simulation.run(main())


def test_a_crash_during_boot_is_told() -> None:
    simulation = Simulation(1)

    async def main() -> None:
        booting = simulation.boot(NEAR, lambda: simulation.world(NEAR).sleep(10))
        await asyncio.sleep(1)
        simulation.crash(NEAR)
        with pytest.raises(SiteDown):
            await booting
        with pytest.raises(ValueError, match="not up"):
            simulation.crash(NEAR)

    simulation.run(main())


def test_a_boot_that_fails_is_told() -> None:
    simulation = Simulation(1)

    async def broken() -> None:
        raise OSError("no disk")

    async def main() -> None:
        with pytest.raises(OSError, match="no disk"):
            await simulation.boot(NEAR, broken)

    simulation.run(main())


def test_an_address_of_nobody_never_answers() -> None:
    simulation = Simulation(1)
    world = simulation.world(NEAR)

    async def main() -> float:
        with pytest.raises(Unreachable):
            await world.connect("10.1.2.3", 80, timeout_s=3.0)
        return world.monotonic()

    assert simulation.run(main()) == 3.0


def test_the_disk_forgets_what_was_not_synced() -> None:
    lost = 0
    for seed in range(20):
        simulation = Simulation(seed)
        disk = simulation.world(NEAR).disk()
        shelf = disk.shelf("store")
        shelf.rows[b"synced"] = b"1"
        shelf.rows[b"fresh"] = b"2"
        shelf.unsynced.append([(b"fresh", None)])

        async def nothing() -> None:
            return

        async def main(simulation: Simulation = simulation) -> None:
            await simulation.boot(NEAR, nothing)
            simulation.crash(NEAR)

        simulation.run(main())
        assert shelf.rows[b"synced"] == b"1"
        lost += b"fresh" not in shelf.rows
    assert 0 < lost < 20


def test_a_destroyed_disk_is_empty() -> None:
    simulation = Simulation(1)
    simulation.world(NEAR).disk().shelf("store").rows[b"k"] = b"v"

    async def nothing() -> None:
        return

    async def main() -> None:
        await simulation.boot(NEAR, nothing)
        simulation.crash(NEAR, destroy=True)
        assert not simulation.world(NEAR).disk().shelf("store").rows

    simulation.run(main())


def test_clocks_may_be_wrong() -> None:
    simulation = Simulation(1)
    simulation.set_clock(FAR, offset_s=-5.0, drift=0.001)

    async def main() -> None:
        await asyncio.sleep(1000)
        assert simulation.world(NEAR).now() == simulation.epoch + 1000
        assert simulation.world(FAR).now() == pytest.approx(simulation.epoch + 996)
        assert simulation.world(FAR).monotonic() == simulation.world(NEAR).monotonic()

    simulation.run(main())


def test_a_failed_task_ends_a_strict_run() -> None:
    simulation = Simulation(1)
    world = simulation.world(NEAR)

    async def fails() -> None:
        raise ValueError("on purpose")

    async def main() -> None:
        world.spawn(fails(), "unlucky")
        await world.sleep(1)

    with pytest.raises(TaskFailed, match="unlucky at eu-west-1: ValueError: on purpose"):
        simulation.run(main())


def test_a_failing_protocol_loses_its_connection_and_is_reported() -> None:
    class Broken(Echo):
        def data_received(self, data: bytes) -> None:
            raise ValueError("on purpose")

    simulation = Simulation(1, strict=False)

    async def main() -> None:
        await simulation.world(FAR).serve(80, Broken)
        stream = await simulation.world(NEAR).connect("127.44.24.1", 80)
        stream.write(b"x")
        with pytest.raises(ConnectionLost):
            await stream.read()

    simulation.run(main())
    assert [str(failure.error) for failure in simulation.failures] == ["on purpose"]


def test_a_run_ends_without_noise(capfd: pytest.CaptureFixture[str]) -> None:
    simulation = Simulation(1)
    world = simulation.world(NEAR)

    async def endless() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            await asyncio.sleep(1)

    async def main() -> None:
        for number in range(10):
            world.spawn(endless(), f"endless {number}")
        await world.serve(80, LastWords)
        await world.sleep(1)
        world.spawn(endless(), "never begun")

    simulation.run(main())
    gc.collect()
    assert capfd.readouterr().err == ""


def test_synchronous_code_waits_in_virtual_time() -> None:
    simulation = Simulation(1)
    world = simulation.world(NEAR)

    async def double(number: int) -> int:
        await world.sleep(10)
        if number < 0:
            raise ValueError("negative")
        return 2 * number

    def handler(number: int) -> int:
        assert in_handler()
        return await_only(double(number)) + await_only(double(1))

    async def main() -> None:
        assert await asyncio.gather(*(run_sync(handler, number) for number in range(50))) == [
            2 * number + 2 for number in range(50)
        ]
        assert world.monotonic() == 20
        with pytest.raises(ValueError, match="negative"):
            await run_sync(handler, -1)

    simulation.run(main())
    assert not in_handler()


def test_waiting_outside_a_handler_is_an_error() -> None:
    async def never() -> None:
        return

    with pytest.raises(RuntimeError, match="outside run_sync"):
        await_only(never())


def test_a_handler_belongs_to_its_incarnation() -> None:
    simulation = Simulation(1)
    said: list[str] = []

    def handler() -> None:
        said.append("begun")
        await_only(asyncio.sleep(5))
        said.append("ended")

    async def region() -> None:
        simulation.world(NEAR).spawn(run_sync(handler), "handler")

    async def main() -> None:
        await simulation.boot(NEAR, region)
        await asyncio.sleep(1)
        simulation.crash(NEAR)
        await asyncio.sleep(10)

    simulation.run(main())
    assert said == ["begun"]


def test_a_protocol_is_paused_by_a_slow_reader() -> None:
    simulation = Simulation(1)
    events: list[str] = []

    class Flood(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            for _ in range(50):
                transport.write(bytes(100_000))  # type: ignore[attr-defined]
            transport.close()

        def pause_writing(self) -> None:
            events.append("pause")

    async def main() -> None:
        await simulation.world(FAR).serve(80, Flood)
        stream = await simulation.world(NEAR).connect("127.44.24.1", 80)
        assert len(await read_exactly(stream, 5_000_000)) == 5_000_000
        assert await stream.read() == b""

    simulation.run(main())
    assert events == ["pause"]


def test_a_listener_may_stop_reading_for_a_while() -> None:
    simulation = Simulation(1)

    class Lazy(Echo):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            transport.pause_reading()  # type: ignore[attr-defined]
            asyncio.get_running_loop().call_later(5, transport.resume_reading)  # type: ignore[attr-defined]

    async def main() -> None:
        world = simulation.world(NEAR)
        await simulation.world(FAR).serve(80, Lazy)
        stream = await world.connect("127.44.24.1", 80)
        stream.write(b"one")
        stream.write(b"two")
        assert await read_exactly(stream, 6) == b"onetwo"
        assert world.monotonic() >= 5

    simulation.run(main())
