"""A server that only replays bytes, to isolate the client: ``python -m benchmarks.replay``.

It prints its URL and exits at the end of its standard input. The path selects the response:

- ``/events/live-STREAMS-EVENTS-RATE``: a stream of so many events and a terminal one, each in a
  chunk of its own, as the real server sends them. RATE is the events a second; 0 sends them as fast
  as possible.
- ``/conduct/live-STREAMS-EVENTS-RATE``: a line when so many of these streams are open, which begin
  when the conductor answers with a line.
- ``/events/blocks-N``: N events, the last one terminal, in chunks of 64 KiB.
- ``/events/one``: one event, then nothing more.
- ``/handlers/ID``: a completed run.
- ``/handlers?workflow_name=N``: N completed runs.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

EVENT_BYTES: Final = 300  # of the JSON of an event
EVENT_LINES: Final = 3  # of an event: id, data, and the blank line
BLOCK_BYTES: Final = 65536

STREAM: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
READY: Final = b"ready\n"
END: Final = b"0\r\n\r\n"


def event(sequence: int, type_: str = "Progress") -> bytes:
    """Return an event as the server sends it."""
    value = {"step": sequence, "ratio": 0.5, "text": ""}
    data = {"value": value, "qualified_name": f"app.{type_}", "type": type_, "types": None}
    value["text"] = "x" * (EVENT_BYTES - len(json.dumps(data)))
    return f"id: {sequence}\ndata: {json.dumps(data)}\n\n".encode()


def events(count: int) -> Iterator[bytes]:
    """Yield the events of a stream."""
    for sequence in range(count - 1):
        yield event(sequence)
    yield event(count - 1, "StopEvent")


def blocks(data: bytes) -> Iterator[bytes]:
    """Cut data into large pieces."""
    for start in range(0, len(data), BLOCK_BYTES):
        yield data[start : start + BLOCK_BYTES]


@functools.lru_cache(maxsize=2)  # the largest have hundreds of megabytes
def chunks_of_events(count: int) -> list[bytes]:
    """Return events as HTTP chunks, the last one terminal."""
    return [*map(chunk, events(count))]


@functools.lru_cache(maxsize=2)
def body(count: int, large_chunks: bool) -> list[bytes]:
    """Return the body of an event stream, in pieces to write."""
    if large_chunks:
        return [*map(chunk, blocks(b"".join(events(count)))), END]
    return [*blocks(b"".join(chunks_of_events(count))), END]


def chunk(data: bytes) -> bytes:
    """Return data as one HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def run(handler_id: str) -> dict[str, object]:
    """Return a completed run."""
    result = {"value": {"result": "x" * 100}, "qualified_name": None, "type": "StopEvent"}
    return {
        "handler_id": handler_id,
        "workflow_name": "greet",
        "run_id": "r" * 20,
        "error": None,
        "result": {**result, "types": None},
        "status": "completed",
        "started_at": "2026-01-01T00:00:00.000000+00:00",
        "updated_at": "2026-01-01T00:00:01.000000+00:00",
        "completed_at": "2026-01-01T00:00:01.000000+00:00",
    }


@functools.cache
def response(path: str) -> bytes:
    """Return a plain response."""
    number = re.search(r"workflow_name=(\d+)", path)
    if path.startswith("/handlers/"):
        content: object = run(path.removeprefix("/handlers/"))
    elif number is not None:
        content = {"handlers": [run(f"h{index}") for index in range(int(number[1]))]}
    else:
        content = {"status": "healthy"}
    text = json.dumps(content).encode()
    head = (
        "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: replay\r\n"
        f"content-length: {len(text)}\r\ncontent-type: application/json\r\n\r\n"
    )
    return head.encode() + text


async def write(writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    """Write as fast as the client reads, and close."""
    for data in pieces:
        writer.write(data)
        await writer.drain()
    writer.close()


async def write_paced(
    writers: list[asyncio.StreamWriter],
    chunks: list[bytes],
    interval: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Write one event to one stream after the other, at a steady rate.

    The terminal events come when all others have been written.
    """
    due = clock()
    for data in chunks[:-1]:
        for writer in writers:
            due += interval
            if (delay := due - clock()) > 0:
                await sleep(delay)
            writer.write(data)
    await sleep(interval * len(writers))
    for writer in writers:
        writer.write(chunks[-1] + END)
        writer.close()


class Ensemble:
    """Live streams that begin together, by name."""

    def __init__(self) -> None:
        self._writers: defaultdict[str, list[asyncio.StreamWriter]] = defaultdict(list)
        self._complete: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def join(self, name: str, streams: int, writer: asyncio.StreamWriter) -> None:
        """Add a stream."""
        self._writers[name].append(writer)
        if len(self._writers[name]) == streams:
            self._complete[name].set()

    async def conduct(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Wait until all streams are open and the conductor is ready, and write their events."""
        await self._complete[name].wait()
        writers = self._writers.pop(name)
        del self._complete[name]
        writer.write(READY)
        await reader.readline()
        writer.close()
        _, count, rate = map(int, name.split("-")[1:])
        if rate:
            chunks = chunks_of_events(count + 1)
            await write_paced(writers, chunks, 1 / rate / len(writers))
        else:
            pieces = body(count + 1, large_chunks=False)
            await asyncio.gather(*(write(writer, pieces) for writer in writers))


def serving() -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return what serves the connections of one server."""
    return functools.partial(serve, Ensemble())


async def serve(
    ensemble: Ensemble, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve the requests of one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            if path.startswith("/conduct/"):
                await ensemble.conduct(path.removeprefix("/conduct/"), reader, writer)
                return
            match = re.match(r"/events/((live|blocks|one)[-\d]*)", path)
            if match is None:
                writer.write(response(path))
                await writer.drain()
                continue
            writer.write(STREAM)
            sizes = [int(size) for size in match[1].split("-")[1:]]
            if match[2] == "live":
                ensemble.join(match[1], sizes[0], writer)
                return
            if match[2] == "blocks":
                await write(writer, body(*sizes, large_chunks=True))
                return
            writer.write(chunk(event(0)))
            await reader.read()
            writer.close()
            return
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until standard input ends."""
    server = await asyncio.start_server(serving(), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
