# Generated from tests/faults/_async/test_streams.py by `python -m generator`: do not edit.
"""Every fault of a stream: what comes is what was to come, once, in order, or an error says so."""

from __future__ import annotations

import gc
import time
import warnings

import pytest
from llama_agents.client import SyncEventStream, SyncWorkflowClient, WorkflowClientError

from ...support.server import wait_until
from ..measure import Delivery, Face, Ledger, Row, costing, sockets
from ..scenarios import TABLES, Stream
from ..server_process import ServerProcess, seen

FACE: Face = "sync"
PAUSE = 0.2  # s, of a slow consumer


def read(
    events: SyncEventStream, scenario: Stream, pause_every: int, delivered: list[str]
) -> Exception | None:
    """Read a stream as the scenario says; return the error that ended it."""
    try:
        if scenario.leave == "never":
            return None
        for event in events:
            delivered.append(seen(events.last_sequence, event.value))
            if pause_every and len(delivered) % pause_every == 0:
                time.sleep(PAUSE)
            if scenario.leave == "break":
                break
            if scenario.leave == "close":
                events.close()
            if scenario.leave == "error":
                raise ZeroDivisionError
    except (WorkflowClientError, ZeroDivisionError) as error:
        return error
    return None


@pytest.mark.parametrize(
    ("table", "scenario"),
    [
        pytest.param(table, scenario, id=f"{table}-{scenario.name}")
        for table, scenarios in TABLES.items()
        for scenario in scenarios
    ],
)
def test_stream_keeps_the_promises(
    table: str, scenario: Stream, server: ServerProcess, ledger: Ledger
) -> None:
    gc.collect()
    before = sockets()
    delivered: list[str] = []
    with scenario.place(server) as place, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        idle = sockets()
        pause_every = len(place.expected()) // scenario.pauses if scenario.pauses else 0
        client = SyncWorkflowClient(base_url=place.url, **scenario.client)
        with costing() as cost:
            events = client.get_workflow_events(place.handler_id, **scenario.options)
            error = read(events, scenario, pause_every, delivered)
        # The stream is still there, and so is its error: neither holds a connection.
        gc.collect()
        wait_until(lambda: sockets() <= idle, within=5)
        expected = [*place.expected()]
        scenario.hold(place, expected, delivered, error, cost)
        told = [warning.category for warning in warned]
        assert told == ([scenario.warns] if scenario.warns else [])
        result = Delivery.of(expected, delivered, len(place.requests()), error)
        ledger.note(table, scenario.name, FACE, Row(result, cost))
        client.close()
    assert sockets() <= before
