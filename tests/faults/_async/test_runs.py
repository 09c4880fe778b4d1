"""Runs whose connections fail, and whose server is killed and restarted on its store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from llama_agents.client import WorkflowClient
from workflows.events import StopEvent

from examples.chaos_proxy import Chaos, Fault, chaos, in_turn

from ...support.any_client import Variant, describe
from ...support.workflows import OutEvent, RequestEvent, ResponseEvent
from ..measure import PLAIN_CALLS, Cost, Ledger, call_row, measuring, stream_row
from ..server_process import ServerProcess, restarting_during_run, server_process

pytestmark = pytest.mark.anyio

VARIANT: Variant = "async"
QUESTIONS = ["0", "1", "2"]
ANSWERS = "to 0,to 1,to 2"
MAX_RECONNECTS = 10  # a server takes long to start on a loaded machine


@contextmanager
def killable_server(folder: Path) -> Iterator[tuple[ServerProcess, Chaos, Cost]]:
    """Run a server behind a proxy that counts requests, and measure the block."""
    with (
        server_process(folder) as server,
        chaos(server.url, in_turn()) as proxy,
        measuring() as cost,
    ):
        yield server, proxy, cost


async def test_interact_answers_each_request_once_despite_disconnects(
    server_url: str, ledger: Ledger
) -> None:
    asked: list[str] = []

    def answer(event: RequestEvent) -> ResponseEvent:
        asked.append(event.prompt)
        return ResponseEvent(response=f"to {event.prompt}")

    # After the first event, in the middle of the second, then after every second one.
    faults = [Fault(events=1), Fault(events=1, tail=9), *[Fault(events=2)] * 20]
    with chaos(server_url, in_turn(stream=faults)) as proxy, measuring() as cost:
        async with WorkflowClient(base_url=proxy.url) as client:
            run = await client.start("interview")
            result = await run.interact({RequestEvent: answer}, OutEvent)
        assert proxy.count("stream") > 3
    assert asked == QUESTIONS
    assert result.output == ANSWERS
    outcome = f"asked {len(asked)} times, {len(asked)} answers"
    row = call_row(len(proxy.requests), 1, outcome, cost)
    ledger.record(PLAIN_CALLS, "interact: disconnect after every second event", VARIANT, row)


@pytest.mark.parametrize("workflow", ["interview", "dialog"])
@pytest.mark.parametrize("resumed", [False, True])
async def test_interact_answers_each_request_once_across_restart(
    tmp_path: Path, ledger: Ledger, workflow: str, resumed: bool
) -> None:
    asked: list[str] = []
    with killable_server(tmp_path) as (server, proxy, cost):

        def answer(event: RequestEvent) -> ResponseEvent:
            asked.append(event.prompt)
            if event.prompt == "1" and len(asked) == 2:
                server.restart()
                if resumed:
                    raise KeyboardInterrupt
            return ResponseEvent(response=f"to {event.prompt}")

        async with WorkflowClient(base_url=proxy.url) as client:
            run = await client.start(workflow)
            if resumed:
                with pytest.raises(KeyboardInterrupt):
                    await run.interact({RequestEvent: answer})
                run = await client.resume(await run.checkpoint())
            result = await run.interact({RequestEvent: answer}, OutEvent)
    count = 3 if workflow == "interview" else 2
    assert asked == ["0", "1", *["1"] * resumed, "2"][: count + resumed]
    if workflow == "interview":
        assert result.output == ANSWERS
        killed = "server and client" if resumed else "server"
        outcome = f"asked {len(asked)} times, {len(QUESTIONS)} answers"
        row = call_row(len(proxy.requests), 1, outcome, cost)
        ledger.record(PLAIN_CALLS, f"interact: {killed} killed during a request", VARIANT, row)
    # Otherwise the restored server passes the last answer twice to a step that has waited twice.


@pytest.mark.parametrize("keyed", [True, False])
async def test_map_workflow_continues_after_server_is_killed(
    tmp_path: Path, ledger: Ledger, keyed: bool
) -> None:
    starts = [{"n": 4, "pause": 0.1, "text": f"item-{n}"} for n in range(12)]
    results = []
    with killable_server(tmp_path) as (server, proxy, cost):
        async with WorkflowClient(base_url=proxy.url) as client:
            key = (lambda start: start["text"]) if keyed else None
            async for result in client.map_workflow("count", starts, limit=4, key=key):
                results.append(result)
                if len(results) == 3:
                    # The server can lose a run that is killed before its first event.
                    for run in server.runs():
                        server.wait_for_event(run)
                    server.restart(in_background=True)
        started = server.runs()
    assert [result.index for result in results] == list(range(12))
    assert [result.error for result in results] == [None] * 12
    assert [type(result.result(StopEvent)) for result in results] == [StopEvent] * 12
    assert started == {result.handler_id for result in results}
    assert len(started) == 12
    scenario = (
        f"map_workflow of 12 {'with' if keyed else 'without'} keys: server killed and restarted"
    )
    row = call_row(len(proxy.requests), len(started), "12 results", cost)
    ledger.record(PLAIN_CALLS, scenario, VARIANT, row)


async def test_stream_resumes_after_server_is_killed(tmp_path: Path, ledger: Ledger) -> None:
    delivered: list[str] = []
    with killable_server(tmp_path) as (server, proxy, cost):
        async with WorkflowClient(base_url=proxy.url) as client:
            run = await client.run_workflow_nowait("count", start_event={"n": 40, "pause": 0.05})
            events = client.get_workflow_events(
                run.handler_id, max_reconnect_attempts=MAX_RECONNECTS
            )
            async for event in events:
                delivered.append(describe(events.last_sequence, event.value))
                if len(delivered) == 10:
                    server.restart(in_background=True)
        expected = server.stored_events(run.handler_id)
    assert delivered == expected
    assert len(expected) > 10
    row = stream_row(expected, delivered, proxy.count("stream"), None, cost)
    ledger.record("Resuming", "server killed and restarted", VARIANT, row)


async def test_run_workflow_returns_after_server_is_killed(tmp_path: Path, ledger: Ledger) -> None:
    with killable_server(tmp_path) as (server, proxy, cost):
        with restarting_during_run(server):
            async with WorkflowClient(base_url=proxy.url) as client:
                run = await client.run_workflow("count", start_event={"n": 20, "pause": 0.1})
        started = server.runs()
    assert run.status == "completed"
    assert started == {run.handler_id}
    row = call_row(len(proxy.requests), len(started), run.status, cost)
    ledger.record(PLAIN_CALLS, "run_workflow: server killed and restarted", VARIANT, row)
