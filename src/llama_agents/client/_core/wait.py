"""The wait for a run to end: polls, and between them the run's event stream.

Theory of operation
===================

The driver starts with a `Poll`, performs each action and reports its outcome::

    action    reported by                               next action
    Poll      poll_response / poll_failed               Listen, Identify, Sleep, Finished, or raises
    Identify  identified                                Listen or Sleep
    Listen    opened: True -> receive for each chunk    Poll, as soon as receive returns it
              otherwise stream_ended                    Poll or Sleep
    Sleep     (nothing)                                 Poll

Phases::

    RUNNING ──── the stream reports the end, or 204 ────► CONFIRMING
       └──────────── a poll reports the end ──► Finished ◄─────┘

- RUNNING: the stream reports the end within milliseconds, so a poll that finds the run running is
  followed by `Listen`. A stream may stay open without reporting anything, so the first chunk
  (usually a heartbeat) after POLL_EVERY seconds triggers a poll, as does a read timeout. A stream
  that cannot be opened or breaks is followed by a poll after the poll interval, which grows.
- CONFIRMING: the status that a poll reads may lag behind the stream. Polls are repeated after the
  status lag, which doubles up to the maximum poll interval; the stream is not opened again.

A server without cursors hands each event out once, so listening would take the events from whoever
reads them: its runs are only polled. What kind it is, `Identify` finds out if nothing has told yet.

In both phases a poll that fails with a transport error or a retryable status is repeated after the
back-off, POLL_RETRIES times in a row at most. The deadline always holds: sleeps and streams end at
it, and the last poll has at most LAST_POLL seconds more. A run that it finds ended is returned.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Final, Literal

import httpx

from .._statuses import is_status_completed
from ..errors import WaitTimeoutError, WorkflowClientError, status_error
from . import endpoints
from .actions import Finished, Identify, Listen, Poll, Sleep, TimeSource
from .endpoints import Operation
from .limits import Limits
from .logs import WAITS
from .policy import (
    POLL_RETRIES,
    RETRYABLE_STATUSES,
    RetryBudget,
    is_caller_error,
    raise_final,
)
from .server import ServerTraits
from .sse import SSEDecoder, is_event_stream

if TYPE_CHECKING:
    from ..protocol import HandlerData

POLL_EVERY: Final = 20.0  # s; below the server's heartbeat of 25 s, so that each brings a poll
LAST_POLL: Final = 0.25  # s, for a poll even if the deadline is closer or has passed
INITIAL_STATUS_LAG: Final = 0.005  # s, doubles

Backoff = Literal["constant", "linear", "exponential"]


class Phase(enum.Enum):
    """Where the wait stands; see the theory of operation."""

    RUNNING = enum.auto()
    CONFIRMING = enum.auto()


class Wait:
    """The machine of a wait.

    Args:
        poll: The operation that gets the run.
        handler_id: ID of the run.
        server: What is known of the server.
        timeout: Seconds until the deadline, or None.
        poll_interval: Seconds to wait before a poll when the stream is unavailable, the first time.
        max_poll_interval: Upper limit of that interval, in seconds.
        backoff: How the interval grows.
        max_event_size: How many bytes of data an event may have; None for no limit.
        time: The source of time and randomness.
        budget: The retry budget of its polls, if it is not that of a single wait.

    Attributes:
        poll_operation: The operation that gets the run.
        phase: Where the wait stands.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        poll: Operation[HandlerData],
        handler_id: str,
        *,
        server: ServerTraits,
        timeout: float | None = None,
        poll_interval: float = 0.5,
        max_poll_interval: float = 5.0,
        backoff: Backoff = "linear",
        max_event_size: int | None = None,
        time: TimeSource,
        budget: RetryBudget | None = None,
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
        self.poll_operation = poll
        self.phase = Phase.RUNNING
        self._handler_id = handler_id
        self._server = server
        self._timeout = None if timeout == math.inf else timeout
        self._interval = poll_interval
        self._max_interval = max_poll_interval
        self._backoff = backoff
        self._clock = time.clock
        self._deadline = math.inf if timeout is None else self._clock() + timeout
        self._budget = budget or RetryBudget(
            POLL_RETRIES, time, logger=WAITS, subject="a poll", handler_id=handler_id
        )
        self._status_lag = INITIAL_STATUS_LAG
        self._max_event_size = max_event_size
        self._decoder = SSEDecoder(max_event_size)
        self._is_streaming = False
        self._opened_at = 0.0
        self._is_identified = False

    def poll_response(
        self, response: httpx.Response
    ) -> Listen | Identify | Sleep | Finished[HandlerData]:
        """Handle the response to a poll.

        Raises:
            WorkflowClientError: It is an error, or not the API's.
            WaitTimeoutError: The deadline has passed.
        """
        if response.status_code in RETRYABLE_STATUSES:
            return self.poll_failed(status_error(response, handler_id=self._handler_id))
        try:
            handler = self.poll_operation.parse(response)
        except WorkflowClientError as error:
            if not self._budget.retries(error):
                raise
            return self.poll_failed(error)
        if is_status_completed(handler.status):
            return Finished(handler)
        self._budget.reset()
        self._check_deadline()
        if self.phase is Phase.RUNNING:
            if self.remaining() <= LAST_POLL:
                return self._sleep(LAST_POLL)
            if self._server.has_cursors is None and not self._is_identified:
                return Identify()
            return self.identified()
        lag = self._status_lag
        self._status_lag = max(lag, min(2 * lag, self._max_interval))
        return self._sleep(lag)

    def identified(self) -> Listen | Sleep:
        """Return what to do with a run that is running, now that the server was asked."""
        self._is_identified = True
        return Listen() if self._server.has_cursors else self._sleep(self._grow_interval())

    def poll_failed(self, cause: Exception) -> Sleep:
        """Handle a failed poll.

        Args:
            cause: One of `TRANSPORT_ERRORS`, or the error of a response that is retried.

        Raises:
            Exception: ``cause``, when no attempt is left.
            WaitTimeoutError: The deadline has passed.
        """
        delay = None if is_caller_error(cause) else self._budget.record_failure(cause)
        if delay is None:
            raise_final(cause, self._handler_id)
        self._check_deadline(cause)
        return self._sleep(delay)

    def limits(self, operation: Limits) -> Limits:
        """Return the limits of the next request: the operation's, or less near the deadline."""
        remaining = min(self.remaining(), self._budget.remaining())
        return operation.within(max(remaining, LAST_POLL))

    def listen(self) -> Operation[None]:
        """Prepare for a new stream, and return the operation that opens it."""
        self._decoder = SSEDecoder(self._max_event_size)
        self._is_streaming = False
        self._opened_at = self._clock()
        return endpoints.stream_events(self._handler_id, "now", include_internal=False)

    def opened(self, response: httpx.Response) -> bool:
        """Handle the headers of the stream's response; return whether to read its body."""
        self._is_streaming = is_event_stream(response)
        if response.status_code == 204:
            self.phase = Phase.CONFIRMING
        return self._is_streaming

    def receive(self, chunk: bytes) -> Poll | Sleep | None:
        """Handle a chunk of the stream; return what to do instead of reading on, if anything."""
        for sse in self._decoder.feed(chunk):
            if sse.data is not None and _is_terminal(sse.data):
                self.phase = Phase.CONFIRMING
                return Poll()
        if self._decoder.event_too_large:
            return self.stream_ended(None)  # polls tell the status without that event
        is_due = self._clock() - self._opened_at >= POLL_EVERY
        return Poll() if is_due or self.remaining() <= 0 else None

    def stream_ended(self, cause: Exception | None) -> Poll | Sleep:
        """Handle the end of the stream, or a failure to open it."""
        is_quiet = self._is_streaming and isinstance(cause, httpx.ReadTimeout)
        if is_quiet or self.phase is Phase.CONFIRMING:
            return Poll()
        return self._sleep(self._grow_interval())

    def _sleep(self, seconds: float) -> Sleep:
        return Sleep(min(seconds, max(0.0, self.remaining())))

    def remaining(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - self._clock()

    def _check_deadline(self, cause: Exception | None = None) -> None:
        if self._timeout is not None and self.remaining() <= 0:
            raise WaitTimeoutError(self._handler_id, self._timeout) from cause

    def _grow_interval(self) -> float:
        """Return the poll interval, which then grows."""
        interval = longer = self._interval
        match self._backoff:
            case "linear":
                longer += 1.0
            case "exponential":
                longer *= 2.0
        self._interval = min(longer, self._max_interval)
        return interval


def _is_terminal(data: bytes) -> bool:
    if b"StopEvent" not in data:
        return False  # most events, without the cost of parsing them
    from ..protocol import EventEnvelopeWithMetadata

    try:
        return EventEnvelopeWithMetadata.model_validate_json(data).is_terminal
    except ValueError:
        return False
