"""One request over aiohttp: how far it has got, and what httpx raises for its failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import httpx

from .failures import NOT_SENT_ERRORS

_ERRORS: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),  # host name, TCP, TLS, certificate
    (aiohttp.ClientConnectionResetError, httpx.WriteError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),  # a malformed head
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),  # a malformed or truncated body
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    (aiohttp.InvalidURL, httpx.LocalProtocolError),
    (ValueError, httpx.LocalProtocolError),  # a header that cannot be sent
)
"""What is raised for aiohttp's errors; the first that matches counts, or `httpx.ReadError`."""


class Exchange:
    """One request: how far it has got.

    Attributes:
        is_sent: Whether its first bytes may have been written.
        read_timeout: Seconds until more must arrive.
        time_limit: Limits the time until the head of its response, from then on.
    """

    __slots__ = (
        "_is_connecting",
        "_trace",
        "_write_timeout",
        "is_sent",
        "read_timeout",
        "time_limit",
    )

    def __init__(self, request: httpx.Request) -> None:
        timeouts = request.extensions.get("timeout", {})
        self.read_timeout: float | None = timeouts.get("read")
        self._write_timeout: float | None = timeouts.get("write")
        self._trace = request.extensions.get("trace")
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
        write, read = self._write_timeout, self.read_timeout
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
        found = (cls for kind, cls in _ERRORS if isinstance(error, kind))
        cls = next(found, httpx.ReadError)
        if self.is_sent and issubclass(cls, NOT_SENT_ERRORS):
            cls = httpx.ReadError
        elif self._is_connecting and not self.is_sent and not issubclass(cls, NOT_SENT_ERRORS):
            cls = httpx.ConnectError  # a host name that cannot be encoded, for example
        return cls(message_of(error))


def message_of(error: Exception) -> str:
    """Return what an error says, without the URL that is in some of aiohttp's messages."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "Server disconnected without sending a response"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return "The timeout of the request has expired"
    if isinstance(error, aiohttp.ClientOSError):
        return str(error.__cause__ or type(error).__name__)
    return str(error)
