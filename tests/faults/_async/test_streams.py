"""Streams under every fault: every event delivered once and in order, or an error that says so."""

from __future__ import annotations

import gc
import warnings
from contextlib import suppress

import anyio
import pytest
from llama_agents.client import (
    Cursor,
    EventStream,
    UnsupportedServerError,
    WorkflowClient,
    WorkflowClientError,
)

from ...support.any_client import Variant, describe
from ...support.server import wait_until_async
from ..measure import Ledger, measuring, open_sockets, stream_row
from ..scenarios import TABLES, Stream
from ..server_process import ServerProcess

pytestmark = pytest.mark.anyio

VARIANT: Variant = "async"
PAUSE = 0.2  # s, of a slow consumer


def position(events: EventStream) -> Cursor:
    """Return the last sequence number, also where it is not the position."""
    with suppress(UnsupportedServerError):
        return events.last_sequence
    return -1


async def read(
    events: EventStream, scenario: Stream, pause_every: int, delivered: list[str]
) -> Exception | None:
    """Read a stream as the scenario says; return the error that ended it."""
    try:
        if scenario.leave == "never":
            return None
        async for event in events:
            delivered.append(describe(position(events), event.value))
            if pause_every and len(delivered) % pause_every == 0:
                await anyio.sleep(PAUSE)
            match scenario.leave:
                case "break":
                    break
                case "close":
                    await events.aclose()
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
async def test_stream_meets_guarantees_under_fault(
    table: str, scenario: Stream, server: ServerProcess, ledger: Ledger
) -> None:
    gc.collect()
    before = open_sockets()
    delivered: list[str] = []
    with scenario.source(server) as source, warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        idle = open_sockets()
        pause_every = len(source.expected()) // scenario.pauses if scenario.pauses else 0
        client = WorkflowClient(base_url=source.url, **scenario.client)
        with measuring() as cost:
            events = client.get_workflow_events(source.handler_id, **scenario.options)
            error = await read(events, scenario, pause_every, delivered)
        # The stream and its error are still referenced: neither holds a connection.
        gc.collect()
        await wait_until_async(lambda: open_sockets() <= idle, within=5)
        expected = [*source.expected()]
        scenario.of(VARIANT, ledger.transport).check(source, expected, delivered, error, cost)
        categories = [warning.category for warning in issued]
        assert categories == ([scenario.warns] if scenario.warns else [])
        row = stream_row(expected, delivered, len(source.requests()), error, cost)
        ledger.record(table, scenario.name, VARIANT, row)
        await client.aclose()
    assert open_sockets() <= before
