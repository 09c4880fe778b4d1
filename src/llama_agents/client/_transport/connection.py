"""HTTP requests that fail only as httpx documents it, and leave nothing behind however they end."""

from __future__ import annotations

import math
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
import httpx

from .concurrency import aexhaust, aiterate
from .deadline import MESSAGE, AsyncDeadlineStream, DeadlineStream, Until, now, obey_deadlines
from .failures import raise_true_cause
from .pool import Usage
from .workers import current_interruption, shut_down

if TYPE_CHECKING:
    from .._core.responses import BodyReader

_ZLIB_DECOMPRESSOR: Final = type(zlib.decompressobj())
MAX_DEFLATE_PIECE: Final = 1024  # bytes; decompressed at most 1 MB
MAX_COMPRESSED_PIECE: Final = 16  # bytes; decompressed at most 34 MB (br), 0.5 MB (zstd)


async def asend(
    client: httpx.AsyncClient,
    request: httpx.Request,
    *,
    head: float,
    whole: float,
    has_credentials: bool = False,
) -> httpx.Response:
    """Send a request; return the response, its body not yet read.

    Args:
        client: What to send it with.
        request: What to send.
        has_credentials: Whether it has credentials that those of the client must not replace.
        head: Seconds until the head of the response must have arrived.
        whole: Seconds until the whole response must have arrived.
    """
    import anyio

    response = None
    usage = Usage(client, request)
    request.extensions["trace"] = usage.atrace
    request.stream = _AsyncContent(request.content)
    started = anyio.current_time()
    with anyio.CancelScope(deadline=started + min(head, whole)):
        response = await _asend(client, request, usage, _auth(has_credentials))
    if response is None:
        cls = httpx.ConnectTimeout if usage.is_connecting else httpx.ReadTimeout
        error = cls(MESSAGE, request=request)
        usage.failed(error, request)
        raise error
    if whole < math.inf:
        response.stream = AsyncDeadlineStream(response.stream, started + whole)
    return response


async def _asend(
    client: httpx.AsyncClient, request: httpx.Request, usage: Usage, auth: Any
) -> httpx.Response:
    try:
        response = await client.send(request, stream=True, auth=auth)
    except BaseException as error:
        usage.failed(error, request)
        await usage.arelease(error)
        raise_true_cause(error, request)
    response.stream = _AsyncBody(response.stream, usage, request)
    return response


def _auth(has_credentials: bool) -> Any:
    return None if has_credentials else httpx.USE_CLIENT_DEFAULT


def alimit_body(response: httpx.Response, seconds: float) -> None:
    """Limit the time until a body has been read; then reading it raises ``httpx.ReadTimeout``."""
    import anyio

    response.stream = AsyncDeadlineStream(response.stream, anyio.current_time() + seconds)


