"""What a server answers that plays a recording.

Pure: requests in, answers and the steps of streams out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import attrs
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from ..protocol import HandlerData, Status
from ..protocol.serializable_events import EventEnvelopeWithMetadata
from ._faults import Drop, Fault, Stall, Unavailable
from ._recording import RecordedEvent, Recording

HEARTBEAT: Final = 25.0  # s, as the server's
RUN_ID: Final = "replayed"
UNSTARTED: Final = "replayed"  # the workflow of a run that nobody has started here

_ENDINGS: Final[Mapping[str, Status]] = {
    "WorkflowFailedEvent": "failed",
    "WorkflowTimedOutEvent": "failed",
    "WorkflowCancelledEvent": "cancelled",
}
_CODES: Final[Mapping[Status, int]] = {"running": 202, "completed": 200}  # all others: 500


@attrs.frozen
class Request:
    """A request, as it was read."""

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class _Sending(BaseModel):
    """The body of an event that is sent."""

    event: EventEnvelopeWithMetadata
    step: str | None = None


class _Start(BaseModel):
    """The body of a start."""

    handler_id: str | None = None
    start_event: Any = None


@attrs.frozen
class Answer:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


@attrs.frozen
class Write:
    """The next piece of a stream."""

    data: bytes


@attrs.frozen
class Wait:
    """A time in which a stream writes nothing."""

    seconds: float


@attrs.frozen
class Reset:
    """The end of a stream whose connection is dropped."""


Step = Write | Wait | Reset


@attrs.frozen
class SentEvent:
    """An event that was sent to the run.

    Attributes:
        handler_id: The run.
        event: Its type and fields.
        step: The step that was to get it.
    """

    handler_id: str
    event: EventEnvelopeWithMetadata
    step: str | None


@attrs.frozen
class StartedRun:
    """A run that was started.

    Attributes:
        handler_id: The run.
        workflow_name: The workflow.
        start_event: What it was started with, as it was sent.
    """

    handler_id: str
    workflow_name: str
    start_event: Any


class Playback:
    """A server that knows one run, and every run that is started: all of them are the recording.

    Args:
        recording: What is played.
        faults: What goes wrong, in this order.
        now: When the run began, ISO 8601.

    Attributes:
        pending: The faults that have not happened yet.
        sent: The events that were sent to the run.
        started: The runs that were started.
    """

    def __init__(self, recording: Recording, faults: Sequence[Fault], now: str) -> None:
        self.pending = [_known(fault) for fault in faults]
        self.sent: list[SentEvent] = []
        self.started: list[StartedRun] = []
        self._recording = recording
        self._now = now
        # What "now" is: the run produces an event when it is first written to somebody.
        self._produced = {recording.handler_id: -1}

    def answer(self, request: Request) -> Answer | Iterator[Step]:
        """Answer a request: whole, or with the steps of a stream."""
        path, _, query = request.target.partition("?")
        match [request.method, *map(unquote, path.strip("/").split("/"))]:
            case ["GET", "health"]:
                return _json(200, {"status": "healthy"})
            case ["GET", "events", run] if run in self._produced:
                return self._open(run, parse_qs(query), request.headers.get("last-event-id"))
            case ["POST", "events", run] if run in self._produced:
                return self._send(run, request.body)
            case ["GET", "handlers", run] if run in self._produced:
                handler = self._handler(run)
                return _json(_CODES.get(handler.status, 500), handler)
            case [_, "events" | "handlers", _]:
                return _detail(404, "Handler not found")
            case ["POST", "workflows", workflow, "run" | "run-nowait" as how]:
                return self._start(workflow, request.body, wait=how == "run")
        return _detail(404, f"A replay has no {request.method} {path}")

    # ------------------------------------------------------------------ the stream

    def _open(
        self, run: str, query: Mapping[str, Sequence[str]], last_event_id: str | None
    ) -> Answer | Iterator[Step]:
        cursor = query.get("after_sequence", ["now"])[-1].lower()
        if last_event_id is not None and _is_number(last_event_id):
            cursor = last_event_id
        if cursor != "now" and not _is_number(cursor):
            return _detail(400, f"Invalid after_sequence: '{cursor}'")
        if self.pending and isinstance(fault := self.pending[0], Unavailable):
            self._use_up()
            asked = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return _detail(fault.status, "As the replay was told", asked)
        after = self._produced[run] if cursor == "now" else int(cursor)
        events = self._recording.events
        if self._recording.last is not None and after >= events[-1].sequence:
            return Answer(204)
        internal = query.get("include_internal", ["false"])[-1].lower() == "true"
        return self._stream(run, [e for e in events if internal or not _is_internal(e)], after)

    def _stream(self, run: str, events: Sequence[RecordedEvent], after: int) -> Iterator[Step]:
        position = sum(event.sequence <= after for event in events)
        left = iter(events[position:])
        faults = self._due(position)
        while True:
            for fault in faults:
                yield _step(fault)
                if isinstance(fault, Drop):
                    return
            event = next(left, None)
            if event is None:
                break
            position += 1
            # Taken before the client has the event: when it has, the test may look.
            faults = self._due(position)
            self._produced[run] = max(self._produced[run], event.sequence)
            yield Write(_frame(event))
        while self._recording.last is None:  # the run goes on, and nothing happens in it
            yield Wait(HEARTBEAT)
            yield Write(b": heartbeat\n\n")

    def _due(self, position: int) -> Sequence[Drop | Stall]:
        """Take the faults that happen on a connection when so many events have come."""
        due: list[Drop | Stall] = []
        while self.pending:
            fault = self.pending[0]
            if isinstance(fault, Unavailable) or fault.after != position:
                break
            self._use_up()
            due.append(fault)
            if isinstance(fault, Drop):
                break
        return due

    def _use_up(self) -> None:
        fault = self.pending.pop(0)
        if not isinstance(fault, Stall) and fault.times > 1:
            self.pending.insert(0, attrs.evolve(fault, times=fault.times - 1))

    # ------------------------------------------------------------------ calls

    def _send(self, run: str, body: bytes) -> Answer:
        try:
            content = _Sending.model_validate_json(body)
        except ValidationError as error:
            return _detail(400, f"Not an event: {error}")
        self.sent.append(SentEvent(run, content.event, content.step))
        return _json(200, {"status": "sent"})

    def _start(self, workflow: str, body: bytes, *, wait: bool) -> Answer:
        try:
            content = _Start.model_validate_json(body)
        except ValidationError as error:
            return _detail(400, f"Not a start: {error}")
        if wait and self._recording.last is None:
            return _detail(500, "The recording has no terminal event: its run never completes")
        run = content.handler_id or self._recording.handler_id
        self.started.append(StartedRun(run, workflow, content.start_event))
        self._produced[run] = -1
        if not wait:
            return _json(200, self._handler(run, "running"))
        handler = self._handler(run)
        return _json(_CODES.get(handler.status, 500), handler)

    def _handler(self, run: str, status: Status | None = None) -> HandlerData:
        last = self._recording.last
        if status is None:
            status = "running" if last is None else _ENDINGS.get(last.type, "completed")
        names = [started.workflow_name for started in self.started if started.handler_id == run]
        ended = None if status == "running" else self._now
        return HandlerData.model_validate(
            {
                "handler_id": run,
                "workflow_name": names[-1] if names else UNSTARTED,
                "run_id": RUN_ID,
                "error": _error(last) if last is not None and status == "failed" else None,
                "result": last if status == "completed" else None,
                "status": status,
                "started_at": self._now,
                "updated_at": self._now,
                "completed_at": ended,
            }
        )


def _known(fault: Fault) -> Fault:
    if not isinstance(fault, (Drop, Stall, Unavailable)):
        raise TypeError(f"not a fault: {fault!r}")
    return fault


def _step(fault: Drop | Stall) -> Step:
    return Reset() if isinstance(fault, Drop) else Wait(fault.seconds)


def _frame(event: RecordedEvent) -> bytes:
    return f"id: {event.sequence}\ndata: {event.event.model_dump_json()}\n\n".encode()


def _is_internal(event: RecordedEvent) -> bool:
    """Whether it is one of the framework's own about steps, which come when asked for."""
    return "InternalDispatchEvent" in (event.event.type, *(event.event.types or ()))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-1|[0-9]{1,18}", text) is not None


def _error(last: EventEnvelopeWithMetadata) -> str:
    """Why a run failed, from its last event."""
    match last.value:
        case {"exception": {"exception_message": str(message)}}:
            return message
        case {"timeout": timeout}:
            return f"Workflow timed out after {timeout}s"
    return last.type


def _json(status: int, content: BaseModel | Mapping[str, Any]) -> Answer:
    body = to_json(content)
    return Answer(status, body, {"Content-Type": "application/json"})


def _detail(status: int, detail: str, headers: Mapping[str, str] = {}) -> Answer:
    answer = _json(status, {"detail": detail})
    return attrs.evolve(answer, headers={**answer.headers, **headers})
