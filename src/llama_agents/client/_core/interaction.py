"""Interaction with a run: which of its requests are open, answered, or to be answered next.

Theory of operation
===================

A request is an event that a function answers, or any ``InputRequiredEvent``. It is open from its
arrival until it is settled::

    receive ──► UNASKED ──► ASKED ──► SENT ──► settled: the run has taken the answer
                   │          │ ▲       └────► back to UNASKED: no step takes the answer (an error)
                   │          │ └──────────── LOST: nobody knows whether the answer has arrived
                   │          ├──────────────► settled: there is no answer, and none is needed
                   │          ├─► IGNORED ──┐
                   └──────────┴─────────────┴► settled: somebody else's answer was taken

`next_request` returns each open request that has a function once. One without a function is left
to others right away, or raises. It stays open: their answer is expected, and the next machine may
have a function for it.

The machine keeps books. What it has settled stays settled, what it has answered is not asked again,
and a checkpoint carries both, so a handle that continues from one has nothing to guess. Answers of
others (another handle, or this program before it was killed) show only in the framework's own
events: a step that starts with an event from outside has taken an answer. That is

- exact, if the graph of the workflow names its class as the only answer to the requests that are
  open, and as many have been taken as there are such requests: they are settled;
- uncertain otherwise: the open requests that it may have answered are asked if ``on_uncertain``
  says so, and then perhaps twice.

A step that is tried again, and two steps that take the same event, count once. So does a step that
a restarted server begins again: nothing says so but that it had not ended. Where even that is not
clear, the event is not counted, and the open requests are uncertain.

`begin` never passes an open request: it is where a stream must begin to see them all.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import attrs

from .._events.results import as_class
from .._lazy_types import Event, EventEnvelopeWithMetadata
from ..errors import EventValidationError, UnansweredRequestError
from .answer_classes import UNKNOWN
from .logs import RUNS

if TYPE_CHECKING:
    from .books import Books, StepsUnderWay

LOST_ANSWER_LIMIT: Final = 15.0  # s, in which a run must have taken an answer that may be lost
NO_REACTION_AFTER: Final = 30.0  # s after an answer; a run reacts in milliseconds

INPUT: Final = "InputRequiredEvent"
_ENDED: Final = "not_running"
_NO_NUMBER: Final = -1  # of a worker

Unanswered = Literal["error", "ignore"]
OnUncertain = Literal["ask", "error"]

AnswerFunction = Callable[[Any], Any]
OnEvent: TypeAlias = Callable[[int, EventEnvelopeWithMetadata], Any]


class RequestState(enum.Enum):
    """How far an open request is; see the theory of operation."""

    UNASKED = enum.auto()
    ASKED = enum.auto()
    IGNORED = enum.auto()
    SENT = enum.auto()
    LOST = enum.auto()


@attrs.define(eq=False)
class InputRequest:
    """An event that waits for an answer.

    Attributes:
        sequence: Its sequence number.
        envelope: The event as it arrived.
        event_class: The class that its function is for, or None for one that takes the envelope.
        function: Returns the answer.
        state: How far it is.
        is_uncertain: Whether somebody else may have answered it.
        answer_class: The name of the class of the answer that was sent, if any was.
        sent_at: When it was sent, on the machine's clock.
        failure: Why nobody knows whether the answer has arrived.
        is_watched: Whether the run still has to react to it.
        is_history: Whether it arrived before the first request was asked.
        steps: The steps that were under way when it arrived.
    """

    sequence: int
    envelope: EventEnvelopeWithMetadata
    event_class: type[Event] | None
    function: AnswerFunction | None
    state: RequestState = RequestState.UNASKED
    is_uncertain: bool = False
    answer_class: str = ""
    sent_at: float = 0.0
    failure: BaseException | None = None
    is_watched: bool = False
    is_history: bool = False
    steps: Mapping[str, StepsUnderWay] = attrs.field(factory=dict)

    def answer(self) -> Any:
        """Call the function, with the event of its own class if that is loaded.

        Raises:
            EventValidationError: The fields do not fit the class.
        """
        assert self.function is not None
        if self.event_class is None:
            return self.function(self.envelope)
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
        answers: The functions, by the class of request that they answer, or its name.
        unanswered: What becomes of an ``InputRequiredEvent`` without an answer.
        on_uncertain: What becomes of a request that somebody else may have answered.
        on_event: A function that the driver calls with each event before the machine receives it.
        books: What is known of the run's requests.
        clock: Returns seconds on a monotonic clock.

    Attributes:
        handler_id: ID of the run.
        last: The sequence number of the last event received.
        answer_classes: What the graph of the workflow says.

    Raises:
        TypeError: ``answers`` maps something other than event classes and names, or to other than
            functions.
        ValueError: Two of the classes share a name, or another argument is unknown.
    """

    def __init__(
        self,
        handler_id: str,
        answers: Mapping[Any, AnswerFunction],
        *,
        unanswered: Unanswered,
        on_uncertain: OnUncertain,
        on_event: OnEvent | None = None,
        books: Books,
        clock: Callable[[], float],
    ) -> None:
        if unanswered not in get_args(Unanswered):
            raise ValueError(f"unanswered must be 'error' or 'ignore', not {unanswered!r}")
        if on_uncertain not in get_args(OnUncertain):
            raise ValueError(f"on_uncertain must be 'ask' or 'error', not {on_uncertain!r}")
        if on_event is not None and not callable(on_event):
            raise TypeError(f"on_event must be a function, not {type(on_event).__name__}")
        self._functions = _by_name(answers)
        self.handler_id = handler_id
        self._unanswered = unanswered
        self._on_uncertain = on_uncertain
        self._known = books
        self._clock = clock
        self.on_event = on_event
        self.last = books.begin
        self.answer_classes = UNKNOWN
        self._open: list[InputRequest] = []
        self._is_live = False
        self._taken = Takings(books.steps)
        self._from_others: Counter[str] = Counter()  # answers taken, by class, and not attributed

    @property
    def books(self) -> Books:
        """What is known of the run's requests by now."""
        from .books import Books

        known = self._known
        sent = {e.sequence: e.answer_class for e in self._open if e.state is RequestState.SENT}
        waiting = [each for each in self._open if each.sequence not in sent]
        doubtful = [e for e in waiting if e.is_uncertain or e.state is RequestState.LOST]
        return Books(
            seen=max(self.last, known.seen),
            open=(*(each.sequence for each in waiting), *self._later(known.open)),
            answered={**sent, **{n: known.answered[n] for n in self._later(known.answered)}},
            uncertain=(*(each.sequence for each in doubtful), *self._later(known.uncertain)),
            steps=self._open[0].steps if self._open else self._taken.under_way,
        )

    @property
    def position(self) -> int:
        """The sequence number up to which every request is settled."""
        return self._open[0].sequence - 1 if self._open else self.last

    def receive(self, sequence: int, envelope: EventEnvelopeWithMetadata) -> None:
        """Handle the next event of the run; the framework's own must be included.

        Raises:
            UnansweredRequestError: No step takes an answer that was sent.
        """
        self.last = sequence
        names = _names(envelope)
        watched = [each for each in self._open if each.is_watched]
        if _is_reaction(envelope):
            for request in self._open:
                if request.state is RequestState.SENT:
                    request.is_watched = False
        if envelope.is_terminal:
            self._open.clear()
        elif envelope.type == "UnhandledEvent":
            self._answer_unhandled(str(envelope.value.get("event_type")), watched)
        elif envelope.type == "StepStateChanged":
            taken = self._taken.receive(envelope.value)
            if taken is not None and sequence > self._known.seen:
                self._answer_taken(*taken)
        elif not envelope.is_internal:
            self._open_request(sequence, envelope, names)

    def next_request(self) -> InputRequest | None:
        """Return the next request to answer, or None if there is none for now.

        Raises:
            UnansweredRequestError: A request that needs input has no function, or somebody else may
                have answered one.
        """
        self._is_live = True
        for request in tuple(self._open):
            if request.state is RequestState.UNASKED:
                self.ensure_certain(request)
                request.state = RequestState.ASKED
                if request.function is not None:
                    return request
                self.skip(request)
        return None

    def ensure_certain(self, request: InputRequest) -> None:
        """Raise ``UnansweredRequestError`` if a request must not be asked, or answered, twice."""
        if request.is_uncertain and self._on_uncertain == "error":
            raise UnansweredRequestError(
                self.handler_id,
                [each.envelope for each in self._open if each.is_uncertain],
                "one may have been answered already, and the server does not say which",
            )

    def is_open(self, request: InputRequest) -> bool:
        """Return whether a request still waits for an answer."""
        return request in self._open

    def answer_sent(self, request: InputRequest, answer: object) -> None:
        """Note that an answer to a request is being sent."""
        request.state = RequestState.SENT
        request.answer_class = _class_name(answer)
        request.sent_at = self._clock()
        request.is_watched = True

    def answer_failed(self, request: InputRequest, failure: BaseException | None) -> None:
        """Note that an answer was not accepted, or is lost.

        Args:
            request: The request.
            failure: Why nobody knows whether it has arrived; None if it has not.
        """
        request.state = RequestState.UNASKED if failure is None else RequestState.LOST
        request.failure = failure

    def skip(self, request: InputRequest) -> None:
        """Leave a request without an answer.

        Raises:
            UnansweredRequestError: It needs input and must not be ignored.
        """
        if INPUT not in _names(request.envelope):
            self._open.remove(request)
            return
        if self._unanswered == "ignore":
            request.state = RequestState.IGNORED
            return
        request.state = RequestState.UNASKED
        problem = (
            "no function answers it"
            if request.function is None
            else "its function returned no answer"
        )
        raise UnansweredRequestError(self.handler_id, [request.envelope], problem)

    def due(self) -> tuple[float, InputRequest] | None:
        """Return when to wait no longer for the run's reaction to an answer, and to which."""
        waits = [
            (each.sent_at + _PATIENCE[each.state], each) for each in self._open if each.is_watched
        ]
        return min(waits, key=lambda wait: wait[0], default=None)

    def overdue(self, request: InputRequest) -> None:
        """Note that the run has not reacted to an answer in time.

        Raises:
            httpx.TransportError: The answer was lost.
        """
        request.is_watched = False
        if request.failure is not None:
            raise request.failure
        RUNS.warning(
            "handler %r has accepted %s as an answer, and has not reacted for %.0f s",
            self.handler_id,
            request.answer_class,
            NO_REACTION_AFTER,
            extra={"handler_id": self.handler_id, "last_sequence": self.last},
        )

    def _open_request(
        self, sequence: int, envelope: EventEnvelopeWithMetadata, names: Sequence[str]
    ) -> None:
        known = self._known
        if sequence <= known.seen and sequence not in (*known.open, *known.answered):
            return
        for name in (*names, "Event"):
            if name in self._functions:
                request = InputRequest(sequence, envelope, *self._functions[name])
                break
        else:
            if INPUT not in names:
                return
            request = InputRequest(sequence, envelope, None, None)
        if sequence in known.answered:
            request.state = RequestState.SENT
            request.answer_class = known.answered[sequence]
        request.is_history = not self._is_live
        request.steps = self._taken.under_way
        request.is_uncertain = sequence in known.uncertain
        if not self._waiting():
            self._from_others.clear()
        self._open.append(request)

    def _answer_taken(self, name: str, is_certain: bool) -> None:
        """Settle the requests that an event has answered which a step has taken."""
        for request in self._open:
            if request.answer_class == name and request.state in _PATIENCE:
                if is_certain:
                    self._open.remove(request)
                return
        if not self.answer_classes.may_be_external(name):
            return
        waiting = [each for each in self._waiting() if name in (self._classes_of(each) or {name})]
        self._from_others[name] += is_certain
        is_exact = is_certain and all(self._classes_of(each) == {name} for each in waiting)
        if is_exact and self._from_others[name] >= len(waiting):
            self._from_others[name] = 0
            for request in waiting:
                self._open.remove(request)
        for request in waiting:
            request.is_uncertain = True

    def _waiting(self) -> list[InputRequest]:
        return [each for each in self._open if each.state not in _PATIENCE]

    def _later(self, sequences: Iterable[int]) -> list[int]:
        """Return the sequence numbers of what has not been received yet."""
        return [sequence for sequence in sequences if sequence > self.last]

    def _classes_of(self, request: InputRequest) -> frozenset[str]:
        return self.answer_classes.of(_names(request.envelope))

    def _answer_unhandled(self, name: str, watched: Sequence[InputRequest]) -> None:
        # Of several answers, it is one that the run had not reacted to, or else the last: steps
        # that wait in their middle have taken the others, which no event shows.
        candidates = [*watched, *reversed(self._open)]
        for request in candidates:
            if request.answer_class != name or request.state not in _PATIENCE:
                continue
            fit = self.answer_classes.that_fit(_names(request.envelope))
            if request.is_history and (name in fit or not fit):
                # Its class is right, so the run does not wait any more: somebody else was faster.
                self._open.remove(request)
                return
            request.state = RequestState.UNASKED
            hint = f"; the workflow takes {' or '.join(fit)}" if fit else ""
            raise UnansweredRequestError(
                self.handler_id,
                [request.envelope],
                f"no step takes its answer, a {name}{hint}",
            )


