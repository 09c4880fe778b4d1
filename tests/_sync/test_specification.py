# Generated from tests/_async/test_specification.py by `python -m generator`: do not edit.
"""The snippets of the specification as users would paste them, on the real server."""

from __future__ import annotations

import builtins

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient
from workflows.events import StartEvent

from ..support.workflows import OutEvent, RequestEvent, ResponseEvent


def test_basic_usage(server_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    client = SyncWorkflowClient(base_url=server_url)

    client.is_healthy()

    workflows = client.list_workflows()
    print(workflows)

    result = client.run_workflow("greet", start_event=StartEvent(name="John"))  # type: ignore[call-arg]
    print(result.result)

    client.close()
    shown = capsys.readouterr().out
    assert "workflows=['greet'" in shown
    assert "value={'result': 'Hello, John!'}" in shown


def test_client_from_httpx_client(server_url: str) -> None:
    httpx_client = httpx.Client(base_url=server_url, headers={"Authorization": "Bearer token"})
    client = SyncWorkflowClient(httpx_client=httpx_client)
    assert (client.is_healthy()).status == "healthy"
    httpx_client.close()


def test_start_stream_and_get_result(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("greet", start_event=StartEvent(name="John"))  # type: ignore[call-arg]
        handler_id = handler.handler_id

        received = []
        for event in client.get_workflow_events(handler_id):
            received.append((event.type, event.value))

        result = client.get_handler(handler_id)
    assert received == [("StopEvent", {"result": "Hello, John!"})]
    assert f"{result.result}".startswith("value={'result': 'Hello, John!'}")


def test_save_position_and_resume(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("count", start_event={"n": 4})
        handler_id = handler.handler_id

        stream = client.get_workflow_events(handler_id)
        positions = []
        for event in stream:
            positions.append((event.type, stream.last_sequence))
            if event.value["n"] == 1:
                break
        saved_sequence = stream.last_sequence

        stream = client.get_workflow_events(handler_id, after_sequence=saved_sequence)
        rest = [event.value.get("n") for event in stream]
    assert positions[-1] == ("Tick", saved_sequence)
    assert rest == [2, 3, None]


def test_stream_from_now_is_empty_for_ended_run(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow("greet")
        stream = client.get_workflow_events(handler.handler_id, after_sequence="now")
        assert [event for event in stream] == []
        assert stream.last_sequence == "now"


def test_human_in_the_loop(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "input", lambda prompt: "ada ")
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("human")
        handler_id = handler.handler_id

        for event in client.get_workflow_events(handler_id):
            loaded = event.load_event()
            if isinstance(loaded, RequestEvent):
                assert loaded.prompt == "What is your name?"
                name = input("Reply here: ")
                client.send_event(
                    handler_id=handler_id,
                    event=ResponseEvent(response=name.capitalize().strip()),
                )

        result = client.get_handler(handler_id)
        res = OutEvent.model_validate(result.result)
    assert res.output == "Hello, Ada"


def test_load_event_with_registry(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("human")
        for event in client.get_workflow_events(handler.handler_id):
            loaded = event.load_event(registry=[RequestEvent, ResponseEvent])
            assert loaded == RequestEvent(prompt="What is your name?")
            break
        client.cancel_handler(handler.handler_id)
