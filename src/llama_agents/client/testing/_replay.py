"""The HTTP server of a replay."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from http.client import responses
from typing import Final

from ._faults import Fault
from ._playback import (
    Pause,
    Playback,
    Request,
    Reset,
    Response,
    SentEvent,
    StartedRun,
    StreamAction,
    Write,
)
from ._recording import Source, load
from ._thread import in_thread

_NO_LINGER: Final = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: closing sends RST
_STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


class ReplayServer:
    """A running replay, as `replay` yields it.

    Attributes:
        url: The base URL of the server.
        handler_id: ID of the recorded run. A run that a client starts has an ID of its own and the
            same events.
    """

    def __init__(self, url: str, handler_id: str, playback: Playback) -> None:
        self.url = url
        self.handler_id = handler_id
        self._playback = playback

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that have not been injected yet, in order."""
        return tuple(self._playback.pending)

    @property
    def sent(self) -> tuple[SentEvent, ...]:
        """The events that clients sent, in order."""
        return tuple(self._playback.sent)

    @property
    def started(self) -> tuple[StartedRun, ...]:
        """The runs that clients started, in order."""
        return tuple(self._playback.started)


@contextmanager
def replay(
    recording: Source, faults: Sequence[Fault] = (), *, wait_for_answers: bool = False
) -> Iterator[ReplayServer]:
    """Play a recorded stream back from an HTTP server on loopback, in a thread of its own.

    The server responds like the real one to requests for the stream, from any cursor, and for the
    state of the run. It accepts every event that is sent to the run and starts any workflow. It
    streams the events without delay and, by default, does not wait for an answer. If the recording
    has no terminal event, the run stays ``running``.

    Example:
        Drop the connection after two events:

            with replay("run.jsonl", faults=[Drop(after=2)]) as server:
                client = SyncWorkflowClient(base_url=server.url)
                for event in client.get_workflow_events(server.handler_id):
                    print(event.type)
            assert not server.pending

    Args:
        recording: A path or an open text file that `record` wrote, or a sequence of events.
        faults: The faults to inject, each one after all faults before it. Defaults to none.
        wait_for_answers: Whether the stream waits after each ``InputRequiredEvent`` until the run
            was sent an event; ``interact`` does not ask otherwise, since the run has already gone
            on. Defaults to False.

    Yields:
        The running server, which stops at the end of the ``with`` block.

    Raises:
        ValueError: The recording is invalid. The message names the file and the line.
        TypeError: ``recording`` is neither a file nor a sequence of events, or ``faults`` contains
            anything other than faults.
        OSError: The file cannot be read.
    """
    loaded = load(recording)
    playback = Playback(
        loaded, faults, datetime.now(UTC).isoformat(), wait_for_answers=wait_for_answers
    )
    with in_thread(_listen(playback)) as url:
        yield ReplayServer(url, loaded.handler_id, playback)


@asynccontextmanager
async def _listen(playback: Playback) -> AsyncIterator[str]:
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_serve_connection(playback, reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _serve_connection(
    playback: Playback, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        with suppress(ConnectionError):
            while (request := await _read_request(reader)) is not None:
                response = playback.respond(request)
                if not isinstance(response, Response):
                    await _write_stream(response, reader, writer)
                    break
                writer.write(_encode(response))
                await writer.drain()
    except asyncio.CancelledError:
        writer.transport.abort()  # do not wait for the client to read what is buffered
        raise
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next request; return None at the end of the connection or for a malformed one."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *header_lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = request_line.split(" ")
        pairs = (line.partition(":") for line in header_lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return None
    return None if "transfer-encoding" in headers else Request(method, target, headers, body)


async def _write_stream(
    actions: Iterator[StreamAction], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(_STREAM_HEAD)
    for action in actions:
        match action:
            case Write(data):
                writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                await writer.drain()
            case Pause(seconds):
                if await _client_disconnects(reader, within=seconds):
                    return
            case Reset():
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                writer.transport.abort()
                return
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _client_disconnects(reader: asyncio.StreamReader, within: float) -> bool:
    """Return whether the client closes the connection within this time, in seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await reader.read()
            return True
    return False


def _encode(response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status != 204:
        lines.append(f"Content-Length: {len(response.body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + response.body
