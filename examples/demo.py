"""A tour of the client in ten seconds, on a real server, over a network that fails.

    python examples/demo.py

Needs ``llama-agents-server`` and ``rich``. It listens on loopback only and stops what it starts.
The exit status is 0 if everything was as expected.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import anyio
import attrs
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from cutting_proxy import CuttingProxy
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
from server import make_server

DOCUMENTS: Final = 40
SECONDS_EACH: Final = 0.06
CUT_AFTER: Final = (9, 14)  # events on the first connection, and on the second
STEPS: Final = 8  # four with each face of the client

console = Console(highlight=False)


# ---------------------------------------------------------------------------- what is checked


@attrs.define
class Check:
    """One step of the tour: what was to come and what came."""

    step: str
    expected: str = ""
    seen: str = "nothing"
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the one is the other."""
        return bool(self.expected) and self.seen == self.expected


@contextmanager
def checking(checks: list[Check], step: str) -> Iterator[Check]:
    """Time a step; note an exception as what was seen, and go on with the next step."""
    check = Check(step)
    checks.append(check)
    started = time.perf_counter()
    try:
        yield check
    except Exception as error:
        check.seen = f"{type(error).__name__}: {error}"
        console.print(f"   {check.seen}", style="red", markup=False)
    finally:
        check.seconds = time.perf_counter() - started


def account(numbers: Sequence[int], *, cuts: int, connections: int, indexed: int) -> str:
    """Tell what came over a stream, so that a lost or repeated event shows."""
    times = Counter(numbers)
    missing = [number for number in range(1, DOCUMENTS + 1) if number not in times]
    repeated = [number for number, count in times.items() if count > 1]
    order = "in order" if list(numbers) == sorted(numbers) else "out of order"
    return (
        f"{len(numbers)} events {order}\n"
        f"lost {missing or 'none'}, twice {repeated or 'none'}\n"
        f"{cuts} cuts, {connections} connections\n"
        f"result: {indexed} documents"
    )


STREAM_EXPECTED: Final = account(
    range(1, DOCUMENTS + 1),
    cuts=len(CUT_AFTER),
    connections=len(CUT_AFTER) + 1,
    indexed=DOCUMENTS,
)


def exit_status(checks: Sequence[Check]) -> int:
    """Return 0 if every step was taken, and each was as expected."""
    return 0 if len(checks) == STEPS and all(check.ok for check in checks) else 1


def table(checks: Sequence[Check]) -> Table:
    """Draw what was expected and what was seen."""
    drawn = Table(show_lines=True)
    for heading in ("Step", "Expected", "Seen", ""):
        drawn.add_column(heading, overflow="fold")
    drawn.add_column("s", justify="right")
    for check in checks:
        mark = "[green]ok[/]" if check.ok else "[bold red]FAILED[/]"
        texts = (escape(text) for text in (check.step, check.expected, check.seen))
        drawn.add_row(*texts, mark, f"{check.seconds:.1f}")
    return drawn


# ---------------------------------------------------------------------------- what is shown


class StreamView:
    """A progress bar for one stream, with the cursor and what the proxy does."""

    def __init__(self, proxy: CuttingProxy) -> None:
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
        """Show that this document has been indexed."""
        proxy = self._proxy
        if proxy.cuts > self._cuts_shown:
            self._cuts_shown = proxy.cuts
            console.print(
                f"   [yellow]cut {proxy.cuts}[/]: the connection broke within event {number}; "
                f"resumed after cursor {self._cursor}"
            )
        self._cursor = cursor
        self.numbers.append(number)
        self._progress.update(
            self._task,
            completed=len(self.numbers),
            cursor=cursor,
            connection=proxy.streams,
            cuts=proxy.cuts,
        )


def ask(prompt: str) -> str:
    """Ask at the terminal; where there is none, answer for the human."""
    answer = ""
    if sys.stdin.isatty():
        console.print(f"   the workflow asks: [bold]{prompt}[/] ", end="")
        with suppress(EOFError):
            answer = input().strip()
    else:
        console.print(f"   the workflow asks: [bold]{prompt}[/] (no terminal: answering Ada)")
    return answer or "Ada"


# ---------------------------------------------------------------------------- the two faces