class Takings:
    """Counts the events that steps take, from the framework's own events about steps.

    Args:
        under_way: The steps that are under way where the events begin.
    """

    def __init__(self, under_way: Mapping[str, StepsUnderWay]) -> None:
        self._by_step: Counter[tuple[str, str]] = Counter()  # by class and step
        self._by_class: Counter[str] = Counter()
        # By step: what is still to begin after a failure, or after the server was restarted.
        self._retries = Counter({step: each.retries for step, each in under_way.items()})
        self._restarts: Counter[str] = Counter()
        self._workers = {step: {*each.workers} for step, each in under_way.items()}

    @property
    def under_way(self) -> dict[str, StepsUnderWay]:
        """The steps that are under way by now."""
        from .books import StepsUnderWay

        found = {
            step: StepsUnderWay(
                workers=tuple(sorted(workers)), retries=self._retries[step] + self._restarts[step]
            )
            for step, workers in self._workers.items()
        }
        return {step: each for step, each in found.items() if each != StepsUnderWay()}

    def receive(self, change: Mapping[str, Any]) -> tuple[str, bool] | None:
        """Handle a change of a step.

        Returns:
            The class of an event that is taken with it, and whether that is certain; or None.
        """
        step, state = str(change.get("name")), change.get("step_state")
        worker = _number(change.get("worker_id"))
        workers = self._workers.setdefault(step, set())
        if state == _ENDED:
            workers.discard(worker)
            if change.get("output_event_name") is None:
                self._retries[step] += 1  # it has failed, or waits for an event in the middle
        if state != "running":
            return None
        name = str(change.get("input_event_name"))
        if self._restarts[step]:
            self._restarts[step] -= 1
            workers.add(worker)
            return None
        if worker in workers and worker != _NO_NUMBER:
            # It has not ended: the server was restarted, and begins again whatever was under way.
            self._restarts[step] = len(workers) - 1
            self._workers[step] = {worker}
            return None
        # An event goes to the lowest worker that is free, and so does what is begun again.
        is_certain = worker > max(workers, default=_NO_NUMBER) or worker == _NO_NUMBER
        workers.add(worker)
        if self._retries[step]:
            self._retries[step] -= 1
            return None
        if not is_certain:
            return name, False
        self._by_step[name, step] += 1
        if self._by_step[name, step] <= self._by_class[name]:
            return None  # another step has taken the same event
        self._by_class[name] += 1
        return name, True


