"""The machine of an interaction: which requests are open, and which to answer next."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_agents.client import EventEnvelopeWithMetadata, UnansweredRequestError
from llama_agents.client._core.answer_classes import (
    UNKNOWN,
    AnswerClasses,
    read_answer_classes,
)
from llama_agents.client._core.books import Books
from llama_agents.client._core.interaction import (
    LOST_ANSWER_LIMIT,
    NO_REACTION_AFTER,
    Interaction,
)
from workflows.representation import get_workflow_representation

from ..support.workflows import Dialog, RequestEvent, ResponseEvent, Survey
from .machines import Clock

ASK = ("RequestEvent", {"prompt": "?"}, ["InputRequiredEvent"])
LOUD = ("Loud", {"prompt": "?"}, ["RequestEvent", "InputRequiredEvent"])
OTHER = ("Other", {}, ["InputRequiredEvent"])
IDLE = ("WorkflowIdleEvent", {}, ["InternalDispatchEvent"])
TICK = ("Tick", {}, None)
END = ("Done", {}, ["StopEvent"])

ONE_ANSWER = AnswerClasses(
    {"RequestEvent": frozenset({"ResponseEvent"})}, frozenset({"ResponseEvent"})
)
TWO_ANSWERS = AnswerClasses(
    {"RequestEvent": frozenset({"ResponseEvent", "Note"})}, frozenset({"ResponseEvent", "Note"})
)


def change(state: str, step: str, taken: str, returned: str | None = None) -> Any:
    value = {
        "name": step,
        "step_state": state,
        "input_event_name": taken,
        "output_event_name": returned,
    }
    return "StepStateChanged", value, ["InternalDispatchEvent"]


def takes(name: str, step: str = "answered") -> Any:
    return change("running", step, name)


def at_worker(number: int, event: Any) -> Any:
    name, value, types = event
    return name, {**value, "worker_id": str(number)}, types


def unhandled(name: str) -> Any:
    return "UnhandledEvent", {"event_type": name}, ["InternalDispatchEvent"]


TAKES = takes("ResponseEvent")
ENDS = change("not_running", "answered", "<class 'app.ResponseEvent'>", "<class 'NoneType'>")
FAILS = change("not_running", "answered", "<class 'app.ResponseEvent'>")


def interaction(
    *events: Any, classes: AnswerClasses = ONE_ANSWER, books: Books | None = None, **options: Any
) -> Interaction:
    machine = Interaction(
        "h",
        {RequestEvent: lambda event: event},
        **{
            "unanswered": "error",
            "on_uncertain": "error",
            "books": books or Books(),
            "clock": Clock(),
            **options,
        },
    )
    machine.answer_classes = classes
    receive(machine, *events)
    return machine


def receive(machine: Interaction, *events: Any) -> None:
    for name, value, types in events:
        envelope = EventEnvelopeWithMetadata(value=value, type=name, types=types)
        machine.receive(machine.last + 1, envelope)


def answer_all(machine: Interaction) -> list[int]:
    """Answer what is to be answered; return the sequence numbers of these requests."""
    answered = []
    while (request := machine.next_request()) is not None:
        machine.answer_sent(request, ResponseEvent(response=""))
        answered.append(request.sequence)
    return answered


@pytest.mark.parametrize(
    ("past", "open_requests"),
    [
        ([], []),
        ([ASK], [0]),
        ([ASK, IDLE, TICK], [0]),
        ([ASK, TAKES], []),
        ([LOUD, TAKES], []),
        ([ASK, IDLE, takes("StartEvent")], [0]),
        ([ASK, takes("Work")], [0]),  # the run's own
        ([ASK, TAKES, ASK], [2]),
        ([ASK, ASK, TAKES, TAKES], []),
        ([ASK, ASK, TAKES, TAKES, ASK, ASK], [4, 5]),
        ([ASK, ASK, TAKES, takes("ResponseEvent", "also"), TAKES], []),
        ([ASK, unhandled("ResponseEvent")], [0]),
        ([ASK, END], []),
    ],
)
def test_evidence_settles_requests_where_it_is_exact(
    past: list[Any], open_requests: list[int]
) -> None:
    machine = interaction(*past)
    assert list(machine.books.open) == open_requests
    assert machine.position == (open_requests[0] - 1 if open_requests else len(past) - 1)
    assert answer_all(machine) == open_requests
    assert answer_all(machine) == []


@pytest.mark.parametrize(
    ("past", "classes"),
    [
        ([ASK, ASK, TAKES], ONE_ANSWER),
        ([ASK, ASK, TAKES, takes("ResponseEvent", "also")], ONE_ANSWER),  # one event, two steps
        ([ASK, ASK, TAKES, FAILS, TAKES], ONE_ANSWER),  # one event, a step tried twice
        ([ASK, takes("Note")], TWO_ANSWERS),
        ([ASK, TAKES], TWO_ANSWERS),
        ([ASK, TAKES], AnswerClasses({}, frozenset({"ResponseEvent"}))),
        ([ASK, takes("Work")], UNKNOWN),
    ],
)
def test_evidence_that_is_not_exact_is_for_the_caller_to_judge(
    past: list[Any], classes: AnswerClasses
) -> None:
    machine = interaction(*past, classes=classes)
    opened = [number for number, event in enumerate(past) if event is ASK]
    assert list(machine.books.uncertain) == list(machine.books.open) == opened
    with pytest.raises(UnansweredRequestError, match="may have been answered already"):
        machine.next_request()
    assert answer_all(interaction(*past, classes=classes, on_uncertain="ask")) == opened


def test_event_of_the_run_itself_is_no_evidence() -> None:
    machine = interaction(
        ASK, takes("Work"), classes=AnswerClasses({}, frozenset({"ResponseEvent"}))
    )
    assert answer_all(machine) == [0]


def test_answer_of_ones_own_settles_its_request_and_no_other() -> None:
    machine = interaction(ASK, classes=UNKNOWN)
    assert answer_all(machine) == [0]
    receive(machine, ASK, TAKES)
    assert list(machine.books.open) == [1]
    assert not machine.books.answered
    assert not machine.books.uncertain


def test_answers_of_others_are_not_counted_for_later_requests() -> None:
    machine = interaction(ASK, ASK, TAKES, on_uncertain="ask")
    assert answer_all(machine) == [0, 1]
    receive(machine, TAKES, TAKES, ASK, ASK, TAKES)
    assert list(machine.books.open) == [5, 6]


def test_books_continue_where_another_process_stopped() -> None:
    machine = interaction(ASK, ASK, ASK)
    first = machine.next_request()
    second = machine.next_request()
    assert first is not None
    assert second is not None
    machine.answer_sent(first, ResponseEvent(response=""))
    machine.answer_sent(second, ResponseEvent(response=""))
    machine.answer_failed(second, httpx.ReadError(""))
    books = Books.model_validate_json(machine.books.model_dump_json())
    assert books == Books(seen=2, open=(1, 2), answered={0: "ResponseEvent"}, uncertain=(1,))

    later = interaction(books=books, on_uncertain="ask")
    assert later.last == books.begin == -1
    assert later.books == books
    receive(later, ASK, ASK, ASK, TAKES)
    assert not later.books.answered
    assert answer_all(later) == [1, 2]


def test_history_up_to_the_books_opens_and_settles_nothing() -> None:
    books = Books(seen=4, open=(1,))
    machine = interaction(ASK, TAKES, ASK, TAKES, books=books)  # 1 to 4
    assert list(machine.books.open) == [1]
    receive(machine, ASK)
    assert list(machine.books.open) == [1, 5]


def test_request_that_others_have_answered_meanwhile_is_not_open() -> None:
    machine = interaction(ASK)
    request = machine.next_request()
    assert request is not None
    assert machine.is_open(request)
    receive(machine, TAKES)
    assert not machine.is_open(request)


@pytest.mark.parametrize(
    ("classes", "hint"), [(ONE_ANSWER, "; the workflow takes ResponseEvent"), (UNKNOWN, "")]
)
def test_answer_that_no_step_takes_is_an_error_that_names_what_fits(
    classes: AnswerClasses, hint: str
) -> None:
    machine = interaction(classes=classes)
    assert machine.next_request() is None
    receive(machine, ASK)
    request = machine.next_request()
    assert request is not None
    machine.answer_sent(request, {"type": "Wrong", "value": {}})
    receive(machine, unhandled("Another"))
    with pytest.raises(UnansweredRequestError, match=f"a Wrong{hint}$"):
        receive(machine, unhandled("Wrong"))
    assert list(machine.books.open) == [0]


def test_answer_that_is_not_taken_shows_that_a_request_of_the_past_was_answered() -> None:
    machine = interaction(ASK)
    assert answer_all(machine) == [0]
    receive(machine, unhandled("ResponseEvent"))
    assert machine.books == Books(seen=1)


def test_event_that_may_be_ones_own_answer_makes_nothing_uncertain() -> None:
    machine = interaction(ASK, ASK, ASK)
    assert answer_all(machine) == [0, 1, 2]
    receive(machine, at_worker(0, TAKES), at_worker(1, TAKES), at_worker(0, ENDS), ASK)
    receive(machine, at_worker(0, TAKES))  # of the third, or worker 1's again
    assert list(machine.books.open) == [6]
    assert list(machine.books.answered) == [2]
    assert not machine.books.uncertain


def test_answer_that_is_not_taken_is_the_one_without_a_reaction() -> None:
    machine = interaction(ASK)
    assert answer_all(machine) == [0]
    receive(machine, takes("StartEvent"), ASK)  # a step that waits in its middle goes on
    assert answer_all(machine) == [2]
    with pytest.raises(UnansweredRequestError):
        receive(machine, unhandled("ResponseEvent"))
    assert machine.books == Books(seen=3, open=(2,), answered={0: "ResponseEvent"})
    machine = interaction()
    assert answer_all(machine) == []
    receive(machine, ASK, ASK, ASK)
    assert answer_all(machine) == [0, 1, 2]
    with pytest.raises(UnansweredRequestError):
        receive(machine, unhandled("ResponseEvent"))
    assert machine.books.open == (0,)
    with pytest.raises(UnansweredRequestError):
        receive(machine, unhandled("ResponseEvent"))
    assert machine.books.open == (0, 2)


def test_answer_without_a_reaction_is_noticed_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    machine = interaction(ASK, clock=clock)
    assert machine.due() is None
    answer_all(machine)
    due = machine.due()
    assert due is not None
    assert due[0] == clock.now + NO_REACTION_AFTER
    with caplog.at_level(logging.WARNING, "llama_agents.client"):
        machine.overdue(due[1])
    assert "'h' has accepted ResponseEvent" in caplog.text
    assert machine.due() is None


def test_step_that_begins_is_a_reaction_to_an_answer_but_not_to_a_lost_one() -> None:
    clock = Clock()
    machine = interaction(ASK, clock=clock)
    answer_all(machine)
    receive(machine, IDLE, FAILS)
    assert machine.due() is not None
    receive(machine, takes("StartEvent"))  # of a step that waits for an event in its middle
    assert machine.due() is None
    machine = interaction(ASK, clock=clock)
    request = machine.next_request()
    assert request is not None
    failure = httpx.ReadError("lost")
    machine.answer_sent(request, ResponseEvent(response=""))
    machine.answer_failed(request, failure)
    receive(machine, takes("StartEvent"))
    assert machine.due() == (clock.now + LOST_ANSWER_LIMIT, request)
    with pytest.raises(httpx.ReadError, match="lost"):
        machine.overdue(request)
    receive(machine, TAKES)
    assert not machine.is_open(request)


def test_function_gets_an_unknown_subclass_as_its_own_class() -> None:
    request = interaction(LOUD).next_request()
    assert request is not None
    event = request.answer()
    assert type(event) is RequestEvent
    assert event.prompt == "?"


def test_request_of_a_class_that_is_not_loaded_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "not_loaded.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    request = interaction(ASK).next_request()
    assert request is not None
    request.envelope.qualified_name = "not_loaded.RequestEvent"
    assert type(request.answer()) is RequestEvent
    assert "not_loaded" not in sys.modules


def test_unanswered_request_may_be_ignored_and_stays_open() -> None:
    machine = interaction(OTHER, unanswered="ignore")
    assert answer_all(machine) == []
    assert machine.books == Books(seen=0, open=(0,))
    receive(machine, END)
    assert machine.books == Books(seen=1)


def test_answer_to_an_ignored_request_settles_no_other() -> None:
    machine = interaction(ASK, ASK, unanswered="ignore", on_uncertain="ask")
    first, second = machine.next_request(), machine.next_request()
    assert first is not None
    assert second is not None
    machine.skip(first)
    receive(machine, TAKES)
    assert machine.is_open(second)
    receive(machine, TAKES)
    assert machine.books.open == ()


@pytest.mark.parametrize(
    ("before", "after", "is_uncertain"),
    [
        ([], [0], False),
        ([at_worker(1, TAKES)], [0, 1], False),
        ([at_worker(1, TAKES), at_worker(0, ENDS)], [0], True),  # is that worker 1's, or another?
    ],
)
@pytest.mark.parametrize("is_resumed", [False, True])
def test_step_that_a_restarted_server_begins_again_counts_once(
    before: list[Any], after: list[int], is_uncertain: bool, is_resumed: bool
) -> None:
    own = [ASK] * (1 + len(before[:1]))
    machine = interaction(*own, on_uncertain="ask")
    answer_all(machine)
    receive(machine, at_worker(0, TAKES), *before, ASK, TICK)
    request = machine.books.open
    if is_resumed:
        books = Books.model_validate_json(machine.books.model_dump_json())
        machine = interaction(ASK, TICK, books=books, on_uncertain="ask")
    receive(machine, *(at_worker(number, TAKES) for number in after))
    assert machine.books.open == request
    assert machine.books.uncertain == request * is_uncertain
    receive(machine, *(at_worker(number, ENDS) for number in after), at_worker(1, ENDS))
    receive(machine, at_worker(0, TAKES))
    assert machine.books.open == ()


@pytest.mark.parametrize("types", [["InputRequiredEvent"], ["Mine", "InputRequiredEvent"]])
def test_request_without_a_function_is_an_error_each_time(types: list[str]) -> None:
    machine = interaction(("Other", {}, types))
    for _ in range(2):
        with pytest.raises(UnansweredRequestError, match="Other: no function"):
            machine.next_request()
    with pytest.raises(UnansweredRequestError, match="InputRequiredEvent: no function"):
        interaction(("InputRequiredEvent", {}, None)).next_request()


def test_graph_names_the_answers_of_a_request() -> None:
    assert read_answer_classes(get_workflow_representation(Survey())) == ONE_ANSWER
    dialog = read_answer_classes(get_workflow_representation(Dialog()))
    assert dialog == AnswerClasses({}, frozenset())
    assert dialog.that_fit(["RequestEvent"]) == []
