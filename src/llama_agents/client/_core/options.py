"""What a client, or a view of it, does differently for each of its requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import attrs
import httpx

from .._headers import combined
from .limits import Kind, Limits, limits_of
from .policy import SizeLimits

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

OnResponse: TypeAlias = Callable[[str, httpx.Response], Any]
"""Gets the name of an operation, and the response to a request of it."""


@attrs.frozen
class Options:
    """The options of a client, or of a view on its connections.

    Attributes:
        sizes: How much to store of what is received.
        headers: Headers of every request; they replace those of the httpx client.
        timeout: The timeouts, or None for those of the httpx client.
        on_response: Called with each response.
    """

    sizes: SizeLimits
    headers: httpx.Headers | None = attrs.field(default=None, repr=False)
    timeout: httpx.Timeout | None = None
    on_response: OnResponse | None = None

    @property
    def has_credentials(self) -> bool:
        """Whether the headers have credentials, which an ``auth`` would replace."""
        return self.headers is not None and "authorization" in self.headers

    def limits(self, kind: Kind, chosen: httpx.Timeout | None) -> Limits:
        """Return the limits of an operation, given the timeouts that the httpx client has."""
        return limits_of(kind, chosen if self.timeout is None else self.timeout)

    def changed(self, *, headers: httpx.Headers | None, **changes: Any) -> Options:
        """Return these options with other headers added, and with all changes but ``None``."""
        if headers is not None:
            changes["headers"] = combined(self.headers, headers)
        given = {name: value for name, value in changes.items() if value is not None}
        return attrs.evolve(self, **given)


def checked_function(name: str, function: FunctionT | None) -> FunctionT | None:
    """Return a function that a caller passed; raise ``TypeError`` if it is not one."""
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a function, not {type(function).__name__}")
    return function


def checked_timeout(timeout: object) -> httpx.Timeout | None:
    """Return timeouts that a caller passed.

    Raises:
        TypeError: They are not numbers.
        ValueError: One of them is not positive, or too large for the system.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, httpx.Timeout | int | float | tuple) or isinstance(timeout, bool):
        raise TypeError(
            f"timeout must be an httpx.Timeout or a number of seconds, not {type(timeout).__name__}"
        )
    if isinstance(timeout, tuple) and len(timeout) not in (2, 3, 4):
        raise ValueError(f"a timeout of several phases has 2 to 4 numbers, not {len(timeout)}")
    checked = httpx.Timeout(timeout)
    for phase, seconds in checked.as_dict().items():
        if seconds is None:
            continue
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise TypeError(
                f"the {phase} timeout must be a number of seconds, not {type(seconds).__name__}"
            )
        if not seconds > 0:
            raise ValueError(f"the {phase} timeout must be more than 0 seconds, not {seconds!r}")
        if seconds > threading.TIMEOUT_MAX:  # of which a socket makes an OverflowError
            raise ValueError(f"the {phase} timeout is too large: None is no limit")
    return checked
