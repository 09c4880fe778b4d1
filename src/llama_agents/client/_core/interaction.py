"""Interaction with a run: which of its requests are open, answered, or to be answered next.

Theory of operation
===================

A request is an event that a function answers, or any ``InputRequiredEvent``. It is open from its
arrival until it is resolved or skipped::

    receive ──► UNASKED ──► ASKED ──► SENT
                   └─────────┴─────────┴────► resolved: the run has moved past it
                             └──────────────► skipped: there is no answer

`next_request` returns each open request that has a function once. One without a function is skipped
right away, or raises.

The server does not say which event answers which request; the framework's own events are the only
evidence. An idle run moves only when an event is sent to it, so each event after an idle one counts
as one answer. When there have been as many answers as open requests, all of them are resolved,
whoever answered. A step that starts while the run is not idle resolves the request if there is
exactly one and we have answered it; otherwise, unless its input is an event that a step of the run
has returned, it is ambiguous whether the open requests were answered.

- Replaying: the events are history, whose requests an earlier process may have answered. Nothing
  is asked.
- Live, after `history_replayed`: that call raises if the history leaves open requests of which some
  may have been answered, since asking again might answer twice.

`position` never passes an open request, so a checkpoint taken at any moment leads back to it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from .._events.results import as_class
from .._lazy_types import Event
from ..errors import EventValidationError, UnansweredRequestError
from ..protocol.serializable_events import EventEnvelopeWithMetadata

QUIET_PERIOD: Final = 1.0  # s without an event after which a history is considered complete

INPUT: Final = "InputRequiredEvent"

Unanswered = Literal["error", "ignore"]

AnswerFunction = Callable[[Any], Any]


class RequestState(enum.Enum):
    """How far an open request is; see the theory of operation."""

    UNASKED = enum.auto()
    ASKED = enum.auto()
    SENT = enum.auto()


@attrs.define(eq=False)
class InputRequest:
    """An event that waits for an answer.

    Attributes:
        sequence: Its sequence number.
        envelope: The event as it arrived.
        event_class: The class that its function is for, or None if it has no function.
        function: Returns the answer.
        state: How far it is.
    """

    sequence: int
    envelope: EventEnvelopeWithMetadata
    event_class: type[Event] | None
    function: AnswerFunction | None
    state: RequestState = RequestState.UNASKED

    def answer(self) -> Any:
        """Call the function, with the event of its own class if that is loaded.

        Raises:
            EventValidationError: The fields do not fit the class.
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

    Args:
        handler_id: ID of the run.
        answers: The functions, by the class of request that they answer.
        unanswered: What becomes of an ``InputRequiredEvent`` without an answer.
        position: The sequence number after which events arrive.
        replaying: Whether the first events received are history.

    Attributes:
        last: The sequence number of the last event received.

    Raises:
        TypeError: ``answers`` maps something other than event classes to functions.
        ValueError: Two of the classes share a name, or ``unanswered`` is unknown.
    """

    def __init__(
        self,
        handler_id: str,
        answers: Mapping[type[Event], AnswerFunction],
        *,
        unanswered: Unanswered,
        position: int,
        replaying: bool,
    ) -> None:
        if unanswered not in ("error", "ignore"):
            raise ValueError(f"unanswered must be 'error' or 'ignore', not {unanswered!r}")
        self._functions = _by_name(answers)
        self._handler_id = handler_id
        self._unanswered = unanswered
        self.last = position
        self._replaying = replaying
        self._open: list[InputRequest] = []
        self._outputs: set[str] = set()  # classes of the events that steps have returned
        self._is_idle = False  # the run had nothing to do when the last event arrived
        self._steps_from_idle = 0  # since the first open request
        self._ambiguous = False

    @property
    def position(self) -> int:
        """The sequence number up to which every request is resolved."""
        return self._open[0].sequence - 1 if self._open else self.last

    def receive(self, sequence: int, envelope: EventEnvelopeWithMetadata) -> None:
        """Handle the next event of the run; the framework's own must be included."""
        self.last = sequence
        names = _names(envelope)
        if envelope.is_terminal:
            self._open.clear()
        elif envelope.type == "WorkflowIdleEvent":
            self._is_idle = True
        elif envelope.type != "UnhandledEvent":
            self._observe_progress(envelope)
            if "InternalDispatchEvent" not in names:
                self._open_request(sequence, envelope, names)

    def history_replayed(self) -> None:
        """Note that what arrives from now on is new.

        Raises:
            UnansweredRequestError: It is ambiguous whether an open request was answered.
        """
        self._replaying = False
        if self._open and (self._steps_from_idle or self._ambiguous):
            raise UnansweredRequestError(
                self._handler_id,
                [request.envelope for request in self._open],
                "one may have been answered already, and the server does not say which",
            )

    def next_request(self) -> InputRequest | None:
        """Return the next request to answer, or None if there is none for now.

        Raises:
            UnansweredRequestError: A request that needs input has no function.
        """
        if self._replaying:
            return None
        for request in tuple(self._open):
            if request.state is RequestState.UNASKED:
                request.state = RequestState.ASKED
                if request.function is not None:
                    return request
                self.skip(request)
        return None

    def answer_sent(self, request: InputRequest) -> None:
        """Note that an answer to a request was sent."""
        request.state = RequestState.SENT

    def skip(self, request: InputRequest) -> None:
        """Leave a request without an answer.

        Raises:
            UnansweredRequestError: It needs input and must not be ignored.
        """
        if self._unanswered == "ignore" or INPUT not in _names(request.envelope):
            self._open.remove(request)
            return
        problem = (
            "no function answers it"
            if request.function is None
            else "its function returned no answer"
        )
        raise UnansweredRequestError(self._handler_id, [request.envelope], problem)

    def _open_request(
        self, sequence: int, envelope: EventEnvelopeWithMetadata, names: Sequence[str]
    ) -> None:
        for name in (*names, "Event"):
            if name in self._functions:
                event_class, function = self._functions[name]
                self._open.append(InputRequest(sequence, envelope, event_class, function))
                return
        if INPUT in names:
            self._open.append(InputRequest(sequence, envelope, None, None))

    def _observe_progress(self, envelope: EventEnvelopeWithMetadata) -> None:
        """Resolve the open requests if this event shows that they have their answers."""
        was_idle, self._is_idle = self._is_idle, False
        step = envelope.value if envelope.type == "StepStateChanged" else {}
        if was_idle and self._open:
            self._steps_from_idle += 1
            if self._steps_from_idle >= len(self._open):
                self._resolve_all()
        elif self._open and step.get("step_state") == "running":
            # The run was not idle: this step may take an answer or an event of the run's own.
            if [request.state for request in self._open] == [RequestState.SENT]:
                self._resolve_all()
            elif not self._is_own(step.get("input_event_name")):
                self._ambiguous = True
        self._outputs.add(str(step.get("output_event_name")))

    def _resolve_all(self) -> None:
        self._open.clear()
        self._steps_from_idle = 0
        self._ambiguous = False

    def _is_own(self, name: Any) -> bool:
        """Return whether a step of the run has returned events of this name."""
        # The framework writes output_event_name as str(cls): "<class 'module.Name'>".
        return any(output.endswith(f".{name}'>") for output in self._outputs)


def _names(envelope: EventEnvelopeWithMetadata) -> list[str]:
    return [envelope.type, *(envelope.types or ())]


def _by_name(
    answers: Mapping[type[Event], AnswerFunction],
) -> dict[str, tuple[type[Event], AnswerFunction]]:
    from workflows.events import Event

    by_name: dict[str, tuple[type[Event], AnswerFunction]] = {}
    for event_class, function in answers.items():
        if not (isinstance(event_class, type) and issubclass(event_class, Event)):
            raise TypeError(f"the keys of answers must be Event classes, not {event_class!r}")
        if not callable(function):
            raise TypeError(
                f"the answer to {event_class.__name__} must be a function, not {function!r}"
            )
        if event_class.__name__ in by_name:
            raise ValueError(f"two of the classes are named {event_class.__name__}")
        by_name[event_class.__name__] = (event_class, function)
    return by_name
