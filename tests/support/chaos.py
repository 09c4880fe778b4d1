"""A proxy before a real server that does to each request what it is told: a raw asyncio program."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Literal

import attrs
import httpx

from .ports import listener

End = Literal["reset", "fin", "polite", "stall"]
"""How an answer ends before its time.

``reset``: RST. ``fin``: the connection is closed inside the body. ``polite``: the chunked body ends
as if it were complete. ``stall``: nothing comes any more, until the client closes.
"""

Moment = Literal["before", "at once", "after"]

Kind = Literal["stream", "start", "look", "other"]

NO_RETRIES_YET: Final = 0.02  # s, between two tries to bind the port again


@attrs.frozen
class Fault:
    """What becomes of one request; the default is that all is well.

    Attributes:
        instead: The proxy's own answer, whole; the server does not see the request.
        lose: The connection is closed ``before`` the request is passed on, ``at once`` when it has
            been, or ``after`` the server's answer has come, which is lost.
        stall: The request is passed on, and no byte comes back.
        events: The event stream ends after so many events, as ``end`` says.
        tail: So many bytes of the next event come before that end.
        end: How it ends.
        down: For so many seconds from then on, connections are refused.
        rewind: The server is asked for so many sequence numbers before the client's cursor, as one
            would be that does not honour cursors exactly.
        trickle: The body comes byte by byte, with so many seconds between them.
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


WELL: Final = Fault()


@attrs.frozen
class Request:
    """A request as the proxy has read it."""

    line: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def kind(self) -> Kind:
        """What the client wants with it."""
        method, path, _ = self.line.split(" ", 2)
        if method == "GET" and path.startswith("/events/"):
            return "stream"
        if method == "POST" and path.startswith("/workflows/"):
            return "start"
        if method == "GET" and path.startswith("/handlers/"):
            return "look"
        return "other"

    @property
    def handler_id(self) -> str:
        """The run that it names in its path, if it does."""
        _, path, _ = self.line.split(" ", 2)
        named = re.match(r"/(?:handlers|events|results)/([^/?]+)", path)
        return named[1] if named else ""


Plan = Callable[[Request], Fault]


def in_turn(**faults: Sequence[Fault]) -> Plan:
    """Plan the faults of each kind of request, in turn; when they are used up, all is well."""
    left = {kind: iter(turns) for kind, turns in faults.items()}
    return lambda request: next(left.get(request.kind, iter(())), WELL)


def losing(moments: Sequence[Moment]) -> Plan:
    """Plan to lose the first requests, whatever they are; then all is well."""
    left = iter([Fault(lose=moment) for moment in moments])
    return lambda _: next(left, WELL)


@attrs.define(eq=False)
class Chaos:
    """A running proxy.

    Attributes:
        url: Where it listens.
        requests: What was asked of it, in order.
        open: How many connections clients hold to it.
    """

    url: str
    requests: list[Request] = attrs.field(factory=list)
    open: int = 0

    def count(self, kind: Kind) -> int:
        """How many requests of a kind have come."""
        return sum(request.kind == kind for request in self.requests)


@contextmanager
def chaos(upstream: str, plan: Plan) -> Iterator[Chaos]:
    """Run a proxy in a thread of its own.

    Args:
        upstream: The server's URL. It may be down when a request comes: then the request is lost.
        plan: Says what becomes of each request. It is called in the proxy's thread.
    """
    first = listener()
    proxy = Chaos(f"http://127.0.0.1:{first.getsockname()[1]}")
    started = threading.Event()
    stop: list[Callable[[], None]] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        async with _Proxy(proxy, httpx.URL(upstream), plan, first):
            started.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield proxy
    finally:
        stop[0]()
        thread.join()


class _Cut(Exception):
    """The client's connection is to end now."""


