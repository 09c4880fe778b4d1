"""httpx over aiohttp: one session, and its connections, in one event loop of asyncio.

aiohttp parses HTTP in C and needs no layer between a socket and a body, so an event of a stream
costs a fraction of what it costs through httpcore. Only what httpx's own transport does is left to
it: no redirects, cookies, decompression, credentials or headers of its own, and no retries.

Failures are httpx's, and exact: an `httpx.ConnectError` or `httpx.ConnectTimeout` means that not a
byte of the request was written, which aiohttp reports just before it writes. Everything later, and
everything in doubt, is another error.

Only this module and `aiohttp_exchange` import aiohttp, and not before a client is to use it.
"""

from __future__ import annotations

import asyncio
import io
import math
import ssl
import weakref
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, Self

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from .aiohttp_exchange import Exchange, message_of
from .failures import ExactTransport

# Those that httpx does not have; without them, aiohttp would add its own.
_SKIPPED_HEADERS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_BUFFERED: Final = 65536  # bytes, which a socket's transport takes without waiting
MAX_HEAD: Final = 100 * 1024  # bytes of a line of a head; h11's limit for all of it


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
        factory: partial[Any] = partial(_Protocol, loop=self._loop)
        self._connector._factory = factory
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
        exchange = Exchange(request)
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
                "network_stream": _NetworkStream(response.transport, body),
            },
        )

    async def _send(self, request: httpx.Request, content: bytes, exchange: Exchange) -> _Response:
        timeouts = request.extensions.get("timeout", {})
        url = request.url.copy_with(userinfo=b"") if request.url.userinfo else request.url
        try:
            response = await self._session.request(
                request.method,
                URL(str(url), encoded=True),
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
    # aiohttp encodes as UTF-8. The content is known, so it is sent with its length, and at once:
    # aiohttp would wait for a server to ask for it, without a limit.
    return [
        (name.decode("ascii"), value.decode("utf-8"))
        for name, value in request.headers.raw
        if name.lower() not in (b"expect", b"transfer-encoding")
    ]


async def _connecting(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    await context.trace_request_ctx.connecting()


async def _sending(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    await context.trace_request_ctx.sending()


class _Protocol(ResponseHandler):
    """A connection, which serves no other request once more than its response has arrived."""

    def is_connected(self) -> bool:
        """Return whether an idle connection can be used again."""
        # aiohttp would take what has arrived for the response to the next request.
        return super().is_connected() and not self.should_close

    def close(self) -> None:
        """Close the connection now: not after what is still to be sent, or TLS's farewell."""
        transport, waiter = self.transport, self._drain_waiter
        super().close()
        if transport is not None:
            transport.abort()
        if waiter is not None:
            waiter.cancel()  # before aiohttp 3.14, asyncio would report that nobody waits for it


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
    """The body of a response: a chunk is what has arrived since the last one.

    One timer serves all reads: to start aiohttp's again with each chunk is a third of their cost,
    and it also runs while nobody reads.
    """

    def __init__(self, response: _Response, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange
        self._read = response.content.readany
        self._is_closed = False
        self._timeout = exchange.read_timeout
        self._is_patient: Callable[[], bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._waits_since: float | None = None
        response.protocol.read_timeout = None
        response.protocol.start_timeout()  # or rather, stop it

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._waits_since = self._loop.time()
        if self._timer is None:
            self._check_timeout()
        try:
            chunk = await self._read()
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: it is closed
            chunk = self._left()
            if not chunk:
                raise self._failure() or self._exchange.mapped(error) from error
        finally:
            self._waits_since = None
        if chunk:
            return chunk
        if (failure := self._failure()) and self._ends_with_connection():
            raise failure
        raise StopAsyncIteration

    def _check_timeout(self) -> None:
        self._timer = None
        if self._waits_since is None or self._timeout is None:
            return
        remaining = self._waits_since + self._timeout - self._loop.time()
        if remaining <= 0 and self._is_patient is not None and self._is_patient():
            remaining = self._timeout
        if remaining > 0:
            self._timer = self._loop.call_later(remaining, self._check_timeout)
        else:
            self._response.content.set_exception(aiohttp.SocketTimeoutError())

    def wait_out_silence(self, is_patient: Callable[[], bool]) -> None:
        """Let the rest of the body arrive after any silence, for as long as that holds."""
        self._is_patient = is_patient

    def _left(self) -> bytes:
        # What had arrived before the failure: aiohttp raises first.
        return b"" if self._is_closed else self._response.content._read_nowait(-1)

    def _failure(self) -> httpx.ReadError | None:
        """Return the failure of the connection, if that is how the body ended."""
        error = self._response.protocol.exception()
        if self._is_closed or not isinstance(error, aiohttp.ClientOSError):
            return None
        return httpx.ReadError(message_of(error))

    def _ends_with_connection(self) -> bool:
        response = self._response
        has_end = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
        return not has_end and response.method != "HEAD" and response.status not in (204, 304)

    async def aclose(self) -> None:
        """Close the connection, unless the whole body has arrived."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._response.close()


class _NetworkStream:
    """What is asked of the connection under a response, in the manner of httpcore.

    Args:
        transport: asyncio's.
        body: The body of the response.
    """

    def __init__(self, transport: asyncio.Transport | None, body: _Body) -> None:
        self._transport = transport
        self.wait_out_silence = body.wait_out_silence

    def get_extra_info(self, info: str) -> Any:
        """Return the socket, for example."""
        return None if self._transport is None else self._transport.get_extra_info(info)
