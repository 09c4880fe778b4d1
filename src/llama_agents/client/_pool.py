"""The httpx clients that a workflow client owns: made when first needed, closed when it goes.

The one place where the two faces differ in kind: connections of an async client belong to an event
loop, those of a sync client to nobody.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import attrs
import httpx

from ._tasks import current_loop

IDLE_LIMIT: Final = 45.0  # s without a byte; the server's heartbeat is 25 s
CONNECT_LIMIT: Final = 10.0  # s

DEFAULT_TIMEOUT: Final = httpx.Timeout(
    connect=CONNECT_LIMIT, read=IDLE_LIMIT, write=IDLE_LIMIT, pool=None
)
# A stream holds a connection for as long as it lasts: a limit would make one wait for another.
# They are given up before the server does that, after 5 s (uvicorn): a request that meets the end
# of its connection is lost.
_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=20, keepalive_expiry=4.0
)


_UNSENDABLE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@attrs.frozen
class Settings:
    """How to make an httpx client."""

    base_url: httpx.URL = attrs.field(repr=False)
    headers: Mapping[str, str] | None = attrs.field(repr=False)
    auth: httpx.Auth | tuple[str, str] | None = attrs.field(repr=False)
    timeout: httpx.Timeout | float | None

    def keywords(self) -> dict[str, Any]:
        """The arguments of httpx.Client and httpx.AsyncClient."""
        url = self.base_url
        # A password in the URL would be in the log line that httpx writes for each request.
        login = (url.username, url.password) if url.userinfo else None
        return {
            "base_url": url.copy_with(userinfo=b""),
            "headers": self.headers,
            "auth": login if self.auth is None else self.auth,
            "timeout": DEFAULT_TIMEOUT if self.timeout is None else self.timeout,
            "limits": _LIMITS,
        }


def own_settings(
    base_url: str | httpx.URL | None,
    httpx_client: httpx.Client | httpx.AsyncClient | None,
    wrong_face: type[httpx.Client] | type[httpx.AsyncClient],
    **given: Any,
) -> Settings | None:
    """Check what a workflow client was made with; return how to make its own httpx client, if any.

    Raises:
        ValueError: Neither or both of the two were given, the URL is unusable, or settings of an
            owned client came with a client that was handed in.
        TypeError: The httpx client is the other face's.
    """
    if (base_url is None) == (httpx_client is None):
        raise ValueError("give exactly one of base_url and httpx_client")
    if isinstance(httpx_client, wrong_face):
        raise TypeError(f"a httpx.{wrong_face.__name__} goes with the other client")
    if base_url is not None:
        for header, content in httpx.Headers(given["headers"]).raw:
            if _UNSENDABLE.search(content):
                # The error that httpx raises later would show the content.
                raise ValueError(f"header {header.decode()!r} has a control character in it")
        return Settings(_usable(base_url), **given)
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} goes with base_url: set it on the httpx client")
    return None


def _usable(base_url: str | httpx.URL) -> httpx.URL:
    # What cannot be read is not shown either: there may be a password in it.
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise ValueError("base_url is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url must be a whole http or https URL, like 'http://host:8080'")
    return url


class AsyncPool:
    """One httpx.AsyncClient for each event loop in which it is used."""

    def __init__(self, handed_in: httpx.AsyncClient | None, settings: Settings | None) -> None:
        self._handed_in = handed_in
        self._settings = settings
        self._closed = False
        self._owned: dict[object, _Owned] = {}

    async def get(self) -> httpx.AsyncClient:
        """Return the client for the running event loop."""
        if self._handed_in is not None:
            return self._handed_in
        settings = _open_settings(self._settings, self._closed)
        loop = current_loop()
        if loop not in self._owned:
            self._forget_closed_loops()
            client = httpx.AsyncClient(**settings.keywords())
            keeper = _close_with_the_loop(client, loop, weakref.ref(self))
            self._owned[loop] = _Owned(client, keeper)
            await anext(keeper)
        return self._owned[loop].client

    async def aclose(self) -> None:
        """Close the client of the running event loop, and refuse further use."""
        self._closed = True
        owned = self._owned.get(current_loop())
        if owned is not None:
            await owned.keeper.aclose()

    def forget(self, loop: object) -> None:
        """Drop the client of a loop."""
        self._owned.pop(loop, None)

    def _forget_closed_loops(self) -> None:
        for loop in [*self._owned]:
            if getattr(loop, "is_closed", bool)():
                self.forget(loop)


@attrs.frozen
class _Owned:
    client: httpx.AsyncClient
    keeper: AsyncGenerator[None, None]


async def _close_with_the_loop(
    client: httpx.AsyncClient, loop: object, pool: weakref.ref[AsyncPool]
) -> AsyncGenerator[None, None]:
    # An event loop closes the async generators that are left when it ends: so a client that nobody
    # closed leaves no connection open behind asyncio.run().
    try:
        yield
    finally:
        owner = pool()
        if owner is not None:
            owner.forget(loop)
        await client.aclose()


class Pool:
    """One httpx.Client for all threads."""

    def __init__(self, handed_in: httpx.Client | None, settings: Settings | None) -> None:
        self._handed_in = handed_in
        self._settings = settings
        self._closed = False
        self._lock = threading.Lock()
        self._owned: httpx.Client | None = None

    def get(self) -> httpx.Client:
        """Return the client."""
        if self._handed_in is not None:
            return self._handed_in
        with self._lock:
            settings = _open_settings(self._settings, self._closed)
            if self._owned is None:
                self._owned = httpx.Client(**settings.keywords())
                weakref.finalize(self, self._owned.close)
            return self._owned

    def close(self) -> None:
        """Close the client, and refuse further use."""
        with self._lock:
            self._closed = True
            if self._owned is not None:
                self._owned.close()


def _open_settings(settings: Settings | None, closed: bool) -> Settings:
    assert settings is not None, "a client is handed in or made from settings"
    if closed:
        raise RuntimeError("the client has been closed")
    return settings
