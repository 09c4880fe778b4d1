"""Clients of httpx2 (2.16), which look like httpx's to the rest of this package.

A request is built and sent by httpx2, with all that its client adds: base URL, headers, cookies,
credentials, hooks, redirects. The requests of both libraries share their extensions, and so what is
recorded there. A response is httpx's, which decompresses what httpx2 has received. Every failure of
the transport is httpx's, raised from httpx2's.

This is the only module that imports httpx2, and not before a client of it is passed in.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Self

import httpx
import httpx2

from .library import Adapter

_ERRORS: Final[dict[type, type[httpx.RequestError]]] = {
    getattr(httpx2, name): cls
    for name, cls in vars(httpx).items()
    if isinstance(cls, type) and issubclass(cls, httpx.RequestError)
}
_HTTPX_ENCODINGS: Final = httpx.Client(transport=httpx.BaseTransport()).headers["accept-encoding"]
_HTTPX2_ENCODINGS: Final = httpx2.Client(transport=httpx2.BaseTransport()).headers[
    "accept-encoding"
]


class _Request(httpx.Request):
    """A request that is sent as one of httpx2."""

    def __init__(self, inner: httpx2.Request) -> None:
        super().__init__(
            inner.method, str(inner.url), headers=inner.headers.raw, content=inner.content
        )
        self.extensions = inner.extensions  # the same, not a copy
        self.inner = inner
        if self.headers.get("accept-encoding") == _HTTPX2_ENCODINGS:
            self.headers["accept-encoding"] = _HTTPX_ENCODINGS  # what can be decompressed


class _Adapter(Adapter):
    def __init__(self, client: httpx2.AsyncClient | httpx2.Client) -> None:
        super().__init__(client, httpx2)

    @property
    def base_url(self) -> httpx.URL:
        """The URL of the server."""
        return httpx.URL(str(self.client.base_url))

    @property
    def timeout(self) -> httpx.Timeout:
        """The timeouts of requests for which no others are given."""
        return httpx.Timeout(**self.client.timeout.as_dict())

    def build_request(
        self, method: str, url: str, *, timeout: httpx.Timeout, **options: Any
    ) -> httpx.Request:
        """Return a request, with what the client adds to each."""
        timeouts = httpx2.Timeout(**timeout.as_dict())
        try:
            return _Request(self.client.build_request(method, url, timeout=timeouts, **options))
        except httpx2.InvalidURL as error:
            raise httpx.InvalidURL(str(error)) from error


class AsyncHttpx2Adapter(_Adapter):
    """What looks like an ``httpx.AsyncClient``.

    Args:
        client: The client that it uses.
    """

    async def send(
        self, request: _Request, *, stream: bool, auth: httpx.Auth | None = None
    ) -> httpx.Response:
        """Send a request that it has built; return the response, its body not yet read."""
        try:
            sent = self.client.send(_prepared(request), stream=stream, **_auth(auth))
            response = await sent
        except httpx2.RequestError as error:
            raise _mapped(error, request) from error
        return _received(response, request, _AsyncRawBody)


class Httpx2Adapter(_Adapter):
    """What looks like an ``httpx.Client``.

    Args:
        client: The client that it uses.
    """

    def send(
        self, request: _Request, *, stream: bool, auth: httpx.Auth | None = None
    ) -> httpx.Response:
        """Send a request that it has built; return the response, its body not yet read."""
        try:
            response = self.client.send(_prepared(request), stream=stream, **_auth(auth))
        except httpx2.RequestError as error:
            raise _mapped(error, request) from error
        return _received(response, request, _RawBody)


def _prepared(request: _Request) -> httpx2.Request:
    request.inner.headers = httpx2.Headers(request.headers.raw)
    return request.inner


def _auth(auth: httpx.Auth | None) -> dict[str, Any]:
    """Return the argument for a request that has credentials, unless the client is to add its."""
    return {} if auth is None else {"auth": httpx2.Auth()}


def _request_of(sent: httpx2.Request, request: _Request) -> httpx.Request:
    """Return the request that was sent: the caller's, or one that followed from it."""
    if sent is request.inner:
        request.headers = httpx.Headers(sent.headers.raw)  # hooks and credentials may have added to
        return request
    try:
        url = httpx.URL(str(sent.url))
    except httpx.InvalidURL as error:
        raise httpx.RemoteProtocolError(f"Invalid URL of a redirect: {error}") from None
    headers = sent.headers.raw
    stream = httpx.ByteStream(b"")  # nobody sends it
    return httpx.Request(
        sent.method, url, headers=headers, stream=stream, extensions=sent.extensions
    )


def _received(
    response: httpx2.Response, request: _Request, body: type[_AsyncRawBody] | type[_RawBody]
) -> httpx.Response:
    mirrored = _mirrored(response, request, body)
    if response.next_request is not None:
        mirrored.next_request = _request_of(response.next_request, request)
    elif response.has_redirect_location:
        raise httpx.RemoteProtocolError("Invalid URL in location header.", request=request)
    return mirrored


def _mirrored(
    response: httpx2.Response, request: _Request, body: type[_AsyncRawBody] | type[_RawBody]
) -> httpx.Response:
    stream = body(response.stream)
    mirrored = httpx.Response(
        response.status_code,
        headers=response.headers.raw,
        stream=stream,
        request=_request_of(response.request, request),
        extensions=response.extensions,
        history=[_mirrored(earlier, request, body) for earlier in response.history],
        default_encoding=response.default_encoding,  # type: ignore[arg-type]  # may return None
    )
    stream.response = weakref.ref(mirrored)
    # A hook or the credentials may have read it.
    with suppress(httpx2.ResponseNotRead):
        mirrored._content = response.content
    mirrored.is_closed = response.is_closed
    mirrored.is_stream_consumed = response.is_stream_consumed
    return mirrored


def _mapped(error: httpx2.RequestError, request: _Request | None = None) -> httpx.RequestError:
    """Return the error of httpx for one of httpx2."""
    cls = next(_ERRORS[cls] for cls in type(error).__mro__ if cls in _ERRORS)
    mapped = cls(str(error))
    # Without a request, it says nothing of whether that was sent.
    if request is not None:
        with suppress(RuntimeError, httpx.RemoteProtocolError):
            mapped.request = _request_of(error.request, request)
    return mapped


class _Timed:
    """What knows how long a response took, once it is closed."""

    _stream: Any
    response: weakref.ref[httpx.Response]

    def _closed(self) -> None:
        response, elapsed = self.response(), self._stream.elapsed
        if response is not None and elapsed is not None:
            response.elapsed = elapsed


class _AsyncRawBody(_Timed, httpx.AsyncByteStream):
    """The body of a response, compressed as it was sent.

    An iterator, not a generator: one that is dropped would have to be closed by the event loop.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._chunks: Any = None

    @property
    def ag_running(self) -> bool:
        """Whether a task waits for a chunk, as a generator has it."""
        return bool(getattr(self._chunks, "ag_running", False))

    def __aiter__(self) -> Self:
        self._chunks = aiter(self._stream)
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk: bytes = await anext(self._chunks)
        except httpx2.RequestError as error:
            raise _mapped(error) from error
        return chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._closed()


class _RawBody(_Timed, httpx.SyncByteStream):
    """The body of a response, compressed as it was sent."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except httpx2.RequestError as error:
            raise _mapped(error) from error

    def close(self) -> None:
        self._stream.close()
        self._closed()
