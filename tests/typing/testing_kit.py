"""The test kit as a type checker sees it: checked by mypy and pyright, never run."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

from llama_agents.client import EventEnvelopeWithMetadata, SyncWorkflowClient, WorkflowClient
from llama_agents.client.testing import (
    Drop,
    Fault,
    ReplayServer,
    SentEvent,
    ServeWorkflows,
    Stall,
    StartedRun,
    Unavailable,
    record,
    replay,
    serve,
)
from llama_agents.server import WorkflowServer
from workflows import Workflow
from workflows.events import Event, StopEvent


class OutEvent(StopEvent):
    output: str


async def asynchronous(workflow: Workflow) -> None:
    with serve({"greet": workflow}, idle_timeout=1.0) as url:
        assert_type(url, str)
        client = WorkflowClient(base_url=url)
        recorded = record(client.get_workflow_events("h"), "run.jsonl")
        assert_type(recorded, AsyncIterator[EventEnvelopeWithMetadata])
        async for event in recorded:
            assert_type(event, EventEnvelopeWithMetadata)
        record(client.get_run("h").events(), io.StringIO())
        record(recorded, "run.jsonl")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
        record(client.get_run("h").events(), 1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def synchronous(greet: type[Workflow]) -> None:
    with serve(WorkflowServer()) as url:
        client = SyncWorkflowClient(base_url=url)
        recorded = record(client.get_workflow_events("h"), Path("run.jsonl"))
        assert_type(recorded, Iterator[EventEnvelopeWithMetadata])
        for event in recorded:
            assert_type(event, EventEnvelopeWithMetadata)
    serve({"greet": greet})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    serve(greet())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def replayed(events: list[OutEvent], mixed: list[Event | EventEnvelopeWithMetadata]) -> None:
    faults: list[Fault] = [
        Drop(1),
        Drop(after=1, times=2),
        Stall(1, 0.5),
        Unavailable(retry_after=1),
    ]
    with replay("run.jsonl", faults) as server:
        assert_type(server, ReplayServer)
        assert_type(server.url, str)
        assert_type(server.handler_id, str)
        assert_type(server.pending, tuple[Fault, ...])
        assert_type(server.sent, tuple[SentEvent, ...])
        assert_type(server.sent[0].event.load_event([OutEvent]), Event)
        assert_type(server.started, tuple[StartedRun, ...])
    replay(events, [Drop(1)])
    replay(mixed)
    replay(Path("run.jsonl"), faults=[Drop(1), Stall(1, 2)])
    replay([1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    replay("run.jsonl", ["drop"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Drop(1, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def fixture(serve_workflows: ServeWorkflows, workflow: Workflow) -> None:
    assert_type(serve_workflows({"greet": workflow}, idle_timeout=1.0), str)
    serve_workflows([workflow])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
