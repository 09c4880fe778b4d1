"""HTTP requests that never leak a connection, however they end.

httpcore (1.0.9) loses track of a connection when a task is cancelled at one of two moments: when it
has just been opened, and when a response returns it to the pool. Its socket would then stay open
until the client is closed, so it is closed here.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import httpx

from .concurrency import shielded
from .deadline import MESSAGE, AsyncDeadlineStream, DeadlineStream, Until, now, obey_deadlines

# What a request's extensions record, as far as its transport tells: whether a connection was opened
# for it, and that sending it has begun.
CONNECTION_OPENED: Final = "connection_opened"
SENT: Final = "sent"


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


async def aread(response: httpx.Response) -> None:
    """Read the body of a response."""
    stream = response.stream
    try:
        if isinstance(stream, AsyncDeadlineStream):
            response.stream = stream.stream
            await stream.within_deadline(response.aread())  # a scope for each chunk costs more
        else:
            await response.aread()
    except BaseException:
        await _aclose_socket(response)
        raise


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


def read(response: httpx.Response) -> None:
    """Read the body of a response."""
    try:
        response.read()
    except BaseException:
        response.close()
        raise


def close_response(response: httpx.Response) -> None:
    """Close a response, whatever is left of its body."""
    response.close()


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
