# Generated from tests/_async/test_testing.py by `python -m generator`: do not edit.
"""The test kit: streams of the real server recorded, and played back with faults."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from llama_agents.client import (
    EventEnvelopeWithMetadata,
    NotFoundError,
    ServerError,
    StatusError,
    StreamDisconnectedError,
    SyncWorkflowClient,
    WorkflowFailedError,
)
from llama_agents.client.testing import (
    Drop,
    Fault,
    ReplayServer,
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
ONCE = [0, 1, 2, 3, 4]


def recorded(url: str, file: Any, workflow: str, *, internal: bool = False) -> str:
    """Record a run of the real server to its end; return its name."""
    with SyncWorkflowClient(base_url=url) as client:
        handler = client.run_workflow_nowait(workflow, start_event={"n": 3})
        for _ in record(client.get_workflow_events(handler.handler_id, internal), file):
            pass
    return handler.handler_id


def numbers(server: ReplayServer, **options: Any) -> list[int]:
    """The `n` of each event that a client gets."""
    with SyncWorkflowClient(base_url=server.url) as client:
        events = client.get_workflow_events(server.handler_id, **options)
        return [event.value["n"] for event in events if event.type == "Tick"]


# ------------------------------------------------------------------- recording


def test_recorded_run_is_played_back_as_it_was(server_url: str, tmp_path: Path) -> None:
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


def test_internal_events_are_played_to_who_asks_for_them(server_url: str) -> None:
    file = io.StringIO()
    recorded(server_url, file, "count", internal=True)
    with replay(io.StringIO(file.getvalue())) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            all_events = client.get_workflow_events(server.handler_id, True)
            types = {event.type for event in all_events}
            public = client.get_workflow_events(server.handler_id)
            assert {event.type for event in public} == {"Tick", "StopEvent"}
    assert "StepStateChanged" in types


def test_recording_that_is_left_keeps_what_was_seen(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    turn = Turn(stream(frame(1, n=0), frame(2, n=1), frame(3, n=2), end=b""), then="hold")
    with scripted([turn]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            for event in record(client.get_workflow_events("h1"), file):
                if event.value["n"] == 1:
                    break
            del event
            wait_until(lambda: script.closed == 1)
    assert [line[:14] for line in file.read_text().splitlines()] == [
        '{"recording":1',
        '{"sequence":1,',
        '{"sequence":2,',
    ]


def test_recording_survives_what_breaks_off_the_test(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    with scripted([Turn(stream(frame(1, n=0), end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(ZeroDivisionError):
                for _ in record(client.get_workflow_events("h1"), file):
                    assert file.read_text().count("\n") == 2  # written before it is seen
                    raise ZeroDivisionError
            wait_until(lambda: script.closed == 1)


def test_stream_that_cannot_be_recorded_is_closed(tmp_path: Path) -> None:
    with scripted([Turn(stream(frame(None), end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            with pytest.raises(ValueError, match="no sequence number"):
                for _ in record(events, tmp_path / "run.jsonl"):
                    pass
            wait_until(lambda: script.closed == 1)
            with client.get_workflow_events("h1") as entered:
                with pytest.raises(FileNotFoundError):
                    for _ in record(entered, tmp_path / "nowhere" / "run.jsonl"):
                        pass
                wait_until(lambda: script.closed == 2)


# ------------------------------------------------------------------- faults


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
def test_every_event_comes_once_through_faults(
    faults: list[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llama_agents.client._retry.FIRST_PAUSE", 0.01)
    with replay(RUN, faults) as server:
        with SyncWorkflowClient(base_url=server.url, timeout=0.2) as client:
            events = client.get_workflow_events(server.handler_id)
            seen = [(event.type, events.last_sequence) for event in events]
        assert server.pending == ()
    assert seen == [("Tick", number) for number in range(1, 6)] + [("StopEvent", 6)]


def test_drops_can_be_too_many() -> None:
    with replay(RUN, [Drop(2, times=9)]) as server:
        with pytest.raises(StreamDisconnectedError) as caught:
            numbers(server, max_reconnect_attempts=1)
        assert caught.value.last_sequence == 2
        assert server.pending == (Drop(2, times=7),)


def test_refusal_can_be_final() -> None:
    with replay(RUN, [Unavailable(401)]) as server:
        with pytest.raises(StatusError, match="401"):
            numbers(server)
        assert numbers(server) == ONCE


def test_fault_that_never_comes_is_pending_and_holds_up_those_behind() -> None:
    faults = [Drop(2), Drop(1), Drop(3)]
    with replay(RUN, faults) as server:
        assert server.pending == tuple(faults)
        assert numbers(server) == ONCE
        assert server.pending == (Drop(1), Drop(3))


# ------------------------------------------------------------------- the rest of the server


@pytest.mark.parametrize("workflow", ["greet", "typed", "count", "fail"])
def test_handler_is_as_on_the_real_server(server_url: str, workflow: str) -> None:
    file = io.StringIO()
    handler_id = recorded(server_url, file, workflow)
    with SyncWorkflowClient(base_url=server_url) as client:
        real = client.get_handler(handler_id)
    with replay(io.StringIO(file.getvalue())) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            played = client.get_handler(handler_id)
            with pytest.raises(NotFoundError, match="Handler not found"):
                client.get_handler("nobody")
    same = {"handler_id", "status", "error", "result"}
    assert played.model_dump(include=same) == real.model_dump(include=same)
    assert played.status == ("failed" if workflow == "fail" else "completed")


def test_run_that_took_too_long_is_played_back_as_failed() -> None:
    file = io.StringIO()
    with serve({"human": Human(timeout=0.05)}) as url:
        handler_id = recorded(url, file, "human")
        with SyncWorkflowClient(base_url=url) as client:
            real = client.wait_for_handler(handler_id)
    with replay(io.StringIO(file.getvalue())) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            played = client.get_handler(handler_id)
    assert (played.status, played.error) == (real.status, real.error)
    assert played.status == "failed"


def test_cancelled_run_is_played_back_as_cancelled(server_url: str) -> None:
    file = io.StringIO()
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        for event in record(run.events(), file):
            if event.type == "RequestEvent":
                run.cancel()
        real = client.get_handler(run.handler_id)
    with replay(io.StringIO(file.getvalue())) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            played = client.get_handler(run.handler_id)
    assert (played.status, played.error) == (real.status, real.error) == ("cancelled", None)


def test_code_that_starts_a_run_is_given_the_recording() -> None:
    with replay([Tick(n=1), OutEvent(output="out")]) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            assert (client.is_healthy()).status == "healthy"
            run = client.start("any", {"name": "Ada"}, handler_id="mine")
            assert [event.type for event in run.events()] == ["Tick", "OutEvent"]
            assert run.result(OutEvent) == OutEvent(output="out")
            assert (run.checkpoint())["sequence"] == 2
            assert (client.run_workflow("other")).result == {"output": "out"}
            assert (client.get_handler("mine")).workflow_name == "any"
        assert server.started[0] == StartedRun("mine", "any", {"name": "Ada"})
        assert [started.workflow_name for started in server.started] == ["any", "other"]


def test_run_that_failed_fails_again() -> None:
    failed = {"step_name": "s", "exception": {"exception_message": "boom"}}
    envelope = EventEnvelopeWithMetadata(
        value=failed, type="WorkflowFailedEvent", types=["StopEvent"]
    )
    with replay([envelope]) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            with pytest.raises(WorkflowFailedError, match="boom"):
                client.run_workflow("any")


def test_run_without_an_end_goes_on() -> None:
    with replay(RUN[:2]) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            for event in client.get_workflow_events(server.handler_id):
                if event.value["n"] == 1:
                    break
            assert (client.get_handler(server.handler_id)).status == "running"
            with pytest.raises(ServerError, match="no terminal event"):
                client.run_workflow("any")


def test_events_that_are_sent_can_be_looked_at() -> None:
    with replay([RequestEvent(prompt="Who?"), OutEvent(output="Hello")]) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            run = client.run(server.handler_id)
            for event in run.events():
                if event.type == "RequestEvent":
                    run.send(ResponseEvent(response="Ada"), step="greet")
        (sent,) = server.sent
    assert sent.event.load_event([ResponseEvent]) == ResponseEvent(response="Ada")
    assert (sent.handler_id, sent.step) == (server.handler_id, "greet")


def test_now_is_behind_what_was_played() -> None:
    with replay(RUN, [Drop(2)]) as server:
        with pytest.raises(StreamDisconnectedError):
            numbers(server, max_reconnect_attempts=0)
        assert numbers(server, after_sequence="now") == [2, 3, 4]
        assert numbers(server, after_sequence="now") == []
        assert numbers(server, after_sequence=3) == [3, 4]
