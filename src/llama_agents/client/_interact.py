"""Which requests of a run are answered, with what, and when that is done.

Pure. A request is answered once, also when the answer was given by an earlier process: the server
does not say which event answers which request, but the framework's own events say that a run had
nothing left to do, and that it went on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from ._events.results import as_class
from .errors import EventValidationError, UnansweredRequestError
from .protocol.serializable_events import EventEnvelopeWithMetadata

if TYPE_CHECKING:
    from workflows.events import Event

SETTLED: Final = 1.0  # s of silence until all that a run has produced so far is taken to be here

INPUT: Final = "InputRequiredEvent"

Unanswered = Literal["error", "leave"]


@attrs.define(eq=False)
class Request:
    """An event that waits for an answer.

    Attributes:
        sequence: Its sequence number.
        envelope: The event as it came.
        event_class: The class that its function is for, or None if it has no function.
        function: What makes the answer.
        asked: Whether the function was called, or the request left.
        sent: Whether an answer was sent.
    """

    sequence: int
    envelope: EventEnvelopeWithMetadata
    event_class: type[Event] | None
    function: Callable[[Any], Any] | None
    asked: bool = False
    sent: bool = False

    def answer(self) -> Any:
        """Call the function, with the event of its own class if that is loaded.

        Raises:
            EventValidationError: Its fields do not fit.
        """
        assert self.event_class is not None
        assert self.function is not None
        try:
            event = self.envelope.load_event(allow_import=False)
        except EventValidationError:
            event = None
        if not isinstance(event, self.event_class):
            event = as_class(self.envelope, self.event_class)
        return self.function(event)


class Interaction:
    """The requests of one run, from the first that may still be open.

    A request is settled when the run went on after it had nothing left to do but to wait: then it
    has its answer, whoever gave it. Where several requests are open, each takes one such step.

    Attributes:
        last: The sequence number of the last event taken.
        position: The sequence number up to which nothing is left to be done.
    """

    def __init__(
        self,
        handler_id: str,
        answers: Mapping[type[Event], Callable[[Any], Any]],
        *,
        unanswered: Unanswered,
        position: int,
        past: bool,
    ) -> None:
        if unanswered not in ("error", "leave"):
            raise ValueError(f"unanswered must be 'error' or 'leave', not {unanswered!r}")
        self._functions = _by_name(answers)
        self._handler_id = handler_id
        self._unanswered = unanswered
        self.last = position
        self._past = past
        self._open: list[Request] = []
        self._outputs: set[str] = set()
        self._idle = False  # the run had nothing left to do when the last event came
        self._steps = 0  # so often it went on from there since the first open request
        self._unclear = False

    @property
    def position(self) -> int:
        """The sequence number up to which nothing is left to be done."""
        return self._open[0].sequence - 1 if self._open else self.last

    def take(self, sequence: int, envelope: EventEnvelopeWithMetadata) -> None:
        """Take the next event of the run, the framework's own ones included."""
        self.last = sequence
        names = _names(envelope)
        if envelope.is_terminal:
            self._open.clear()
        elif envelope.type == "WorkflowIdleEvent":
            self._idle = True
        elif envelope.type != "UnhandledEvent":
            self._went_on(envelope)
            if "InternalDispatchEvent" not in names:
                self._note_request(sequence, envelope, names)

    def present(self) -> None:
        """Take note that what comes from now on is new.

        Raises:
            UnansweredRequestError: It cannot be told whether an open request was answered.
        """
        self._past = False
        if self._open and (self._steps or self._unclear):
            raise UnansweredRequestError(
                self._handler_id,
                [request.envelope for request in self._open],
                "an answer may have been given already, and the server does not tell to which",
            )

    def due(self) -> Request | None:
        """Return the next request to be answered now.

        Raises:
            UnansweredRequestError: It waits for input, and there is no function for it.
        """
        if self._past:
            return None
        for request in tuple(self._open):
            if not request.asked:
                request.asked = True
                if request.function is not None:
                    return request
                self.left(request)
        return None

    def left(self, request: Request) -> None:
        """Take note that a request is not answered.

        Raises:
            UnansweredRequestError: It waits for input, and is not to be left.
        """
        if self._unanswered == "leave" or INPUT not in _names(request.envelope):
            self._open.remove(request)
            return
        problem = (
            "no function answers it" if request.function is None else "its function gave no answer"
        )
        raise UnansweredRequestError(self._handler_id, [request.envelope], problem)

    def _note_request(
        self, sequence: int, envelope: EventEnvelopeWithMetadata, names: Sequence[str]
    ) -> None:
        for name in (*names, "Event"):
            if name in self._functions:
                event_class, function = self._functions[name]
                self._open.append(Request(sequence, envelope, event_class, function))
                return
        if INPUT in names:
            self._open.append(Request(sequence, envelope, None, None))

    def _went_on(self, envelope: EventEnvelopeWithMetadata) -> None:
        """Settle the open requests if this event shows that they have their answers."""
        was_idle, self._idle = self._idle, False
        step = envelope.value if envelope.type == "StepStateChanged" else {}
        if was_idle and self._open:
            self._steps += 1
            if self._steps >= len(self._open):
                self._settle()
        elif self._open and step.get("step_state") == "running":
            # The run never waited, so this step may take an answer as well as an event of its own.
            if [request.sent for request in self._open] == [True]:
                self._settle()
            elif not self._is_own(step.get("input_event_name")):
                self._unclear = True
        self._outputs.add(str(step.get("output_event_name")))

    def _settle(self) -> None:
        self._open.clear()
        self._steps = 0
        self._unclear = False

    def _is_own(self, name: Any) -> bool:
        """Whether a step of the run has given events of this name."""
        return any(output.endswith(f".{name}'>") for output in self._outputs)


def _names(envelope: EventEnvelopeWithMetadata) -> list[str]:
    return [envelope.type, *(envelope.types or ())]


def _by_name(
    answers: Mapping[type[Event], Callable[[Any], Any]],
) -> dict[str, tuple[type[Event], Callable[[Any], Any]]]:
    from workflows.events import Event

    by_name: dict[str, tuple[type[Event], Callable[[Any], Any]]] = {}
    for event_class, function in answers.items():
        if not (isinstance(event_class, type) and issubclass(event_class, Event)):
            raise TypeError(f"requests are named by Event classes, not by {event_class!r}")
        if not callable(function):
            raise TypeError(f"the answer to {event_class.__name__} is no function: {function!r}")
        if event_class.__name__ in by_name:
            raise ValueError(f"two of the classes are named {event_class.__name__}")
        by_name[event_class.__name__] = (event_class, function)
    return by_name
