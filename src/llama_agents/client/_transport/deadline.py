"""Deadlines of requests: httpx's timeouts start again with each byte, so they alone bound nothing.

An async request is cancelled at its deadline. A thread cannot be cancelled, so the network streams
of the sync client shorten each timeout to what is left for the request that the thread is making.
Two waits of the sync client have no bound, because nothing can interrupt them: for a name to be
resolved, and for a transport that does not use httpcore. Over HTTP/2, a thread can also wait for
another one that reads from the connection that they share.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Awaitable, Iterator
from typing import Any, Final, Self

import attrs
import httpx

from .failures import raise_own_cause
from .library import library_of, original
from .workers import current_interruption

MESSAGE: Final = "The response did not arrive within its time limit"
MAX_WRITE: Final = 16384  # bytes; a stream starts its timeout again within a longer write


@attrs.define
class AsyncDeadlineStream(httpx.AsyncByteStream):
    """A body that raises ``httpx.ReadTimeout`` once a deadline, on anyio's clock, has passed."""

    stream: Any
    _deadline: float
    _chunks: Any = None

    def __aiter__(self) -> Self:
        self._chunks = aiter(self.stream)
        return self

    async def __anext__(self) -> bytes:
        chunk: bytes = await self.within_deadline(anext(self._chunks))
        return chunk

    async def within_deadline(self, reading: Awaitable[Any]) -> Any:
        """Await a read of the body."""
        import anyio

        chunk = None
        with anyio.CancelScope(deadline=self._deadline):
            chunk = await reading
        if chunk is None:
            await self.aclose()
            raise httpx.ReadTimeout(MESSAGE)
        return chunk

    async def aclose(self) -> None:
        """Close the body."""
        await self.stream.aclose()


@attrs.frozen
class DeadlineStream(httpx.SyncByteStream):
    """A body that raises ``httpx.ReadTimeout`` once a deadline, on the clock `now`, has passed."""

    _stream: Any
    _deadline: float

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._stream)
        while True:
            with Until(self._deadline):
                chunk = next(chunks, None)
            if chunk is None:
                return
            if now() >= self._deadline:
                self.close()
                raise httpx.ReadTimeout(MESSAGE)
            yield chunk

    def close(self) -> None:
        """Close the body."""
        self._stream.close()


# ---------------------------------------------------------------------------- network streams


now: Final = time.monotonic


class Until:
    """A context in which the network streams of this thread raise a timeout after a deadline.

    Attributes:
        deadline: The deadline, on the clock `now`.
        usage: What is told of the connections and of the sending of a request, if anything is.
    """

    __slots__ = ("_outer", "deadline", "usage")

    def __init__(self, deadline: float, usage: Any = None) -> None:
        self.deadline = deadline
        self.usage = usage

    def __enter__(self) -> Self:
        self._outer = _thread.context
        self.deadline = min(self.deadline, self._outer.deadline)
        _thread.context = self
        return self

    def __exit__(self, *_: object) -> None:
        _thread.context = self._outer


class _Thread(threading.local):
    context = Until(math.inf)


_thread: Final = _Thread()


def obey_deadlines(client: httpx.Client) -> bool:
    """Make the network streams of a client obey deadlines, also those that are open already.

    Returns:
        Whether all of its transports use httpcore directly, so that this was possible.
    """
    is_complete = True
    errors, client = library_of(client), original(client)
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):  # httpcore's
            _wrap_backend(pool, errors)
        elif transport is not None:
            is_complete = False
    return is_complete


def _wrap_backend(pool: Any, errors: Any) -> None:
    if isinstance(pool._network_backend, _Backend):
        return
    pool._network_backend = _Backend(pool._network_backend, errors)
    for connection in pool.connections:
        layer = connection  # each wraps another, down to the one that speaks HTTP
        while layer is not None:
            if hasattr(layer, "_network_backend"):
                layer._network_backend = pool._network_backend
            if hasattr(layer, "_network_stream"):
                layer._network_stream = _Stream(layer._network_stream, errors)
            layer = getattr(layer, "_connection", None)


def _shorten(timeout: float | None, error: type[Exception], parts: int = 1) -> float | None:
    """Return a timeout, or a part of what is left until the deadline if that is less."""
    deadline = _thread.context.deadline
    if deadline == math.inf:
        return timeout
    remaining = (deadline - now()) / parts
    if remaining <= 0:
        raise error(MESSAGE)
    return remaining if timeout is None else min(timeout, remaining)


def _use(stream: _Stream | None) -> None:
    """Let an interruption of this thread end its waiting for a stream."""
    if (interruption := current_interruption()) is not None:
        interruption.uses(stream)


class _Backend:
    """An ``httpcore.NetworkBackend`` whose streams obey deadlines.

    Args:
        backend: What opens them.
        errors: The library whose errors they raise: it adds the request.
    """

    def __init__(self, backend: Any, errors: Any) -> None:
        self._backend = backend
        self._errors = errors

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: Any
    ) -> _Stream:
        usage = _thread.context.usage
        if usage is not None:
            usage.connecting()
        is_limited = _thread.context.deadline < math.inf
        # A backend would try each address of a name for the whole of the timeout.
        addresses = self._addresses(host, port) if is_limited else [host]
        for parts in range(len(addresses), 0, -1):
            _use(None)
            share = _shorten(timeout, self._errors.ConnectTimeout, parts)
            try:
                stream = self._backend.connect_tcp(addresses[-parts], port, share, **options)
            except Exception as error:
                raise_own_cause(error)
                if parts == 1:
                    raise
            else:
                return self._opened(stream)
        raise self._errors.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, **options: Any
    ) -> _Stream:
        if (usage := _thread.context.usage) is not None:
            usage.connecting()
        share = _shorten(timeout, self._errors.ConnectTimeout)
        try:
            return self._opened(self._backend.connect_unix_socket(path, share, **options))
        except Exception as error:
            raise_own_cause(error)  # httpcore may try again
            raise

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(_shorten(seconds, self._errors.ConnectTimeout))

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # a UnicodeError if no name can be like that
            raise self._errors.ConnectError(str(error)) from error
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        return [socket.getnameinfo(address, numeric)[0] for *_, address in found]

    def _opened(self, stream: Any) -> _Stream:
        if (usage := _thread.context.usage) is not None:
            usage.connected(stream)
        return _Stream(stream, self._errors)


class _Stream:
    """An ``httpcore.NetworkStream`` that obeys deadlines."""

    def __init__(self, stream: Any, errors: Any) -> None:
        self._stream = stream
        self._errors = errors

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        _use(self)
        data: bytes = self._stream.read(max_bytes, _shorten(timeout, self._errors.ReadTimeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if (usage := _thread.context.usage) is not None:
            usage.sending()
        for start in range(0, len(buffer), MAX_WRITE):
            _use(self)
            share = _shorten(timeout, self._errors.WriteTimeout)
            try:
                self._stream.write(buffer[start : start + MAX_WRITE], share)
            except Exception as error:
                raise_own_cause(error)  # httpcore ignores a failure to write
                raise

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        _use(self)
        share = _shorten(timeout, self._errors.ConnectTimeout)
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, share)
            return _Stream(stream, self._errors)
        except Exception as error:
            raise_own_cause(error)  # httpcore may try again
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