_PATIENCE: Final[Mapping[RequestState, float]] = {
    RequestState.SENT: NO_REACTION_AFTER,
    RequestState.LOST: LOST_ANSWER_LIMIT,
}


def _number(worker_id: Any) -> int:
    text = str(worker_id)
    return int(text) if text.isascii() and text.isdecimal() else _NO_NUMBER


def _class_name(answer: object) -> str:
    if isinstance(answer, dict):
        name = answer.get("qualified_name") or answer.get("type") or ""
        return str(name).rpartition(".")[2]
    return type(answer).__name__


def _is_reaction(envelope: EventEnvelopeWithMetadata) -> bool:
    """Return whether a run may produce an event because it has received another."""
    begins = envelope.type == "StepStateChanged" and envelope.value.get("step_state") != _ENDED
    return begins or envelope.type == "UnhandledEvent"


def _names(envelope: EventEnvelopeWithMetadata) -> list[str]:
    return [envelope.type, *(envelope.types or ())]


def _by_name(
    answers: Mapping[Any, AnswerFunction],
) -> dict[str, tuple[type[Event] | None, AnswerFunction]]:
    from workflows.events import Event

    by_name: dict[str, tuple[type[Event] | None, AnswerFunction]] = {}
    for key, function in answers.items():
        event_class, name = (None, key) if isinstance(key, str) else (key, "")
        if event_class is not None:
            if not (isinstance(event_class, type) and issubclass(event_class, Event)):
                raise TypeError(f"the keys of answers must be Event classes or names, not {key!r}")
            name = event_class.__name__
        if not callable(function):
            raise TypeError(f"the answer to {name} must be a function, not {function!r}")
        if name in by_name:
            raise ValueError(f"two of the classes are named {name}")
        by_name[name] = (event_class, function)
    return by_name
