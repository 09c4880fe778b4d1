"""The live view of a run: what is known of it, as lines of a terminal and as HTML.

Theory of operation
===================

`RunView` receives the events of a run, the framework's own included, and keeps what it shows:

- the last events that are not the framework's own, and their number;
- the steps that are under way: a worker of a step begins with ``running`` and ends with
  ``not_running``; after a restart of the server it begins again under the same number, so that
  nothing is counted twice; the terminal event ends all of them;
- the requests that wait for an answer: an ``InputRequiredEvent`` waits until as many answers as
  requests were taken. An answer is taken when a step begins with an event that only a client can
  have sent, or when a step begins although the run was idle.

It keeps no more than it shows, however long the run is, and reads no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, Literal

import attrs

from .._statuses import ENDED_STATUSES, status_after
from .._text import cut, duration, fields_text, plain
from .bundles import status_text
from .html import MAX_CELL, MAX_NAME, Html, code, line, stacked, strong, table

if TYPE_CHECKING:
    from ..protocol import EventEnvelopeWithMetadata

LAST_EVENTS: Final = 8
MAX_STEPS: Final = 100
MAX_REQUESTS: Final = 3

Emphasis = Literal["none", "strong", "faint", "good", "bad"]
_ENDINGS: Final[dict[str | None, Emphasis]] = {"completed": "good", "failed": "bad"}


@attrs.frozen
class Line:
    """A line of a terminal, and how it stands out."""

    text: str
    emphasis: Emphasis = "none"


class RunView:
    """What is shown of a run.

    Args:
        handler_id: ID of the run.
        workflow_name: Name of the workflow, if it is known.
        status: The status as last known.
        begin: When the view begins, in seconds on the clock of the times that it is given.

    Attributes:
        workflow_name: Name of the workflow, if it is known.
        status: The status as last known.
        answer_classes: The classes of events that only a client sends.
    """

    def __init__(
        self, handler_id: str, workflow_name: str | None, status: str | None, *, begin: float
    ) -> None:
        self.workflow_name = workflow_name
        self.status = status
        self.answer_classes: Collection[str] = ()
        self._handler_id = handler_id
        self._begin = begin
        self._count = 0
        self._last: deque[EventEnvelopeWithMetadata] = deque(maxlen=LAST_EVENTS)
        self._workers: dict[str, set[str]] = {}
        self._requests: deque[EventEnvelopeWithMetadata] = deque(maxlen=MAX_REQUESTS)
        self._asked = 0
        self._answered = 0
        self._is_idle = False

    def receive(self, event: EventEnvelopeWithMetadata) -> bool:
        """Take in an event of the run; return whether it is one that is listed."""
        if event.is_internal:
            self._receive_internal(event)
            return False
        self._count += 1
        self._last.append(event)
        if event.is_terminal:
            self.status = status_after(event.type)
            self._workers.clear()
            self._settle()
        elif "InputRequiredEvent" in (event.type, *(event.types or ())):
            self._asked += 1
            self._requests.append(event)
        return True

    def _receive_internal(self, event: EventEnvelopeWithMetadata) -> None:
        if event.type == "WorkflowIdleEvent":
            self._is_idle = True
        if event.type != "StepStateChanged":
            return
        step, worker = (str(event.value.get(key))[:MAX_NAME] for key in ("name", "worker_id"))
        if event.value.get("step_state") == "not_running":
            workers = self._workers.get(step, set())
            workers.discard(worker)
            if not workers:
                self._workers.pop(step, None)
        elif event.value.get("step_state") == "running":
            if step in self._workers or len(self._workers) < MAX_STEPS:
                workers = self._workers.setdefault(step, set())
                if len(workers) < MAX_STEPS:
                    workers.add(worker)
            if self._is_idle or event.value.get("input_event_name") in self.answer_classes:
                self._answered += 1
                if self._answered >= self._asked:
                    self._settle()
            self._is_idle = False

    def _settle(self) -> None:
        self._requests.clear()
        self._asked = self._answered = 0

    @property
    def has_ended(self) -> bool:
        """Whether the run is known to have ended."""
        return self.status in ENDED_STATUSES

    def lines(self, columns: int, rows: int, now: float) -> list[Line]:
        """Return the view for a terminal.

        Args:
            columns: The columns of the terminal; no line has more.
            rows: The rows of the terminal; there are no more lines, but at least one.
            now: The time.
        """
        heading = Line(self.heading(now), _ENDINGS.get(self.status, "strong"))
        first = [heading]
        if self._workers:
            first.append(Line(f"  under way: {self._steps()}"))
        if self._asked:
            first.append(Line(f"  {self._waiting()}", "strong"))
            first += [Line(f"    {text}", "strong") for text in map(_text, self._requests)]
        first = first[: max(rows, 1)]
        left = rows - len(first)
        last = [*self._last][-left:] if left > 0 else []
        lines = [*first, *(Line(f"  {_text(event)}", "faint") for event in last)]
        return [attrs.evolve(line, text=cut(line.text, columns)) for line in lines]

    def html(self, now: float) -> Html:
        """Return the view for a notebook."""
        name, *rest, id_ = self._heading(now)
        blocks = [line(strong(name), *rest, code(id_))]
        if self._workers:
            blocks.append(line(f"under way: {self._steps()}"))
        if self._asked:
            blocks.append(line(strong(self._waiting())))
            blocks.append(table(map(_cells, self._requests)))
        if self._last:
            blocks.append(table(map(_cells, self._last), ("last events", "fields")))
        return stacked(*blocks)

    def text(self, event: EventEnvelopeWithMetadata) -> str:
        """Return a line for an event, where nothing can be redrawn."""
        return _text(event)

    def heading(self, now: float) -> str:
        """Return the line that says how the run is."""
        return "  ".join(self._heading(now))

    def _heading(self, now: float) -> list[str]:
        events = "1 event" if self._count == 1 else f"{self._count:,} events"
        return [
            plain(self.workflow_name or "run", MAX_NAME),
            plain(status_text(self.status), MAX_NAME),
            f"watched for {duration(now - self._begin)}",
            events,
            plain(self._handler_id, MAX_NAME),  # last, because it may be cut
        ]

    def _steps(self) -> str:
        texts = []
        for step, workers in self._workers.items():
            times = f" ×{len(workers)}" if len(workers) > 1 else ""
            texts.append(plain(step, MAX_NAME) + times)
        return plain(", ".join(texts), MAX_CELL)

    def _waiting(self) -> str:
        left = self._asked - self._answered
        if self._asked == 1:
            return "waits for an answer to"
        if not self._answered:
            return f"waits for {left} answers to"
        return f"waits for {left} of {self._asked} answers to"


def _text(event: EventEnvelopeWithMetadata) -> str:
    text = fields_text(event.value, MAX_CELL)
    return f"{plain(event.type, MAX_NAME)}  {text}".rstrip()


def _cells(event: EventEnvelopeWithMetadata) -> tuple[str, str]:
    return event.type, fields_text(event.value, MAX_CELL)
