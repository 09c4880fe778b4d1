"""How long to pause between two looks at a run that is waited for.

Pure: the clock is read by the caller.
"""

from __future__ import annotations

from typing import Literal

from .errors import WaitTimeoutError
from .protocol import HandlerData, is_status_completed

Backoff = Literal["constant", "linear", "exponential"]


class Wait:
    """A wait for the end of a run, with a bound in time."""

    def __init__(
        self,
        handler_id: str,
        *,
        timeout: float | None,
        poll_interval: float,
        max_poll_interval: float,
        backoff: Backoff,
        now: float,
    ) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be at least 0 seconds, or None, not {timeout!r}")
        if not poll_interval >= 0:
            raise ValueError(f"poll_interval must be at least 0 seconds, not {poll_interval!r}")
        if not max_poll_interval >= poll_interval:
            raise ValueError(
                f"max_poll_interval must be at least poll_interval ({poll_interval!r}), "
                f"not {max_poll_interval!r}"
            )
        if backoff not in ("constant", "linear", "exponential"):
            raise ValueError(
                f"backoff must be 'constant', 'linear' or 'exponential', not {backoff!r}"
            )
        self._handler_id = handler_id
        self._timeout = timeout
        self._interval = poll_interval
        self._max_interval = max_poll_interval
        self._backoff = backoff
        self._started = now

    def pause(self, handler: HandlerData, now: float) -> float | None:
        """Return the seconds until the next look, or None when the run has ended.

        Raises:
            WaitTimeoutError: It goes on, and the time is over.
        """
        if is_status_completed(handler.status):
            return None
        pause = self._interval
        if self._timeout is not None:
            left = self._started + self._timeout - now
            if left <= 0:
                raise WaitTimeoutError(self._handler_id, self._timeout)
            pause = min(pause, left)
        self._interval = min(self._next_interval(), self._max_interval)
        return pause

    def _next_interval(self) -> float:
        if self._backoff == "linear":
            return self._interval + 1.0
        return self._interval * (2.0 if self._backoff == "exponential" else 1.0)
