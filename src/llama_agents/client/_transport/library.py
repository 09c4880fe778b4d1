"""The library that a client belongs to: httpx, or httpx2, which names its classes alike.

A client of httpx2 is used through an adapter (`httpx2_adapter`), which looks like one of httpx.
What looks below a client, at transports and pools, asks this module for the client itself.
"""

from __future__ import annotations

import sys
from typing import Any, Final, Protocol, TypeVar, cast

import httpx

ClientT = TypeVar("ClientT", httpx.AsyncClient, httpx.Client)

CORES: Final = frozenset({"httpcore", "httpcore2"})
"""What httpx and httpx2 send through."""


class Httpx2AsyncClient(Protocol):
    """An ``httpx2.AsyncClient``, for type checkers that may not have httpx2."""

    @property
    def base_url(self) -> object:
        """The URL of the server."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed."""
        ...

    async def aclose(self) -> None:
        """Close it."""
        ...


class Httpx2Client(Protocol):
    """An ``httpx2.Client``, for type checkers that may not have httpx2."""

    @property
    def base_url(self) -> object:
        """The URL of the server."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Adapter:
    """What looks like a client of httpx.

    Args:
        client: The client of another library that it uses.
        library: That library.
    """

    def __init__(self, client: Any, library: Any) -> None:
        self.client = client
        self.library = library


def is_client(client: object, cls: type[object]) -> bool:
    """Return whether something is an instance of a class of httpx, or httpx2's of that name."""
    # Whoever has a client of httpx2 has imported it.
    other = getattr(sys.modules.get("httpx2"), cls.__name__, cls)
    return isinstance(client, (cls, other))


def adapted(client: object, cls: type[ClientT]) -> ClientT | None:
    """Return what to use a client through: itself, if it is httpx's, or an adapter."""
    if client is None or isinstance(client, cls):
        return client
    from .httpx2_adapter import AsyncHttpx2Adapter, Httpx2Adapter

    adapter: Any = AsyncHttpx2Adapter if issubclass(cls, httpx.AsyncClient) else Httpx2Adapter
    return cast(ClientT, adapter(client))  # it has what this package uses of one


def original(client: object) -> Any:
    """Return the client itself, whose transports and pools are of its own library."""
    return client.client if isinstance(client, Adapter) else client


def library_of(client: object) -> Any:
    """Return the library of a client, as a module."""
    return client.library if isinstance(client, Adapter) else httpx
