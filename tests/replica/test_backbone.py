"""Connections between sites: who may talk, in what frames, and how they end."""

from __future__ import annotations

import msgspec
import pytest

from antipodes.replica.backbone import Backbone, Channel, Hello, Silence
from antipodes.wire.framing import FrameDecoder, encode_frame
from antipodes.world.simulated import Simulation
from antipodes.world.world import ConnectionLost, World
from tests.worlds import Worlds

TEXT = msgspec.msgpack.Decoder(str)


async def listen(world: World, token: str = "secret") -> Backbone:
    """A backbone that answers what it hears, in capitals."""
    backbone = Backbone(world, 0 if world.site == "eu-west-1" else 1, token)

    async def shout(channel: Channel, hello: msgspec.Raw) -> None:
        channel.send(f"hello {msgspec.msgpack.decode(hello)}")
        while True:
            channel.send((await channel.receive(TEXT)).upper())

    backbone.on("shout", shout)
    await backbone.start()
    return backbone


def test_messages_pass_both_ways_in_order(both_worlds: Worlds) -> None:
    async def story() -> None:
        world, far = both_worlds.world("us-east-1"), both_worlds.world("eu-west-1")
        server = await listen(far)
        channel = await Backbone(world, 0, "secret").dial(far.address, server.port, "shout", "us")
        assert await channel.receive(TEXT) == "hello us"
        words = [f"word {n}" * (1 + n * 400) for n in range(60)]  # some of them long
        for word in words:
            channel.send(word)
        assert [await channel.receive(TEXT) for _ in words] == [word.upper() for word in words]
        channel.close()
        with pytest.raises(ConnectionLost):
            await channel.receive(TEXT)
        with pytest.raises(ConnectionLost):
            channel.send("too late")
        server.close()

    both_worlds.run(story)


@pytest.mark.parametrize(("token", "purpose"), [("wrong", "shout"), ("secret", "whisper")])
def test_a_stranger_and_an_unknown_purpose_are_hung_up_on(both_worlds: Worlds, token: str, purpose: str) -> None:
    async def story() -> None:
        world, far = both_worlds.world("us-east-1"), both_worlds.world("eu-west-1")
        server = await listen(far)
        channel = await Backbone(world, 0, token).dial(far.address, server.port, purpose)
        with pytest.raises(ConnectionLost):
            await channel.receive(TEXT)
        server.close()

    both_worlds.run(story)


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\4abcd", b"\0\0\0\1\xc0", b"\0\x7f\0\0"])
def test_nonsense_is_hung_up_on_and_harms_nobody(both_worlds: Worlds, nonsense: bytes) -> None:
    async def story() -> None:
        world, far = both_worlds.world("us-east-1"), both_worlds.world("eu-west-1")
        server = await listen(far)
        good = await Backbone(world, 0, "secret").dial(far.address, server.port, "shout", "us")
        assert await good.receive(TEXT) == "hello us"
        stream = await world.connect(far.address, server.port)
        stream.write(nonsense)
        try:
            assert await stream.read() == b""
        except ConnectionLost:
            pass  # reset: as good
        stream.close()
        good.send("still here")
        assert await good.receive(TEXT) == "STILL HERE"
        good.send(17)  # not what the handler expects
        with pytest.raises(ConnectionLost):
            await good.receive(TEXT)
        server.close()

    both_worlds.run(story)


def test_what_comes_in_one_piece_with_the_hello_is_not_lost(both_worlds: Worlds) -> None:
    async def story() -> None:
        world, far = both_worlds.world("us-east-1"), both_worlds.world("eu-west-1")
        server = await listen(far)
        stream = await world.connect(far.address, server.port)
        body = msgspec.Raw(msgspec.msgpack.encode("us"))
        long = encode_frame("y" * 2_000_000)  # longer than a stranger's frame may be
        stream.write(encode_frame(Hello(1, "secret", "shout", body)) + encode_frame("one") + long[:700_000])
        await world.sleep(0.3)
        stream.write(long[700_000:])
        answers = FrameDecoder()
        taken: list[bytes] = []
        while len(taken) < 3:
            answers.feed(await stream.read())
            while (payload := answers.take()) is not None:
                taken.append(payload)
        assert [TEXT.decode(one)[:8] for one in taken] == ["hello us", "ONE", "YYYYYYYY"]
        stream.close()
        server.close()

    both_worlds.run(story)


def test_a_slow_taker_slows_the_sender_and_gets_everything(both_worlds: Worlds) -> None:
    async def story() -> None:
        world, far = both_worlds.world("us-east-1"), both_worlds.world("eu-west-1")
        server = Backbone(far, 0, "secret")
        taken: list[int] = []

        async def slow(channel: Channel, hello: msgspec.Raw) -> None:
            while True:
                text = await channel.receive(TEXT)
                taken.append(len(text))
                await far.sleep(0.01)

        server.on("slow", slow)
        await server.start()
        channel = await Backbone(world, 0, "secret").dial(far.address, server.port, "slow")
        for _ in range(20):
            channel.send("x" * 1_000_000)
            await channel.drain()
        while len(taken) < 20:
            await world.sleep(0.05)
        assert taken == [1_000_000] * 20
        channel.close()
        server.close()

    both_worlds.run(story)


@pytest.mark.parametrize(("words_s", "closed_s"), [((), 3.5), ((1.0, 2.2), 5.7), ((2.2, 5.5), 9.0)])
def test_silence_closes_a_channel_at_its_time_however_seldom_it_is_looked_at(
    words_s: tuple[float, ...], closed_s: float
) -> None:
    """The last word of the third case comes when the timer for 5.7 is set already."""
    simulation, closed = Simulation(1), []
    world = simulation.world("us-east-1")

    class Mute(Channel):
        def close(self) -> None:
            closed.append(round(simulation.elapsed_s, 6))

    async def main() -> None:
        began, silence = world.monotonic(), Silence(Mute(), 3.5)
        world.spawn(look(silence), "looks")
        for at_s in words_s:
            await world.sleep(began + at_s - world.monotonic())
            silence.broken()
        await world.sleep(began + closed_s + 0.5 - world.monotonic())

    async def look(silence: Silence) -> None:
        await world.sleep(1.0)
        while not closed:
            silence.look(1.0)
            await world.sleep(1.0)

    simulation.run(main())
    assert closed == [closed_s]
