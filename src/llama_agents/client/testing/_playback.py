"""The rules of a replay: which response each request gets, and where faults are injected.

Sans-I/O: `Playback` turns requests into responses, and requests for a stream into the actions that
the socket server is to carry out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import attrs
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from .._statuses import status_after
from ..protocol import HandlerData, Status
from ..protocol.serializable_events import EventEnvelopeWithMetadata
from ._faults import Drop, Fault, Stall, Unavailable
from ._recording import RecordedEvent, Recording

HEARTBEAT_INTERVAL: Final = 25.0  # s, as the real server
ANSWER_POLL: Final = 0.01  # s
HEARTBEAT: Final = b": heartbeat\n\n"
RUN_ID: Final = "replayed"
DEFAULT_WORKFLOW_NAME: Final = "replayed"  # of the recorded run until a client starts it

_HTTP_STATUS: Final[Mapping[Status, int]] = {"running": 202, "completed": 200}  # all others: 500


@attrs.frozen
class Request:
    """An HTTP request. The names of its headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class _SendEventBody(BaseModel):
    event: EventEnvelopeWithMetadata
    step: str | None = None


class _StartBody(BaseModel):
    handler_id: str | None = None
    start_event: Any = None


@attrs.frozen
class Response:
    """A complete HTTP response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


@attrs.frozen
class Write:
    """Send the next chunk of the stream."""

    data: bytes


@attrs.frozen
class Pause:
    """Send nothing for some seconds."""

    seconds: float


@attrs.frozen
class Reset:
    """Reset the connection. No action follows."""


StreamAction = Write | Pause | Reset


@attrs.frozen
class SentEvent:
    """An event that a client sent to a run.

    Attributes:
        handler_id: ID of the run.
        event: The event as it was sent.
        step: Name of the step that it was sent to, or None for all steps.
    """

    handler_id: str
    event: EventEnvelopeWithMetadata
    step: str | None


@attrs.frozen
class StartedRun:
    """A run that a client started.

    Attributes:
        handler_id: ID of the run.
        workflow_name: Name of the workflow.
        start_event: The start event as it was sent, or None.
    """

    handler_id: str
    workflow_name: str
    start_event: Any


class Playback:
    """A server on which every run, recorded or started, has the events of one recording.

    Args:
        recording: The recording to play.
        faults: The faults to inject, in this order.
        now: Start time of the run, ISO 8601.
        wait_for_answers: Whether a stream waits after each request until the run was sent an event.

    Attributes:
        pending: The faults that have not been injected yet.
        sent: The events that clients sent.
        started: The runs that clients started.
    """

    def __init__(
        self,
        recording: Recording,
        faults: Sequence[Fault],
        now: str,
        *,
        wait_for_answers: bool = False,
    ) -> None:
        self.pending = [_ensure_fault(fault) for fault in faults]
        self.sent: list[SentEvent] = []
        self.started: list[StartedRun] = []
        self._recording = recording
        self._now = now
        # What "now" means for each run: an event has happened once any client was sent it.
        self._latest_sequence = {recording.handler_id: -1}
        self._wait_for_answers = wait_for_answers
        self._answers = Counter[str]()  # received, by run

    def respond(self, request: Request) -> Response | Iterator[StreamAction]:
        """Return the response to a request, or the actions of a stream."""
        path, _, query = request.target.partition("?")
        match [request.method, *map(unquote, path.strip("/").split("/"))]:
            case ["GET", "health"]:
                return _json_response(200, {"status": "healthy"})
            case ["GET", "events", run] if run in self._latest_sequence:
                return self._open_stream(run, parse_qs(query), request.headers)
            case ["POST", "events", run] if run in self._latest_sequence:
                return self._receive_event(run, request.body)
            case ["GET", "handlers", run] if run in self._latest_sequence:
                return _handler_response(self._handler(run))
            case [_, "events" | "handlers", _]:
                return _error_response(404, "Handler not found")
            case ["POST", "workflows", workflow, "run"]:
                return self._start(workflow, request.body, wait=True)
            case ["POST", "workflows", workflow, "run-nowait"]:
                return self._start(workflow, request.body, wait=False)
        return _error_response(404, f"A replay does not support {request.method} {path}")

    # ------------------------------------------------------------------ the stream

    def _open_stream(
        self, run: str, query: Mapping[str, Sequence[str]], headers: Mapping[str, str]
    ) -> Response | Iterator[StreamAction]:
        cursor = query.get("after_sequence", ["now"])[-1].lower()
        last_event_id = headers.get("last-event-id", "")
        if _is_sequence(last_event_id):
            cursor = last_event_id
        if cursor != "now" and not _is_sequence(cursor):
            return _error_response(400, f"Invalid after_sequence: '{cursor}'")
        if self.pending and isinstance(fault := self.pending[0], Unavailable):
            self._consume_fault()
            extra = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return _error_response(fault.status, "Injected by the replay", extra)
        after = self._latest_sequence[run] if cursor == "now" else int(cursor)
        events = self._recording.events
        if self._recording.terminal_event is not None and after >= events[-1].sequence:
            return Response(204, b"", {"Content-Type": "application/json"})  # as the real server
        internal = query.get("include_internal", ["false"])[-1].lower() == "true"
        return self._stream(run, [e for e in events if internal or not _is_internal(e)], after)

    def _stream(
        self, run: str, events: Sequence[RecordedEvent], after: int
    ) -> Iterator[StreamAction]:
        position = sum(event.sequence <= after for event in events)
        requests = sum(map(_is_request, events[:position]))
        remaining = iter(events[position:])
        faults = self._take_due_faults(position)
        while True:
            for fault in faults:
                if isinstance(fault, Drop):
                    yield Reset()
                    return
                yield Pause(fault.seconds)
            if self._wait_for_answers:
                yield from self._await_answers(run, requests)
            event = next(remaining, None)
            if event is None:
                break
            position += 1
            requests += _is_request(event)
            # Before the write: once the client has the event, a test may check `pending`.
            faults = self._take_due_faults(position)
            self._latest_sequence[run] = max(self._latest_sequence[run], event.sequence)
            yield Write(_frame(event))
        while self._recording.terminal_event is None:  # the run stays running, without events
            yield Pause(HEARTBEAT_INTERVAL)
            yield Write(HEARTBEAT)

    def _await_answers(self, run: str, requests: int) -> Iterator[StreamAction]:
        """Send heartbeats only until the run has been sent as many events as it requested."""
        polls = 0
        while self._answers[run] < requests:
            yield Pause(ANSWER_POLL)
            polls += 1
            if polls * ANSWER_POLL >= HEARTBEAT_INTERVAL:
                polls = 0
                yield Write(HEARTBEAT)

    def _take_due_faults(self, position: int) -> Sequence[Drop | Stall]:
        """Consume the faults that are due once this many events of the run have been sent."""
        due: list[Drop | Stall] = []
        while self.pending:
            fault = self.pending[0]
            if isinstance(fault, Unavailable) or fault.after != position:
                break
            self._consume_fault()
            due.append(fault)
            if isinstance(fault, Drop):
                break
        return due

    def _consume_fault(self) -> None:
        fault = self.pending.pop(0)
        if not isinstance(fault, Stall) and fault.times > 1:
            self.pending.insert(0, attrs.evolve(fault, times=fault.times - 1))

    # ------------------------------------------------------------------ plain calls

    def _receive_event(self, run: str, body: bytes) -> Response:
        try:
            content = _SendEventBody.model_validate_json(body)
        except ValidationError as error:
            return _error_response(400, f"Invalid event: {error}")
        self.sent.append(SentEvent(run, content.event, content.step))
        self._answers[run] += 1
        return _json_response(200, {"status": "sent"})

    def _start(self, workflow: str, body: bytes, *, wait: bool) -> Response:
        try:
            content = _StartBody.model_validate_json(body)
        except ValidationError as error:
            return _error_response(400, f"Invalid start request: {error}")
        if wait and self._recording.terminal_event is None:
            return _error_response(500, "The recording has no terminal event: it never completes")
        run = content.handler_id or self._recording.handler_id
        self.started.append(StartedRun(run, workflow, content.start_event))
        self._latest_sequence[run] = -1
        self._answers[run] = 0
        if wait:
            return _handler_response(self._handler(run))
        return _json_response(200, self._handler(run, "running"))

    def _handler(self, run: str, status: Status | None = None) -> HandlerData:
        """Return the state of a run: by default, the one that the recording ends in."""
        last = self._recording.terminal_event
        if status is None:
            status = "running" if last is None else status_after(last.type)
        names = [started.workflow_name for started in self.started if started.handler_id == run]
        return HandlerData.model_validate(
            {
                "handler_id": run,
                "workflow_name": names[-1] if names else DEFAULT_WORKFLOW_NAME,
                "run_id": RUN_ID,
                "error": _error_message(last) if last is not None and status == "failed" else None,
                "result": last if status == "completed" else None,
                "status": status,
                "started_at": self._now,
                "updated_at": self._now,
                "completed_at": None if status == "running" else self._now,
            }
        )


def _ensure_fault(fault: Fault) -> Fault:
    if not isinstance(fault, (Drop, Stall, Unavailable)):
        raise TypeError(f"expected a Drop, Stall or Unavailable, not {fault!r}")
    return fault


def _frame(event: RecordedEvent) -> bytes:
    return f"id: {event.sequence}\ndata: {event.event.model_dump_json()}\n\n".encode()


def _is_internal(event: RecordedEvent) -> bool:
    """Whether the server streams the event only with ``include_internal``."""
    return event.event.is_internal


def _is_request(event: RecordedEvent) -> bool:
    return _is_a(event, "InputRequiredEvent")


def _is_a(event: RecordedEvent, class_name: str) -> bool:
    return class_name in (event.event.type, *(event.event.types or ()))


def _is_sequence(text: str) -> bool:
    return re.fullmatch(r"-1|[0-9]{1,18}", text) is not None


def _error_message(terminal_event: EventEnvelopeWithMetadata) -> str:
    """Return why a run failed."""
    match terminal_event.value:
        case {"exception": {"exception_message": str(message)}}:
            return message
        case {"timeout": timeout}:
            return f"Workflow timed out after {timeout}s"
    return terminal_event.type


def _json_response(
    status: int, content: BaseModel | Mapping[str, Any], headers: Mapping[str, str] = {}
) -> Response:
    return Response(status, to_json(content), {"Content-Type": "application/json", **headers})


def _error_response(status: int, detail: str, headers: Mapping[str, str] = {}) -> Response:
    return _json_response(status, {"detail": detail}, headers)


def _handler_response(handler: HandlerData) -> Response:
    return _json_response(_HTTP_STATUS.get(handler.status, 500), handler)
