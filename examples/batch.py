"""Run a workflow for a batch of start events, four at a time, with a progress bar.

python examples/server.py                    # in one terminal
python examples/batch.py [http://HOST:PORT]  # in another

Needs ``rich``. Stop it with Ctrl-C and start it again: it runs only what had not finished. Start
it with another ``--batch`` to run everything again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from llama_agents.client import MapProgress, MapResult, SyncWorkflowClient, WorkflowClient
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from sample_workflows import IndexDone, IndexStart

# Two of the runs fail, because they have no documents to index.
STARTS = [IndexStart(documents=number % 6, seconds_each=0.02) for number in range(12)]


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[MapProgress], None]]:
    """Show a progress bar; yield the function that updates it."""
    running = TextColumn("{task.fields[running]} running, {task.fields[failed]} failed")
    with Progress(TextColumn(title), BarColumn(), MofNCompleteColumn(), running) as bar:
        task = bar.add_task(title, total=None, running=0, failed=0)

        def update(now: MapProgress) -> None:
            done = now.completed + now.failed
            bar.update(
                task, total=now.total, completed=done, running=now.running, failed=now.failed
            )

        yield update


def keys(batch: str) -> Callable[[IndexStart], str]:
    """Derive the ID of each run from its item, so that a later call finds the run."""
    ids = {id(start): f"{batch}-{number}" for number, start in enumerate(STARTS)}
    return lambda start: ids[id(start)]


def show(results: list[MapResult]) -> None:
    """Print the outcome of each item."""
    for result in results:
        if result.error is None:
            print(f"  {result.index}: {result.result(IndexDone).indexed} documents")
        else:
            print(f"  {result.index}: {result.error}")


def run_sync(base_url: str, batch: str) -> None:
    """Run the batch with the sync client."""
    with SyncWorkflowClient(base_url=base_url) as client, progress_bar("sync ") as show_progress:
        items = client.map_workflow(
            "index", STARTS, limit=4, key=keys(batch), on_progress=show_progress
        )
        results = list(items)
    show(results)


async def run_async(base_url: str, batch: str) -> None:
    """Run the batch with the async client."""
    async with WorkflowClient(base_url=base_url) as client:
        with progress_bar("async") as show_progress:
            items = client.map_workflow(
                "index", STARTS, limit=4, key=keys(batch), on_progress=show_progress
            )
            results = [item async for item in items]
    show(results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run a workflow for a batch of start events.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    parser.add_argument("--batch", default="batch", help="prefix of the IDs of the runs")
    arguments = parser.parse_args()
    try:
        run_sync(arguments.url, f"{arguments.batch}-sync")
        asyncio.run(run_async(arguments.url, f"{arguments.batch}-async"))
    except KeyboardInterrupt:
        print("Stopped; the runs in progress were cancelled. Start it again to continue.")
    except httpx.ConnectError as error:
        sys.exit(
            f"No workflow server at {arguments.url} ({error}). Start one: python examples/server.py"
        )