async def tour_async(proxy: CuttingProxy, checks: list[Check]) -> str:
    """Take the tour with the asynchronous client; return the name that the human gave."""
    name = "Ada"
    async with WorkflowClient(base_url=proxy.url) as client:
        console.rule("WorkflowClient (async)", align="left")

        with checking(checks, "async: list") as check:
            check.expected = "greet, human, index"
            check.seen = ", ".join(sorted((await client.list_workflows()).workflows))
            console.print(f"1. The server offers: {check.seen}")

        with checking(checks, "async: run") as check:
            check.expected = "Hello, World!"
            handler = await client.run_workflow("greet", start_event=GreetStart(name="World"))
            check.seen = Greeting.model_validate(handler.result).text
            console.print(f"2. Ran greet: {check.seen}")

        with checking(checks, "async: stream") as check, StreamView(proxy) as view:
            check.expected = STREAM_EXPECTED
            console.print("3. Stream a run; the connection is cut twice, the loop does not notice:")
            start = IndexStart(documents=DOCUMENTS, seconds_each=SECONDS_EACH)
            handler = await client.run_workflow_nowait("index", start_event=start)
            stream = client.get_workflow_events(handler.handler_id)
            async for event in stream:
                match event.load_event([DocumentIndexed, IndexDone]):
                    case DocumentIndexed(number=number):
                        view.show(number, stream.last_sequence)
            handler = await client.get_handler(handler.handler_id)
            indexed = IndexDone.model_validate(handler.result).indexed
            check.seen = account(
                view.numbers, cuts=proxy.cuts, connections=proxy.streams, indexed=indexed
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
                        check.seen = output
                        console.print(f"   it says: {output}")
    return name


def tour_sync(proxy: CuttingProxy, checks: list[Check], name: str) -> None:
    """Take the same tour with the synchronous client, answering with the same name."""
    with SyncWorkflowClient(base_url=proxy.url) as client:
        console.rule("SyncWorkflowClient (the same, without await)", align="left")

        with checking(checks, "sync: list") as check:
            check.expected = "greet, human, index"
            check.seen = ", ".join(sorted(client.list_workflows().workflows))
            console.print(f"1. The server offers: {check.seen}")

        with checking(checks, "sync: run") as check:
            check.expected = "Hello, World!"
            handler = client.run_workflow("greet", start_event=GreetStart(name="World"))
            check.seen = Greeting.model_validate(handler.result).text
            console.print(f"2. Ran greet: {check.seen}")

        with checking(checks, "sync: stream") as check, StreamView(proxy) as view:
            check.expected = STREAM_EXPECTED
            console.print("3. Stream a run; the connection is cut twice, the loop does not notice:")
            start = IndexStart(documents=DOCUMENTS, seconds_each=SECONDS_EACH)
            handler = client.run_workflow_nowait("index", start_event=start)
            stream = client.get_workflow_events(handler.handler_id)
            for event in stream:
                match event.load_event([DocumentIndexed, IndexDone]):
                    case DocumentIndexed(number=number):
                        view.show(number, stream.last_sequence)
            handler = client.get_handler(handler.handler_id)
            indexed = IndexDone.model_validate(handler.result).indexed
            check.seen = account(
                view.numbers, cuts=proxy.cuts, connections=proxy.streams, indexed=indexed
            )

        with checking(checks, "sync: human") as check:
            console.print("4. A workflow that needs a human:")
            handler = client.run_workflow_nowait("human")
            for event in client.get_workflow_events(handler.handler_id):
                match event.load_event([RequestEvent, OutEvent]):
                    case RequestEvent(prompt=prompt):
                        console.print(
                            f"   the workflow asks: [bold]{prompt}[/] ({name}, as before)"
                        )
                        check.expected = f"Hello, {name}"
                        client.send_event(handler.handler_id, ResponseEvent(response=name))
                    case OutEvent(output=output):
                        check.seen = output
                        console.print(f"   it says: {output}")


# ---------------------------------------------------------------------------- behind the stage


@contextmanager
def serving(backstage: BlockingPortal) -> Iterator[int]:
    """Run the sample server on a free port of this machine; give the port."""
    # The socket listens from here on: whoever comes before the server is ready waits in its queue.
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_server().app, log_level="critical", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)

    async def serve() -> None:
        with listener:
            await server.serve(sockets=[listener])

    served = backstage.start_task_soon(serve)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        served.result()


def main() -> int:
    """Take both tours; return the exit status."""
    checks: list[Check] = []
    # The server and the proxies run on an event loop of their own, in a thread: the clients here
    # meet them over TCP only, as anywhere.
    with (
        start_blocking_portal() as backstage,
        serving(backstage) as port,
        backstage.wrap_async_context_manager(CuttingProxy(port, cut_after=CUT_AFTER)) as first,
        backstage.wrap_async_context_manager(CuttingProxy(port, cut_after=CUT_AFTER)) as second,
    ):
        console.print(f"A workflow server on port {port}, behind a proxy that cuts connections.")
        name = anyio.run(tour_async, first, checks)
        tour_sync(second, checks, name)
    console.print()
    console.print(table(checks))
    status = exit_status(checks)
    console.print("All as expected." if status == 0 else "Something differs.", style="bold")
    return status


if __name__ == "__main__":
    if not sys.stdin.isatty():  # with nobody there to stop it, it shall not hang for ever
        faulthandler.dump_traceback_later(60, exit=True)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        console.print("\nStopped.")
        os._exit(130)  # sys.exit would wait for the thread that waits in input()
