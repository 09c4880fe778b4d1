"""The machine of an interaction: which requests are open, and which to answer next."""

from __future__ import annotations

from typing import Any

import pytest
from llama_agents.client import EventEnvelopeWithMetadata, UnansweredRequestError
from llama_agents.client._core.interaction import Interaction, Unanswered

from ..support.workflows import RequestEvent

ASK = ("RequestEvent", {"prompt": "?"}, ["InputRequiredEvent"])
LOUD = ("Loud", {"prompt": "?"}, ["RequestEvent", "InputRequiredEvent"])
IDLE = ("WorkflowIdleEvent", {}, ["InternalDispatchEvent"])
UNHANDLED = ("UnhandledEvent", {}, ["InternalDispatchEvent"])
TICK = ("Tick", {}, None)
END = ("Done", {}, ["StopEvent"])


def step_takes(name: str) -> tuple[str, dict[str, Any], list[str]]:
    value = {"step_state": "running", "input_event_name": name, "output_event_name": None}
    return "StepStateChanged", value, ["InternalDispatchEvent"]


def step_returned(name: str) -> tuple[str, dict[str, Any], list[str]]:
    value = {"step_state": "not_running", "output_event_name": f"<class 'app.{name}'>"}
    return "StepStateChanged", value, ["InternalDispatchEvent"]


def interaction(
    *events: Any, replaying: bool = True, unanswered: Unanswered = "error"
) -> Interaction:
    machine = Interaction(
        "h",
        {RequestEvent: lambda event: event},
        unanswered=unanswered,
        position=-1,
        replaying=replaying,
    )
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
        machine.answer_sent(request)
        answered.append(request.sequence)
    return answered


@pytest.mark.parametrize(
    ("past", "open_requests"),
    [
        ([], []),
        ([ASK], [0]),
        ([ASK, IDLE], [0]),
        ([step_returned("RequestEvent"), ASK, IDLE], [1]),
        ([ASK, IDLE, step_takes("Answer")], []),
        ([ASK, IDLE, step_takes("StartEvent"), step_returned("None"), IDLE], []),
        ([ASK, IDLE, step_takes("Answer"), ASK, IDLE], [3]),
        ([ASK, IDLE, UNHANDLED, IDLE], [0]),  # an answer that the run did not take
        ([ASK, ASK, IDLE], [0, 1]),
        ([ASK, ASK, IDLE, step_takes("Answer"), IDLE, step_takes("Answer"), IDLE], []),
        (
            [step_returned("Work"), ASK, step_takes("Work"), step_returned("None")],
            [1],
        ),  # its own work continues meanwhile
        ([ASK, TICK, TICK], [0]),
        ([ASK, END], []),
        ([LOUD, IDLE], [0]),
        ([TICK, END], []),
    ],
)
def test_history_leaves_unanswered_requests_open(past: list[Any], open_requests: list[int]) -> None:
    machine = interaction(*past)
    assert answer_all(machine) == []
    machine.history_replayed()
    assert answer_all(machine) == open_requests
    assert answer_all(machine) == []
    assert machine.position == (open_requests[0] - 1 if open_requests else len(past) - 1)


@pytest.mark.parametrize(
    "past",
    [
        [ASK, ASK, IDLE, step_takes("Answer")],
        [ASK, step_takes("Answer")],
        [ASK, step_takes("Work"), IDLE],
    ],
)
def test_ambiguous_history_is_an_error(past: list[Any]) -> None:
    machine = interaction(*past)
    with pytest.raises(UnansweredRequestError, match="may have been answered already"):
        machine.history_replayed()


def test_live_requests_are_answered_as_they_arrive() -> None:
    machine = interaction(replaying=False)
    for begin in (0, 3):
        receive(machine, ASK)
        assert answer_all(machine) == [begin]
        assert machine.position == begin - 1  # the answer is not known to be taken yet
        receive(machine, IDLE)
        assert machine.position == begin - 1
        receive(machine, step_takes("Answer"))
        assert machine.position == begin + 2


def test_answer_is_resolved_although_the_run_was_never_idle() -> None:
    machine = interaction(ASK, replaying=False)
    assert answer_all(machine) == [0]
    receive(machine, step_takes("Answer"))
    assert machine.position == 1


def test_function_gets_an_unknown_subclass_as_its_own_class() -> None:
    request = interaction(LOUD, replaying=False).next_request()
    assert request is not None
    event = request.answer()
    assert type(event) is RequestEvent
    assert event.prompt == "?"


def test_unanswered_request_may_be_ignored() -> None:
    other = ("Other", {}, ["InputRequiredEvent"])
    machine = interaction(other, replaying=False, unanswered="ignore")
    assert answer_all(machine) == []
    assert machine.position == 0


@pytest.mark.parametrize("types", [["InputRequiredEvent"], ["Mine", "InputRequiredEvent"]])
def test_request_without_a_function_is_an_error(types: list[str]) -> None:
    with pytest.raises(UnansweredRequestError, match="Other: no function"):
        interaction(("Other", {}, types), replaying=False).next_request()
    with pytest.raises(UnansweredRequestError, match="InputRequiredEvent: no function"):
        interaction(("InputRequiredEvent", {}, None), replaying=False).next_request()
