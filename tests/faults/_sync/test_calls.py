# Generated from tests/faults/_async/test_calls.py by `python -m generator`: do not edit.
"""Every fault of a plain call: its result, or an error; and no run is started twice."""

from __future__ import annotations

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClientError

from ...support.chaos import chaos, in_turn
from ..calls import CALLS, Call
from ..measure import PLAIN_CALLS, Calls, Face, Ledger, Row, costing
from ..server_process import ServerProcess

FACE: Face = "sync"
ANSWER = {"type": "ResponseEvent", "value": {"response": "Ada"}}


def make(client: SyncWorkflowClient, call: Call, handler_id: str) -> str:
    """Make a call; return what came of it."""
    match call.method:
        case "run":
            start = {"n": 3, "pause": 0.3}
            return (client.run_workflow("count", start_event=start)).status
        case "run failing":
            return (client.run_workflow("fail")).status
        case "start":
            return (client.run_workflow_nowait("human")).status
        case "list":
            return "workflows" if "count" in (client.list_workflows()).workflows else "none"
        case "health":
            return (client.is_healthy()).status
        case "send":
            return (client.send_event(handler_id, ANSWER)).status
        case "wait":
            wait = client.wait_for_handler(handler_id, timeout=call.bound, poll_interval=0.1)
            return (wait).status


def a_run(server: ServerProcess, call: Call) -> str:
    """Start what the call is about, without the client; return its id."""
    workflow = {"send": "human", "wait": "count"}.get(call.method)
    if workflow is None:
        return ""
    start = {"start_event": {"n": 4, "pause": 0.5}}
    url = f"{server.url}/workflows/{workflow}/run-nowait"
    handler_id: str = httpx.post(url, json=start).json()["handler_id"]
    return handler_id


@pytest.mark.parametrize("call", [pytest.param(call, id=call.name) for call in CALLS])
def test_call_keeps_the_promises(call: Call, server: ServerProcess, ledger: Ledger) -> None:
    server.ensure()
    handler_id = a_run(server, call)
    before = server.runs()
    result, error = None, None
    with chaos(server.url, in_turn(**call.faults)) as proxy:
        with SyncWorkflowClient(base_url=proxy.url, **call.client) as client:
            client._pool.get()  # what it costs to make is no part of the call
            with costing() as cost:
                try:
                    for _ in range(call.times):
                        result = make(client, call, handler_id)
                except (WorkflowClientError, httpx.TransportError) as caught:
                    error = caught
        requests = proxy.requests
    started = server.runs() - before
    end = str(result) if error is None else type(error).__name__
    row = Row(Calls(len(requests), len(started), end), cost)
    ledger.note(PLAIN_CALLS, call.name, FACE, row)
    call.hold(result, error, cost, requests, len(started))
