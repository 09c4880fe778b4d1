"""Requests over httpx that leave no connection behind, however they end.

httpcore (1.0.9) loses sight of a connection when a task is cancelled at one of two moments: when it
has just been made, and when an answer gives it back. Its socket would then stay open until the
client is closed, so it is closed here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs
import httpx

from ._tasks import shielded

LATE: Final = "The answer was still coming when its time was over"


async def asend(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request; return the answer, its body still to be read."""
    made: list[Any] = []  # the network streams of the connections that this request has made

    async def note(event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            made.append(info["return_value"])
        elif event.startswith("http2."):
            made.clear()  # other requests share that connection

    request.extensions["trace"] = note
    try:
        return await client.send(request, stream=True)
    except BaseException:
        await _close(made)
        raise


async def aread(response: httpx.Response, is_late: Callable[[], bool] | None = None) -> None:
    """Read the whole body of an answer, unless it is late: then raise ``httpx.ReadTimeout``."""
    if is_late is not None:
        response.stream = _TimelyAsync(response.stream, is_late)
    try:
        await response.aread()
    except BaseException:
        await _abandon(response)
        raise


async def afree(response: httpx.Response) -> None:
    """Be done with an answer, whatever of its body is left."""
    try:
        await response.aclose()
    except BaseException:
        await _abandon(response)
        raise


async def _abandon(response: httpx.Response) -> None:
    stream = _own_stream(response)
    if stream is not None:
        await _close([stream])


async def _close(streams: Sequence[Any]) -> None:
    with shielded():
        for stream in streams:
            with suppress(Exception):
                await stream.aclose()


def send(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send a request; return the answer, its body still to be read."""
    return client.send(request, stream=True)


def read(response: httpx.Response, is_late: Callable[[], bool] | None = None) -> None:
    """Read the whole body of an answer, unless it is late: then raise ``httpx.ReadTimeout``."""
    if is_late is not None:
        response.stream = _Timely(response.stream, is_late)
    try:
        response.read()
    except BaseException:
        response.close()
        raise


def free(response: httpx.Response) -> None:
    """Be done with an answer, whatever of its body is left."""
    response.close()


# httpx's limits are for each read: without these, a body that trickles in is read for ever.


@attrs.frozen
class _TimelyAsync(httpx.AsyncByteStream):
    _stream: Any
    _is_late: Callable[[], bool]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            if self._is_late():
                await self.aclose()
                raise httpx.ReadTimeout(LATE)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


@attrs.frozen
class _Timely(httpx.SyncByteStream):
    _stream: Any
    _is_late: Callable[[], bool]

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            if self._is_late():
                self.close()
                raise httpx.ReadTimeout(LATE)
            yield piece

    def close(self) -> None:
        self._stream.close()


def hang_up(response: httpx.Response) -> None:
    """End the connection under a response, so that whoever reads from it in another thread wakes.

    To close a socket is not enough for that.
    """
    stream = _own_stream(response)
    connection = None if stream is None else stream.get_extra_info("socket")
    if connection is None:
        return
    # By a duplicate of its descriptor: the sockets of uvloop refuse to be shut down themselves.
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


def _own_stream(response: httpx.Response) -> Any:
    """The network stream under an answer, unless there is none or other requests share it."""
    if response.http_version not in ("HTTP/1.0", "HTTP/1.1"):
        return None
    return response.extensions.get("network_stream")
