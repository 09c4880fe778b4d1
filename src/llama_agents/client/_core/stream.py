"""The event stream of a run: which events are delivered, and where the next connection resumes.

Theory of operation
===================

`StreamMachine.action` is the single source of truth for what to do next::

    action   input                                            next action
    Retry    opened: an event stream                          Read
    Retry    opened: 204                                      Finished, or raises
    Retry    opened: a retryable status                       Retry, or raises
    Retry    opened: any other response                       raises
    Retry    connection_ended: the connection failed          Retry, or raises
    Read     receive: the run's terminal event                Finished
    Read     connection_ended: read timeout                   Retry, not counted as a failure
    Read     connection_ended: anything else                  Retry, or raises
    Read     interrupted                                      Retry, not counted as a failure

- Retry: open a connection after the delay; a new stream starts with ``Retry(0.0)``.
- Read: feed the chunks of the response to `receive`.
- Finished: the terminal event has been delivered, on this connection or, if it is the event at the
  cursor, on an earlier one; the server has nothing more to deliver (204); or an error was raised. A
  connection that ends before that, cleanly or not, never finishes a stream.

Guarantees:

- The cursor moves just before each event is yielded, and never backwards, so it never passes an
  event that the caller has not received. The next connection resumes after it.
- A step that an exception from outside interrupts, at whatever point, is reported as `interrupted`;
  what it has not delivered arrives again on the next connection.
- Events up to the cursor with which a connection was opened are dropped, so a server that replays
  more than it was asked for causes no duplicates. A number that repeats within one connection is
  delivered.
- An event without a sequence number makes the position unknown until a later number moves the
  cursor. A connection that ends in between raises: resuming might skip or repeat events.
- Each failed attempt and each lost connection counts as a failure. Only a delivered event resets
  the count, so a server that accepts connections and drops them is not retried forever.
- A read timeout on an open stream is not a failure: a quiet run without heartbeats looks the same.
- A server without sequence numbers (before 0.2.0) hands each event out once, to one connection. Its
  events are delivered from the first on, through one connection, whose silence is waited out; all
  else that would lose or repeat events raises `UnsupportedServerError`.
- A stream that began at ``"now"`` and is interrupted before its first event resumes at "now", and
  warns that it may have missed events.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import httpx

from ..errors import (
    Cursor,
    InvalidResponseError,
    MissedEventsWarning,
    ResponseTooLargeError,
    StreamDisconnectedError,
    StreamTimeoutError,
    UnsupportedServerError,
    status_error,
)
from . import endpoints
from .actions import Finished, Read, Retry, TimeSource
from .endpoints import Operation
from .limits import Limits
from .logs import STREAMS
from .policy import (
    MAX_RETRY_AFTER,
    RETRYABLE_STATUSES,
    RetryBudget,
    is_caller_error,
    raise_final,
)
from .responses import with_body
from .server import CURSORS, FRAMES, ServerTraits
from .sse import SSEDecoder, is_event_stream

if TYPE_CHECKING:
    from ..protocol import EventEnvelopeWithMetadata

ERROR_BODY_BYTES: Final = 65536
ERROR_BODY_SECONDS: Final = 5.0

# Not created when needed: a signal could interrupt that call between the cursor and the delivery.
_FINISHED: Final[Finished[None]] = Finished(None)


class ErrorBodyReader:
    """Reads the beginning of an error response's body.

    The whole may be long and arrive slowly, and is not worth waiting for.
    """

    def __init__(self, response: httpx.Response, clock: Callable[[], float]) -> None:
        self._response = response
        self._clock = clock
        self._deadline = clock() + ERROR_BODY_SECONDS
        self._body = b""

    def receive(self, chunk: bytes) -> bool:
        """Read a decoded chunk of the body; return whether that is enough."""
        self._body += chunk
        return len(self._body) >= ERROR_BODY_BYTES or self._clock() >= self._deadline

    def response(self) -> httpx.Response:
        """Return the response with as much of its body as was read."""
        return with_body(self._response, self._body)


class StreamMachine:
    """The machine of an event stream.

    Args:
        handler_id: ID of the run.
        after_sequence: Where the stream begins.
        include_internal: Whether to ask for the framework's own events.
        max_reconnect_attempts: How many times in a row to try to reconnect before giving up.
        max_event_size: How many bytes of data an event may have; None for no limit.
        needs_numbers: Whether an event without a sequence number is an error also where no other
            can be missing.
        server: What is known of the server.
        time: The source of time and randomness.

    Attributes:
        handler_id: ID of the run.
        action: What comes next.
        delivered: How many events it has delivered.
        cursor: The sequence number of the last event delivered, at first ``after_sequence``.
        position_is_known: Whether that number says where the stream is: not after an event without
            one, which another connection might skip or repeat.
        ended_by: The class of the run's terminal event, once it is known.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        handler_id: str,
        *,
        after_sequence: Cursor,
        include_internal: bool,
        max_reconnect_attempts: int,
        max_event_size: int | None = None,
        needs_numbers: bool = False,
        server: ServerTraits,
        time: TimeSource,
    ) -> None:
        from ..protocol import EventEnvelopeWithMetadata

        _check_cursor(after_sequence)
        if not isinstance(max_reconnect_attempts, int) or max_reconnect_attempts < 0:
            raise ValueError(
                f"max_reconnect_attempts must be an integer of at least 0, "
                f"not {max_reconnect_attempts!r}"
            )
        self.handler_id = handler_id
        self.action: Retry | Read | Finished[None] = Retry(0.0)
        self.delivered = 0
        self.cursor: Cursor = after_sequence
        self.position_is_known = True
        self.ended_by: str | None = None
        self._server = server
        self._include_internal = include_internal
        self._clock = time.clock
        self._budget = RetryBudget(
            max_reconnect_attempts,
            time,
            logger=STREAMS,
            subject="the stream",
            handler_id=handler_id,
        )
        self._min_delay = 0.0  # s, from the stream's retry field
        self._response: httpx.Response | None = None
        self._max_event_size = max_event_size
        self._decoder = SSEDecoder(max_event_size)
        # What model_validate_json calls, without what it does before that for each event.
        self._parse = EventEnvelopeWithMetadata.__pydantic_validator__.validate_json
        self._may_have_missed = False  # "now" has moved since the caller meant it
        self._replayed_through = -1  # events up to here were delivered on an earlier connection
        self._may_be_unnumbered = False
        self.request()  # rejects a bad handler ID before anything is sent
        self._may_be_unnumbered = after_sequence == -1 and not needs_numbers

    def request(self) -> Operation[None]:
        """Prepare for a new connection, and return the operation that opens it."""
        server = self._server
        # An old server hands each event out once: only the first request can get them all.
        is_first = not (server.has_cursors or self.handler_id in server.streamed)
        self._takes_unnumbered = self._may_be_unnumbered and is_first
        if self._takes_unnumbered:
            server.streamed.add(self.handler_id)
        self._decoder = SSEDecoder(self._max_event_size)
        self._replayed_through = -1 if self.cursor == "now" else self.cursor
        return endpoints.stream_events(self.handler_id, self.cursor, self._include_internal)

    def limits(self, operation: Limits) -> Limits:
        """Return the limits of the next request: the operation's."""
        return operation

    def is_patient(self) -> bool:
        """Return whether to wait out silence: another connection would lose events."""
        return self._server.has_cursors is False

    def error_body_reader(self, response: httpx.Response) -> ErrorBodyReader | None:
        """Return what reads the body before `opened`; None for the body of a stream."""
        if response.status_code == 204 or is_event_stream(response):
            return None
        return ErrorBodyReader(response, self._clock)

    def opened(self, response: httpx.Response) -> None:
        """Handle the headers of a response, with the body if it is an error.

        Raises:
            StatusError: An error that retrying cannot fix.
            InvalidResponseError: It is not an event stream.
            StreamDisconnectedError: The server is unavailable, and no attempt is left.
        """
        status = response.status_code
        if status == 204:
            self._ensure_events_are_kept(response)
            self.action = _FINISHED
        elif is_event_stream(response):
            self._response = response
            self.action = Read()
            if self._may_have_missed:
                self._may_have_missed = False
                self._warn_missed_events()
        elif response.is_success:
            raise self._invalid(response, "Response is not an event stream")
        else:
            error = status_error(response, handler_id=self.handler_id, is_stream=True)
            if status == 409:
                raise self._unsupported(
                    "the stream is being read by another consumer",
                    "the server hands each event out once, to one of them",
                ) from error
            if status not in RETRYABLE_STATUSES:
                self.action = _FINISHED
                raise error
            self._retry(error)

    def receive(self, chunk: bytes) -> Iterator[EventEnvelopeWithMetadata]:
        """Handle a chunk of the body; yield the events that it completes.

        Raises:
            InvalidResponseError: An event is malformed, or too large.
        """
        server = self._server
        for sse in self._decoder.feed(chunk):
            if sse.retry is not None:
                self._min_delay = min(sse.retry / 1000, MAX_RETRY_AFTER)
            data, sequence = sse.data, sse.id
            if data is None:
                if sequence is not None and (self.cursor == "now" or sequence > self.cursor):
                    self.cursor = sequence
                continue
            was_delivered = sequence is not None and sequence <= self._replayed_through
            if was_delivered and sequence != self.cursor:
                continue
            try:
                event: EventEnvelopeWithMetadata = self._parse(data)
            except ValueError as error:
                assert self._response is not None
                raise self._invalid(self._response, "Malformed event") from error
            # As event.is_terminal; the call of a property for each event costs 3 %.
            types = event.types
            is_terminal = event.type == "StopEvent" or (types is not None and "StopEvent" in types)
            if was_delivered:
                # A run that was followed to its end before has nothing left but that end.
                if is_terminal:
                    self.action, self.ended_by = _FINISHED, event.type
                    return
                continue
            if sequence is None and not self._takes_unnumbered:
                raise self._unnumbered()
            # No calls from here on: a signal could interrupt them, and the event would be lost.
            self._budget.failures = 0  # not reset(), which also costs 4 % of a whole stream
            if is_terminal:
                self.action, self.ended_by = _FINISHED, event.type
            if sequence is None:
                self.position_is_known = server.has_cursors = False
            elif self.cursor == "now" or sequence > self.cursor:
                # A number repeated after an event without one says nothing about that event.
                self.position_is_known = True
                self.cursor = sequence
                if not server.has_cursors:
                    server.has_cursors = True
            self.delivered += 1
            yield event
            if is_terminal:
                return
        if self._decoder.event_too_large:
            assert self._response is not None
            assert self._max_event_size is not None
            self.action = _FINISHED
            raise ResponseTooLargeError(
                self._response,
                self._max_event_size,
                handler_id=self.handler_id,
                last_sequence=self.cursor,
            )

    def connection_ended(self, cause: Exception | None, *, not_sent: bool = False) -> None:
        """Handle the end of a connection, or a failure to open it.

        Args:
            cause: One of `TRANSPORT_ERRORS`, or None for a clean end of the body.
            not_sent: Whether it proves that the server has not seen the request.

        Raises:
            StreamDisconnectedError: No attempt is left.
            UnsupportedServerError: The position is unknown.
            httpx.TransportError: ``cause``, if it is a mistake of the caller.
        """
        was_open = isinstance(self.action, Read)
        if isinstance(self.action, Finished):
            return
        if cause is not None and is_caller_error(cause):
            self.action = _FINISHED
            raise_final(cause, self.handler_id)
        self._check_frames(cause)
        self._check_position(cause)
        if not_sent and self._takes_unnumbered:
            self._server.streamed.discard(self.handler_id)
        if was_open and self.cursor == "now":
            self._warn_missed_events()
        if was_open and isinstance(cause, httpx.ReadTimeout):
            STREAMS.info(
                "the stream of handler %r fell silent, reconnecting",
                self.handler_id,
                extra=self._log_fields(),
            )
            self.action = Retry(self._min_delay)
        else:
            self._retry(cause)

    def interrupted(self) -> None:
        """Handle an exception from outside, at any moment; the connection has been closed.

        Raises:
            UnsupportedServerError: The position is unknown.
        """
        if isinstance(self.action, Finished):
            return
        self._check_position(None)
        if isinstance(self.action, Read):
            self.action = Retry(0.0)
            if self.cursor == "now":
                self._warn_missed_events()

    def ensure_position(self) -> None:
        """Raise ``UnsupportedServerError`` if the position of the last event is not known."""
        if not self.position_is_known:
            raise UnsupportedServerError(
                "the last event has no sequence number",
                "the position in the stream is unknown",
                CURSORS,
                handler_id=self.handler_id,
            )

    def restart(self) -> None:
        """Start again at "now", after a failure to connect ahead of the iteration."""
        self.action = Retry(0.0)
        self._budget.reset()
        self.overtaken()

    def overtaken(self) -> None:
        """Note that a call has gone ahead of the "now" that the caller meant."""
        self._may_have_missed = True

    def _ensure_events_are_kept(self, response: httpx.Response) -> None:
        """Raise if a 204 may mean that somebody else has read the events of the run."""
        if "content-type" in response.headers:
            self._server.has_cursors = True  # others send a 204 without a body
        may_have_been_read = self.cursor == -1 or self._server.has_cursors is False
        if may_have_been_read and self.position_is_known and not self._server.has_cursors:
            raise self._unsupported(
                "the stream of a run that has ended has no events",
                "the server hands each event out once, and they have been read before",
            )

    def _check_frames(self, cause: Exception | None) -> None:
        """Raise if the connection has brought an event without the blank line that ends it."""
        if self._decoder.has_unended_event():
            raise self._unsupported(
                "events arrive without the blank line that ends them",
                "they cannot be told apart",
                FRAMES,
            ) from cause

    def _unnumbered(self) -> UnsupportedServerError:
        self._server.has_cursors = False
        return self._unsupported(
            "an event has no sequence number",
            "the position in the stream is unknown; events may be missing or repeated",
        )

    def _unsupported(
        self, noticed: str, meaning: str, needed: str = CURSORS
    ) -> UnsupportedServerError:
        """End the stream; return the error to raise."""
        self.action = _FINISHED
        return UnsupportedServerError(noticed, meaning, needed, handler_id=self.handler_id)

    def _check_position(self, cause: Exception | None) -> None:
        if not self.position_is_known:
            raise self._unsupported(
                "the connection ended after an event without a sequence number",
                "the position in the stream is unknown, and the rest of the events may be lost",
            ) from cause

    def _retry(self, cause: Exception | None) -> None:
        delay = self._budget.record_failure(cause, self.cursor)
        if delay is None:
            reason = "the connection was closed before the run's terminal event"
            if cause is not None:
                reason = f"{type(cause).__name__}: {cause}"
            problem = f"gave up after {self._budget.failures} failed attempts in a row; {reason}"
            raise self._disconnected(problem, cause) from cause
        self.action = Retry(max(delay, self._min_delay))

    def _disconnected(self, problem: str, cause: Exception | None) -> StreamDisconnectedError:
        """End the stream; return the error to raise."""
        self.action = _FINISHED
        timed_out = isinstance(cause, httpx.TimeoutException)
        cls = StreamTimeoutError if timed_out else StreamDisconnectedError
        return cls(self.handler_id, self.cursor, problem)

    def _invalid(self, response: httpx.Response, problem: str) -> InvalidResponseError:
        """End the stream; return the error to raise."""
        self.action = _FINISHED
        return InvalidResponseError(
            response, problem, handler_id=self.handler_id, last_sequence=self.cursor
        )

    def _log_fields(self) -> dict[str, Any]:
        return {"handler_id": self.handler_id, "last_sequence": self.cursor}

    def _warn_missed_events(self) -> None:
        message = (
            f"The event stream of handler {self.handler_id!r} was interrupted before its first "
            "event. It continues at 'now': events produced in between are not delivered."
        )
        STREAMS.warning(message, extra=self._log_fields())
        warnings.warn(message, MissedEventsWarning, stacklevel=4)


def _check_cursor(cursor: Cursor) -> None:
    if cursor == "now":
        return
    if not isinstance(cursor, int) or isinstance(cursor, bool) or cursor < -1:
        raise ValueError(f"after_sequence must be an integer from -1 up, or 'now', not {cursor!r}")
