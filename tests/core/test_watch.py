"""Watching a run in a terminal, as a person sees it, and a watch that is cancelled."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import attrs
import httpx
import pyte
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from llama_agents.client.testing import Drop, Unavailable, record, replay

from ..support.server import wait_until, wait_until_async
from ..support.terminal import Terminal, terminal

COLUMNS: Final = 70
ROWS: Final = 12
PROGRAMS: Final = {
    "sync": """
import sys
from llama_agents.client import SyncWorkflowClient
with SyncWorkflowClient(base_url=sys.argv[1]) as client:
    run = client.get_run(sys.argv[2])
    print("before")
    try:
        run.watch()
    except KeyboardInterrupt:
        print("interrupted at", run.checkpoint()["sequence"])
    print("after")
""",
    "async": """
import asyncio, sys
from llama_agents.client import WorkflowClient
async def main():
    async with WorkflowClient(base_url=sys.argv[1]) as client:
        run = client.get_run(sys.argv[2])
        print("before")
        try:
            await run.watch()
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()
            print("interrupted at", (await run.checkpoint())["sequence"])
        print("after")
asyncio.run(main())
""",
}

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")


@attrs.frozen
class Person:
    """Looks at the terminal of a program."""

    terminal: Terminal

    @property
    def seen(self) -> list[str]:
        """The lines of the terminal."""
        screen = pyte.Screen(COLUMNS, ROWS)
        pyte.Stream(screen).feed(self.terminal.look())
        return [line.rstrip() for line in screen.display if line.strip()]


@contextmanager
def watching(variant: str, url: str, handler_id: str) -> Iterator[Person]:
    """Run a program that watches a run in a terminal; it must have ended when the block has."""
    command = [sys.executable, "-c", PROGRAMS[variant], url, handler_id]
    environment = {**os.environ, "TERM": "xterm"}
    with terminal(command, environment, rows=ROWS, columns=COLUMNS) as program:
        person = Person(program)
        yield person
        assert program.wait() == 0, person.seen


def recorded(server_url: str, file: Path) -> str:
    """Record a run that asks for a name; return its ID."""
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human", handler_id=f"a-run-{file.parent.name}")
        for event in record(run.events(True), file):
            if event.type == "RequestEvent":
                run.send({"type": "ResponseEvent", "value": {"response": "Ada"}})
    return run.handler_id


@needs_pty
@pytest.mark.parametrize("variant", PROGRAMS)
def test_terminal_shows_a_run_through_dropped_connections(
    variant: str, server_url: str, tmp_path: Path
) -> None:
    handler_id = recorded(server_url, tmp_path / "run")
    faults = [Unavailable(503), Drop(after=1), Drop(after=3)]
    with (
        replay(tmp_path / "run", faults, wait_for_answers=True) as server,
        watching(variant, server.url, handler_id) as person,
    ):
        request = '    RequestEvent  prompt="What is your name?"'
        wait_until(lambda: request in person.seen, within=60)
        assert "  waits for an answer to" in person.seen
        event = {"type": "ResponseEvent", "value": {"response": "Ada"}}
        httpx.post(f"{server.url}/events/{handler_id}", json={"event": event}).raise_for_status()
        wait_until(lambda: "after" in person.seen, within=60)
        before, heading, *rest = person.seen
        assert before == "before"
        assert heading.startswith("replayed  ✓ completed  watched for ")
        assert rest == [
            '  RequestEvent  prompt="What is your name?"',
            '  OutEvent  output="Hello, Ada"',
            "after",
        ]
        assert not server.pending


@needs_pty
@pytest.mark.parametrize("variant", PROGRAMS)
def test_ctrl_c_leaves_the_run_going_and_the_last_state_in_view(
    variant: str, server_url: str
) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        with watching(variant, server_url, run.handler_id) as person:
            wait_until(lambda: "  waits for an answer to" in person.seen, within=60)
            person.terminal.type("\x03")
            wait_until(lambda: "after" in person.seen, within=60)
            heading, interrupted = person.seen[1], person.seen[-2]
        assert heading.startswith("human  ● running")
        assert interrupted.startswith("interrupted at ")
        assert run.status() == "running"
        run.cancel()


@pytest.mark.anyio
async def test_cancelled_watch_can_be_continued(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", {"n": 20, "pause": 0.02})
        file = io.StringIO()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: run.watch(file=file))
            await wait_until_async(lambda: "n=3" in file.getvalue())
            tasks.cancel_scope.cancel()
        assert await run.status() == "running"
        shown = [line for line in file.getvalue().splitlines() if line.startswith("Tick")]
        seen: list[Any] = [event.value.get("n") async for event in run.events()]
        assert seen == [*range(len(shown), 20), None]
