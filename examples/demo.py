"""A ten-second tour of the client: a real server, behind a proxy that cuts connections.

    python examples/demo.py

Needs ``llama-agents-server`` and ``rich``. Listens on loopback only, and stops whatever it starts.
The exit status is 0 if every step had the expected outcome.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import anyio
import attrs
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from llama_agents.client.testing import serve
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from chaos_proxy import Chaos, Fault, chaos, in_turn
from sample_workflows import (
    DocumentIndexed,
    Greeting,
    GreetStart,
    IndexDone,
    IndexStart,
    OutEvent,
    RequestEvent,
    ResponseEvent,
)
from server import create_server

DOCUMENTS: Final = 40
SECONDS_EACH: Final = 0.06
CUTS: Final = (  # the first two connections break, each 12 bytes into an event
    Fault(events=9, tail=12, end="fin"),
    Fault(events=14, tail=12, end="fin"),
)
STEPS: Final = 8  # four with each client variant

console = Console(highlight=False)


# ------------------------------------------------------------------ checks


@attrs.define
class Check:
    """One step of the tour, with its expected and its actual outcome."""

    step: str
    expected: str = ""
    actual: str = "nothing"
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the outcome is the expected one."""
        return bool(self.expected) and self.actual == self.expected


@contextmanager
def checking(checks: list[Check], step: str) -> Iterator[Check]:
    """Time a step. An exception becomes its outcome, and the tour continues."""
    check = Check(step)
    checks.append(check)
    started = time.perf_counter()
    try:
        yield check
    except Exception as error:
        check.actual = f"{type(error).__name__}: {error}"
        console.print(f"   {check.actual}", style="red", markup=False)
    finally:
        check.seconds = time.perf_counter() - started


def summarize(numbers: Sequence[int], *, cuts: int, connections: int, indexed: int) -> str:
    """Summarize a stream, so that a lost or repeated event shows."""
    times = Counter(numbers)
    missing = [number for number in range(1, DOCUMENTS + 1) if number not in times]
    repeated = [number for number, count in times.items() if count > 1]
    order = "in order" if list(numbers) == sorted(numbers) else "out of order"
    return (
        f"{len(numbers)} events {order}\n"
        f"lost: {missing or 'none'}\n"
        f"repeated: {repeated or 'none'}\n"
        f"{cuts} cuts, {connections} connections\n"
        f"result: {indexed} documents"
    )


EXPECTED_STREAM: Final = summarize(
    range(1, DOCUMENTS + 1), cuts=len(CUTS), connections=len(CUTS) + 1, indexed=DOCUMENTS
)


def exit_status(checks: Sequence[Check]) -> int:
    """Return 0 if every step was taken and had the expected outcome."""
    return 0 if len(checks) == STEPS and all(check.ok for check in checks) else 1


def table(checks: Sequence[Check]) -> Table:
    """Lay out the expected and the actual outcomes."""
    drawn = Table(show_lines=True)
    for heading in ("Step", "Expected", "Actual", ""):
        drawn.add_column(heading, overflow="fold")
    drawn.add_column("Seconds", justify="right")
    for check in checks:
        mark = "[green]ok[/]" if check.ok else "[bold red]FAILED[/]"
        texts = (escape(text) for text in (check.step, check.expected, check.actual))
        drawn.add_row(*texts, mark, f"{check.seconds:.1f}")
    return drawn


# ------------------------------------------------------------------ display