class _Proxy:
    def __init__(self, seen: Chaos, upstream: httpx.URL, plan: Plan, listener: socket.socket):
        self._seen = seen
        self._upstream = upstream
        self._plan = plan
        self._listener = listener
        self._port = listener.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=self._listener)

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.close()

    def _start(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._start(self._serve(reader, writer))

    async def _down(self, seconds: float) -> None:
        """Refuse connections for a while."""
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(seconds)
        while True:
            with suppress(OSError):
                self._server = await asyncio.start_server(
                    self._accept, "127.0.0.1", self._port, backlog=1024
                )
                return
            await asyncio.sleep(NO_RETRIES_YET)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._seen.open += 1
        try:
            while (request := await _read_request(reader)) is not None:
                self._seen.requests.append(request)
                fault = self._plan(request)
                answer = asyncio.ensure_future(self._answer(request, fault, writer))
                leaving = asyncio.ensure_future(_gone(reader))
                try:
                    await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (answer, leaving):
                        task.cancel()
                    await asyncio.gather(answer, leaving, return_exceptions=True)
                if answer.cancelled() or answer.exception() is not None or not answer.result():
                    break
        finally:
            self._seen.open -= 1
            writer.close()

    async def _answer(self, request: Request, fault: Fault, client: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection goes on."""
        if fault.lose == "before":
            return False
        if fault.instead is not None:
            answer = fault.instead() if callable(fault.instead) else fault.instead
            client.write(answer)
            await client.drain()
            return b"connection: close" not in answer.lower()
        reader, server = await asyncio.open_connection(self._upstream.host, self._upstream.port)
        try:
            server.write(_rewound(request, fault.rewind))
            if fault.lose == "at once":
                return False
            if fault.stall:
                await asyncio.Event().wait()
            head = await reader.readuntil(b"\r\n\r\n")
            if fault.lose == "after":
                return False
            client.write(head)
            async for piece in _pieces(head, reader, fault):
                await _write(client, piece, fault.trickle)
        except _Cut:
            await self._end(fault, client)
            return False
        finally:
            server.close()
        return b"\r\nconnection: close" not in head.lower()

    async def _end(self, fault: Fault, client: asyncio.StreamWriter) -> None:
        if fault.down:
            self._start(self._down(fault.down))
        if fault.end == "stall":
            await asyncio.Event().wait()
        if fault.end == "polite":
            client.write(b"0\r\n\r\n")
            await client.drain()
        if fault.end == "reset":
            connection = client.get_extra_info("socket")
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {}
        for header in lines:
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(line, headers, head + body)


async def _gone(reader: asyncio.StreamReader) -> None:
    """Wait until the client has closed."""
    while not reader.at_eof() and reader.exception() is None:
        await asyncio.sleep(0.01)


def _rewound(request: Request, by: int) -> bytes:
    if not by:
        return request.raw

    def earlier(match: re.Match[bytes]) -> bytes:
        return b"after_sequence=%d" % max(-1, int(match[1]) - by)

    return re.sub(rb"after_sequence=(\d+)", earlier, request.raw, count=1)


async def _pieces(head: bytes, reader: asyncio.StreamReader, fault: Fault) -> AsyncIterator[bytes]:
    """Give the body as it is to be written, up to the fault.

    Raises:
        _Cut: The fault has come.
    """
    length = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    if length is not None:
        yield await reader.readexactly(int(length[1]))
        return
    if b"\r\ntransfer-encoding: chunked" not in head.lower():
        return
    passed = 0
    if fault.events == passed and not fault.tail:
        raise _Cut
    async for piece in _chunks(reader):
        is_event = b"data:" in piece
        if is_event and passed == fault.events:
            torn = piece[: fault.tail]
            # Cut in the middle of a chunk, unless the end is to look like one.
            size = len(torn) if fault.end == "polite" else len(piece)
            yield b"%x\r\n" % size + torn + (b"\r\n" if fault.end == "polite" else b"")
            raise _Cut
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
        passed += is_event
        if is_event and passed == fault.events and not fault.tail:
            raise _Cut
    yield b"0\r\n\r\n"


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        piece = await reader.readexactly(size + 2)
        yield piece[:-2]
    await reader.readline()


async def _write(client: asyncio.StreamWriter, piece: bytes, trickle: float | None) -> None:
    if trickle is None:
        client.write(piece)
        await client.drain()
        return
    for byte in piece:
        client.write(bytes([byte]))
        await client.drain()
        await asyncio.sleep(trickle)
