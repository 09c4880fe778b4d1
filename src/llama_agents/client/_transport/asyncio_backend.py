"""The network under httpcore, on asyncio's own protocols: an event costs half as much.

httpcore's own is anyio's, whose streams start and stop reading for each read, within a cancel scope
of its own. Here, the event loop reads ahead as far as a limit allows, and a connection has one
timer. httpcore lets its network be replaced: `httpcore.AsyncNetworkBackend` is documented for that.
trio keeps anyio's.

Every failure is httpcore's, and nothing stays open when a task is cancelled.
"""

from __future__ import annotations

import asyncio
import ipaddress
import select
import socket
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, TypeVar

import anyio
import httpcore
import httpx

T = TypeVar("T")

_READ_AHEAD: Final = 65536  # bytes; with more than that to be taken, nothing is received
_HEAD_START: Final = 0.25  # s that an address has before the next is tried too, as in RFC 8305


def use_asyncio(client: httpx.AsyncClient) -> None:
    """Let the connections that a client will open be this module's."""
    backend = _Backend()
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.AsyncHTTPTransport):
            transport._pool._network_backend = backend


class _Backend(httpcore.AsyncNetworkBackend):
    """Opens connections in the running event loop.

    A client that this package creates uses TCP only, and sets no options of sockets.
    """

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> _Stream:
        connecting = _connect(host, port)
        return await _within(timeout, connecting, httpcore.ConnectTimeout, httpcore.ConnectError)


async def _within(
    timeout: float | None, awaitable: Awaitable[T], late: type[Exception], failed: type[Exception]
) -> T:
    try:
        with anyio.fail_after(timeout):
            return await awaitable
    except TimeoutError as error:
        raise late(str(error)) from error
    except (OSError, UnicodeError) as error:  # a UnicodeError if no name can be written like that
        raise failed(str(error)) from error


async def _connect(host: str, port: int) -> _Stream:
    """Return the first connection to an address of a host that is open, and leave no other."""
    addresses = await _addresses(host, port)
    if len(addresses) == 1:
        return await _connect_to(addresses[0], port)
    opened: list[_Stream] = []
    errors: list[OSError] = []

    async def attempt(address: str, ended: anyio.Event) -> None:
        try:
            opened.append(await _connect_to(address, port))
            group.cancel_scope.cancel()
        except OSError as error:
            errors.append(error)
        finally:
            ended.set()

    try:
        async with anyio.create_task_group() as group:
            for address in addresses:
                ended = anyio.Event()
                group.start_soon(attempt, address, ended)
                with anyio.move_on_after(_HEAD_START):
                    await ended.wait()
    except BaseException:
        _abort_all(opened)
        raise
    _abort_all(opened[1:])
    if not opened:
        raise OSError("; ".join(map(str, errors))) from errors[0]
    return opened[0]


def _abort_all(streams: list[_Stream]) -> None:
    for stream in streams:
        stream.abort()


async def _connect_to(address: str, port: int) -> _Stream:
    stream = _Stream()
    await asyncio.get_running_loop().create_connection(lambda: stream, address, port)
    return stream


async def _addresses(host: str, port: int) -> list[str]:
    """Return what to connect to, in this order; the first two differ in family if they can."""
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    other = [each for each in addresses if (":" in each) != (":" in addresses[0])]
    return [*dict.fromkeys([*addresses[:1], *other[:1], *addresses])]


class _Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A connection: what the event loop tells of it, and what httpcore does with it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._received = bytearray()
        self._is_paused = False
        self._has_ended = False  # nothing more will be received
        self._failure: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None  # while somebody reads
        self._read_until: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_full = False  # there is too much to be sent
        self._drained: asyncio.Future[None] | None = None  # while somebody waits to write

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        # TLS may bring data before `start_tls` is told that it has begun.
        if len(self._received) > _READ_AHEAD and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:  # None: the event loop then closes the connection
        self._has_ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._has_ended:
            self._failure = exc
        self._has_ended = True
        self._wake()
        _resolve(self._drained)
        self._stop_timer()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        _resolve(self._drained)

    def _wake(self) -> None:
        _resolve(self._arrival)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received = self._received
        if not (received or self._has_ended):
            if self._arrival is not None:
                raise httpcore.ReadError("another task reads from the connection")
            self._arrival = self._loop.create_future()
            self._set_timer(timeout)
            try:
                await self._arrival
            finally:
                self._arrival = None
            if not (received or self._has_ended):
                raise httpcore.ReadTimeout
        if not received:
            if self._failure is not None:
                raise httpcore.ReadError(str(self._failure)) from self._failure
            return b""
        data = bytes(received[:max_bytes])
        del received[:max_bytes]
        if self._is_paused and len(received) <= _READ_AHEAD:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    def _set_timer(self, timeout: float | None) -> None:
        if timeout is None:
            self._read_until = None
            return
        self._read_until = until = self._loop.time() + timeout
        if self._timer is None or self._timer.when() > until:
            self._stop_timer()
            self._timer = self._loop.call_at(until, self._check_timeout)

    def _check_timeout(self) -> None:
        # A timer for each read would cost more than all else.
        self._timer = None
        if self._arrival is None or self._read_until is None:
            return
        if self._loop.time() < self._read_until:
            self._timer = self._loop.call_at(self._read_until, self._check_timeout)
        else:
            self._wake()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._transport.is_closing():
            raise httpcore.WriteError(str(self._failure or "the connection is closed"))
        self._transport.write(buffer)
        if self._is_full:
            self._drained = drained = self._loop.create_future()
            await _within(timeout, drained, httpcore.WriteTimeout, httpcore.WriteError)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _Stream:
        try:
            if self._received or self._has_ended:  # asyncio would wait for what has come
                raise httpcore.ConnectError(str(self._failure or "the server does not speak TLS"))
            secure = _Stream()
            handshake = self._loop.start_tls(
                self._transport, secure, ssl_context, server_hostname=server_hostname
            )
            secure._transport = await _within(
                timeout, handshake, httpcore.ConnectTimeout, httpcore.ConnectError
            )
        except BaseException:
            self.abort()
            raise
        return secure

    async def aclose(self) -> None:
        self.abort()
        await asyncio.sleep(0)  # for the event loop to close the socket

    def abort(self) -> None:
        """Close the connection at once; whoever reads from it fails."""
        if not self._has_ended:
            self._failure = ConnectionAbortedError("the connection has been closed")
        self._has_ended = True
        self._transport.abort()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._received) or self._has_ended or _is_readable(self._transport)
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))


def _resolve(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _is_readable(transport: asyncio.BaseTransport) -> bool:
    """Return whether something has arrived that the event loop has not seen yet."""
    number = transport.get_extra_info("socket").fileno()
    if number < 0 or not hasattr(select, "poll"):
        return number < 0 or bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