class StreamView:
    """A progress bar for one stream, with its cursor and the proxy's cuts."""

    def __init__(self, proxy: Chaos) -> None:
        self.numbers: list[int] = []
        self._proxy = proxy
        self._cuts_shown = 0
        self._cursor: object = None
        self._progress = Progress(
            TextColumn("   indexing"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("cursor {task.fields[cursor]}"),
            TextColumn("connection {task.fields[connection]}, cuts {task.fields[cuts]}"),
            console=console,
        )
        self._task = self._progress.add_task("", total=DOCUMENTS, cursor="-", connection=1, cuts=0)

    def __enter__(self) -> StreamView:
        self._progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._progress.stop()

    def show(self, number: int, cursor: object) -> None:
        """Show that a document has been indexed."""
        proxy = self._proxy
        if proxy.cuts > self._cuts_shown:
            self._cuts_shown = proxy.cuts
            console.print(
                f"   [yellow]cut {proxy.cuts}[/]: connection lost in the middle of event {number}; "
                f"resumed after sequence {self._cursor}"
            )
        self._cursor = cursor
        self.numbers.append(number)
        self._progress.update(
            self._task,
            completed=len(self.numbers),
            cursor=cursor,
            connection=proxy.count("stream"),
            cuts=proxy.cuts,
        )


def ask(prompt: str) -> str:
    """Ask at the terminal. Without a terminal, answer on the human's behalf."""
    answer = ""
    if sys.stdin.isatty():
        console.print(f"   the workflow asks: [bold]{prompt}[/] ", end="")
        with suppress(EOFError):
            answer = input().strip()
    else:
        console.print(f"   the workflow asks: [bold]{prompt}[/] (no terminal: answering Ada)")
    return answer or "Ada"


# ------------------------------------------------------------------ the tour


async def tour_async(proxy: Chaos, checks: list[Check]) -> str:
    """Take the tour with the async client; return the name that the human entered."""
    name = "Ada"
    async with WorkflowClient(base_url=proxy.url) as client:
        console.rule("WorkflowClient (async)", align="left")

        with checking(checks, "async: list") as check:
            check.expected = "greet, human, index"
            check.actual = ", ".join(sorted((await client.list_workflows()).workflows))
            console.print(f"1. The server offers: {check.actual}")

        with checking(checks, "async: run") as check:
            check.expected = "Hello, World!"
            handler = await client.run_workflow("greet", start_event=GreetStart(name="World"))
            check.actual = Greeting.model_validate(handler.result).text
            console.print(f"2. Ran greet: {check.actual}")

        with checking(checks, "async: stream") as check, StreamView(proxy) as view:
            check.expected = EXPECTED_STREAM
            console.print("3. Stream a run. The connection is cut twice; the loop does not notice:")
            start = IndexStart(documents=DOCUMENTS, seconds_each=SECONDS_EACH)
            handler = await client.run_workflow_nowait("index", start_event=start)
            stream = client.get_workflow_events(handler.handler_id)
            async for event in stream:
                match event.load_event([DocumentIndexed, IndexDone]):
                    case DocumentIndexed(number=number):
                        view.show(number, stream.last_sequence)
            handler = await client.get_handler(handler.handler_id)
            indexed = IndexDone.model_validate(handler.result).indexed
            check.actual = summarize(
                view.numbers,
                cuts=proxy.cuts,
                connections=proxy.count("stream"),
                indexed=indexed,
            )

        with checking(checks, "async: human") as check:
            console.print("4. A workflow that needs a human:")
            handler = await client.run_workflow_nowait("human")
            async for event in client.get_workflow_events(handler.handler_id):
                match event.load_event([RequestEvent, OutEvent]):
                    case RequestEvent(prompt=prompt):
                        name = await anyio.to_thread.run_sync(ask, prompt)
                        check.expected = f"Hello, {name}"
                        await client.send_event(handler.handler_id, ResponseEvent(response=name))
                    case OutEvent(output=output):
                        check.actual = output
                        console.print(f"   result: {output}")
    return name


def tour_sync(proxy: Chaos, checks: list[Check], name: str) -> None:
    """Take the same tour with the sync client, answering with the same name."""
    with SyncWorkflowClient(base_url=proxy.url) as client:
        console.rule("SyncWorkflowClient (the same, without await)", align="left")

        with checking(checks, "sync: list") as check:
            check.expected = "greet, human, index"
            check.actual = ", ".join(sorted(client.list_workflows().workflows))
            console.print(f"1. The server offers: {check.actual}")

        with checking(checks, "sync: run") as check:
            check.expected = "Hello, World!"
            handler = client.run_workflow("greet", start_event=GreetStart(name="World"))
            check.actual = Greeting.model_validate(handler.result).text
            console.print(f"2. Ran greet: {check.actual}")

        with checking(checks, "sync: stream") as check, StreamView(proxy) as view:
            check.expected = EXPECTED_STREAM
            console.print("3. Stream a run. The connection is cut twice; the loop does not notice:")
            start = IndexStart(documents=DOCUMENTS, seconds_each=SECONDS_EACH)
            handler = client.run_workflow_nowait("index", start_event=start)
            stream = client.get_workflow_events(handler.handler_id)
            for event in stream:
                match event.load_event([DocumentIndexed, IndexDone]):
                    case DocumentIndexed(number=number):
                        view.show(number, stream.last_sequence)
            handler = client.get_handler(handler.handler_id)
            indexed = IndexDone.model_validate(handler.result).indexed
            check.actual = summarize(
                view.numbers,
                cuts=proxy.cuts,
                connections=proxy.count("stream"),
                indexed=indexed,
            )

        with checking(checks, "sync: human") as check:
            console.print("4. A workflow that needs a human:")
            handler = client.run_workflow_nowait("human")
            for event in client.get_workflow_events(handler.handler_id):
                match event.load_event([RequestEvent, OutEvent]):
                    case RequestEvent(prompt=prompt):
                        console.print(
                            f"   the workflow asks: [bold]{prompt}[/] (answering {name} again)"
                        )
                        check.expected = f"Hello, {name}"
                        client.send_event(handler.handler_id, ResponseEvent(response=name))
                    case OutEvent(output=output):
                        check.actual = output
                        console.print(f"   result: {output}")


# ------------------------------------------------------------------ the whole demo


def main() -> int:
    """Take both tours; return the exit status."""
    checks: list[Check] = []
    with (
        serve(create_server()) as url,
        chaos(url, in_turn(stream=CUTS)) as first,
        chaos(url, in_turn(stream=CUTS)) as second,
    ):
        console.print(f"A workflow server is running at {url}.")
        console.print("The proxy in front of it cuts the connection of each stream twice.")
        name = anyio.run(tour_async, first, checks)
        tour_sync(second, checks, name)
    console.print()
    console.print(table(checks))
    status = exit_status(checks)
    console.print("Everything as expected." if status == 0 else "NOT as expected.", style="bold")
    return status


if __name__ == "__main__":
    if not sys.stdin.isatty():  # unattended: it must not hang forever
        faulthandler.dump_traceback_later(60, exit=True)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        console.print("\nStopped.")
        os._exit(130)  # sys.exit would wait for the thread that is blocked in input()
