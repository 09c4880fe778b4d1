"""httpx over aiohttp: one session, and its connections, in one event loop of asyncio.

aiohttp parses HTTP in C and needs no layer between a socket and a body, so an event of a stream
costs a fraction of what it costs through httpcore. Only what httpx's own transport does is left to
it: no redirects, cookies, decompression, credentials or headers of its own, and no retries.

Failures are httpx's, and exact: an `httpx.ConnectError` or `httpx.ConnectTimeout` means that not a
byte of the request was written, which aiohttp reports just before it writes. Everything later, and
everything in doubt, is another error.

This is the only module that imports aiohttp, and it is imported when a client is to use it.
"""

from __future__ import annotations

import asyncio
import io
import math
import ssl
import weakref
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Final, Self

import aiohttp
import httpx
from yarl import URL

from .failures import NOT_SENT_ERRORS, ExactTransport

# Those that httpx does not have; without them, aiohttp would add its own.
_SKIPPED_HEADERS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_BUFFERED: Final = 65536  # bytes, which a socket's transport takes without waiting
MAX_HEAD: Final = 100 * 1024  # bytes of a line of a head; h11's limit for all of it

_ERRORS: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),  # host name, TCP, TLS, certificate
    (aiohttp.ClientConnectionResetError, httpx.WriteError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),  # a malformed head
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),  # a malformed or truncated body
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
    (ValueError, httpx.LocalProtocolError),  # a header or a URL that cannot be sent
)
"""What is raised for aiohttp's errors; the first that matches counts."""


def create_client(**options: Any) -> httpx.AsyncClient:
    """Return an httpx client whose connections are aiohttp's.

    Connections through a proxy that the environment names are httpx's own.

    Args:
        **options: Arguments of `httpx.AsyncClient`.

    Raises:
        RuntimeError: The event loop is not asyncio's.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "transport='aiohttp' needs asyncio: on trio, create the client without it"
        ) from None
    context = httpx.create_ssl_context(options.pop("verify", True))
    client = httpx.AsyncClient(verify=context, **options)
    # A transport that is passed in would turn the proxies of the environment off.
    client._transport = AiohttpTransport(verify=context, limits=options["limits"])
    return client


class AiohttpTransport(ExactTransport):
    """Sends requests through an aiohttp session, in the event loop in which it was created.

    Args:
        verify: Which certificates to trust, as httpx takes it.
        limits: How many connections there may be, and how long one may be idle.
    """

    def __init__(self, *, verify: ssl.SSLContext | bool, limits: httpx.Limits) -> None:
        context = httpx.create_ssl_context(verify)
        context.set_alpn_protocols(["http/1.1"])
        self._loop = asyncio.get_running_loop()
        self._connector = aiohttp.TCPConnector(
            ssl=context,
            limit=limits.max_connections or 0,
            keepalive_timeout=limits.keepalive_expiry,
            resolver=aiohttp.ThreadedResolver(),  # the system's, also if aiodns is installed
            use_dns_cache=False,
        )
        traces = aiohttp.TraceConfig()
        traces.on_connection_create_start.append(_connecting)
        traces.on_request_headers_sent.append(_sending)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Response,
            auto_decompress=False,
            skip_auto_headers=_SKIPPED_HEADERS,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            trace_configs=[traces],
        )
        self._bodies: weakref.WeakSet[_Body] = weakref.WeakSet()

    def __del__(self) -> None:
        if self._loop.is_closed():  # nothing can be closed, so aiohttp's warnings would be in vain
            self._session.detach()
            self._connector._close()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        content = b"".join([chunk async for chunk in request.stream])
        # The loop sees which idle connections the server has closed: to send a request on one of
        # them would leave open whether it has arrived.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        exchange = _Exchange(request)
        if len(content) <= _BUFFERED:
            response = await self._send(request, content, exchange)
        else:
            try:
                async with asyncio.timeout(None) as exchange.time_limit:
                    response = await self._send(request, content, exchange)
            except TimeoutError as error:
                raise httpx.WriteTimeout("The request could not be sent in time") from error
        body = _Body(response, exchange)
        self._bodies.add(body)
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=body,
            extensions={
                "http_version": b"HTTP/%d.%d" % (response.version or aiohttp.HttpVersion11),
                "reason_phrase": (response.reason or "").encode("latin-1", "replace"),
                "network_stream": _NetworkStream(response.protocol, response.transport),
            },
        )

    async def _send(self, request: httpx.Request, content: bytes, exchange: _Exchange) -> _Response:
        timeouts = request.extensions.get("timeout", {})
        try:
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=_headers(request),
                # In parts, if it would make the event loop wait.
                data=io.BytesIO(content) if len(content) > _BUFFERED else content or None,
                allow_redirects=False,
                # There is no separate limit for a host name, for each of its addresses, or for TLS.
                timeout=aiohttp.ClientTimeout(
                    connect=timeouts.get("connect"),
                    sock_read=timeouts.get("read"),
                    ceil_threshold=math.inf,
                ),
                middlewares=[exchange.send],
                trace_request_ctx=exchange,
            )
        except (aiohttp.ClientError, ValueError) as error:  # before a connection was asked for
            raise exchange.mapped(error) from error
        assert isinstance(response, _Response)
        return response

    async def aclose(self) -> None:
        """Close all connections, and end what still reads from them."""
        for body in [*self._bodies]:
            await body.aclose()
        await self._session.close()


def _headers(request: httpx.Request) -> list[tuple[str, str]]:
    # aiohttp encodes as UTF-8. The content is known, so it is sent with its length.
    return [
        (name.decode("ascii"), value.decode("utf-8"))
        for name, value in request.headers.raw
        if name.lower() != b"transfer-encoding"
    ]


class _Exchange:
    """One request: how far it has got.

    Attributes:
        is_sent: Whether its first bytes may have been written.
        time_limit: Limits the time until the head of its response, from then on.
    """

    __slots__ = ("_is_connecting", "_timeouts", "_trace", "is_sent", "time_limit")

    def __init__(self, request: httpx.Request) -> None:
        self._trace = request.extensions.get("trace")
        self._timeouts = request.extensions.get("timeout", {})
        self._is_connecting = False
        self.is_sent = False
        self.time_limit: asyncio.Timeout | None = None

    async def connecting(self) -> None:
        """Handle the beginning of a connection."""
        self._is_connecting = True
        if self._trace is not None:
            await self._trace("connection.connect_tcp.started", {})

    async def sending(self) -> None:
        """Handle that the request is about to be written."""
        self.is_sent = True
        if self._trace is not None:
            await self._trace("http11.send_request_headers.started", {})
        write, read = self._timeouts.get("write"), self._timeouts.get("read")
        if self.time_limit is not None and write is not None and read is not None:
            # aiohttp limits the time to read once all has been written, but not that to write.
            self.time_limit.reschedule(asyncio.get_running_loop().time() + write + read)

    async def send(
        self,
        request: aiohttp.ClientRequest,
        send: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        """Send the request, as a middleware of the session.

        The session would send it again after certain errors of aiohttp, but sees none of them.
        """
        try:
            return await send(request)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self.mapped(error) from error

    def mapped(self, error: Exception) -> httpx.TransportError:
        """Return what httpx raises for an error."""
        cls = next(cls for kind, cls in _ERRORS if isinstance(error, kind))
        if self.is_sent and issubclass(cls, NOT_SENT_ERRORS):
            cls = httpx.ReadError
        elif self._is_connecting and not self.is_sent and not issubclass(cls, NOT_SENT_ERRORS):
            cls = httpx.ConnectError  # a host name that cannot be encoded, for example
        return cls(_message(error))


def _message(error: Exception) -> str:
    """Return what an error says, without the URL that is in some of aiohttp's messages."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error)
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "Server disconnected without sending a response"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return "The timeout of the request has expired"
    if isinstance(error, aiohttp.ClientOSError):
        return str(error.__cause__ or type(error).__name__)
    return str(error)


