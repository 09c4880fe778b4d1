"""The replay of a run's history: the events that it has produced so far.

Theory of operation
===================

The server does not mark where the history of a run ends, so a replay ends as soon as no event has
arrived for the quiet period::

    Retry ◄──► Read ── quiet period, or terminal event ──► Finished
      └───────────────────── 204 ─────────────────────────────┘

The quiet period is detected in two ways: by the read timeout, and by a chunk without events (a
heartbeat) that arrives after it. The read timeout also covers the wait for the response headers, so
it doubles with each failed attempt. Everything else, including the cursor and the failures, is
delegated to a `StreamMachine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import httpx

from ..errors import Cursor
from ..protocol.serializable_events import EventEnvelopeWithMetadata
from .actions import Finished, Read, Retry
from .endpoints import Operation
from .limits import Limits
from .stream import ErrorBodyReader, StreamMachine


class HistoryMachine:
    """The machine of a replay; drives like a `StreamMachine`.

    Args:
        stream: The machine of the stream from which the history is read.
        quiet_period: Seconds without an event after which the history is considered complete.
        clock: Returns seconds on a monotonic clock.
    """

    def __init__(
        self, stream: StreamMachine, quiet_period: float, clock: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._quiet_period = quiet_period
        self._clock = clock
        self._latest = clock()  # when the last event arrived, or the connection was opened
        self._is_quiet = False

    @property
    def action(self) -> Retry | Read | Finished[None]:
        """What comes next."""
        return Finished(None) if self._is_quiet else self._stream.action

    @property
    def handler_id(self) -> str:
        """ID of the run."""
        return self._stream.handler_id

    @property
    def cursor(self) -> Cursor:
        """The sequence number of the last event delivered."""
        return self._stream.cursor

    def request(self) -> Operation[None]:
        """Prepare for a new connection, and return the operation that opens it."""
        return self._stream.request()

    def limits(self, operation: Limits) -> Limits:
        """Return the limits of the next request: the operation's, with less silence."""
        phases = operation.timeout.as_dict()
        # It covers the wait for the head as well, and a server may be slow with that.
        silence = self._quiet_period * 2**self._stream.failures
        phases["read"] = silence if phases["read"] is None else min(phases["read"], silence)
        return attrs.evolve(operation, timeout=httpx.Timeout(**phases))

    def error_body_reader(self, response: httpx.Response) -> ErrorBodyReader | None:
        """Return what reads the body before `opened`; None for the body of a stream."""
        return self._stream.error_body_reader(response)

    def opened(self, response: httpx.Response) -> None:
        """Handle the headers of a response; raises as `StreamMachine.opened`."""
        self._latest = self._clock()
        self._stream.opened(response)

    def receive(self, chunk: bytes) -> Iterator[EventEnvelopeWithMetadata]:
        """Handle a chunk of the body; yield the events that it completes."""
        for event in self._stream.receive(chunk):
            self._latest = self._clock()
            yield event
        if self._clock() - self._latest >= self._quiet_period:
            self._is_quiet = True

    def connection_ended(self, cause: Exception | None) -> None:
        """Handle the end of a connection; raises as `StreamMachine.connection_ended`."""
        if self._is_quiet:
            return
        was_open = isinstance(self._stream.action, Read) and self._stream.position_is_known
        if was_open and isinstance(cause, httpx.ReadTimeout):
            self._is_quiet = True
        else:
            self._stream.connection_ended(cause)

    def interrupted(self) -> None:
        """Handle an exception from outside; raises as `StreamMachine.interrupted`."""
        self._stream.interrupted()
