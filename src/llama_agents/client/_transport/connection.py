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
from typing import Any

import httpx

from .concurrency import shielded
from .deadline import MESSAGE, AsyncDeadlineStream, DeadlineStream, now, obey_deadlines, until


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
        raise _timeout_error(request)
    if whole < math.inf:
        response.stream = AsyncDeadlineStream(response.stream, started + whole)
    return response


async def _asend(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    opened_streams: list[Any] = []  # network streams of the connections opened for this request

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        _record(request, event)
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
    try:
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
    request.extensions["trace"] = lambda event, info: _record(request, event)
    started = now()
    with until(started + min(head, whole)):
        response = client.send(request, stream=True)
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


def _record(request: httpx.Request, event: str) -> None:
    """Record in a request's extensions whether a connection was opened for it, and if it was sent.

    Nothing is recorded by transports that do not report to httpcore's ``trace``.
    """
    if event.endswith((".connect_tcp.started", ".connect_unix_socket.started")):
        request.extensions["connection_opened"] = True
    elif event.endswith(".send_request_headers.started"):
        request.extensions.setdefault("connection_opened", False)
        request.extensions["request_sent"] = True


def _timeout_error(request: httpx.Request) -> httpx.TimeoutException:
    """Return the error of a request that has reached its deadline."""
    is_connecting = "connection_opened" in request.extensions
    if is_connecting and "request_sent" not in request.extensions:
        return httpx.ConnectTimeout(MESSAGE, request=request)
    return httpx.ReadTimeout(MESSAGE, request=request)


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
