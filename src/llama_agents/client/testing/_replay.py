"""The playback of a recording, over a real socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from http.client import responses
from typing import TYPE_CHECKING, Final

from anyio.from_thread import start_blocking_portal

from ..protocol.serializable_events import EventEnvelopeWithMetadata
from ._faults import Fault
from ._playback import Answer, Playback, Request, Reset, SentEvent, StartedRun, Step, Wait, Write
from ._recording import File, load

if TYPE_CHECKING:
    from workflows.events import Event

_LINGER_NOT: Final = struct.pack("ii", 1, 0)  # closing sends RST
_STREAM: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


class ReplayServer:
    """A server that plays a recording, as a test sees it.

    Attributes:
        url: Its base URL.
        handler_id: The run that was recorded. A run that a client starts here is another name of
            it.
    """

    def __init__(self, url: str, handler_id: str, playback: Playback) -> None:
        self.url = url
        self.handler_id = handler_id
        self._playback = playback

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that have not happened yet, in order."""
        return tuple(self._playback.pending)

    @property
    def sent(self) -> tuple[SentEvent, ...]:
        """The events that clients have sent to the run."""
        return tuple(self._playback.sent)

    @property
    def started(self) -> tuple[StartedRun, ...]:
        """The runs that clients have started."""
        return tuple(self._playback.started)


@contextmanager
def replay(
    recording: File | Sequence[Event | EventEnvelopeWithMetadata], faults: Sequence[Fault] = ()
) -> Iterator[ReplayServer]:
    """Play a recorded stream, from a server in a thread of its own.

    It answers as the real one does: the stream from any position, the run, events that are sent to
    the run, starts of any workflow. The events come at once, one after the other, and the run never
    waits for an answer. A recording without a terminal event is a run that goes on.

    Example:
        Drop the connection after two events:

            with replay("run.jsonl", faults=[Drop(after=2)]) as server:
                client = SyncWorkflowClient(base_url=server.url)
                for event in client.get_workflow_events(server.handler_id):
                    print(event.type)
            assert not server.pending

    Args:
        recording: What `record` has written: a path or an open text file. Or the events themselves.
        faults: What goes wrong on the way, each when those before it have happened.

    Yields:
        The server, until the end of the ``with``.

    Raises:
        ValueError: It is no recording; file and line are named.
    """
    played = load(recording)
    playback = Playback(played, faults, datetime.now(UTC).isoformat())
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(_listening(playback)) as url,
    ):
        yield ReplayServer(url, played.handler_id, playback)


@asynccontextmanager
async def _listening(playback: Playback) -> AsyncIterator[str]:
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_serve(playback, reader, writer))
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


async def _serve(
    playback: Playback, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        with suppress(ConnectionError):
            while (request := await _request(reader)) is not None:
                answer = playback.answer(request)
                if not isinstance(answer, Answer):
                    await _play(answer, reader, writer)
                    break
                writer.write(_encoded(answer))
                await writer.drain()
    except asyncio.CancelledError:
        writer.transport.abort()  # what the client has not read is not waited for
        raise
    finally:
        writer.close()


async def _request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next request; None when none comes, or one that this server does not read."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ")
        pairs = (field.partition(":") for field in fields)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return None
    return None if "transfer-encoding" in headers else Request(method, target, headers, body)


async def _play(
    steps: Iterator[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(_STREAM)
    for step in steps:
        match step:
            case Write(data):
                writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                await writer.drain()
            case Wait(seconds):
                if await _has_left(reader, within=seconds):
                    return
            case Reset():
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
                writer.transport.abort()
                return
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _has_left(reader: asyncio.StreamReader, within: float) -> bool:
    """Whether the client closes the connection in this time, in seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await reader.read()
            return True
    return False


def _encoded(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.status != 204:
        lines.append(f"Content-Length: {len(answer.body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body
