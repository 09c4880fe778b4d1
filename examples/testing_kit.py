"""Test your own handling of events: record a run once, then play it back with faults.

    python examples/testing_kit.py [--keep run.jsonl]

Needs ``llama-agents-server``, for the recording alone. The same works in tests: docs/testing.md.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from llama_agents.client import SyncWorkflowClient, WorkflowClient
from llama_agents.client.testing import Drop, Fault, Stall, Unavailable, record, replay, serve

from sample_workflows import IndexStart, sample_workflows

FAULTS: list[Fault] = [
    Unavailable(503),
    Drop(after=3),
    Stall(after=6, seconds=0.5),
    Drop(after=6, times=2),
]


def progress(client: SyncWorkflowClient, handler_id: str) -> list[int]:
    """The code under test: which documents a run has indexed."""
    events = client.get_workflow_events(handler_id)
    return [event.value["number"] for event in events if event.type == "DocumentIndexed"]


async def progress_async(client: WorkflowClient, handler_id: str) -> list[int]:
    """The same, asynchronous."""
    events = client.get_workflow_events(handler_id)
    return [event.value["number"] async for event in events if event.type == "DocumentIndexed"]


def make_recording(file: Path) -> None:
    """Run a workflow on the real server, and write down its events."""
    with serve(sample_workflows()) as url, SyncWorkflowClient(base_url=url) as client:
        run = client.start("index", IndexStart(documents=8, seconds_each=0.05))
        for event in record(run.events(), file):
            print(f"  {event.type} {event.value}")


def check_sync(file: Path) -> None:
    """Play it to the synchronous code."""
    with replay(file, FAULTS) as server, SyncWorkflowClient(base_url=server.url) as client:
        numbers = progress(client, server.handler_id)
        pending = server.pending
    report("synchronous", numbers, pending)


async def check_async(file: Path) -> None:
    """Play it to the asynchronous code."""
    with replay(file, FAULTS) as server:
        async with WorkflowClient(base_url=server.url) as client:
            numbers = await progress_async(client, server.handler_id)
        pending = server.pending
    report("asynchronous", numbers, pending)


def report(name: str, numbers: list[int], pending: tuple[Fault, ...]) -> None:
    """Say what came of it; raise when it is not as expected."""
    print(f"  {name}: {numbers}, faults that did not happen: {len(pending)}")
    assert numbers == [1, 2, 3, 4, 5, 6, 7, 8]
    assert not pending


def main(file: Path) -> None:
    """Record, then play."""
    print("A run on the real server, recorded:")
    make_recording(file)
    print("Played back:")
    for fault in FAULTS:
        print(f"  {fault}")
    check_sync(file)
    asyncio.run(check_async(file))
    print("Every event came once.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Record a run, and play it back with faults.")
    parser.add_argument("--keep", metavar="FILE", type=Path, help="where to keep the recording")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        main(arguments.keep or Path(folder, "run.jsonl"))