async def _connecting(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    await context.trace_request_ctx.connecting()


async def _sending(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    await context.trace_request_ctx.sending()


class _Response(aiohttp.ClientResponse):
    """A response that keeps what it was received on, and that ends as the request says."""

    protocol: Any
    transport: asyncio.Transport | None

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        self.protocol = connection.protocol
        self.transport = connection.transport
        if self.request_info.headers.get("Connection", "").lower() == "close":
            self.protocol.force_close()
        return await super().start(connection)


class _Body(httpx.AsyncByteStream):
    """The body of a response: a chunk is what has arrived since the last one."""

    def __init__(self, response: _Response, exchange: _Exchange) -> None:
        self._response = response
        self._exchange = exchange
        self._read = response.content.readany
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._read()
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: it is closed
            chunk = self._left()
            if not chunk:
                raise self._failure() or self._exchange.mapped(error) from error
        if chunk:
            return chunk
        if not self._is_closed and (failure := self._failure()):
            raise failure  # a body that ends with its connection has been cut off
        raise StopAsyncIteration

    def _left(self) -> bytes:
        # What had arrived before the failure: aiohttp raises first.
        return b"" if self._is_closed else self._response.content._read_nowait(-1)

    def _failure(self) -> httpx.ReadError | None:
        """Return the failure of the connection, if that is how the body ended."""
        error = self._response.protocol.exception()
        is_reset = isinstance(error, aiohttp.ClientOSError)
        return httpx.ReadError(_message(error)) if is_reset else None

    async def aclose(self) -> None:
        """Close the connection, unless the whole body has arrived."""
        self._is_closed = True
        self._response.close()


class _NetworkStream:
    """What is asked of the connection under a response, in the manner of httpcore.

    Args:
        protocol: aiohttp's.
        transport: asyncio's.
    """

    def __init__(self, protocol: Any, transport: asyncio.Transport | None) -> None:
        self._protocol = protocol
        self._transport = transport

    def get_extra_info(self, info: str) -> Any:
        """Return the socket, for example."""
        return None if self._transport is None else self._transport.get_extra_info(info)

    def wait_out_silence(self) -> None:
        """Let the rest of the body arrive after any silence."""
        self._protocol.read_timeout = None
        self._protocol.start_timeout()  # or rather, stop it
