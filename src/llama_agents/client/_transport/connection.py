"""HTTP requests that never leak a connection, however they end.

httpcore (1.0.9) loses track of a connection when a task is cancelled at one of two moments: when it
has just been opened, and when a response returns it to the pool. Its socket would then stay open
until the client is closed, so it is closed here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs
import httpx

from .concurrency import aexhaust, aiterate, shielded

DEADLINE_PASSED: Final = "The response was still arriving at the deadline"


async def asend(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request; return the response, its body not yet read."""
    opened_streams: list[Any] = []  # network streams of the connections opened for this request

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            opened_streams.append(info["return_value"])
        elif event.startswith("http2."):
            opened_streams.clear()  # other requests share that connection

    request.extensions["trace"] = trace
    request.stream = _AsyncContent(request.content)
    try:
        return await client.send(request, stream=True)
    except BaseException:
        await _aclose_streams(opened_streams)
        raise


class _AsyncContent(httpx.ByteStream):
    # httpx's own is a generator, for which trio issues a ResourceWarning if sending is cancelled.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiterate([*self])


async def aread(
    response: httpx.Response, deadline_passed: Callable[[], bool] | None = None
) -> None:
    """Read the body of a response; raise ``httpx.ReadTimeout`` once the deadline has passed."""
    if deadline_passed is not None:
        response.stream = _AsyncDeadlineStream(response.stream, deadline_passed)
    try:
        await response.aread()
    except BaseException:
        await _aclose_socket(response)
        raise


async def aclose_response(
    response: httpx.Response, chunks: AsyncIterator[bytes] | None = None
) -> None:
    """Close a response, whatever is left of its body.

    Args:
        response: The response.
        chunks: What its body has been read with.
    """
    try:
        if chunks is not None:
            await aexhaust(chunks)
        await response.aclose()
    except BaseException:
        await _aclose_socket(response)
        raise


async def _aclose_socket(response: httpx.Response) -> None:
    stream = _own_stream(response)
    if stream is not None:
        await _aclose_streams([stream])


async def _aclose_streams(streams: Sequence[Any]) -> None:
    with shielded():
        for stream in streams:
            with suppress(Exception):
                await stream.aclose()


def send(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send a request; return the response, its body not yet read."""
    return client.send(request, stream=True)


def read(response: httpx.Response, deadline_passed: Callable[[], bool] | None = None) -> None:
    """Read the body of a response; raise ``httpx.ReadTimeout`` once the deadline has passed."""
    if deadline_passed is not None:
        response.stream = _DeadlineStream(response.stream, deadline_passed)
    try:
        response.read()
    except BaseException:
        response.close()
        raise


def close_response(response: httpx.Response, chunks: Iterator[bytes] | None = None) -> None:
    """Close a response, whatever is left of its body."""
    response.close()


# httpx limits each read; without these, a body that trickles in is read forever.


@attrs.frozen
class _AsyncDeadlineStream(httpx.AsyncByteStream):
    _stream: Any
    _deadline_passed: Callable[[], bool]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        async for chunk in chunks:
            if self._deadline_passed():
                await aexhaust(chunks)
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
