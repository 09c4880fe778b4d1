"""The connection pools inside an httpx client; the one module that knows httpx's private names."""

from __future__ import annotations

import copy
import threading
from typing import Any, Final

import httpx

from .._process import keep_forever

_WITHOUT_CONNECTIONS: Final = (httpx.ASGITransport, httpx.MockTransport, httpx.WSGITransport)


def renew_pools(client: httpx.Client | httpx.AsyncClient) -> bool:
    """Give a client empty connection pools and new locks, in a forked child.

    The connections and the locks that it has are those of the parent and of its threads.

    Returns:
        Whether that was possible. A transport that is not httpx's own may share its connections
        with the parent once it has been used.
    """
    for transport in {client._transport, *client._mounts.values()} - {None}:
        if isinstance(transport, httpx.HTTPTransport | httpx.AsyncHTTPTransport):
            transport._pool = _renewed(transport._pool)
        elif not isinstance(transport, _WITHOUT_CONNECTIONS) and client._state.name != "UNOPENED":
            keep_forever(client)
            return False
    client.cookies.jar._cookies_lock = threading.RLock()  # type: ignore[attr-defined]
    return True


def _renewed(pool: Any) -> Any:
    new_lock = type(pool._optional_thread_lock)
    keep_forever(pool)
    renewed = copy.copy(pool)
    renewed._connections, renewed._requests = [], []
    renewed._optional_thread_lock = new_lock()
    # Responses that were open belong to the old pool: closing one must not wait for a dead thread.
    pool._optional_thread_lock = new_lock()
    return renewed
