"""The connection pools under an httpx client: small, rid of leftovers, renewed in a forked process.

A task can be cancelled, and a signal handler can raise, at any point of httpcore (1.0.9). At some
of them its pool keeps an entry that nobody uses and nobody removes: a request that has ended, a
connection that was assigned but never used, or whose response was abandoned while it was returned.
Once there are as many as the pool may have connections, every call waits for one until it fails.

This is the only module that knows the pools' private attributes. Where they are missing, as in
transports that are not httpx's, it does nothing.
"""

from __future__ import annotations

import copy
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

from .._process import keep_forever
from .concurrency import shielded
from .failures import (
    ExactTransport,
    is_httpcore,
    locals_of,
    mark_not_sent,
    raise_own_cause,
    raised_by_caller,
)
from .library import library_of, original

CONNECTION_OPENED: Final = "connection_opened"
"""Key in the extensions of a request that failed: whether a connection was opened for it."""

_USAGE: Final = "llama_agents.client.usage"  # key in the extensions of a request

_ATTRIBUTES: Final = (
    "_assign_requests_to_connections",
    "_connections",
    "_optional_thread_lock",
    "_requests",
)
_SHARD_SIZE: Final = 4  # requests under way at once
_SWEEP_INTERVAL: Final = 1.0  # s


class Usage:
    """What one request uses of the pools of its client.

    Args:
        client: The client that sends the request.
        request: The request.
    """

    def __init__(self, client: httpx.Client | httpx.AsyncClient, request: httpx.Request) -> None:
        self._client = client
        self._has_connected = self._is_sent = False
        # Network streams that have been opened and that no connection of a pool holds yet.
        self._opened: list[Any] = []
        request.extensions[_USAGE] = self  # redirects inherit the extensions

    @property
    def is_connecting(self) -> bool:
        """Whether a connection is being opened, and nothing has been sent."""
        return self._has_connected and not self._is_sent

    def failed(self, error: BaseException, request: httpx.Request) -> None:
        """Handle the exception that the client raised instead of a response."""
        if self._has_connected or self._is_sent:  # else the transport does not tell
            request.extensions[CONNECTION_OPENED] = self._has_connected
        if _is_exact(self._client, request.url):
            mark_not_sent(request, error)

    def connecting(self) -> None:
        """Handle the beginning of a connection."""
        self._has_connected = True

    def connected(self, stream: Any) -> None:
        """Handle a network stream that has been opened."""
        self._opened.append(stream)

    def sending(self) -> None:
        """Handle the first bytes of a request: a connection of the pool has the stream now."""
        self._is_sent = True
        self._opened.clear()

    async def arelease(self, error: BaseException) -> None:
        """Release everything that the request still holds after it ended with an exception."""
        with shielded():
            await _aclose_all(self._leftovers(error))

    def release(self, error: BaseException) -> None:
        """Release everything that the request still holds after it ended with an exception."""
        for connection in self._leftovers(error):
            try:
                connection.close()
            except Exception as failure:
                if raised_by_caller(failure) is not None:
                    raise

    async def atrace(self, event: str, info: Mapping[str, Any]) -> None:
        """Handle an event of httpcore, as its ``trace`` extension."""
        self.trace(event, info)

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Handle an event of httpcore, as its ``trace`` extension."""
        if event.endswith(".failed"):
            # httpcore would ignore some failures and carry on.
            raise_own_cause(info["exception"])
        elif event.startswith("http"):  # http11, http2
            self.sending()
        elif event.endswith(("connect_tcp.started", "connect_unix_socket.started")):
            self.connecting()
        elif event.endswith(("connect_tcp.complete", "connect_unix_socket.complete")):
            self.connected(info["return_value"])

    def _leftovers(self, error: BaseException) -> list[Any]:
        """Remove what is left from the pools; return what is then to be closed."""
        leftovers = [*self._opened, *_interrupted(error)]
        for pool in _pools(self._client):
            leftovers += self._sweep(pool)
        return leftovers

    def _sweep(self, pool: Any) -> list[Any]:
        with pool._optional_thread_lock:
            ours = [r for r in pool._requests if r.request.extensions.get(_USAGE) is self]
            for entry in ours:
                pool._requests.remove(entry)
            ended = {id(entry.connection) for entry in ours}
            in_use = {id(entry.connection) for entry in pool._requests}
            lost = [
                connection
                for connection in pool._connections
                if id(connection) not in in_use
                and not connection.is_idle()
                # Ours may have been interrupted between being marked as closed and being closed.
                and (id(connection) in ended or not connection.is_closed())
            ]
            for connection in lost:
                pool._connections.remove(connection)
            # Other requests may be waiting for what has become free.
            return [*lost, *pool._assign_requests_to_connections()]


async def _aclose_all(connections: list[Any]) -> None:
    while connections:
        try:
            await connections.pop().aclose()
        except Exception:
            pass
        except BaseException:  # asyncio lets a task be cancelled again, shielded or not
            await _aclose_all(connections)
            raise


def _interrupted(error: BaseException) -> Iterator[Any]:
    """Yield what was about to be closed, or being connected, by the functions that raised."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_name
        if name == "_close_connections" and is_httpcore(frame):
            yield from locals_of(frame)["closing"]
        elif name == "_create" and frame.f_globals.get("__name__") == "ssl":
            yield locals_of(frame)["self"]


