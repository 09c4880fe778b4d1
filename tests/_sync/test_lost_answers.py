# Generated from tests/_async/test_lost_answers.py by `python -m generator`: do not edit.
"""Plain calls over connections that fail, on the real server."""

from __future__ import annotations

import time

import httpx
import pytest
from llama_agents.client import (
    InvalidResponseError,
    NotFoundError,
    ServerError,
    SyncWorkflowClient,
    WaitTimeoutError,
    WorkflowFailedError,
)
from llama_agents.client._start import new_handler_id

from ..support.chaos import Moment, chaos, losing
from ..support.scripted import Turn, answer, scripted


def runs_of(url: str) -> set[str]:
    """The ids of the runs that the server has started."""
    with SyncWorkflowClient(base_url=url) as client:
        return {handler.handler_id for handler in (client.get_handlers()).handlers}


# ------------------------------------------------------------------- starts


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "lost", [["after"], ["at once"], ["before"], ["after", "after"], ["before", "after", "at once"]]
)
def test_run_is_started_once_whatever_is_lost(
    server_url: str, named: bool, lost: list[Moment]
) -> None:
    before = runs_of(server_url)
    with chaos(server_url, losing(lost)) as proxy:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            name = new_handler_id() if named else None
            handler = client.run_workflow_nowait("human", name)
        assert handler.status == "running"
        assert len(proxy.requests) > len(lost)  # each loss was met
    assert runs_of(server_url) - before == {handler.handler_id}


@pytest.mark.parametrize("lost", [["after"], ["at once"], ["at once", "after", "at once"]])
def test_run_outlives_the_connection_that_started_it(server_url: str, lost: list[Moment]) -> None:
    before = runs_of(server_url)
    with chaos(server_url, losing(lost)) as proxy:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            handler = client.run_workflow("count", start_event={"n": 3, "pause": 0.1})
    assert handler.status == "completed"
    assert runs_of(server_url) - before == {handler.handler_id}


def test_lost_answer_of_a_name_used_just_before_is_not_guessed(server_url: str) -> None:
    name = new_handler_id()
    with SyncWorkflowClient(base_url=server_url) as client:
        client.run_workflow("greet", name, {"name": "Ada"})
    with chaos(server_url, losing(["before"])) as proxy:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            with pytest.raises(InvalidResponseError, match=name):
                client.run_workflow("greet", name, {"name": "Bob"})


def test_run_outlives_the_read_timeout(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url, timeout=0.3) as client:
        handler = client.run_workflow("count", start_event={"n": 1, "pause": 1})
    assert handler.status == "completed"


def test_failed_run_is_found_failed(server_url: str) -> None:
    before = runs_of(server_url)
    with chaos(server_url, losing(["after"])) as proxy:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            with pytest.raises(WorkflowFailedError) as caught:
                client.run_workflow("fail")
    assert runs_of(server_url) - before == {caught.value.handler.handler_id}
    assert caught.value.detail == "boom " * 100


def test_error_of_a_start_names_the_run() -> None:
    with scripted([Turn()]) as script:
        url = script.url
    with SyncWorkflowClient(base_url=url) as client:
        with pytest.raises(httpx.ConnectError, match="'mine'"):
            client.run_workflow("greet", "mine")


# ------------------------------------------------------------------- other calls


@pytest.mark.parametrize("lost", [["after"], ["at once", "before"]])
def test_get_is_sent_again(server_url: str, lost: list[Moment]) -> None:
    with chaos(server_url, losing(lost)) as proxy:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            assert "greet" in (client.list_workflows()).workflows


def test_get_gives_up_with_the_answer_of_the_unavailable_server() -> None:
    with scripted([Turn(answer("503 Service Unavailable", b"no"))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(ServerError):
                client.list_workflows()
    assert len(script.requests) == 3


def test_event_that_may_have_been_sent_is_not_sent_again() -> None:
    with scripted([Turn()]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(httpx.TransportError):
                client.send_event("h1", {"type": "T", "value": {}})
    assert len(script.requests) == 1


def test_call_after_an_unhandled_error_of_the_server_works(server_url: str) -> None:
    """The server drops that connection without a word; health is never asked for again."""
    with SyncWorkflowClient(base_url=server_url) as client:
        for _ in range(20):
            with pytest.raises(ServerError, match="Internal server error"):
                client.get_workflow_events_schema("opaque")
            assert (client.is_healthy()).status == "healthy"


def test_call_after_a_stream_that_has_nothing_left_works(server_url: str) -> None:
    """The server writes a body after a 204."""
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow("greet")
        for _ in range(20):
            for _ in client.get_workflow_events(handler.handler_id, after_sequence="now"):
                pytest.fail("an event")
            assert (client.is_healthy()).status == "healthy"


# ------------------------------------------------------------------- waiting


def test_wait_ends_soon_after_the_run(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.run_workflow_nowait("count", start_event={"n": 1, "pause": 0.5})
        started = time.monotonic()
        handler = client.wait_for_handler(run.handler_id, poll_interval=5)
        assert time.monotonic() - started < 3  # the next look would have been after 5 s
    assert handler.status == "completed"


@pytest.mark.parametrize("lost", [["before"], ["after", "at once", "before"]])
def test_wait_survives_lost_connections(server_url: str, lost: list[Moment]) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.run_workflow_nowait("count", start_event={"n": 1, "pause": 1})
    with chaos(server_url, losing(lost)) as proxy:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            handler = client.wait_for_handler(run.handler_id, poll_interval=0.05)
    assert handler.status == "completed"


@pytest.mark.parametrize(
    "turn", [Turn(then="hold"), Turn(answer("202 Accepted", b""), then="hold"), Turn()]
)
def test_wait_keeps_its_bound_against_a_server_that_does_not_answer(turn: Turn) -> None:
    with scripted([turn]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            client._pool.get()  # what it costs to make is not part of the bound
            started = time.monotonic()
            with pytest.raises((WaitTimeoutError, ValueError)):
                client.wait_for_handler("h1", timeout=0.6)
            assert time.monotonic() - started < 1.1 + 1  # on a loaded machine


def test_wait_for_an_unknown_run_ends_at_once(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError, match="nobody"):
            client.wait_for_handler("nobody")
