"""What a run did, read from its events.

The framework's own events say when a step starts, with which event, and when it ends, with which
one. They do not say which step an event came from, nor whether a step that ended without an event
failed, returned None, or waits for an event in its middle. What they do not say is not guessed.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from .flow import Flow, FlowEvent, Role

if TYPE_CHECKING:
    from ..protocol import EventEnvelopeWithMetadata

_COLLECTED: Final = "CollectionReleaseEvent"  # starts a step that takes a list of events


class StepState(enum.Enum):
    """What became of a step; the values are what pictures say."""

    UNKNOWN = ""
    NOT_REACHED = "not reached"
    RUNNING = "running"
    DONE = "done"
    ENDED = "ended"  # never with an event
    WAITING = "waiting"  # for a person
    STOPPED = "stopped"  # was running when the run ended
    FAILED = "failed"


@attrs.frozen
class StepProgress:
    """What a step did.

    Attributes:
        state: What became of it.
        times: How often it was started, retries included.
    """

    state: StepState = StepState.UNKNOWN
    times: int = 0

    @property
    def text(self) -> str:
        """What a picture says of it."""
        if self.times < 2:
            return self.state.value
        is_each = self.state in (StepState.DONE, StepState.ENDED)  # rather than the last one
        return (
            f"{self.state.value} ×{self.times}"
            if is_each
            else f"{self.state.value} (×{self.times})"
        )


UNTOUCHED: Final = StepProgress()


@attrs.frozen
class Progress:
    """What a run did.

    Attributes:
        outcome: How it ended, or that it has not.
        boxes: What each box of the flow did.
        taken: The events that are known to have gone from a box to a box (source, event, target);
            None is the start or the end of the run.
    """

    outcome: str
    boxes: Sequence[StepProgress]
    taken: frozenset[tuple[int | None, str, int | None]]


def read_progress(flow: Flow, run: Iterable[EventEnvelopeWithMetadata]) -> Progress:
    """Read a run's events, of which those before the first one given count as unknown."""
    seen = _Seen(flow)
    for envelope in run:
        seen.receive(envelope)
    return Progress(seen.outcome, seen.boxes(), seen.taken())