def aiter_body(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the chunks of the body of a response that `asend` returned, decompressed."""
    # A hook or `auth` may have read it already. Else, httpx would only pass each chunk through two
    # more generators.
    if response.is_stream_consumed or "content-encoding" in response.headers:
        return response.aiter_bytes()
    stream: Any = response.stream
    return aiter(stream)


async def aread(response: httpx.Response, reader: BodyReader) -> None:
    """Read the body of a response."""
    stream = response.stream
    chunks = response.aiter_bytes()
    try:
        if isinstance(stream, AsyncDeadlineStream):
            response.stream = stream.stream
            # A scope for each chunk costs more.
            await stream.within_deadline(_afeed(chunks, reader))
        else:
            await _afeed(chunks, reader)
    except BaseException:
        await aclose_response(response, chunks)
        raise


async def _afeed(chunks: AsyncIterator[bytes], reader: BodyReader) -> BodyReader:
    reader.begin()
    async for chunk in chunks:
        reader.receive(chunk)
    return reader


class _AsyncContent(httpx.ByteStream):
    # httpx's own is a generator, for which trio issues a ResourceWarning if sending is cancelled.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiterate([*self])


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
    finally:
        await response.aclose()


class _AsyncBody(httpx.AsyncByteStream):
    """The body of a response.

    An iterator, not a generator: one that is dropped would have to be closed by the event loop.
    """

    def __init__(self, stream: Any, usage: Usage, request: httpx.Request) -> None:
        self._stream = stream
        self._usage = usage
        self._request = request
        self._chunks: AsyncIterator[bytes] | None = None
        self._closing = 0  # calls of `aclose` under way

    @property
    def ag_running(self) -> bool:
        """Whether a task waits for a chunk, as a generator has it."""
        return bool(getattr(self._chunks, "ag_running", False))

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
            if isinstance(error, httpx.RequestError):
                error.request = self._request  # as httpx does outside its transports
            raise_true_cause(error, self._request)

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


def send(
    client: httpx.Client,
    request: httpx.Request,
    *,
    head: float,
    whole: float,
    has_credentials: bool = False,
) -> httpx.Response:
    """Send a request; return the response, its body not yet read.

    Args:
        client: What to send it with.
        request: What to send.
        has_credentials: Whether it has credentials that those of the client must not replace.
        head: Seconds until the head of the response must have arrived.
        whole: Seconds until the whole response must have arrived.
    """
    if (interruption := current_interruption()) is not None:
        interruption.check()  # not every transport does
    usage = Usage(client, request)
    if not obey_deadlines(client):
        request.extensions["trace"] = usage.trace
    started = now()
    with Until(started + min(head, whole), usage):
        try:
            response = client.send(request, stream=True, auth=_auth(has_credentials))
        except BaseException as error:
            usage.failed(error, request)
            usage.release(error)
            raise_true_cause(error, request)
    response.stream = _Body(response.stream, usage, request)
    if whole < math.inf:
        response.stream = DeadlineStream(response.stream, started + whole)
    return response


def limit_body(response: httpx.Response, seconds: float) -> None:
    """Limit the time until a body has been read; then reading it raises ``httpx.ReadTimeout``."""
    response.stream = DeadlineStream(response.stream, now() + seconds)


def iter_body(response: httpx.Response) -> Iterator[bytes]:
    """Return the chunks of the body of a response that `send` returned, decompressed."""
    # A hook or `auth` may have read it already. Else, httpx would only pass each chunk through two
    # more generators.
    if response.is_stream_consumed or "content-encoding" in response.headers:
        return response.iter_bytes()
    stream: Any = response.stream
    return iter(stream)


def read(response: httpx.Response, reader: BodyReader) -> None:
    """Read the body of a response."""
    try:
        reader.begin()
        for chunk in response.iter_bytes():
            reader.receive(chunk)
    except BaseException:
        close_response(response)
        raise


def close_response(response: httpx.Response, chunks: Iterator[bytes] | None = None) -> None:
    """Close a response, whatever is left of its body."""
    stream: Any = response.stream
    try:
        response.close()
    finally:
        stream.close()  # httpx does not, if a signal interrupted it when it was about to


class _Body(httpx.SyncByteStream):
    """The body of a response."""

    def __init__(self, stream: Any, usage: Usage, request: httpx.Request) -> None:
        self._stream = stream
        self._usage = usage
        self._request = request
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
            if isinstance(error, httpx.RequestError):
                error.request = self._request  # as httpx does outside its transports
            raise_true_cause(error, self._request)

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


def limit_decompression(response: httpx.Response) -> None:
    """Make httpx decompress the body of a response in small pieces, each checked by its reader.

    httpx decompresses all that it has read at once: 64 KB may become gigabytes. Of a response
    without compression, nothing changes.
    """
    encoding = response.headers.get("content-encoding")
    if encoding is None:
        return
    codings = [coding.strip().lower() for coding in encoding.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if codings:
        is_deflate = codings[0] in ("gzip", "deflate")
        size = MAX_DEFLATE_PIECE if is_deflate else MAX_COMPRESSED_PIECE
        response.stream = _PieceStream(response, response.stream, size, len(codings) > 1)


@attrs.frozen
class _PieceStream(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A compressed body in small pieces, for both client variants.

    It ends with the compressed data: zlib would store all that follows, and httpx ignore it.
    """

    _response: httpx.Response
    _stream: Any
    _size: int
    _is_nested: bool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._reject_nested()
        chunks = aiter(self._stream)
        async for chunk in chunks:
            for piece in self._pieces(chunk):
                yield piece
            if self._is_past_end():
                await self.aclose()
                await aexhaust(chunks)
                return

    def __iter__(self) -> Iterator[bytes]:
        self._reject_nested()
        for chunk in self._stream:
            yield from self._pieces(chunk)
            if self._is_past_end():
                return

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        for start in range(0, len(chunk), self._size):
            yield chunk[start : start + self._size]
            if self._is_past_end():
                return

    def _is_past_end(self) -> bool:
        # Only of zlib's: httpx itself continues after the end of a frame of zstd.
        decompressor = getattr(getattr(self._response, "_decoder", None), "decompressor", None)
        return isinstance(decompressor, _ZLIB_DECOMPRESSOR) and bool(decompressor.unused_data)

    def _reject_nested(self) -> None:
        if self._is_nested:  # each coding multiplies what the one before it has made of a piece
            raise httpx.DecodingError("The response has more than one content encoding")

    async def aclose(self) -> None:
        await self._stream.aclose()

    def close(self) -> None:
        self._stream.close()


def shutdown_socket(response: httpx.Response) -> None:
    """Shut down the connection under a response, which wakes whoever reads from it."""
    stream = _own_stream(response)
    if stream is not None:
        shut_down(stream)


def wait_out_silence(response: httpx.Response, is_patient: Callable[[], bool]) -> None:
    """Let the rest of a body that has a connection of its own arrive after any silence.

    Args:
        response: The response.
        is_patient: Whether this still holds; asked before each read or, over aiohttp, when its
            timeout has passed.
    """
    stream = _own_stream(response)
    if hasattr(stream, "wait_out_silence"):  # aiohttp's
        stream.wait_out_silence(is_patient)
        return
    if hasattr(stream, "_leading_data"):  # what httpcore puts around the stream that it reads from
        stream = stream._stream
    if stream is not None and "read" not in vars(stream):
        read = stream.read
        stream.read = lambda max_bytes, timeout=None: read(
            max_bytes, None if is_patient() else timeout
        )


def _own_stream(response: httpx.Response) -> Any:
    """Return the network stream of a response, or None if it has none or shares it."""
    if response.http_version not in ("HTTP/1.0", "HTTP/1.1"):
        return None
    return response.extensions.get("network_stream")
