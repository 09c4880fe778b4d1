# Generated from tests/faults/_async/test_streams.py by `python -m generator`: do not edit.
"""Streams under every fault: every event delivered once and in order, or an error that says so."""

from __future__ import annotations

import gc
import time
import warnings
from contextlib import suppress

import pytest
from llama_agents.client import (
    Cursor,
    SyncEventStream,
    SyncWorkflowClient,
    UnsupportedServerError,
    WorkflowClientError,
)

from ...support.any_client import Variant, describe
from ...support.server import wait_until
from ..measure import Ledger, measuring, open_sockets, stream_row
from ..scenarios import TABLES, Stream
from ..server_process import ServerProcess

VARIANT: Variant = "sync"
PAUSE = 0.2  # s, of a slow consumer


def position(events: SyncEventStream) -> Cursor:
    """Return the last sequence number, also where it is not the position."""
    with suppress(UnsupportedServerError):
        return events.last_sequence
    return -1


def read(
    events: SyncEventStream, scenario: Stream, pause_every: int, delivered: list[str]
) -> Exception | None:
    """Read a stream as the scenario says; return the error that ended it."""
    try:
        if scenario.leave == "never":
            return None
        for event in events:
            delivered.append(describe(position(events), event.value))
            if pause_every and len(delivered) % pause_every == 0:
                time.sleep(PAUSE)
            match scenario.leave:
                case "break":
                    break
                case "close":
                    events.close()
                case "error":
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
def test_stream_meets_guarantees_under_fault(
    table: str, scenario: Stream, server: ServerProcess, ledger: Ledger
) -> None:
    gc.collect()
    before = open_sockets()
    delivered: list[str] = []
    with scenario.source(server) as source, warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        idle = open_sockets()
        pause_every = len(source.expected()) // scenario.pauses if scenario.pauses else 0
        client = SyncWorkflowClient(base_url=source.url, **scenario.client)
        with measuring() as cost:
            events = client.get_workflow_events(source.handler_id, **scenario.options)
            error = read(events, scenario, pause_every, delivered)
        # The stream and its error are still referenced: neither holds a connection.
        gc.collect()
        wait_until(lambda: open_sockets() <= idle, within=5)
        expected = [*source.expected()]
        scenario.of(VARIANT, ledger.transport).check(source, expected, delivered, error, cost)
        categories = [warning.category for warning in issued]
        assert categories == ([scenario.warns] if scenario.warns else [])
        row = stream_row(expected, delivered, len(source.requests()), error, cost)
        ledger.record(table, scenario.name, VARIANT, row)
        client.close()
    assert open_sockets() <= before
