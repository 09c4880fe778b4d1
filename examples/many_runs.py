"""Many runs of one workflow, a few at a time, under a progress bar.

python examples/server.py                        # in one terminal
python examples/many_runs.py [http://HOST:PORT]  # in another: break it off with Ctrl-C, start it
                                                 # again, and only what is left is run

Needs ``rich``.
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

# Two of them fail: there is nothing to index in no documents.
STARTS = [IndexStart(documents=number % 6, seconds_each=0.02) for number in range(12)]


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[MapProgress], None]]:
    """Show a bar; give the function that moves it."""
    running = TextColumn("{task.fields[running]} running, {task.fields[failed]} failed")
    with Progress(TextColumn(title), BarColumn(), MofNCompleteColumn(), running) as bar:
        task = bar.add_task(title, total=None, running=0, failed=0)

        def move(now: MapProgress) -> None:
            done = now.completed + now.failed
            bar.update(
                task, total=now.total, completed=done, running=now.running, failed=now.failed
            )

        yield move


def keys(batch: str) -> Callable[[IndexStart], str]:
    """Name each run after its item, so that the next start of this program finds it."""
    names = {id(start): f"{batch}-{number}" for number, start in enumerate(STARTS)}
    return lambda start: names[id(start)]


def show(results: list[MapResult]) -> None:
    """Print what came of each item."""
    for result in results:
        if result.error is None:
            print(f"  {result.index}: {result.result(IndexDone).indexed} documents")
        else:
            print(f"  {result.index}: {result.error}")


def synchronously(base_url: str, batch: str) -> None:
    """Run all, four at a time."""
    with SyncWorkflowClient(base_url=base_url) as client, progress_bar("sync ") as move:
        runs = client.map_workflow("index", STARTS, limit=4, key=keys(batch), on_progress=move)
        results = list(runs)
    show(results)


async def asynchronously(base_url: str, batch: str) -> None:
    """The same, with the asynchronous client."""
    async with WorkflowClient(base_url=base_url) as client:
        with progress_bar("async") as move:
            runs = client.map_workflow("index", STARTS, limit=4, key=keys(batch), on_progress=move)
            results = [result async for result in runs]
    show(results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run a workflow for many start events.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    parser.add_argument("--batch", default="batch", help="what the names of the runs begin with")
    arguments = parser.parse_args()
    try:
        synchronously(arguments.url, f"{arguments.batch}-sync")
        asyncio.run(asynchronously(arguments.url, f"{arguments.batch}-async"))
    except KeyboardInterrupt:
        print("Stopped, and what was running is cancelled. Start it again to go on.")
    except httpx.ConnectError as error:
        sys.exit(f"No server at {arguments.url} ({error}). Start one: python examples/server.py")
