"""When a request is sent again, and after how long: back-off, budgets, plain calls.

Pure: a machine says what to send next, and takes the answer or the failure. It reads no clock and
no random source of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

import attrs
import httpx

from ._operations import Operation

FIRST_PAUSE: Final = 1.0  # s, before the second retry; the first is at once, each next one doubles
LONGEST_PAUSE: Final = 30.0  # s, of our own back-off
LONGEST_OBEYED: Final = 300.0  # s; a server that asks for a longer wait is taken as unavailable
JITTER: Final = 0.25  # of a pause, up or down, so that many clients do not come back as one
RETRYABLE: Final = frozenset({429, 502, 503, 504})
CALL_BUDGET: Final = 2  # retries of a plain call

DROPS: Final = (httpx.TransportError, httpx.DecodingError, ConnectionError)
"""How a request or its answer can get lost; the machines decide what it means."""

NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures after which the server cannot have seen the request."""

_MISTAKES: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)

T = TypeVar("T")


@attrs.frozen
class Sources:
    """Where the machines have the time and chance from.

    Attributes:
        clock: Seconds on a clock that never jumps.
        wall_clock: Seconds since the epoch.
        random: Numbers in [0, 1).
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    random: Callable[[], float]


@attrs.frozen
class Again:
    """Send the next request after this many seconds."""

    after: float


@attrs.frozen
class Returned(Generic[T]):
    """The call is over, with this result."""

    value: T


def backoff(failures: int, random: Callable[[], float]) -> float:
    """Return the pause before the next attempt, in seconds.

    Args:
        failures: How many attempts in a row have failed; the first retry comes at once.
        random: Gives numbers in [0, 1).
    """
    if failures <= 1:
        return 0.0
    pause = FIRST_PAUSE * 2.0 ** min(failures - 2, 10)
    return min(pause * (1 - JITTER + 2 * JITTER * random()), LONGEST_PAUSE)


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Read ``Retry-After`` (RFC 9110, 10.2.3: seconds or a date) as seconds from now, 0 if none."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    date = http_date(value)
    return 0.0 if date is None else max(0.0, date - now)


def http_date(value: str) -> float | None:
    """Read a date of HTTP (RFC 9110, 5.6.7) as seconds since the epoch; None if it is none."""
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def is_mistake(cause: BaseException | None) -> bool:
    """Whether a failure is the caller's, so that no retry mends it."""
    return isinstance(cause, _MISTAKES)


def give_up(cause: Exception) -> NoReturn:
    """Raise what a call ends with."""
    if isinstance(cause, httpx.LocalProtocolError):
        # Its text holds the header that cannot be sent, and that may be a token.
        cause.args = ("the request cannot be sent: is there a line break in a header?",)
        raise cause from None
    raise cause


class Budget:
    """How many attempts in a row may fail, and the pauses between them."""

    def __init__(self, limit: int, sources: Sources) -> None:
        self.limit = limit
        self.failures = 0
        self._sources = sources

    def spend(self, response: httpx.Response | None = None) -> float | None:
        """Count a failure; return the pause before the next attempt, or None when none is left.

        Args:
            response: The answer, if the failure is one; its ``Retry-After`` is the least pause.
        """
        self.failures += 1
        least = (
            0.0 if response is None else retry_after(response.headers, self._sources.wall_clock())
        )
        if self.failures > self.limit or least > LONGEST_OBEYED:
            return None
        return max(backoff(self.failures, self._sources.random), least)


class Exchange(Protocol[T]):
    """What a face drives: requests until there is a result."""

    def request(self) -> Operation[Any]:
        """Return what to send next."""
        ...

    def answered(self, response: httpx.Response) -> Again | Returned[T]:
        """Take an answer, its body read; raise if the call is over with an error."""
        ...

    def failed(self, cause: Exception) -> Again:
        """Take one of `DROPS`; raise it if the call is over with it."""
        ...


class Call(Generic[T]):
    """A plain call: an operation that may be sent again as long as that is safe."""

    def __init__(self, operation: Operation[T], sources: Sources) -> None:
        self._operation = operation
        self._budget = Budget(CALL_BUDGET if operation.retried else 0, sources)

    def request(self) -> Operation[T]:
        """Return what to send next."""
        return self._operation

    def answered(self, response: httpx.Response) -> Again | Returned[T]:
        """Take an answer, its body read.

        Raises:
            WorkflowClientError: It is an error, or not the API's.
        """
        if response.status_code in RETRYABLE and self._operation.idempotent:
            pause = self._budget.spend(response)
            if pause is not None:
                return Again(pause)
        return Returned(self._operation.parse(response))

    def failed(self, cause: Exception) -> Again:
        """Take one of `DROPS`; raise it when the request is not to be sent again."""
        if not is_mistake(cause) and (self._operation.idempotent or isinstance(cause, NEVER_SENT)):
            pause = self._budget.spend()
            if pause is not None:
                return Again(pause)
        give_up(cause)


def is_poisoned(response: httpx.Response) -> bool:
    """Whether the server closes the connection after this answer without saying so.

    Seen on llama-agents-server 0.8.0 after an exception that no route handles: a 500 that is no
    handler. The next request on that connection would fail.
    """
    return response.status_code == 500 and b'"detail"' in response.content[:20]
