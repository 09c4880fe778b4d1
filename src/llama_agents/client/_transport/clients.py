"""The httpx clients that a workflow client owns: created when first needed, closed with it.

An async client's connections belong to an event loop; a sync client's can be used from any thread.
A forked process has connections of its own, and a copy of a client too: it is made of the settings.
"""

from __future__ import annotations

import re
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal, TypeAlias, get_args

import attrs
import httpx

from .._headers import checked_headers
from .._process import keep_forever, no_fork, watch
from .address import problem_of
from .concurrency import STARTED, arun_in_loop, asleep, current_loop
from .environment import check_environment
from .pool import renew_pools, shard_pools

END_OF_LOOP_TIMEOUT: Final = 10.0  # s, for what still sends requests while its event loop ends

# The timeout of an httpx client for which nobody chose one.
STOCK_TIMEOUT: Final = httpx.Timeout(5.0)
# A stream holds its connection for as long as it lasts, so a limit would make one wait for another.
# Idle connections are closed before the server closes them after 5 s (uvicorn): a request that
# meets that end is lost.
_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=20, keepalive_expiry=4.0
)

Transport: TypeAlias = Literal["httpx", "aiohttp"]
"""What an async client sends requests through."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@attrs.frozen
class Settings:
    """How to create an httpx client.

    Attributes:
        base_url: Where the server is; its query goes with every request.
        headers: Headers of every request.
        auth: Credentials of every request.
        timeout: The chosen timeouts, which each request then carries.
        transport: What an async client sends through.
    """

    base_url: httpx.URL = attrs.field(repr=False)
    headers: Mapping[str, str] | None = attrs.field(repr=False)
    auth: httpx.Auth | tuple[str, str] | None = attrs.field(repr=False)
    timeout: httpx.Timeout | float | None
    transport: Transport = "httpx"

    def keywords(self) -> dict[str, Any]:
        """Return the arguments of httpx.Client and httpx.AsyncClient."""
        url = self.base_url
        # A password in the URL would be in the log record that httpx writes for each request.
        login = (url.username, url.password) if url.userinfo else None
        return {
            # httpx would append paths to the query.
            "base_url": url.copy_with(userinfo=b"", query=None),
            "params": url.params,
            "headers": self.headers,
            "auth": login if self.auth is None else self.auth,
            "limits": _LIMITS,
        }


def resolve_settings(
    base_url: str | httpx.URL | None,
    httpx_client: object,
    client_class: type[httpx.Client] | type[httpx.AsyncClient],
    *,
    transport: Transport = "httpx",
    **given: Any,
) -> Settings | None:
    """Check the arguments of a workflow client.

    Args:
        base_url: Where the server is.
        httpx_client: The client that was passed in.
        client_class: The class that it must be of.
        transport: What to send through.
        **given: The other settings.

    Returns:
        How to create an httpx client, or None if one was passed in.

    Raises:
        ValueError: Neither or both of the two were given, the URL, a header or an environment
            variable is unusable, or settings of an owned client came with one that was passed in.
        TypeError: What was passed in is not a client of that class, or a setting is of the wrong
            type.
        ImportError: The transport is not installed.
    """
    if (base_url is None) == (httpx_client is None):
        raise ValueError("pass exactly one of base_url and httpx_client")
    if transport not in get_args(Transport):
        raise ValueError(f"transport must be 'httpx' or 'aiohttp', not {transport!r}")
    if base_url is not None:
        # The errors that httpx raises later would show headers and passwords.
        if given["headers"] is not None:
            given["headers"] = checked_headers(given["headers"])
        _check_auth(given["auth"])
        url = _usable(base_url)
        with no_fork:  # it imports what clients need
            check_environment(url)
            if transport == "aiohttp":
                _import_aiohttp()
        return Settings(url, **given, transport=transport)
    if not isinstance(httpx_client, client_class):
        cls = type(httpx_client)
        raise TypeError(
            f"httpx_client must be an httpx.{client_class.__name__}, "
            f"not {cls.__module__.partition('.')[0]}.{cls.__qualname__}"
        )
    given["transport"] = None if transport == "httpx" else transport
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name} cannot be combined with httpx_client: configure it on that client"
            )
    return None


def _import_aiohttp() -> None:
    try:
        from . import aiohttp_transport  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "transport='aiohttp' needs a package that is not installed: "
            "pip install 'llama-agents-client[aiohttp]'"
        ) from error


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
    if url.fragment:
        raise ValueError("base_url has a fragment ('#...'), which is never sent: remove it")
    if problem := problem_of(url):
        raise ValueError(f"base_url has {problem}")
    return url


def _check_auth(auth: object) -> None:
    if auth is None or isinstance(auth, httpx.Auth) or callable(auth):
        return
    if not (
        isinstance(auth, tuple)
        and len(auth) == 2
        and all(isinstance(part, str | bytes) for part in auth)
    ):
        raise TypeError(
            "auth must be an httpx.Auth or a pair of user name and password, "
            f"not {type(auth).__name__}"
        )
    if any(isinstance(part, str) and _SURROGATE.search(part) for part in auth):
        raise ValueError("auth has a character in it that cannot be sent")


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
        self._is_usable = True
        self._owned: dict[object, _Owned] = {}
        self._users: Counter[object] = Counter()  # by event loop
        watch(self, after_fork=AsyncClients._after_fork, at_exit=AsyncClients._let_go)

    def __reduce__(self) -> tuple[type[AsyncClients], tuple[None, Settings]]:
        return AsyncClients, (None, _copied_settings(self._settings))

    @property
    def chosen_timeout(self) -> httpx.Timeout | None:
        """The timeouts that the caller chose, or None."""
        return _chosen_timeout(self._external, self._settings)

    def base_url(self) -> httpx.URL:
        """Return the URL of the server."""
        return _base_url(self._external, self._settings)

    def __del__(self) -> None:
        # To leave it to the garbage collector would be a ResourceWarning on trio.
        for loop, owned in self._owned.items():
            arun_in_loop(loop, owned.finalizer.aclose)
            STARTED.discard(owned.finalizer)

    async def get(self) -> httpx.AsyncClient:
        """Return the client of the running event loop.

        Raises:
            RuntimeError: The clients have been closed, or belong to the parent process.
        """
        if self._external is not None:
            _ensure_usable(self._is_usable)
            return self._external
        settings = _open_settings(self._settings, self._closed)
        loop = current_loop()
        if loop not in self._owned:
            self._forget_closed_loops()
            with no_fork:
                client = _create(settings)
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

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep the client open until this context ends, even if the event loop ends before.

        A loop ends by closing its async generators, all at once: also the one that closes the
        client, and those that still have requests to send.
        """
        loop = current_loop()
        self._users[loop] += 1
        try:
            yield
        finally:
            self._users[loop] -= 1

    async def unused(self, loop: object) -> None:
        """Wait until nobody keeps the client of a loop open."""
        waited = 0.0
        while self._users[loop] and waited < END_OF_LOOP_TIMEOUT:
            await asleep(0.01)
            waited += 0.01

    def forget(self, loop: object) -> None:
        """Drop the client of a loop."""
        owned = self._owned.pop(loop, None)
        if owned is not None:
            STARTED.discard(owned.finalizer)
        self._users.pop(loop, None)

    def _after_fork(self) -> None:
        self._let_go()
        if self._external is not None:
            self._is_usable = renew_pools(self._external)

    def _let_go(self) -> None:
        # Their event loops are the parent's, or have ended: nothing can be awaited.
        keep_forever(self._owned)
        self._owned = {}

    def _forget_closed_loops(self) -> None:
        for loop in [*self._owned]:
            is_closed = getattr(loop, "is_closed", None)  # a trio token has none
            if is_closed is not None and is_closed():
                self.forget(loop)


