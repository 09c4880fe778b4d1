"""What pictures say about a run is what its events say, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client._graphs.flow import read_flow
from llama_agents.client._graphs.progress import Progress, read_progress
from llama_agents.client.protocol import EventEnvelopeWithMetadata
from llama_agents.client.testing import serve
from llama_agents.server import WorkflowServer
from workflows import Workflow

from .drawn import FLOWS, FanOut, Flaky, Rounds, Writing, as_served


def event(type_: str, *types: str, **value: Any) -> EventEnvelopeWithMetadata:
    return EventEnvelopeWithMetadata(value=value, type=type_, types=[*types])


def started(step: str, taken: str, worker: int = 0) -> EventEnvelopeWithMetadata:
    return event(
        "StepStateChanged",
        name=step,
        step_state="running",
        worker_id=str(worker),
        input_event_name=taken,
    )


def ended(step: str, given: str | None, worker: int = 0) -> EventEnvelopeWithMetadata:
    name = given and f"<class 'app.{given}'>"
    return event(
        "StepStateChanged",
        name=step,
        step_state="not_running",
        worker_id=str(worker),
        output_event_name=name,
    )


STOP = event("StopEvent")
FAILED = event("WorkflowFailedEvent", "StopEvent", step_name="square")
CANCELLED = event("WorkflowCancelledEvent", "StopEvent")
SPLIT = [started("split", "Numbers"), ended("split", "Square")]


def progress(workflow: type[Workflow], *run: EventEnvelopeWithMetadata) -> Progress:
    return read_progress(read_flow(as_served(workflow)), run)


def said(workflow: type[Workflow], *run: EventEnvelopeWithMetadata) -> dict[str, str]:
    """Return what a picture says of each step."""
    boxes = read_flow(as_served(workflow)).boxes
    found = progress(workflow, *run).boxes
    return {box.name: each.text for box, each in zip(boxes, found, strict=True)}


def ways(workflow: type[Workflow], *run: EventEnvelopeWithMetadata) -> set[tuple[str, str, str]]:
    names = dict(enumerate(box.name for box in read_flow(as_served(workflow)).boxes))
    taken = progress(workflow, *run).taken
    return {(names.get(a, ""), name, names.get(b, "")) for a, name, b in taken}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("run", "square"),
    [
        ([started("square", "Square", 0), started("square", "Square", 1)], "running (×2)"),
        ([started("square", "Square"), ended("square", "Squared")], "done"),
        ([started("square", "Square"), ended("square", "Squared")] * 3, "done ×3"),
        ([started("square", "Square"), ended("square", None)] * 2, "ended ×2"),
        ([started("square", "Square"), ended("square", None), FAILED], "failed"),
        ([started("square", "Square"), CANCELLED], "stopped"),
        ([], "not reached"),
    ],
)
def test_step_is_said_to_be_in_its_state(run: list[EventEnvelopeWithMetadata], square: str) -> None:
    assert said(FanOut, *SPLIT, *run) == {"split": "done", "square": square, "add": "not reached"}


def test_person_is_waited_for_until_a_step_has_taken_the_answer() -> None:
    def person(*run: EventEnvelopeWithMetadata) -> str:
        boxes = read_flow(as_served(FLOWS["person"])).boxes
        (number,) = (n for n, box in enumerate(boxes) if box.is_person)
        return progress(FLOWS["person"], *run).boxes[number].text

    asked = event("ApprovalRequest", "InputRequiredEvent")
    answered = started("greet", "Approval")
    assert [person(), person(asked), person(asked, answered)] == ["", "waiting", ""]
    assert person(asked, answered, asked) == "waiting"
    assert person(asked, CANCELLED) == ""


def test_steps_are_not_said_to_be_missed_if_the_start_is_missing() -> None:
    assert said(FanOut, started("square", "Square")) == {
        "split": "",
        "square": "running",
        "add": "",
    }


def test_without_internal_events_only_named_steps_are_known() -> None:
    assert said(FanOut, FAILED) == {"split": "", "square": "failed", "add": ""}
    timeout = event("WorkflowTimedOutEvent", "StopEvent", timeout=1, active_steps=["add", 7, "?"])
    assert said(FanOut, timeout) == {"split": "", "square": "", "add": "stopped"}
    assert progress(FanOut, timeout).outcome == "timed out"
    assert ways(FanOut, FAILED) == set()
    assert ways(FanOut, STOP) == {("add", "StopEvent", "")}


def test_arrows_are_taken_by_the_events_seen() -> None:
    assert ways(FanOut, *SPLIT) == {("", "Numbers", "split"), ("split", "Square", "")}
    assert ways(FanOut, *SPLIT, started("square", "Square")) == {
        ("", "Numbers", "split"),
        ("split", "Square", ""),
        ("split", "Square", "square"),
    }


def test_arrow_is_not_taken_if_another_one_may_have_been() -> None:
    drafts = [ended("write", "Draft"), ended("rewrite", "Draft"), started("review", "Draft")]
    assert not {way for way in ways(Writing, *drafts) if way[2] == "review"}
    assert {way for way in ways(Writing, *drafts, started("review", "Draft")) if way[2]} == {
        ("write", "Draft", "review"),
        ("rewrite", "Draft", "review"),
    }


def test_arrow_without_an_event_is_not_taken() -> None:
    run = [started("end", "StartEvent"), ended("end", None)]
    assert ways(FLOWS["names"], *run) == {("", "StartEvent", "end")}
    assert said(FLOWS["names"], *run)["end"] == "ended"


def test_events_with_other_values_than_the_framework_sends_are_ignored() -> None:
    strange = [
        event("StepStateChanged"),
        event("StepStateChanged", name=["square"], worker_id=3, step_state={}),
        event("StepStateChanged", name="unknown", worker_id="0", step_state="running"),
        event("WorkflowFailedEvent", "StopEvent", step_name=3),
        event("WorkflowTimedOutEvent", "StopEvent", active_steps="add"),
    ]
    assert set(said(FanOut, *strange).values()) == {""}


@pytest.fixture(scope="module")
def client() -> Iterator[SyncWorkflowClient]:
    server = WorkflowServer()
    for workflow in (FanOut, Writing, Flaky, Rounds):
        server.add_workflow(workflow.__name__, workflow(timeout=60))
    with serve(server) as url, SyncWorkflowClient(base_url=url) as client:
        yield client


@pytest.mark.parametrize(
    ("workflow", "start", "outcome", "steps"),
    [
        (FanOut, {}, "completed", {"split": "done", "square": "done ×3", "add": "done"}),
        (
            FanOut,
            {"numbers": [-1]},
            "failed",
            {"split": "done", "square": "failed", "add": "not reached"},
        ),
        (Writing, {}, "completed", {"write": "done", "review": "done ×3", "rewrite": "done ×2"}),
        (Flaky, {}, "completed", {"fetch": "ended ×2", "show": "done", "recover": "done"}),
    ],
    ids=["fan-out", "failure", "loop", "retries"],
)
def test_real_run_is_said_to_do_what_it_did(
    workflow: type[Workflow],
    start: dict[str, Any],
    outcome: str,
    steps: dict[str, str],
    client: SyncWorkflowClient,
) -> None:
    run = client.start(workflow.__name__, start)
    events = list(run.events(include_internal_events=True))
    assert said(workflow, *events) == steps
    assert progress(workflow, *events).outcome == outcome


def test_real_run_takes_the_way_over_a_person(client: SyncWorkflowClient) -> None:
    run = client.start("Rounds", {})
    events = []
    for each in run.events(include_internal_events=True):
        events.append(each)
        if each.type == "WorkflowIdleEvent":
            assert ("turn", "ApprovalRequest", "person") in ways(Rounds, *events)
            assert ("person", "Approval", "finish") not in ways(Rounds, *events)
            run.send({"type": "Approval", "value": {}})
    assert ("person", "Approval", "finish") in ways(Rounds, *events)
    assert ("turn", "Draft", "turn") in ways(Rounds, *events)
    assert said(Rounds, *events)["person"] == ""


def test_served_graph_is_that_of_the_class(client: SyncWorkflowClient) -> None:
    for workflow in (FanOut, Writing, Flaky, Rounds):
        served = client.get_workflow_graph(workflow.__name__).graph
        assert read_flow(served) == read_flow(as_served(workflow))
    assert len(FLOWS) >= 12
