"""HTTP requests that fail only as httpx documents it, and leave nothing behind however they end."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Final, Self

import attrs
import httpx

from .failures import raise_true_cause
from .pool import Usage

DEADLINE_PASSED: Final = "The response was still arriving at the deadline"


async def asend(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request; return the response, its body not yet read."""
    usage = Usage(client, request)
    try:
        response = await client.send(request, stream=True)
    except BaseException as error:
        usage.failed(error, request)
        await usage.arelease(error)
        raise_true_cause(error, request)
    response.stream = _AsyncBody(response.stream, usage)
    return response


async def aread(
    response: httpx.Response, deadline_passed: Callable[[], bool] | None = None
) -> None:
    """Read the body of a response; raise ``httpx.ReadTimeout`` once the deadline has passed."""
    if deadline_passed is not None:
        response.stream = _AsyncDeadlineStream(response.stream, deadline_passed)
    try:
        await response.aread()
    except BaseException:
        await aclose_response(response)
        raise


async def aclose_response(response: httpx.Response) -> None:
    """Close a response, whatever is left of its body."""
    await response.aclose()


class _AsyncBody(httpx.AsyncByteStream):
    """The body of a response.

    An iterator, not a generator: one that is dropped would have to be closed by the event loop.
    """

    def __init__(self, stream: Any, usage: Usage) -> None:
        self._stream = stream
        self._usage = usage
        self._chunks: AsyncIterator[bytes] | None = None
        self._closing = 0  # calls of `aclose` under way

    def __aiter__(self) -> Self:
        self._chunks = aiter(self._stream)
        return self

    async def __anext__(self) -> bytes:
        assert self._chunks is not None
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            await self._abandon(error)
            raise_true_cause(error)

    async def aclose(self) -> None:
        self._closing += 1
        try:
            await self._stream.aclose()
        except BaseException as error:
            self._closing -= 1
            await self._abandon(error)
            with suppress(httpx.TransportError):  # what was to be closed is broken
                raise_true_cause(error)
        else:
            self._closing -= 1

    async def _abandon(self, error: BaseException) -> None:
        # While another task is closing the response, the pool's entry is that task's to remove.
        if self._closing:
            return
        try:
            with suppress(Exception):
                await self._stream.aclose()  # or httpcore removes the entry again later
        finally:
            await self._usage.arelease(error)


def send(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send a request; return the response, its body not yet read."""
    usage = Usage(client, request)
    try:
        response = client.send(request, stream=True)
    except BaseException as error:
        usage.failed(error, request)
        usage.release(error)
        raise_true_cause(error, request)
    response.stream = _Body(response.stream, usage)
    return response


def read(response: httpx.Response, deadline_passed: Callable[[], bool] | None = None) -> None:
    """Read the body of a response; raise ``httpx.ReadTimeout`` once the deadline has passed."""
    if deadline_passed is not None:
        response.stream = _DeadlineStream(response.stream, deadline_passed)
    try:
        response.read()
    except BaseException:
        close_response(response)
        raise


def close_response(response: httpx.Response) -> None:
    """Close a response, whatever is left of its body."""
    stream: Any = response.stream
    try:
        response.close()
    finally:
        stream.close()  # httpx does not, if a signal interrupted it when it was about to


class _Body(httpx.SyncByteStream):
    """The body of a response."""

    def __init__(self, stream: Any, usage: Usage) -> None:
        self._stream = stream
        self._usage = usage
        self._chunks: Iterator[bytes] = iter(())
        self._closing = 0  # calls of `close` under way
        self._closed = False

    def __iter__(self) -> Self:
        self._chunks = iter(self._stream)
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            raise
        except BaseException as error:
            self._abandon(error)
            raise_true_cause(error)

    def close(self) -> None:
        if self._closed:
            return
        self._closing += 1
        try:
            self._stream.close()
        except BaseException as error:
            self._closing -= 1
            self._abandon(error)
            with suppress(httpx.TransportError):  # what was to be closed is broken
                raise_true_cause(error)
        else:
            self._closing -= 1
            self._closed = True

    def _abandon(self, error: BaseException) -> None:
        # While another thread is closing the response, the pool's entry is that thread's to remove.
        if self._closing:
            return
        try:
            with suppress(Exception):
                self._stream.close()  # or httpcore removes the entry again later
        finally:
            self._usage.release(error)


# httpx limits each read; without these, a body that trickles in is read forever.


@attrs.frozen
class _AsyncDeadlineStream(httpx.AsyncByteStream):
    _stream: Any
    _deadline_passed: Callable[[], bool]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            if self._deadline_passed():
                await self.aclose()
                raise httpx.ReadTimeout(DEADLINE_PASSED)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@attrs.frozen
class _DeadlineStream(httpx.SyncByteStream):
    _stream: Any
    _deadline_passed: Callable[[], bool]

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            if self._deadline_passed():
                self.close()
                raise httpx.ReadTimeout(DEADLINE_PASSED)
            yield chunk

    def close(self) -> None:
        self._stream.close()


def shutdown_socket(response: httpx.Response) -> None:
    """Shut down the connection under a response, which wakes whoever reads from it.

    Closing the socket would not wake a thread.
    """
    stream = _own_stream(response)
    connection = None if stream is None else stream.get_extra_info("socket")
    if connection is None:
        return
    # Through a duplicate of its descriptor: uvloop's sockets cannot be shut down themselves.
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


def _own_stream(response: httpx.Response) -> Any:
    """Return the network stream of a response, or None if it has none or shares it."""
    if response.http_version not in ("HTTP/1.0", "HTTP/1.1"):
        return None
    return response.extensions.get("network_stream")
