"""A proxy that injects faults between a client and a real server.

It reproduces what happens to connections in production: a load balancer's time limit, a pod that
restarts, a laptop that changes networks. The demo uses it, and so do the tests of this project:

    with chaos(server_url, in_turn(stream=[Fault(events=9, tail=12)])) as proxy:
        client = SyncWorkflowClient(base_url=proxy.url)  # its first stream breaks within event 10
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

import attrs
from anyio.from_thread import start_blocking_portal

End = Literal["reset", "fin", "clean", "stall"]
"""How a response ends early.

``reset``: with a TCP reset. ``fin``: the connection is closed within the body. ``clean``: the
chunked body ends as if it were complete. ``stall``: nothing more is sent until the client closes.
"""

Moment = Literal["before", "forwarded", "after"]

Kind = Literal["stream", "start", "poll", "other"]


@attrs.frozen
class Fault:
    """What to do with one request. By default, it is forwarded without a fault.

    Attributes:
        instead: The bytes to respond with; the request is forwarded only if it is to be lost as
            soon as it is ``forwarded``.
        lose: Close the connection ``before`` the request is forwarded, as soon as it is
            ``forwarded``, or ``after`` the server has responded. The client gets no response.
        stall: Forward the request, and send nothing back.
        events: End the event stream after this number of events.
        tail: Number of bytes to send of the event that follows them.
        end: How the event stream ends.
        down: From that end on, refuse connections for this number of seconds.
        rewind: Decrease the cursor of the request by this number, to simulate a server that repeats
            events.
        trickle: Send the body, or the bytes ``instead``, byte by byte, at this interval in seconds.
    """

    instead: bytes | Callable[[], bytes] | None = None
    lose: Moment | None = None
    stall: bool = False
    events: int | None = None
    tail: int = 0
    end: End = "reset"
    down: float = 0.0
    rewind: int = 0
    trickle: float | None = None


NO_FAULT: Final = Fault()
CAN_SHARE_PORTS: Final = hasattr(socket, "SO_REUSEPORT")  # not on Windows


@attrs.frozen
class Request:
    """A request as the proxy received it. The names of its headers are in lower case."""

    line: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def kind(self) -> Kind:
        """The kind of operation: to stream events, start a run, poll a run, or another one."""
        method, path, _ = self.line.split(" ", 2)
        if method == "GET" and path.startswith("/events/"):
            return "stream"
        if method == "POST" and path.startswith("/workflows/"):
            return "start"
        if method == "GET" and path.startswith("/handlers/"):
            # The client asks for a run that does not exist to learn what the server can do.
            return "other" if path.startswith("/handlers/no-such-run") else "poll"
        return "other"

    @property
    def handler_id(self) -> str:
        """ID of the run in the request's path, or an empty string."""
        match = re.match(r"\S+ /(?:handlers|events|results)/([^/? ]+)", self.line)
        return match[1] if match else ""


Plan = Callable[[Request], Fault]


def in_turn(**faults: Sequence[Fault]) -> Plan:
    """Plan the faults of the first requests of each kind. All later requests are forwarded."""
    remaining = {kind: iter(turns) for kind, turns in faults.items()}
    return lambda request: next(remaining.get(request.kind, iter(())), NO_FAULT)


def losing(moments: Sequence[Moment]) -> Plan:
    """Plan to lose the first requests, of any kind. All later requests are forwarded."""
    remaining = iter([Fault(lose=moment) for moment in moments])
    return lambda _: next(remaining, NO_FAULT)


@attrs.define(eq=False)
class Chaos:
    """A running proxy.

    Attributes:
        url: The base URL for clients.
        requests: The requests received, in order.
        open: Number of connections that clients hold open.
        cuts: Number of streams that the proxy ended early.
    """

    url: str
    requests: list[Request] = attrs.field(factory=list)
    open: int = 0
    cuts: int = 0

    def count(self, kind: Kind) -> int:
        """Return the number of requests of a kind."""
        return sum(request.kind == kind for request in self.requests)


@contextmanager
def chaos(upstream: str, plan: Plan) -> Iterator[Chaos]:
    """Run a proxy on a free port of loopback, in a thread of its own.

    Args:
        upstream: URL of the server. A request that arrives while the server is down is lost.
        plan: Returns the fault for each request. It is called in the proxy's thread.

    Yields:
        The running proxy.
    """
    with socket.socket() as reserved, start_blocking_portal("asyncio") as portal:
        if CAN_SHARE_PORTS:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        # Kept bound where possible: no other process may take the port while the proxy is down.
        if not CAN_SHARE_PORTS:
            reserved.close()
        state = Chaos(f"http://127.0.0.1:{port}")
        with portal.wrap_async_context_manager(_Proxy(state, upstream, plan, port)):
            yield state


