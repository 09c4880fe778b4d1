"""The httpx clients that a workflow client owns: created when first needed, closed with it.

An async client's connections belong to an event loop; a sync client's can be used from any thread.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import attrs
import httpx

from .concurrency import STARTED, arun_in_loop, current_loop

IDLE_TIMEOUT: Final = 45.0  # s without a byte; the server's heartbeat is 25 s
CONNECT_TIMEOUT: Final = 10.0  # s

DEFAULT_TIMEOUT: Final = httpx.Timeout(
    connect=CONNECT_TIMEOUT, read=IDLE_TIMEOUT, write=IDLE_TIMEOUT, pool=None
)
# A stream holds its connection for as long as it lasts, so a limit would make one wait for another.
# Idle connections are closed before the server closes them after 5 s (uvicorn): a request that
# meets that end is lost.
_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=20, keepalive_expiry=4.0
)

_CONTROL_CHARACTERS: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@attrs.frozen
class Settings:
    """How to create an httpx client.

    Attributes:
        base_url: Where the server is.
        headers: Headers of every request.
        auth: Credentials of every request.
        timeout: Limits of every request; None for `DEFAULT_TIMEOUT`.
    """

    base_url: httpx.URL = attrs.field(repr=False)
    headers: Mapping[str, str] | None = attrs.field(repr=False)
    auth: httpx.Auth | tuple[str, str] | None = attrs.field(repr=False)
    timeout: httpx.Timeout | float | None

    def keywords(self) -> dict[str, Any]:
        """Return the arguments of httpx.Client and httpx.AsyncClient."""
        url = self.base_url
        # A password in the URL would be in the log record that httpx writes for each request.
        login = (url.username, url.password) if url.userinfo else None
        return {
            "base_url": url.copy_with(userinfo=b""),
            "headers": self.headers,
            "auth": login if self.auth is None else self.auth,
            "timeout": DEFAULT_TIMEOUT if self.timeout is None else self.timeout,
            "limits": _LIMITS,
        }


def resolve_settings(
    base_url: str | httpx.URL | None,
    httpx_client: object,
    client_class: type[httpx.Client] | type[httpx.AsyncClient],
    **given: Any,
) -> Settings | None:
    """Check the arguments of a workflow client.

    Args:
        base_url: Where the server is.
        httpx_client: The client that was passed in.
        client_class: The class that it must be of.
        **given: The other settings.

    Returns:
        How to create an httpx client, or None if one was passed in.

    Raises:
        ValueError: Neither or both of the two were given, the URL is unusable, or settings of an
            owned client came with one that was passed in.
        TypeError: What was passed in is not a client of that class.
    """
    if (base_url is None) == (httpx_client is None):
        raise ValueError("pass exactly one of base_url and httpx_client")
    if base_url is not None:
        for header, content in httpx.Headers(given["headers"]).raw:
            if _CONTROL_CHARACTERS.search(content):
                # The error that httpx raises later would show the content.
                raise ValueError(f"header {header.decode()!r} has a control character in it")
        return Settings(_usable(base_url), **given)
    if not isinstance(httpx_client, client_class):
        cls = type(httpx_client)
        raise TypeError(
            f"httpx_client must be an httpx.{client_class.__name__}, "
            f"not {cls.__module__.partition('.')[0]}.{cls.__qualname__}"
        )
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name} cannot be combined with httpx_client: configure it on that client"
            )
    return None


def _usable(base_url: str | httpx.URL) -> httpx.URL:
    # A URL that cannot be parsed is not shown either: there may be a password in it.
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise ValueError("base_url is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(
            "base_url must be a complete http or https URL, such as 'http://host:8080'"
        )
    return url


class AsyncClients:
    """One httpx.AsyncClient for each event loop in which it is used.

    Args:
        external: A client that was passed in, which then serves every loop.
        settings: How to create a client otherwise.
    """

    def __init__(self, external: httpx.AsyncClient | None, settings: Settings | None) -> None:
        self._external = external
        self._settings = settings
        self._closed = False
        self._owned: dict[object, _Owned] = {}

    def __del__(self) -> None:
        # To leave it to the garbage collector would be a ResourceWarning on trio.
        for loop, owned in self._owned.items():
            arun_in_loop(loop, owned.finalizer.aclose)
            STARTED.discard(owned.finalizer)

    async def get(self) -> httpx.AsyncClient:
        """Return the client of the running event loop.

        Raises:
            RuntimeError: The clients have been closed.
        """
        if self._external is not None:
            return self._external
        settings = _open_settings(self._settings, self._closed)
        loop = current_loop()
        if loop not in self._owned:
            self._forget_closed_loops()
            client = httpx.AsyncClient(**settings.keywords())
            finalizer = _close_with_the_loop(client, loop, weakref.ref(self))
            self._owned[loop] = _Owned(client, finalizer)
            STARTED.add(finalizer)
            await anext(finalizer)
        return self._owned[loop].client

    async def aclose(self) -> None:
        """Close the client of the running event loop, and create no other."""
        self._closed = True
        owned = self._owned.get(current_loop())
        if owned is not None:
            await owned.finalizer.aclose()

    def forget(self, loop: object) -> None:
        """Drop the client of a loop."""
        owned = self._owned.pop(loop, None)
        if owned is not None:
            STARTED.discard(owned.finalizer)

    def _forget_closed_loops(self) -> None:
        for loop in [*self._owned]:
            is_closed = getattr(loop, "is_closed", None)  # a trio token has none
            if is_closed is not None and is_closed():
                self.forget(loop)


@attrs.frozen
class _Owned:
    client: httpx.AsyncClient
    finalizer: AsyncGenerator[None, None]


async def _close_with_the_loop(
    client: httpx.AsyncClient, loop: object, clients: weakref.ref[AsyncClients]
) -> AsyncGenerator[None, None]:
    # An event loop closes the async generators that are left when it ends, so a client that nobody
    # closed leaves no connection open behind asyncio.run().
    try:
        yield
    finally:
        owner = clients()
        if owner is not None:
            owner.forget(loop)
        await client.aclose()


class Clients:
    """One httpx.Client for all threads.

    Args:
        external: A client that was passed in.
        settings: How to create a client otherwise.
    """

    def __init__(self, external: httpx.Client | None, settings: Settings | None) -> None:
        self._external = external
        self._settings = settings
        self._closed = False
        self._lock = threading.Lock()
        self._owned: httpx.Client | None = None

    def get(self) -> httpx.Client:
        """Return the client.

        Raises:
            RuntimeError: It has been closed.
        """
        if self._external is not None:
            return self._external
        with self._lock:
            settings = _open_settings(self._settings, self._closed)
            if self._owned is None:
                self._owned = httpx.Client(**settings.keywords())
                weakref.finalize(self, self._owned.close)
            return self._owned

    def close(self) -> None:
        """Close the client, and create no other."""
        with self._lock:
            self._closed = True
            if self._owned is not None:
                self._owned.close()


def _open_settings(settings: Settings | None, closed: bool) -> Settings:
    assert settings is not None, "a client is either passed in or created from settings"
    if closed:
        raise RuntimeError("the client has been closed")
    return settings
