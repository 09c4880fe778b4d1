"""What the replaying server sends, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import pytest

from benchmarks import replay


@attrs.define
class Connection:
    """The client's side of a connection on which a stream has been opened."""

    reader: asyncio.StreamReader

    async def chunks(self) -> list[bytes]:
        """Read the rest of the response."""
        chunks = []
        while size := int(await self.reader.readline(), 16):
            chunks.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.read() == b"\r\n"
        return chunks


@asynccontextmanager
async def opened(address: tuple[str, int], stream: str) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET /events/{stream} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    yield Connection(reader)
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[str, int]]:
    async with await asyncio.start_server(replay.serving(), "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()


async def conduct(
    address: tuple[str, int], stream: str, begin: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Let streams begin, after an action."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET /conduct/{stream} HTTP/1.1\r\n\r\n".encode())
    assert await reader.readline() == replay.READY
    if begin is not None:
        await begin()
    writer.write(b"\n")
    await reader.read()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("rate", [0, 200])
def test_live_streams_have_one_event_in_each_chunk(rate: int) -> None:
    async def main() -> list[list[bytes]]:
        name = f"live-3-4-{rate}"
        async with serving() as address, AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(opened(address, name)) for _ in range(3)]
            await conduct(address, name)
            return await asyncio.gather(*(stream.chunks() for stream in streams))

    expected = list(replay.events(5))
    assert asyncio.run(main()) == [expected] * 3
    assert b"StopEvent" in expected[-1]


def test_live_streams_begin_when_all_are_open_and_the_conductor_is_ready() -> None:
    happened: list[str] = []

    async def received(stream: Connection) -> None:
        assert await stream.chunks() == list(replay.events(2))
        happened.append("received")

    async def play_another(address: tuple[str, int]) -> None:
        """Play another stream, in the time of which the first ones would have begun."""
        async with opened(address, "live-1-1-0") as other:
            await conduct(address, "live-1-1-0")
            await other.chunks()
        happened.append("another")

    async def main() -> None:
        async with serving() as address, opened(address, "live-2-1-0") as first:
            conducting = asyncio.create_task(
                conduct(address, "live-2-1-0", lambda: play_another(address))
            )
            receiving = asyncio.create_task(received(first))
            await play_another(address)
            happened.append("opening")
            async with opened(address, "live-2-1-0") as second:
                await asyncio.gather(conducting, receiving, received(second))

    asyncio.run(main())
    assert happened == ["another", "opening", "another", "received", "received"]


@attrs.define
class Time:
    now: float = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, delay: float) -> None:
        self.now += delay


@attrs.define
class Writer:
    """Records what is written, and when; can take some time for it."""

    time: Time
    takes: float = 0.0
    written: list[tuple[float, bytes]] = attrs.field(factory=list)

    def write(self, data: bytes) -> None:
        self.written.append((round(self.time.now, 3), data))
        self.time.now += self.takes

    def close(self) -> None:
        self.written.append((round(self.time.now, 3), b""))


@pytest.mark.parametrize("slowness", [0.0, 0.4])
def test_paced_streams_take_turns_at_a_steady_rate(slowness: float) -> None:
    time = Time()
    writers = [Writer(time, slowness), Writer(time)]
    chunks = [b"a", b"b", b"end"]
    asyncio.run(replay.write_paced(writers, chunks, 1.0, time.clock, time.sleep))  # type: ignore[arg-type]
    assert writers[0].written[:2] == [(1, b"a"), (3, b"b")]
    assert writers[1].written[:2] == [(2, b"a"), (4, b"b")]
    for writer in writers:
        (at, data), (_, closed) = writer.written[2:]
        assert (data, closed) == (b"end" + replay.END, b"")
        assert at >= 6


def test_paced_streams_catch_up_after_a_delay() -> None:
    time = Time()
    writer = Writer(time, takes=2.5)
    asyncio.run(
        replay.write_paced([writer], [b"a", b"b", b"c", b"end"], 1.0, time.clock, time.sleep)
    )  # type: ignore[list-item]
    assert [at for at, _ in writer.written[:3]] == [1, 3.5, 6]


def test_events_have_as_many_lines_as_the_scripts_count() -> None:
    assert {event.count(b"\n") for event in replay.events(12)} == {replay.EVENT_LINES}