class _StreamCut(Exception):
    """The stream has reached the point where it is to end early."""


class _Proxy:
    def __init__(self, state: Chaos, upstream: str, plan: Plan, port: int) -> None:
        self._state = state
        self._upstream = urlsplit(upstream)
        self._plan = plan
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.close()  # a task may have reopened it

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            lambda reader, writer: self._spawn(self._serve(reader, writer)),
            *("127.0.0.1", self._port),
            backlog=1024,
            reuse_port=CAN_SHARE_PORTS,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go_down(self, seconds: float) -> None:
        self._server.close()
        await asyncio.sleep(seconds)
        await self._listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._state.open += 1
        try:
            while (request := await _read_request(reader)) is not None:
                self._state.requests.append(request)
                response = asyncio.create_task(self._respond(request, self._plan(request), writer))
                closing = asyncio.create_task(_wait_until_closed(reader))
                try:
                    await asyncio.wait({response, closing}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (response, closing):
                        task.cancel()
                    await asyncio.gather(response, closing, return_exceptions=True)
                if response.cancelled() or response.exception() or not response.result():
                    break
        finally:
            self._state.open -= 1
            writer.close()

    async def _respond(self, request: Request, fault: Fault, client: asyncio.StreamWriter) -> bool:
        """Respond to one request; return whether the connection can be kept alive."""
        if fault.lose == "before":
            return False
        response = (fault.instead() if callable(fault.instead) else fault.instead) or b""
        if response and fault.lose is None:
            await _write(client, response, fault.trickle)
            return b"connection: close" not in response.lower()
        reader, server = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        try:
            server.write(_rewind(request.raw, fault.rewind))
            if fault.lose == "forwarded":
                client.write(response)
                await client.drain()
                return False
            if fault.stall:
                await asyncio.Event().wait()
            head = await reader.readuntil(b"\r\n\r\n")
            if fault.lose == "after":
                return False
            client.write(head)
            async for chunk in _body(head.lower(), reader, fault):
                await _write(client, chunk, fault.trickle)
        except _StreamCut:
            await self._end_early(fault, client)
            return False
        finally:
            server.close()
        return b"\r\nconnection: close" not in head.lower()

    async def _end_early(self, fault: Fault, client: asyncio.StreamWriter) -> None:
        self._state.cuts += 1
        if fault.down:
            self._spawn(self._go_down(fault.down))
        if fault.end == "stall":
            await asyncio.Event().wait()
        if fault.end == "clean":
            client.write(b"0\r\n\r\n")
            await client.drain()
        if fault.end == "reset":
            no_linger = struct.pack("ii", 1, 0)  # closing sends RST
            connection = client.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            client.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next request; return None when the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        request_line, *header_lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in header_lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(request_line, headers, head + body)


async def _wait_until_closed(reader: asyncio.StreamReader) -> None:
    """Wait until the client closes, without consuming what it may send before."""
    while not reader.at_eof() and reader.exception() is None:
        await asyncio.sleep(0.01)


def _rewind(request: bytes, by: int) -> bytes:
    def earlier(match: re.Match[bytes]) -> bytes:
        return b"after_sequence=%d" % max(-1, int(match[1]) - by)

    return re.sub(rb"after_sequence=(\d+)", earlier, request, count=1) if by else request


async def _body(head: bytes, reader: asyncio.StreamReader, fault: Fault) -> AsyncIterator[bytes]:
    """Yield the encoded body up to the fault; raise _StreamCut there."""
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    if length is not None:
        yield await reader.readexactly(int(length[1]))
        return
    if b"\r\ntransfer-encoding: chunked" not in head:
        return
    forwarded = 0  # events
    if fault.events == 0 and not fault.tail:
        raise _StreamCut
    async for chunk in _chunks(reader):
        is_event = b"data:" in chunk
        if is_event and forwarded == fault.events:
            torn = chunk[: fault.tail]
            # The end tears the chunk, too, unless the body is to look complete.
            if fault.end == "clean":
                yield b"%x\r\n%s\r\n" % (len(torn), torn)
            else:
                yield b"%x\r\n%s" % (len(chunk), torn)
            raise _StreamCut
        yield b"%x\r\n%s\r\n" % (len(chunk), chunk)
        forwarded += is_event
        if is_event and forwarded == fault.events and not fault.tail:
            raise _StreamCut
    yield b"0\r\n\r\n"


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readline()


async def _write(client: asyncio.StreamWriter, data: bytes, interval: float | None) -> None:
    if interval is None:
        client.write(data)
        await client.drain()
        return
    for byte in data:
        client.write(bytes([byte]))
        await client.drain()
        await asyncio.sleep(interval)