class _Seen:
    """What the events have said so far; of anything that is not in the flow, nothing is kept."""

    def __init__(self, flow: Flow) -> None:
        self.outcome = "running"
        self._flow = flow
        self._steps = {box.name: n for n, box in enumerate(flow.boxes) if not box.is_person}
        self._events = {event.name: event for event in flow.events if event.name}
        self._takes: dict[int, set[str]] = {}
        for event in self._events.values():
            for target in event.targets:
                self._takes.setdefault(target, set()).add(event.name)
        self._started = Counter[tuple[int, str]]()
        self._gave = Counter[tuple[int, str]]()
        self._times = Counter[int]()
        self._ended = set[int]()
        self._workers: dict[int, set[str]] = {}
        self._failed = set[int]()
        self._active = set[int]()
        self._published = Counter[str]()
        self._is_whole = False  # whether the events begin with the run

    def receive(self, envelope: EventEnvelopeWithMetadata) -> None:
        value: Mapping[str, Any] = envelope.value
        if envelope.type == "StepStateChanged":
            self._step_changed(value)
        elif envelope.type in self._events:
            self._published[envelope.type] += 1
        if envelope.is_terminal:
            self._ended_by(envelope.type, value)

    def _step_changed(self, change: Mapping[str, Any]) -> None:
        step = self._number(change.get("name"))
        worker, state = change.get("worker_id"), change.get("step_state")
        taken, given = map(
            _class_name, (change.get("input_event_name"), change.get("output_event_name"))
        )
        if step is None or not isinstance(worker, str):
            return
        workers = self._workers.setdefault(step, set())
        if state == "running":
            self._times[step] += 1
            workers.add(worker)
            takes = self._takes.get(step, set())
            if taken == _COLLECTED and len(takes) == 1:
                (taken,) = takes
            if taken in takes:
                self._started[step, taken] += 1
                self._is_whole |= self._events[taken].role is Role.START
        elif state == "not_running":
            workers.discard(worker)
            self._ended.add(step)
            if given in self._events:
                self._gave[step, given] += 1

    def _ended_by(self, name: str, value: Mapping[str, Any]) -> None:
        self.outcome = _OUTCOMES.get(name, "completed")
        if self.outcome == "failed" and (step := self._number(value.get("step_name"))) is not None:
            self._failed.add(step)
        active = value.get("active_steps")
        if self.outcome == "timed out" and isinstance(active, list):
            self._active |= {step for step in map(self._number, active) if step is not None}

    def _number(self, name: object) -> int | None:
        return self._steps.get(name) if isinstance(name, str) else None

    def boxes(self) -> list[StepProgress]:
        """Return what each box did."""
        gave = {step for step, _ in self._gave}
        return [
            StepProgress(StepState.WAITING if self._is_waiting() else StepState.UNKNOWN)
            if box.is_person
            else StepProgress(self._state(step, step in gave), self._times[step])
            for step, box in enumerate(self._flow.boxes)
        ]

    def _is_waiting(self) -> bool:
        """Return whether more requests have been made than steps have taken answers."""
        requests = sum(
            self._published[event.name]
            for event in self._events.values()
            if event.role is Role.REQUEST
        )
        answers = [event for event in self._events.values() if event.role is Role.ANSWER]
        taken = 0
        for answer in answers:
            if not answer.targets:
                return False  # a step that waits in its middle may have it
            taken += max(self._started[target, answer.name] for target in answer.targets)
        return self.outcome == "running" and requests > taken

    def _state(self, step: int, gave: bool) -> StepState:
        if step in self._failed:
            return StepState.FAILED
        if self._workers.get(step) or step in self._active:
            return StepState.RUNNING if self.outcome == "running" else StepState.STOPPED
        if step in self._ended:
            return StepState.DONE if gave else StepState.ENDED
        return StepState.NOT_REACHED if self._is_whole else StepState.UNKNOWN

    def taken(self) -> frozenset[tuple[int | None, str, int | None]]:
        """Return what is known to have gone from where to where."""
        found = set[tuple[int | None, str, int | None]]()
        for event in self._events.values():
            is_clear = event.name in self._published and len(event.sources) == 1
            for source in event.sources:
                if self._gave[source, event.name] or is_clear:
                    found.add((source, event.name, None))
            for target in event.targets:
                if self._arrived(event, target):
                    found |= {
                        (source, event.name, target) for source in self._senders(event, target)
                    }
        return frozenset(found)

    def _arrived(self, event: FlowEvent, target: int) -> bool:
        if self._flow.boxes[target].is_person:
            return event.name in self._published
        return self._started[target, event.name] > 0

    def _senders(self, event: FlowEvent, target: int) -> list[int | None]:
        if not event.sources:
            return [None]
        if len(event.sources) == 1:
            return list(event.sources)
        gave = [source for source in event.sources if self._gave[source, event.name]]
        total = sum(self._gave[source, event.name] for source in gave)
        # All that was produced has arrived; otherwise it may be another's that still waits.
        is_clear = len(gave) == 1 or self._started[target, event.name] >= total
        return list(gave) if is_clear or self._flow.boxes[target].is_person else []


def _class_name(name: object) -> str:
    """Return the class in ``Square`` or, as the framework writes it, ``<class 'app.Square'>``."""
    if not isinstance(name, str):
        return ""
    return name.removeprefix("<class '").removesuffix("'>").rpartition(".")[2]


_OUTCOMES: Final = {
    "WorkflowFailedEvent": "failed",
    "WorkflowTimedOutEvent": "timed out",
    "WorkflowCancelledEvent": "cancelled",
}