def _create(settings: Settings) -> httpx.AsyncClient:
    if settings.transport == "aiohttp":
        from .aiohttp_transport import create_client

        return create_client(**settings.keywords())
    client = httpx.AsyncClient(**settings.keywords())
    if hasattr(current_loop(), "run_in_executor"):  # asyncio's
        from .asyncio_backend import use_asyncio

        use_asyncio(client)
    shard_pools(client)
    return client


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
        try:
            if owner is not None:
                await owner.unused(loop)
        finally:
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
        self._is_usable = True
        self._owned: httpx.Client | None = None
        watch(self, after_fork=Clients._after_fork, at_exit=Clients._at_exit)

    def __reduce__(self) -> tuple[type[Clients], tuple[None, Settings]]:
        return Clients, (None, _copied_settings(self._settings))

    @property
    def chosen_timeout(self) -> httpx.Timeout | None:
        """The timeouts that the caller chose, or None."""
        return _chosen_timeout(self._external, self._settings)

    def base_url(self) -> httpx.URL:
        """Return the URL of the server."""
        return _base_url(self._external, self._settings)

    def get(self) -> httpx.Client:
        """Return the client.

        Raises:
            RuntimeError: It has been closed, or belongs to the parent process.
        """
        if self._external is not None:
            _ensure_usable(self._is_usable)
            return self._external
        with no_fork:
            settings = _open_settings(self._settings, self._closed)
            if self._owned is None:
                self._owned = httpx.Client(**settings.keywords())
                weakref.finalize(self, self._owned.close).atexit = False
            return self._owned

    def close(self) -> None:
        """Close the client, and create no other."""
        with no_fork:
            self._closed = True
            if self._owned is not None:
                self._owned.close()

    def kept_open(self) -> AbstractContextManager[None]:
        """Return a context without effect: no event loop closes the client."""
        return nullcontext()

    def _after_fork(self) -> None:
        client = self._external or self._owned
        if client is not None:
            self._is_usable = renew_pools(client)

    def _at_exit(self) -> None:
        if self._owned is not None:
            self._owned.close()
            self._owned = None


def _chosen_timeout(
    external: httpx.AsyncClient | httpx.Client | None, settings: Settings | None
) -> httpx.Timeout | None:
    if external is not None:
        return None if external.timeout == STOCK_TIMEOUT else external.timeout
    if settings is None or settings.timeout is None:
        return None
    return httpx.Timeout(settings.timeout)


def _base_url(
    external: httpx.AsyncClient | httpx.Client | None, settings: Settings | None
) -> httpx.URL:
    if external is not None:
        return external.base_url
    assert settings is not None, "a client is either passed in or created from settings"
    return settings.base_url


def _open_settings(settings: Settings | None, closed: bool) -> Settings:
    assert settings is not None, "a client is either passed in or created from settings"
    if closed:
        raise RuntimeError("the client has been closed")
    return settings


def _ensure_usable(is_usable: bool) -> None:
    if not is_usable:
        raise RuntimeError(
            "the httpx client was used before the process was forked, and its transport is not "
            "httpx's own: create the client in the child process"
        )


def _copied_settings(settings: Settings | None) -> Settings:
    if settings is None:
        raise TypeError(
            "a client with an httpx_client cannot be pickled or copied: create it with base_url "
            "(and headers, auth and timeout)"
        )
    return settings
