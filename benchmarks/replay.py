"""A server that only replays bytes, so that a figure shows the client: ``-m benchmarks.replay``.

It prints its URL, and ends when its input does. What it answers is in the path:

- ``/events/many-N``: N events of 300 bytes, the last one terminal, in pieces of 64 KiB.
- ``/events/chunked-N``: the same, one chunk for each event, as the real server sends them.
- ``/events/live``: one event, and then nothing more.
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
PIECE = 65536

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(sequence: int, type_: str = "Progress") -> bytes:
    """An event as the server writes it."""
    value = {"step": sequence, "ratio": 0.5, "text": ""}
    data = {"value": value, "qualified_name": f"app.{type_}", "type": type_, "types": None}
    value["text"] = "x" * (EVENT_BYTES - len(json.dumps(data)))
    return f"id: {sequence}\ndata: {json.dumps(data)}\n\n".encode()


def events(count: int) -> Iterator[bytes]:
    """So many events."""
    for sequence in range(count - 1):
        yield event(sequence)
    yield event(count - 1, "StopEvent")


@functools.cache
def body(count: int, pieces: bool) -> list[bytes]:
    """The body of an event stream, in what is written at once."""
    if not pieces:
        return [b"%x\r\n%s\r\n" % (len(block), block) for block in events(count)] + [b"0\r\n\r\n"]
    whole = b"".join(events(count))
    cut = [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut] + [b"0\r\n\r\n"]


def run(handler_id: str) -> dict[str, object]:
    """A completed run."""
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
def answer(path: str) -> bytes:
    """A plain answer, of known length."""
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
    """Answer the requests of one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            match = re.match(r"/events/(many|chunked|live)(?:-(\d+))?", path)
            if match is None:
                writer.write(answer(path))
                await writer.drain()
                continue
            writer.write(STREAM)
            if match[1] == "live":
                block = event(0)
                writer.write(b"%x\r\n%s\r\n" % (len(block), block))
                await reader.read()
                return
            for piece in body(int(match[2]), match[1] == "many"):
                writer.write(piece)
                await writer.drain()
            return
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until the input ends."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