def _pools(client: object) -> Iterator[Any]:
    """Yield the pools of a client, also those of transports that wrap another."""
    library, client = library_of(client), original(client)
    transports = (library.BaseTransport, library.AsyncBaseTransport)
    objects, seen = [client], set[int]()
    for item in objects:
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            objects += item.values()
        elif item is client or isinstance(item, transports):
            attributes = getattr(item, "__dict__", {})
            objects += attributes.values()
            pool = attributes.get("_pool")
            for each in pool.shards if isinstance(pool, _ShardedPool) else [pool]:
                if all(hasattr(each, name) for name in _ATTRIBUTES):
                    yield each


def free_connections(client: httpx.Client | httpx.AsyncClient) -> int:
    """Return how many connections a client can have, one for other calls left aside."""
    found = [int(getattr(pool, "_max_connections", sys.maxsize)) for pool in _pools(client)]
    return max(1, min(found, default=sys.maxsize) - 1)


def _is_exact(client: httpx.Client | httpx.AsyncClient, url: httpx.URL) -> bool:
    """Return whether a connection error means that nothing has been sent.

    httpx's own transports and ours fail to connect only before they send. Others may report what
    they like: one maps a connection reset after the request to `httpx.ConnectTimeout`.
    """
    library, inner = library_of(client), original(client)
    transport = getattr(inner, "_transport_for_url", lambda _: None)(url)
    exact = (library.HTTPTransport, library.AsyncHTTPTransport)
    is_exact = type(transport) in exact or isinstance(transport, ExactTransport)
    return is_exact and type(inner).send in (library.Client.send, library.AsyncClient.send)


def renew_pools(client: httpx.Client | httpx.AsyncClient) -> bool:
    """Give a client empty connection pools and new locks, in a forked child.

    The connections and the locks that it has are those of the parent and of its threads.

    Returns:
        Whether that was possible. A transport that is not httpx's own may share its connections
        with the parent once it has been used.
    """
    library, client = library_of(client), original(client)
    own = library.HTTPTransport, library.AsyncHTTPTransport
    unconnected = library.ASGITransport, library.MockTransport, library.WSGITransport
    for transport in {client._transport, *client._mounts.values()} - {None}:
        if isinstance(transport, own):
            transport._pool = _renewed(transport._pool)
        elif not isinstance(transport, unconnected) and client._state.name != "UNOPENED":
            keep_forever(client)
            return False
    client.cookies.jar._cookies_lock = threading.RLock()  # type: ignore[attr-defined]
    return True


def _renewed(pool: Any) -> Any:
    keep_forever(pool)
    renewed = _empty_copy(pool)
    # Responses that were open belong to the old pool: closing one must not wait for a dead thread.
    pool._optional_thread_lock = type(pool._optional_thread_lock)()
    return renewed


def _empty_copy(pool: Any) -> Any:
    empty = copy.copy(pool)
    empty._connections, empty._requests = [], []
    empty._optional_thread_lock = type(pool._optional_thread_lock)()
    return empty


def shard_pools(client: httpx.AsyncClient) -> None:
    """Let requests that are under way at once cost a client, which has sent none yet, no more."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.AsyncHTTPTransport):
            transport._pool = _ShardedPool(transport._pool)  # type: ignore[assignment]


class _ShardedPool:
    """A connection pool that consists of small ones.

    Whenever a request begins or ends, httpcore goes through all requests and connections of its
    pool, so that each costs more, the more there are. A request goes to the first shard that has
    few enough.

    Args:
        pool: The first shard, which the others are like.
    """

    def __init__(self, pool: Any) -> None:
        self.shards = [pool]
        self._sweep_at = 0.0

    async def handle_async_request(self, request: Any) -> Any:
        await self._sweep()
        for shard in self.shards:
            if len(shard._requests) < _SHARD_SIZE:
                break
        else:
            shard = _empty_copy(self.shards[0])
            self.shards.append(shard)
        return await shard.handle_async_request(request)

    async def _sweep(self) -> None:
        """Drop the shards that are not needed any more; httpcore only tidies those in use."""
        if len(self.shards) == 1 or (now := time.monotonic()) < self._sweep_at:
            return
        self._sweep_at = now + _SWEEP_INTERVAL
        first, *others = self.shards
        expired = []
        for shard in others:
            if not shard._requests:
                expired += shard._assign_requests_to_connections()
        self.shards = [first, *(s for s in others if s._requests or s._connections)]
        await first._close_connections(expired)

    async def aclose(self) -> None:
        for shard in self.shards:
            await shard.aclose()
