"""HTTP requests that never leak a connection, however they end.

httpcore (1.0.9) loses track of a connection when a task is cancelled at one of two moments: when it
has just been opened, and when a response returns it to the pool. Its socket would then stay open
until the client is closed, so it is closed here.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs
import httpx

from ..errors import WorkflowClientError
from .concurrency import shielded
from .deadline import MESSAGE, AsyncDeadlineStream, DeadlineStream, Until, now, obey_deadlines

if TYPE_CHECKING:
    from .._core.responses import BodyReader

# What a request's extensions record, as far as its transport tells: whether a connection was opened
# for it, and that sending it has begun.
CONNECTION_OPENED: Final = "connection_opened"
SENT: Final = "sent"

MAX_DEFLATE_PIECE: Final = 1024  # bytes; decompressed at most 1 MB
MAX_COMPRESSED_PIECE: Final = 16  # bytes; decompressed at most 34 MB (br), 0.5 MB (zstd)


async def asend(
    client: httpx.AsyncClient, request: httpx.Request, *, head: float, whole: float
) -> httpx.Response:
    """Send a request; return the response, its body not yet read.

    Args:
        client: What to send it with.
        request: What to send.
        head: Seconds until the head of the response must have arrived.
        whole: Seconds until the whole response must have arrived.
    """
    import anyio

    response = None
    started = anyio.current_time()
    with anyio.CancelScope(deadline=started + min(head, whole)):
        response = await _asend(client, request)
    if response is None:
        is_connecting = CONNECTION_OPENED in request.extensions and SENT not in request.extensions
        raise (httpx.ConnectTimeout if is_connecting else httpx.ReadTimeout)(MESSAGE)
    if whole < math.inf:
        response.stream = AsyncDeadlineStream(response.stream, started + whole)
    return response


async def _asend(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    opened_streams: list[Any] = []  # network streams of the connections opened for this request

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        if event.endswith((".connect_tcp.started", ".connect_unix_socket.started")):
            request.extensions[CONNECTION_OPENED] = True
        elif event.endswith(".send_request_headers.started"):
            request.extensions.setdefault(CONNECTION_OPENED, False)
            request.extensions[SENT] = True
        if event.endswith("connect_tcp.complete"):
            opened_streams.append(info["return_value"])
        elif event.startswith("http2."):
            opened_streams.clear()  # other requests share that connection

    request.extensions["trace"] = trace
    try:
        return await client.send(request, stream=True)
    except BaseException:
        await _aclose_streams(opened_streams)
        raise


async def aread(response: httpx.Response, reader: BodyReader) -> None:
    """Read the body of a response."""
    stream = response.stream
    try:
        if isinstance(stream, AsyncDeadlineStream):
            response.stream = stream.stream
            # A scope for each chunk costs more.
            await stream.within_deadline(_afeed(response, reader))
        else:
            await _afeed(response, reader)
    except WorkflowClientError:
        await aclose_response(response)
        raise
    except BaseException:
        await _aclose_socket(response)
        raise


async def _afeed(response: httpx.Response, reader: BodyReader) -> BodyReader:
    reader.begin()
    async for chunk in response.aiter_bytes():
        reader.receive(chunk)
    return reader


async def aclose_response(response: httpx.Response) -> None:
    """Close a response, whatever is left of its body."""
    try:
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


def send(
    client: httpx.Client, request: httpx.Request, *, head: float, whole: float
) -> httpx.Response:
    """Send a request; return the response, its body not yet read.

    Args:
        client: What to send it with.
        request: What to send.
        head: Seconds until the head of the response must have arrived.
        whole: Seconds until the whole response must have arrived.
    """
    obey_deadlines(client)
    started = now()
    with Until(started + min(head, whole)) as context:
        try:
            response = client.send(request, stream=True)
        except httpx.TransportError:
            if context.opened is not None:
                request.extensions[CONNECTION_OPENED] = context.opened
            raise
    if whole < math.inf:
        response.stream = DeadlineStream(response.stream, started + whole)
    return response


def read(response: httpx.Response, reader: BodyReader) -> None:
    """Read the body of a response."""
    try:
        reader.begin()
        for chunk in response.iter_bytes():
            reader.receive(chunk)
    except BaseException:
        response.close()
        raise


def close_response(response: httpx.Response) -> None:
    """Close a response, whatever is left of its body."""
    response.close()


def limit_decompression(response: httpx.Response) -> None:
    """Make httpx decompress the body of a response in small pieces, each checked by its reader.

    httpx decompresses all that it has read at once: 64 KB may become gigabytes. Of a response
    without compression, nothing changes.
    """
    codings = [c.strip().lower() for c in response.headers.get("content-encoding", "").split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if codings:
        is_deflate = codings[0] in ("gzip", "deflate")
        size = MAX_DEFLATE_PIECE if is_deflate else MAX_COMPRESSED_PIECE
        response.stream = _PieceStream(response.stream, size, len(codings) > 1)


@attrs.frozen
class _PieceStream(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A compressed body in small pieces, for both client variants."""

    _stream: Any
    _size: int
    _is_nested: bool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._reject_nested()
        async for chunk in self._stream:
            for start in range(0, len(chunk), self._size):
                yield chunk[start : start + self._size]

    def __iter__(self) -> Iterator[bytes]:
        self._reject_nested()
        for chunk in self._stream:
            for start in range(0, len(chunk), self._size):
                yield chunk[start : start + self._size]

    def _reject_nested(self) -> None:
        if self._is_nested:  # each coding multiplies what the one before it has made of a piece
            raise httpx.DecodingError("The response has more than one content encoding")

    async def aclose(self) -> None:
        await self._stream.aclose()

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
