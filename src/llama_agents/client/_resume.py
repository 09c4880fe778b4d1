"""The state machine of an event stream: cursor, budget of attempts, when it is over.

Pure: it says which request to send next, takes the bytes and the ends of connections, and answers
with what to do. It reads no clock and no random source of its own.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Final, Literal

import attrs
import httpx
from pydantic import ValidationError

from . import _operations
from ._operations import Operation
from ._retry import LONGEST_OBEYED, RETRYABLE, Again, Budget, Sources, give_up, is_mistake
from ._sse import SSEDecoder, is_event_stream
from .errors import (
    InvalidResponseError,
    MissedEventsWarning,
    StreamDisconnectedError,
    StreamTimeoutError,
    status_error,
)
from .protocol.serializable_events import EventEnvelopeWithMetadata

EVIDENCE_BYTES: Final = 65536
EVIDENCE_SECONDS: Final = 5.0

# What model_validate_json calls, without what it does before that for each event.
_parse: Final = EventEnvelopeWithMetadata.__pydantic_validator__.validate_json

logger = logging.getLogger("llama_agents.client")


@attrs.frozen
class ReadOn:
    """The response is an event stream: feed its bytes to `StreamMachine.receive`."""


@attrs.frozen
class Done:
    """The stream is over and every event has been delivered."""


Step = ReadOn | Again | Done


class Evidence:
    """The beginning of the body of an answer that is an error.

    It may be long, and it may come slowly, and it is not worth waiting for.
    """

    def __init__(self, response: httpx.Response, clock: Callable[[], float]) -> None:
        self._response = response
        self._clock = clock
        self._until = clock() + EVIDENCE_SECONDS
        self._body = b""

    def take(self, piece: bytes) -> bool:
        """Take bytes of the body, decoded; return whether they are enough."""
        self._body += piece
        return len(self._body) >= EVIDENCE_BYTES or self._clock() >= self._until

    def response(self) -> httpx.Response:
        """Return the answer with as much of its body as was read."""
        headers = self._response.headers.copy()
        for name in ("content-encoding", "content-length", "transfer-encoding"):
            headers.pop(name, None)  # they are about the body as it was sent
        return httpx.Response(
            self._response.status_code,
            headers=headers,
            content=self._body,
            request=self._response.request,
            extensions=self._response.extensions,
        )


class StreamMachine:
    """What one event stream has delivered, and what it does next.

    With ``settle`` it is a stream of the past: over when no event has come for so many seconds.

    Attributes:
        handler_id: The handler whose events are streamed.
        cursor: The sequence number of the last event delivered; before that, where to begin.
        finished: Whether the terminal event was delivered, or the server said that none is left.
    """

    def __init__(
        self,
        handler_id: str,
        *,
        after_sequence: int | Literal["now"],
        include_internal: bool,
        max_reconnect_attempts: int,
        sources: Sources,
        settle: float | None = None,
    ) -> None:
        if after_sequence != "now" and (
            not isinstance(after_sequence, int)
            or isinstance(after_sequence, bool)
            or after_sequence < -1
        ):
            raise ValueError(
                f"after_sequence must be an integer from -1 up, or 'now', not {after_sequence!r}"
            )
        if not isinstance(max_reconnect_attempts, int) or max_reconnect_attempts < 0:
            raise ValueError(
                f"max_reconnect_attempts must be an integer of at least 0, "
                f"not {max_reconnect_attempts!r}"
            )
        self.handler_id = handler_id
        self.cursor: int | Literal["now"] = after_sequence
        self.finished = False
        self._include_internal = include_internal
        self._clock = sources.clock
        self._settle = settle
        self._latest = math.inf  # when the last event came, or the connection was opened
        self._budget = Budget(max_reconnect_attempts, sources)
        self._least_pause = 0.0  # s, from the stream's retry field
        self._unnumbered = False  # the last event delivered had no sequence number
        self._response: httpx.Response | None = None  # that of the open connection
        self._decoder = SSEDecoder()
        self._floor = -1  # events up to here came over an earlier connection
        self.request()  # refuses a bad handler id before anything is sent

    def request(self) -> Operation[None]:
        """Begin the next connection: what to send."""
        self._response = None
        self._decoder = SSEDecoder()
        self._floor = -1 if self.cursor == "now" else self.cursor
        return _operations.stream_events(self.handler_id, self.cursor, self._include_internal)

    def timeout(self, client: httpx.Timeout) -> httpx.Timeout | None:
        """Return limits for the next request that allow less silence than the client's, if any."""
        if self._settle is None:
            return None
        limits = client.as_dict()
        # It bounds the wait for the head as well, and a server may be slow with that.
        silence = self._settle * 2**self._budget.failures
        limits["read"] = silence if limits["read"] is None else min(limits["read"], silence)
        return httpx.Timeout(**limits)

    def evidence(self, response: httpx.Response) -> Evidence | None:
        """Return what is to be read of an answer before `opened`, if it is not a stream."""
        if response.status_code == 204 or (response.is_success and is_event_stream(response)):
            return None
        return Evidence(response, self._clock)

    def opened(self, response: httpx.Response) -> Step:
        """Take the head of an answer.

        Raises:
            StatusError: The server refuses, and would again.
            InvalidResponseError: The answer is no event stream.
            StreamDisconnectedError: The server is unavailable, and no attempt is left.
        """
        status = response.status_code
        if status == 204:
            self.finished = True
            return Done()
        if status in RETRYABLE:
            return self._failed(status_error(response, stream=True), response)
        if not response.is_success:
            raise status_error(response, stream=True)
        if not is_event_stream(response):
            raise self._invalid(response, "The answer is no event stream")
        self._response = response
        self._latest = self._clock()
        return ReadOn()

    def receive(self, piece: bytes) -> Iterator[EventEnvelopeWithMetadata]:
        """Take bytes of the body; give the events that they complete.

        The cursor moves as each event is handed out, so that it never stands past an event that
        the caller has not seen.

        Raises:
            InvalidResponseError: A frame is no event.
        """
        for block in self._decoder.feed(piece):
            if block.retry is not None:
                self._least_pause = min(block.retry / 1000, LONGEST_OBEYED)
            data, sequence = block.data, block.id
            if data is None:
                self._advance(sequence)
                continue
            was_delivered = sequence is not None and sequence <= self._floor
            if was_delivered and sequence != self.cursor:
                continue
            try:
                event: EventEnvelopeWithMetadata = _parse(data)
            except ValidationError as error:
                assert self._response is not None
                raise self._invalid(self._response, "A frame is no event") from error
            if was_delivered:
                # A run that was followed to its end before has nothing left but that end.
                if event.is_terminal:
                    self.finished = True
                    return
                continue
            if sequence is None:
                self._unnumbered = True
            elif self._advance(sequence):
                # A number repeated after an event without one tells nothing of that event.
                self._unnumbered = False
            self._budget.failures = 0  # and nothing less than an event does that
            if self._settle is not None:
                self._latest = self._clock()
            self.finished = event.is_terminal
            yield event
            if self.finished:
                return
        if self._settle is not None and self._clock() - self._latest >= self._settle:
            self.finished = True  # heartbeats are silence, too

    def closed(self, cause: Exception | None) -> Step:
        """Take the end of a connection: clean (None), or by one of `DROPS`.

        Raises:
            StreamDisconnectedError: No attempt is left, or the position is not known.
        """
        response, self._response = self._response, None
        if self.finished:
            return Done()
        if cause is not None and is_mistake(cause):
            give_up(cause)
        if self._unnumbered:
            raise self._disconnected(
                "the last event had no sequence number, so the position is not known",
                cause,
            ) from cause
        if response is not None and self.cursor == "now":
            self._tell_of_the_gap()
        if response is not None and isinstance(cause, httpx.ReadTimeout):
            if self._settle is not None:
                self.finished = True
                return Done()
            # A quiet run without heartbeats looks like this: it is no failure.
            return Again(self._least_pause)
        return self._failed(cause)

    def _failed(self, cause: Exception | None, response: httpx.Response | None = None) -> Again:
        pause = self._budget.spend(response)
        if pause is None:
            reason = "the connection was closed before the run's terminal event"
            if cause is not None:
                reason = f"{type(cause).__name__}: {cause}"
            attempts = f"gave up after {self._budget.failures} failed attempts in a row"
            raise self._disconnected(f"{attempts}; {reason}", cause) from cause
        return Again(max(pause, self._least_pause))

    def _disconnected(self, problem: str, cause: Exception | None) -> StreamDisconnectedError:
        timed_out = isinstance(cause, httpx.TimeoutException)
        cls = StreamTimeoutError if timed_out else StreamDisconnectedError
        return cls(self.handler_id, self.cursor, problem)

    def _invalid(self, response: httpx.Response, problem: str) -> InvalidResponseError:
        return InvalidResponseError(
            response, problem, handler_id=self.handler_id, last_sequence=self.cursor
        )

    def _advance(self, sequence: int | None) -> bool:
        """Move the cursor, if that is forward; return whether it moved."""
        if sequence is None or (self.cursor != "now" and sequence <= self.cursor):
            return False
        self.cursor = sequence
        return True

    def _tell_of_the_gap(self) -> None:
        message = (
            f"The event stream of handler {self.handler_id!r} was cut before its first event. It "
            "goes on at 'now': events produced in between are not delivered."
        )
        logger.warning(message)
        warnings.warn(message, MissedEventsWarning, stacklevel=4)
