"""What bounds a request: how long each phase may take, and how long all of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, Protocol

import attrs
import httpx

from ..errors import WaitTimeoutError

IDLE_LIMIT: Final = 45.0  # s without a byte; the server's heartbeat is 25 s
CONNECT_LIMIT: Final = 10.0  # s
ATTEMPT_LIMIT: Final = 15.0  # s, of one attempt of a plain call
CALL_LIMIT: Final = 45.0  # s, of all attempts of a plain call, with the delays between them
HEALTH_LIMIT: Final = 5.0  # s, of `is_healthy`
AHEAD_LIMIT: Final = 15.0  # s, that a call waits for the streams that are connected ahead of it

Kind = Literal["plain call", "health check", "stream", "blocking start"]
"""Kinds of operation, by the time that they may take."""


@attrs.frozen
class Limits:
    """What bounds one request, and the call that it belongs to.

    Attributes:
        timeout: The time for each phase, as httpx counts it: each byte starts it again.
        head: Seconds until the head of the response must have arrived.
        whole: Seconds until the whole response must have arrived.
        total: Seconds for all attempts of the call.
    """

    timeout: httpx.Timeout
    head: float = math.inf
    whole: float = math.inf
    total: float = math.inf

    def within(self, seconds: float) -> Limits:
        """Return these limits, with no more than some seconds for the whole response."""
        if seconds >= self.whole:
            return self
        timeout = self._shortened(seconds, *self.timeout.as_dict())
        return attrs.evolve(self, timeout=timeout, head=min(self.head, seconds), whole=seconds)

    def connecting_within(self, seconds: float) -> Limits:
        """Return these limits, with no more than some seconds for connecting."""
        if seconds == math.inf:
            return self
        return attrs.evolve(self, timeout=self._shortened(seconds, "connect", "pool"))

    def _shortened(self, seconds: float, *phases: str) -> httpx.Timeout:
        limits = self.timeout.as_dict()
        for name in phases:
            limit = limits[name]
            limits[name] = seconds if limit is None else min(limit, seconds)
        return httpx.Timeout(**limits)


@attrs.frozen
class Deadline:
    """The time that the caller gives a whole conversation with a run.

    Attributes:
        handler_id: ID of the run.
        timeout: Seconds from now on, or None for no limit.
        begin: When it began, on the clock.
    """

    handler_id: str
    timeout: float | None
    _clock: Callable[[], float]
    begin: float = attrs.field(
        init=False, default=attrs.Factory(lambda self: self._clock(), takes_self=True)
    )

    def remaining(self) -> float | None:
        """Return the seconds that are left, or None if there is no limit."""
        if self.timeout is None:
            return None
        return max(self.begin + self.timeout - self._clock(), 0.0)

    def check(self) -> None:
        """Raise ``WaitTimeoutError`` if no time is left."""
        if self.remaining() == 0.0:
            raise self.error()

    def error(self) -> WaitTimeoutError:
        """Return the error for a run that is still running at the deadline."""
        assert self.timeout is not None
        return WaitTimeoutError(self.handler_id, self.timeout)


class Limiting(Protocol):
    """A machine that has a say in how long its next request may take."""

    def limits(self, operation: Limits) -> Limits:
        """Return the limits of the next request, given those of its operation."""
        ...


class Waiting(Limiting, Protocol):
    """A machine with a deadline."""

    def remaining(self) -> float:
        """Return the seconds until the deadline."""
        ...


@attrs.frozen
class HeadWithin:
    """Limits the heads of a machine's responses by another machine, but not their bodies."""

    _machine: Limiting
    _other: Limiting

    def limits(self, operation: Limits) -> Limits:
        """Return the limits of the next request, given those of its operation."""
        limits = self._machine.limits(operation)
        return attrs.evolve(limits, head=min(limits.head, self._other.limits(operation).head))


class Ahead:
    """The time that a call gives streams to be connected ahead of it.

    Args:
        clock: The monotonic clock.
        wait: The machine of the wait that the call belongs to, which has a deadline of its own and
            is not held up by the delays between attempts; None for a call outside a wait.

    Attributes:
        is_wait: Whether the call belongs to a wait.
    """

    def __init__(self, clock: Callable[[], float], wait: Waiting | None = None) -> None:
        self.is_wait = wait is not None
        self._clock = clock
        self._wait = wait
        self._deadline = clock() + AHEAD_LIMIT

    def remaining(self) -> float:
        """Return the seconds that are left."""
        left = self._deadline - self._clock()
        return max(0.0, left if self._wait is None else min(left, self._wait.remaining()))

    def has_time_for(self, delay: float) -> bool:
        """Return whether there is time for an attempt after a delay."""
        return delay < self.remaining() and not (self.is_wait and delay)

    def limits(self, operation: Limits) -> Limits:
        """Return the limits of the next request: the operation's, with less time for the head."""
        limits = operation if self._wait is None else self._wait.limits(operation)
        return attrs.evolve(limits, head=min(limits.head, self.remaining()))


def limits_of(kind: Kind, chosen: httpx.Timeout | None) -> Limits:
    """Return the limits of an operation.

    Args:
        kind: Its kind.
        chosen: The timeouts of the httpx client, or None if nobody chose them.
    """
    match kind:
        case "stream" | "blocking start":  # as long as the run takes, but not in silence
            timeout = chosen or _phases(IDLE_LIMIT)
            times = (timeout.connect, timeout.write, timeout.read)
            return Limits(timeout, head=sum(math.inf if t is None else t for t in times))
        case _ if chosen is not None:
            return Limits(chosen)
        case "health check":
            return Limits(_phases(HEALTH_LIMIT), HEALTH_LIMIT, HEALTH_LIMIT, HEALTH_LIMIT)
        case "plain call":
            return Limits(_phases(ATTEMPT_LIMIT), ATTEMPT_LIMIT, ATTEMPT_LIMIT, CALL_LIMIT)


def _phases(longest: float) -> httpx.Timeout:
    connect = min(CONNECT_LIMIT, longest)
    return httpx.Timeout(longest, connect=connect, pool=connect)
