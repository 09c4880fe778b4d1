# Generated from tests/faults/_async/test_restart.py by `python -m generator`: do not edit.
"""A server that is killed in the middle of a run, and started again on its store."""

from __future__ import annotations

from pathlib import Path

from llama_agents.client import SyncWorkflowClient

from ...support.chaos import chaos, in_turn
from ..measure import PLAIN_CALLS, Calls, Delivery, Face, Ledger, Row, costing
from ..server_process import killing_once_it_runs, restarting, seen, server_process

FACE: Face = "sync"
ATTEMPTS = 10  # a server takes long to start on a loaded machine


def test_stream_goes_on_after_the_server_was_killed(tmp_path: Path, ledger: Ledger) -> None:
    delivered: list[str] = []
    with (
        server_process(tmp_path) as server,
        chaos(server.url, in_turn()) as counting,
        costing() as cost,
    ):
        with SyncWorkflowClient(base_url=counting.url) as client:
            run = client.run_workflow_nowait("count", start_event={"n": 40, "pause": 0.05})
            events = client.get_workflow_events(run.handler_id, max_reconnect_attempts=ATTEMPTS)
            with restarting(server) as restart:
                for event in events:
                    delivered.append(seen(events.last_sequence, event.value))
                    if len(delivered) == 10:
                        server.kill()
                        restart.set()
        expected = server.stored(run.handler_id)
    assert delivered == expected
    assert len(expected) > 10
    result = Delivery.of(expected, delivered, counting.count("stream"), None)
    ledger.note("Resuming", "SIGKILL of the server, and a restart", FACE, Row(result, cost))


def test_run_workflow_returns_after_the_server_was_killed(tmp_path: Path, ledger: Ledger) -> None:
    with (
        server_process(tmp_path) as server,
        chaos(server.url, in_turn()) as counting,
        costing() as cost,
    ):
        with killing_once_it_runs(server):
            with SyncWorkflowClient(base_url=counting.url) as client:
                run = client.run_workflow("count", start_event={"n": 20, "pause": 0.1})
        started = server.runs()
    assert run.status == "completed"
    assert started == {run.handler_id}
    row = Row(Calls(len(counting.requests), len(started), run.status), cost)
    ledger.note(PLAIN_CALLS, "run_workflow: SIGKILL of the server, and a restart", FACE, row)
