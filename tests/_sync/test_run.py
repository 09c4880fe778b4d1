# Generated from tests/_async/test_run.py by `python -m generator`: do not edit.
"""The handle on a run, on the real server."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from llama_agents.client import (
    CheckpointError,
    EventValidationError,
    NotFoundError,
    SyncWorkflowClient,
    WaitTimeoutError,
    WorkflowFailedError,
)
from workflows.events import StartEvent, StopEvent

from ..support.workflows import OutEvent, RequestEvent, ResponseEvent

COUNT = {"n": 5, "pause": 0.02}


class Other(StopEvent):
    """A stop event of no workflow here."""

    output: str


def test_run_streams_events_and_returns_typed_result(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human", StartEvent())
        for event in run.events():
            if event.type == "RequestEvent":
                assert run.status() == "running"
                assert (run.send(ResponseEvent(response="Ada"))).status == "sent"
        result = run.result(OutEvent)
        assert type(result) is OutEvent
        assert result.output == "Hello, Ada"
        assert type(run.result(StopEvent)) is StopEvent
        assert (run.result())["output"] == "Hello, Ada"
        assert run.status() == "completed"
        assert client.get_run(run.handler_id).result(result_type=OutEvent) == result


def test_result_raises_for_wrong_class(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("typed", {"name": "Ada"})
        with pytest.raises(EventValidationError, match="completed with OutEvent, not Other"):
            run.result(Other)
        with pytest.raises(TypeError, match="StopEvent"):
            run.result(StartEvent)  # type: ignore[type-var]


def test_result_raises_at_timeout_and_for_cancelled_run(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        with pytest.raises(WaitTimeoutError):
            run.result(timeout=0.1)
        run.cancel()
        with pytest.raises(WorkflowFailedError, match="cancelled"):
            run.result()
        run.cancel(purge=True)
        with pytest.raises(NotFoundError):
            run.status()


def test_result_raises_for_failed_run(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("fail")
        with pytest.raises(WorkflowFailedError) as caught:
            run.result(OutEvent)
    assert caught.value.handler.error == "boom " * 100
    assert run.handler_id in str(caught.value)


def test_resumed_run_continues_after_last_event(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("count", COUNT)
        seen = []
        for event in run.events():
            seen.append(event.value["n"])
            if len(seen) == 2:
                break
        kept = json.loads(json.dumps(run.checkpoint()))
    with SyncWorkflowClient(base_url=server_url) as client:
        resumed = client.resume(kept)
        seen += [event.value.get("n") for event in resumed.events()]
        assert seen == [0, 1, 2, 3, 4, None]
        end = resumed.checkpoint()
        assert end["sequence"] > kept["sequence"]
        assert [event for event in (client.resume(end)).events()] == []


def test_events_continue_where_previous_stream_stopped(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.get_run((client.start("count", COUNT)).handler_id)
        seen = []
        for event in run.events():
            seen.append(event.type)
            break
        seen += [event.type for event in run.events()]
        assert seen == ["Tick"] * 5 + ["StopEvent"]
        assert len([event for event in run.events(after_sequence=-1)]) == 6


def test_resume_rejects_checkpoint_of_earlier_run(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("greet")
        run.result()
        kept = client.get_run(run.handler_id).checkpoint()
        assert kept["sequence"] == -1
        (client.start("greet", handler_id=run.handler_id)).result()
        with pytest.raises(CheckpointError, match="no longer matches its run"):
            client.resume(kept)


def test_checkpoint_raises_without_position(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        run.events(after_sequence="now")
        with pytest.raises(CheckpointError, match="no position"):
            run.checkpoint()
        run.cancel(purge=True)


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"handler_id": "h", "run_id": None, "sequence": 1},
        {"handler_id": "h", "run_id": "r", "sequence": "now"},
        {"handler_id": "h", "run_id": "r", "sequence": -2},
        {"handler_id": "h", "run_id": "r", "sequence": True},
        {"handler_id": "", "run_id": "r", "sequence": 1},
        "h",
    ],
)
def test_resume_rejects_invalid_checkpoint_before_sending(kept: object) -> None:
    with SyncWorkflowClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(CheckpointError, match="not a checkpoint"):
            client.resume(kept)  # type: ignore[arg-type]


def test_handle_shows_the_status_as_last_known(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human", StartEvent())
        name = type(run).__name__
        known = client.get_run(run.handler_id)
        assert repr(run) == f"{name}({run.handler_id!r}, status='running')"
        assert repr(known) == f"{name}({run.handler_id!r})"
        assert known.status() == "running"
        assert repr(known) == repr(run)
        for event in run.events():
            assert ("completed" if event.is_terminal else "running") in repr(run)
            if event.type == "RequestEvent":
                run.send(ResponseEvent(response="Ada"))
        assert repr(run) == f"{name}({run.handler_id!r}, status='completed')"
        assert "human" in run._repr_mimebundle_()["text/html"]
        for copied in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
            assert repr(copied) == repr(run)
        assert "completed" in repr(client.resume(run.checkpoint()))
        run.events()
        assert "completed" in repr(run)
        assert "running" in repr(known)
        known.result()
        assert "completed" in repr(known)


def test_handle_knows_how_a_run_has_failed(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        failing = client.start("fail")
        streamed = client.get_run(failing.handler_id)
        for _ in streamed.events():
            pass
        with pytest.raises(WorkflowFailedError):
            failing.result()
        assert "failed" in repr(failing)
        assert "failed" in repr(streamed)
        run = client.start("human")
        run.cancel()
        assert "cancelled" in repr(run)
        run.cancel(purge=True)
        assert "deleted" in repr(run)


def test_handle_knows_the_status_after_interacting(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        answer = ResponseEvent(response="Ada")
        client.get_run(run.handler_id).interact({RequestEvent: lambda _: answer})
        assert "running" in repr(run)
        run.interact({RequestEvent: lambda _: answer})
        assert "completed" in repr(run)
