"""What is below a client of httpx2: its pools and connections; and when httpx2 is imported."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import httpx2
import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client._core import limits
from llama_agents.client._transport.deadline import Until, now
from llama_agents.client._transport.library import adapted
from llama_agents.client._transport.pool import free_connections

from ..support.scripted import Turn, frame, response, scripted, stream

WORKFLOWS = Turn(response("200 OK", b'{"workflows": []}', Connection="keep-alive"))


def test_connection_that_the_caller_has_opened_obeys_deadlines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_LIMIT", 0.3)

    def trickle() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        while True:
            time.sleep(0.05)
            yield b" "

    with (
        scripted([WORKFLOWS, Turn(trickle)]) as script,
        httpx2.Client(base_url=script.url) as inner,
    ):
        inner.get("/workflows")
        with pytest.raises(httpx.ReadTimeout):
            SyncWorkflowClient(httpx_client=inner).cancel_handler("h1")


def test_deadline_in_a_client_of_httpx2_names_the_request_that_met_it() -> None:
    """As that of a redirect, of which httpx2 alone knows."""
    with scripted([WORKFLOWS]) as script, httpx2.Client(base_url=script.url) as inner:
        SyncWorkflowClient(httpx_client=inner).list_workflows()
        inner._transport._pool.close()  # type: ignore[attr-defined]
        with Until(now()), pytest.raises(httpx2.ConnectTimeout) as caught:
            inner.get("/other")
    assert caught.value.request.url.path == "/other"


def test_batch_knows_how_many_connections_there_are() -> None:
    inner = httpx2.Client(limits=httpx2.Limits(max_connections=7))
    client = adapted(inner, httpx.Client)
    assert client is not None
    assert free_connections(client) == 6


def test_httpx2_is_not_imported_unless_a_client_of_it_is_passed_in() -> None:
    program = """
import sys
sys.modules["httpx2"] = None  # importing it would fail
import httpx, llama_agents.client as c
c.WorkflowClient(base_url="http://test")
c.WorkflowClient(httpx_client=httpx.AsyncClient())
c.SyncWorkflowClient(httpx_client=httpx.Client())
try:
    c.WorkflowClient(httpx_client=object())
except TypeError:
    print("works")
"""
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "works\n"


def test_httpx_may_be_an_alias_of_httpx2() -> None:
    program = """
import sys, httpx2
httpx2.alias_httpx()
import llama_agents.client as c
with httpx2.Client(base_url=sys.argv[1]) as inner:
    print(c.SyncWorkflowClient(httpx_client=inner).list_workflows().workflows)
with c.SyncWorkflowClient(base_url=sys.argv[1]) as client:
    print([event.type for event in client.get_workflow_events("h1")])
"""
    live = Turn(stream(frame(1), frame(2, "StopEvent")))
    with scripted([WORKFLOWS, live]) as script:
        command = [sys.executable, "-c", program, script.url]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert run.stdout == "[]\n['Tick', 'StopEvent']\n"
