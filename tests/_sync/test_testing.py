# Generated from tests/_async/test_testing.py by `python -m generator`: do not edit.
"""The test kit with a real client: recordings of the real server, and replays with faults."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from llama_agents.client import SyncWorkflowClient, UnsupportedServerError
from llama_agents.client.testing import (
    Drop,
    Fault,
    Stall,
    StartedRun,
    Unavailable,
    record,
    replay,
    serve,
)
from workflows.events import StopEvent

from ..support.scripted import Turn, frame, scripted, stream
from ..support.server import wait_until
from ..support.workflows import Human, OutEvent, RequestEvent, ResponseEvent, Tick

RUN = [*(Tick(n=n) for n in range(5)), StopEvent(result="done")]


# ------------------------------------------------------------------- recording


def test_recorded_run_is_replayed_unchanged(server_url: str, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("count", {"n": 3, "text": "a\u2028b\nc"})
        original = run.events()
        passed_on = [(e, original.last_sequence) for e in record(original, file)]
        seen = [(e, s.last_sequence) for s in [run.events(after_sequence=-1)] for e in s]
    with replay(file) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            played = client.get_workflow_events(run.handler_id)
            assert [(event, played.last_sequence) for event in played] == passed_on == seen
    assert len(seen) == 4


def test_internal_events_are_replayed_on_request_only(server_url: str) -> None:
    file = io.StringIO()
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("count", {"n": 3})
        for _ in record(client.get_workflow_events(run.handler_id, True), file):
            pass
    with replay(io.StringIO(file.getvalue())) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            all_events = client.get_workflow_events(server.handler_id, True)
            types = {event.type for event in all_events}
            public = client.get_workflow_events(server.handler_id)
            assert {event.type for event in public} == {"Tick", "StopEvent"}
    assert "StepStateChanged" in types


@pytest.mark.parametrize("leave", ["break", "raise"])
def test_interrupted_recording_holds_what_was_seen(leave: str, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    turn = Turn(stream(frame(1, n=0), frame(2, n=1), frame(3, n=2), end=b""), then="hold")
    with scripted([turn]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            try:
                for event in record(client.get_workflow_events("h1"), file):
                    lines = file.read_text().splitlines()
                    assert len(lines) == 2 + event.value["n"]  # written before it is seen
                    if event.value["n"] == 1 and leave == "break":
                        break
                    assert event.value["n"] < 1, "the test fails"
            except AssertionError as error:
                assert leave == "raise", error
            wait_until(lambda: script.closed == 1)
    assert [line[:14] for line in file.read_text().splitlines()] == [
        '{"recording":1',
        '{"sequence":1,',
        '{"sequence":2,',
    ]


def test_stream_that_cannot_be_recorded_is_closed(tmp_path: Path) -> None:
    with scripted([Turn(stream(frame(None), end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            with pytest.raises(UnsupportedServerError, match="no sequence number"):
                for _ in record(events, tmp_path / "run.jsonl"):
                    pass
            wait_until(lambda: script.closed == 1)
            with client.get_workflow_events("h1") as entered:
                with pytest.raises(FileNotFoundError):
                    for _ in record(entered, tmp_path / "missing" / "run.jsonl"):
                        pass
                wait_until(lambda: script.closed == 2)


# ------------------------------------------------------------------- replay


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Drop(0), Drop(3), Drop(5)],
        [Drop(2, times=3)],
        [Stall(1, 0.01), Stall(1, 0.01), Drop(1), Unavailable(), Stall(4, 0.01)],
        [Stall(2, float("inf")), Drop(4)],
        [Unavailable(429), Unavailable(502), Drop(4), Unavailable(503)],
    ],
    ids=str,
)
def test_every_event_is_received_once_despite_faults(
    faults: list[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llama_agents.client._core.policy.INITIAL_RETRY_DELAY", 0.01)
    with replay(RUN, faults) as server:
        assert server.pending == tuple(faults)
        with SyncWorkflowClient(base_url=server.url, timeout=0.2) as client:
            events = client.get_workflow_events(server.handler_id)
            seen = [(event.type, events.last_sequence) for event in events]
        assert server.pending == ()
    assert seen == [("Tick", number) for number in range(1, 6)] + [("StopEvent", 6)]


@pytest.mark.parametrize(
    ("workflow", "status"),
    [("typed", "completed"), ("fail", "failed"), ("human", "failed"), ("human", "cancelled")],
)
def test_run_has_the_same_outcome_as_on_the_real_server(
    server_url: str, workflow: str, status: str
) -> None:
    file = io.StringIO()
    with serve({"human": Human(timeout=0.05)}) as short:
        url = short if (workflow, status) == ("human", "failed") else server_url
        with SyncWorkflowClient(base_url=url) as client:
            run = client.start(workflow)
            for event in record(run.events(), file):
                if event.type == "RequestEvent" and status == "cancelled":
                    run.cancel()
            real = client.wait_for_handler(run.handler_id)
    with replay(io.StringIO(file.getvalue())) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            played = client.get_handler(run.handler_id)
    same = {"handler_id", "status", "error", "result"}
    assert played.model_dump(include=same) == real.model_dump(include=same)
    assert played.status == status


def test_started_runs_and_sent_events_are_exposed() -> None:
    events = [RequestEvent(prompt="Who?"), OutEvent(output="Hello")]
    with replay(events, wait_for_answers=True) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            assert (client.is_healthy()).status == "healthy"
            run = client.start("any", {"name": "Ada"}, handler_id="mine")
            answers: dict[Any, Any] = {RequestEvent: lambda _: ResponseEvent(response="Ada")}
            assert run.interact(answers, OutEvent) == OutEvent(output="Hello")
            assert run.result(OutEvent) == OutEvent(output="Hello")
            run.send(Tick(n=1), step="greet")
            assert (client.run_workflow("other")).result == {"output": "Hello"}
        assert server.started[0] == StartedRun("mine", "any", {"name": "Ada"})
        assert [started.workflow_name for started in server.started] == ["any", "other"]
        answer, tick = server.sent
    assert answer.event.load_event([ResponseEvent]) == ResponseEvent(response="Ada")
    assert (tick.handler_id, tick.event.type, tick.step) == ("mine", "Tick", "greet")


def test_recorded_dialog_is_held_again(server_url: str, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("dialog")
        for event in record(run.events(), file):
            if event.type == "RequestEvent":
                run.send(ResponseEvent(response=f"to {event.value['prompt']}"))
    for faults in ([], [Drop(0), Drop(1), Unavailable(), Drop(2)]):
        with replay(file, faults, wait_for_answers=True) as server:
            with SyncWorkflowClient(base_url=server.url) as client:
                for run in (client.start("dialog"), client.get_run(server.handler_id)):
                    asked: list[str] = []

                    def answer(ask: RequestEvent, asked: list[str] = asked) -> ResponseEvent:
                        asked.append(ask.prompt)
                        return ResponseEvent(response=ask.prompt)

                    done = run.interact({RequestEvent: answer}, OutEvent, timeout=30)
                    assert (done.output, asked) == ("to 0,to 1", ["0", "1"])
            assert not server.pending
            assert [each.event.value["response"] for each in server.sent] == ["0", "1"] * 2
