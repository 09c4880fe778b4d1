"""The wait for the end of a run: looks at it, and between them its event stream.

Pure: a machine that is told the time with each step. The stream says at once when the run ends; a
look now and then makes sure, as a stream can be alive and know nothing.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import httpx
from pydantic import ValidationError

from . import _operations
from ._operations import Operation
from ._retry import RETRYABLE, Budget, Sources, give_up, is_mistake
from ._sse import SSEDecoder, is_event_stream
from .errors import WaitTimeoutError, WorkflowClientError, name_run, status_error
from .protocol import HandlerData, is_status_completed
from .protocol.serializable_events import EventEnvelopeWithMetadata

LOOK_EVERY: Final = 20.0  # s; below the server's heartbeat of 25 s, so that each brings a look
LOOK_BUDGET: Final = 6  # looks that may fail in a row
LEAST_LIMIT: Final = 0.1  # s, for a phase of a request when hardly any time is left

FIRST_SETTLING: Final = 0.005  # s, doubles

Backoff = Literal["constant", "linear", "exponential"]


class Wait:
    """A wait for the end of a run, with a bound in time.

    Attributes:
        look: The operation that looks at the run.
    """

    def __init__(
        self,
        look: Operation[HandlerData],
        handler_id: str,
        *,
        timeout: float | None = None,
        poll_interval: float = 0.5,
        max_poll_interval: float = 5.0,
        backoff: Backoff = "linear",
        sources: Sources,
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
        self.look = look
        self._handler_id = handler_id
        self._timeout = timeout
        self._interval = poll_interval
        self._max_interval = max_poll_interval
        self._backoff = backoff
        self._clock = sources.clock
        self._deadline = None if timeout is None else self._clock() + timeout
        self._budget = Budget(LOOK_BUDGET, sources)
        self._decoder = SSEDecoder()
        self._listening = False
        self._opened = 0.0
        self._limit: float | None = None  # s, the read timeout of the open stream
        self._settling = 0.0  # s, the next pause once the end was signalled

    def looked(self, response: httpx.Response) -> HandlerData | float:
        """Take the answer to a look: return the run if it has ended, else the pause to make.

        Raises:
            WorkflowClientError: It is an error, or not the API's.
            WaitTimeoutError: The time is over.
        """
        if response.status_code in RETRYABLE:
            return self.unavailable(response)
        try:
            handler = self.look.parse(response)
        except WorkflowClientError as error:
            name_run(error, self._handler_id)
            raise
        if is_status_completed(handler.status):
            return handler
        self._budget.failures = 0
        pause = self._settling
        if pause:
            # The event of the end is there before the status of the run says so.
            self._settling = min(2 * pause, self._max_interval)
        return self._within_the_bound(pause)

    def unavailable(self, response: httpx.Response) -> float:
        """Take an answer that says to come again; return the pause before the next look.

        Raises:
            StatusError: No look is left.
            WaitTimeoutError: The time is over.
        """
        pause = self._budget.spend(response)
        if pause is None:
            error = status_error(response)
            name_run(error, self._handler_id)
            raise error
        return self._within_the_bound(pause)

    def look_failed(self, cause: Exception) -> float:
        """Take one of ``DROPS`` of a look; return the pause before the next one.

        Raises:
            WaitTimeoutError: The time is over.
        """
        pause = None if is_mistake(cause) else self._budget.spend()
        if pause is None:
            name_run(cause, self._handler_id)
            give_up(cause)
        return self._within_the_bound(pause, cause)

    def timeout(self, client: httpx.Timeout) -> httpx.Timeout:
        """Return the limits for the next request: those of the client, or less near the bound."""
        limits = client.as_dict()
        if self._deadline is not None:
            # A request can stall while connecting, and again while reading.
            most = max(self._left() / 2, LEAST_LIMIT)
            limits = {
                phase: most if limit is None else min(limit, most)
                for phase, limit in limits.items()
            }
        self._limit = limits["read"]
        return httpx.Timeout(**limits)

    def is_late(self) -> bool:
        """Return whether the bound is past for the rest of an answer, too."""
        return self._left() <= -LEAST_LIMIT

    def listen(self) -> Operation[None]:
        """Return the request for the stream that says when the run ends."""
        self._decoder = SSEDecoder()
        self._listening = False
        self._opened = self._clock()
        return _operations.stream_events(self._handler_id, "now", False)

    def opened(self, response: httpx.Response) -> bool:
        """Take the head of the stream's answer; return whether to read on."""
        self._listening = response.status_code == 200 and is_event_stream(response)
        if response.status_code == 204:
            self._settling = self._settling or FIRST_SETTLING
        return self._listening and not self._silence_would_last_too_long()

    def heard(self, piece: bytes) -> bool:
        """Take bytes of the stream; return whether it is time for a look."""
        for block in self._decoder.feed(piece):
            if block.data is not None and _is_terminal(block.data):
                self._settling = self._settling or FIRST_SETTLING
                return True
        if self._silence_would_last_too_long():
            return True
        return self._clock() - self._opened >= LOOK_EVERY

    def fell_silent(self, cause: Exception | None) -> float:
        """Take the end of the stream; return the pause before the next look."""
        if self._settling or (self._listening and isinstance(cause, httpx.ReadTimeout)):
            return 0.0
        pause = self._interval
        self._interval = min(self._next_interval(), self._max_interval)
        return min(pause, max(0.0, self._left()))

    def _silence_would_last_too_long(self) -> bool:
        """Whether the stream, silent from here on, would be noticed only beyond the bound."""
        return self._limit is not None and self._left() < self._limit

    def _left(self) -> float:
        """Seconds until the bound."""
        return math.inf if self._deadline is None else self._deadline - self._clock()

    def _within_the_bound(self, pause: float, cause: Exception | None = None) -> float:
        left = self._left()
        if self._timeout is not None and left <= 0:
            raise WaitTimeoutError(self._handler_id, self._timeout) from cause
        return min(pause, left)

    def _next_interval(self) -> float:
        if self._backoff == "linear":
            return self._interval + 1.0
        return self._interval * (2.0 if self._backoff == "exponential" else 1.0)


def _is_terminal(data: bytes) -> bool:
    if b"StopEvent" not in data:
        return False  # most events, without the cost of parsing them
    try:
        return EventEnvelopeWithMetadata.model_validate_json(data).is_terminal
    except ValidationError:
        return False
