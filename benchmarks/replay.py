"""A server that only replays bytes, to isolate the client: ``python -m benchmarks.replay``.

It prints its URL and exits at the end of its standard input. The path selects the response:

- ``/events/many-N``: N events of 300 bytes, the last one terminal, in chunks of 64 KiB.
- ``/events/chunked-N``: the same, with one chunk per event, as the real server sends them.
- ``/events/live``: one event, then nothing more.
- ``/handlers/ID``: a completed run.
- ``/handlers?workflow_name=N``: N completed runs.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import sys
from collections.abc import Iterator

EVENT_BYTES = 300  # of the JSON of an event
CHUNK_BYTES = 65536

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


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


@functools.cache
def body(count: int, large_chunks: bool) -> list[bytes]:
    """Return the body of an event stream as HTTP chunks."""
    if not large_chunks:
        return [*map(chunk, events(count)), b"0\r\n\r\n"]
    whole = b"".join(events(count))
    starts = range(0, len(whole), CHUNK_BYTES)
    return [*(chunk(whole[start : start + CHUNK_BYTES]) for start in starts), b"0\r\n\r\n"]


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


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve the requests of one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            match = re.match(r"/events/(many|chunked|live)(?:-(\d+))?", path)
            if match is None:
                writer.write(response(path))
                await writer.drain()
                continue
            writer.write(STREAM)
            if match[1] == "live":
                writer.write(chunk(event(0)))
                await reader.read()
                return
            for data in body(int(match[2]), match[1] == "many"):
                writer.write(data)
                await writer.drain()
            return
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until standard input ends."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
