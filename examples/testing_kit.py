"""Test code that handles events: record a run once, then replay it with faults.

    python examples/testing_kit.py [--keep run.jsonl]

Only the recording needs ``llama-agents-server``. For the same in tests, see docs/guides/testing.md.
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
    """Return the documents that a run has indexed: the code under test."""
    events = client.get_workflow_events(handler_id)
    return [event.value["number"] for event in events if event.type == "DocumentIndexed"]


async def progress_async(client: WorkflowClient, handler_id: str) -> list[int]:
    """Do the same with the async client."""
    events = client.get_workflow_events(handler_id)
    return [event.value["number"] async for event in events if event.type == "DocumentIndexed"]


def make_recording(file: Path) -> None:
    """Run a workflow on the real server and record its events."""
    with serve(sample_workflows()) as url, SyncWorkflowClient(base_url=url) as client:
        run = client.start("index", IndexStart(documents=8, seconds_each=0.05))
        for event in record(run.events(), file):
            print(f"  {event.type} {event.value}")


def check_sync(file: Path) -> None:
    """Test the sync code with a replay."""
    with replay(file, FAULTS) as server, SyncWorkflowClient(base_url=server.url) as client:
        numbers = progress(client, server.handler_id)
        pending = server.pending
    report("sync", numbers, pending)


async def check_async(file: Path) -> None:
    """Test the async code with a replay."""
    with replay(file, FAULTS) as server:
        async with WorkflowClient(base_url=server.url) as client:
            numbers = await progress_async(client, server.handler_id)
        pending = server.pending
    report("async", numbers, pending)


def report(name: str, numbers: list[int], pending: tuple[Fault, ...]) -> None:
    """Print the outcome and check it."""
    print(f"  {name}: documents {numbers}, {len(pending)} faults left")
    assert numbers == [1, 2, 3, 4, 5, 6, 7, 8]
    assert not pending


def main(file: Path) -> None:
    """Record a run, then replay it to both client variants."""
    print("Recording a run on the real server:")
    make_recording(file)
    print("Replaying it with these faults:")
    for fault in FAULTS:
        print(f"  {fault}")
    check_sync(file)
    asyncio.run(check_async(file))
    print("Every event was received exactly once.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Record a run and replay it with faults.")
    parser.add_argument("--keep", metavar="FILE", type=Path, help="keep the recording in this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        main(arguments.keep or Path(folder, "run.jsonl"))
