"""Which requests of a run are answered: the machine, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from llama_agents.client import EventEnvelopeWithMetadata, UnansweredRequestError
from llama_agents.client._interact import Interaction, Unanswered

from ..support.workflows import RequestEvent

ASK = ("RequestEvent", {"prompt": "?"}, ["InputRequiredEvent"])
LOUD = ("Loud", {"prompt": "?"}, ["RequestEvent", "InputRequiredEvent"])
IDLE = ("WorkflowIdleEvent", {}, ["InternalDispatchEvent"])
UNHANDLED = ("UnhandledEvent", {}, ["InternalDispatchEvent"])
TICK = ("Tick", {}, None)
END = ("Done", {}, ["StopEvent"])


def runs(name: str) -> tuple[str, dict[str, Any], list[str]]:
    value = {"step_state": "running", "input_event_name": name, "output_event_name": None}
    return "StepStateChanged", value, ["InternalDispatchEvent"]


def gave(name: str) -> tuple[str, dict[str, Any], list[str]]:
    value = {"step_state": "not_running", "output_event_name": f"<class 'app.{name}'>"}
    return "StepStateChanged", value, ["InternalDispatchEvent"]


def talk(*events: Any, past: bool = True, unanswered: Unanswered = "error") -> Interaction:
    machine = Interaction(
        "h", {RequestEvent: lambda event: event}, unanswered=unanswered, position=-1, past=past
    )
    take(machine, *events)
    return machine


def take(machine: Interaction, *events: Any) -> None:
    for name, value, types in events:
        envelope = EventEnvelopeWithMetadata(value=value, type=name, types=types)
        machine.take(machine.last + 1, envelope)


def due(machine: Interaction) -> list[int]:
    found = []
    while (request := machine.due()) is not None:
        request.sent = True
        found.append(request.sequence)
    return found


@pytest.mark.parametrize(
    ("past", "open_requests"),
    [
        ([], []),
        ([ASK], [0]),
        ([ASK, IDLE], [0]),
        ([gave("RequestEvent"), ASK, IDLE], [1]),
        ([ASK, IDLE, runs("Answer")], []),
        ([ASK, IDLE, runs("StartEvent"), gave("None"), IDLE], []),
        ([ASK, IDLE, runs("Answer"), ASK, IDLE], [3]),
        ([ASK, IDLE, UNHANDLED, IDLE], [0]),  # an answer that the run did not take
        ([ASK, ASK, IDLE], [0, 1]),
        ([ASK, ASK, IDLE, runs("Answer"), IDLE, runs("Answer"), IDLE], []),
        ([gave("Work"), ASK, runs("Work"), gave("None")], [1]),  # its own work goes on meanwhile
        ([ASK, TICK, TICK], [0]),
        ([ASK, END], []),
        ([LOUD, IDLE], [0]),
        ([TICK, END], []),
    ],
)
def test_what_the_past_leaves_open(past: list[Any], open_requests: list[int]) -> None:
    machine = talk(*past)
    assert due(machine) == []
    machine.present()
    assert due(machine) == open_requests
    assert due(machine) == []
    assert machine.position == (open_requests[0] - 1 if open_requests else len(past) - 1)


@pytest.mark.parametrize(
    "past", [[ASK, ASK, IDLE, runs("Answer")], [ASK, runs("Answer")], [ASK, runs("Work"), IDLE]]
)
def test_past_that_does_not_tell_is_an_error(past: list[Any]) -> None:
    machine = talk(*past)
    with pytest.raises(UnansweredRequestError, match="may have been given already"):
        machine.present()


def test_live_requests_are_due_as_they_come() -> None:
    machine = talk(past=False)
    for begin in (0, 3):
        take(machine, ASK)
        assert due(machine) == [begin]
        assert machine.position == begin - 1  # not known to be taken yet
        take(machine, IDLE)
        assert machine.position == begin - 1
        take(machine, runs("Answer"))
        assert machine.position == begin + 2


def test_answer_is_seen_to_be_taken_without_a_pause_of_the_run() -> None:
    machine = talk(ASK, past=False)
    assert due(machine) == [0]
    take(machine, runs("Answer"))
    assert machine.position == 1


def test_function_takes_a_subclass_that_is_not_loaded_as_its_own_class() -> None:
    request = talk(LOUD, past=False).due()
    assert request is not None
    event = request.answer()
    assert type(event) is RequestEvent
    assert event.prompt == "?"


def test_request_may_be_left() -> None:
    other = ("Other", {}, ["InputRequiredEvent"])
    machine = talk(other, past=False, unanswered="leave")
    assert due(machine) == []
    assert machine.position == 0


@pytest.mark.parametrize("types", [["InputRequiredEvent"], ["Mine", "InputRequiredEvent"]])
def test_request_that_nothing_answers_is_an_error(types: list[str]) -> None:
    with pytest.raises(UnansweredRequestError, match="Other: no function"):
        talk(("Other", {}, types), past=False).due()
    with pytest.raises(UnansweredRequestError, match="InputRequiredEvent: no function"):
        talk(("InputRequiredEvent", {}, None), past=False).due()
