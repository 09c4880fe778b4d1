"""Plain calls under every fault: the documented outcome, and no run started twice."""

from __future__ import annotations

import httpx
import pytest
from llama_agents.client import WorkflowClient, WorkflowClientError
from llama_agents.client._core import limits

from examples.chaos_proxy import chaos, in_turn

from ...support.any_client import Variant
from ..calls import CALLS, Call
from ..measure import PLAIN_CALLS, Ledger, call_row, measuring
from ..server_process import ServerProcess

pytestmark = pytest.mark.anyio

VARIANT: Variant = "async"
ANSWER = {"type": "ResponseEvent", "value": {"response": "Ada"}}


async def make(client: WorkflowClient, call: Call, handler_id: str) -> str:
    """Make a call and return its outcome."""
    match call.method:
        case "run":
            start = {"n": 3, "pause": 0.3}
            return (await client.run_workflow("count", start_event=start)).status
        case "run failing":
            return (await client.run_workflow("fail")).status
        case "start":
            return (await client.run_workflow_nowait("human")).status
        case "start value":
            return (await client.run_workflow_nowait("unbox", start_event={"value": 7})).status
        case "map":
            (item,) = [item async for item in client.map_workflow("count", [{"n": 3}])]
            assert item.handler is not None
            return item.handler.status
        case "list":
            return "workflows" if "count" in (await client.list_workflows()).workflows else "none"
        case "health":
            return (await client.is_healthy()).status
        case "send":
            return (await client.send_event(handler_id, ANSWER)).status
        case "wait":
            wait = client.wait_for_handler(handler_id, timeout=call.timeout, poll_interval=0.1)
            return (await wait).status


@pytest.mark.parametrize("call", [pytest.param(call, id=call.name) for call in CALLS])
async def test_call_meets_guarantees_under_fault(
    call: Call, server: ServerProcess, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in call.limits.items():
        monkeypatch.setattr(limits, name, seconds)
    server.ensure_running()
    workflow = {"send": "human", "wait": "count"}.get(call.method)
    handler_id = server.start_run(workflow, n=4, pause=0.5) if workflow else ""
    before = server.runs()
    outcome: str | Exception | None = None
    with chaos(server.url, in_turn(**call.faults)) as proxy:
        async with WorkflowClient(base_url=proxy.url, **call.client) as client:
            with measuring() as cost:
                try:
                    for _ in range(call.repeat):
                        outcome = await make(client, call, handler_id)
                except (WorkflowClientError, httpx.TransportError) as error:
                    outcome = error
        requests = proxy.requests
    started = len(server.runs() - before)
    end = type(outcome).__name__ if isinstance(outcome, Exception) else str(outcome)
    row = call_row(len(requests), started, end, cost)
    ledger.record(PLAIN_CALLS, call.name, VARIANT, row)
    call.check(outcome, cost, requests, started)
