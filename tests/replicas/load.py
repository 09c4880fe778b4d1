"""The load: streams and blocking runs of both clients at once, and what became of them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import attrs

from ..faults.measure import missing
from ..support.any_client import VARIANTS, AnyClient, Variant
from ..support.server import wait_until
from .deployment import Proxy
from .store import Store

STREAMS: Final = 10  # of each client
LONG_WAITS: Final = 3  # of each client, for runs as long as the streamed ones
LONG: Final = {"to": 1_000_000, "pause": 0.5}
SHORT: Final[dict[str, object]] = {"to": 1}
TIMEOUT: Final = 120.0  # s, for any condition, on a loaded machine


@attrs.define
class Streamed:
    """A streamed run: its ID once it has started, and the events delivered so far."""

    variant: Variant
    handler_id: str = ""
    events: list[str] = attrs.field(factory=list)


@attrs.frozen
class Waited:
    """A run that a blocking call has returned."""

    variant: Variant
    handler_id: str
    status: str


@attrs.define
class Load:
    """What both clients do at the same time.

    Attributes:
        url: The base URL of the deployment.
        release: The file whose existence ends the long runs.
        streams: The streamed runs.
        waited: The runs that blocking calls have returned.
    """

    url: str
    release: Path
    streams: list[Streamed] = attrs.field(factory=list)
    waited: list[Waited] = attrs.field(factory=list)
    _stopped: threading.Event = attrs.field(factory=threading.Event)
    _running: Future[None] = attrs.field(factory=Future)

    def start(self, pool: ThreadPoolExecutor) -> None:
        """Start the load in a thread of the pool."""
        self.streams += [Streamed(variant) for variant in VARIANTS for _ in range(STREAMS)]
        self._running = pool.submit(lambda: asyncio.run(self._run()))

    def stop(self) -> None:
        """Start no more short runs, and end the long ones."""
        self._stopped.set()
        self.release.touch()

    def finish(self) -> None:
        """Stop, and wait for the end of all runs."""
        self.stop()
        self._running.result(TIMEOUT)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition; fail at once if the load has failed."""
        wait_until(lambda: self._has_failed() or condition(), within=TIMEOUT)

    def call(self) -> None:
        """Have each client wait for a short run."""
        asyncio.run(self._with_clients(lambda client: [self._wait(client, SHORT)]))

    def _has_failed(self) -> bool:
        if self._running.done():
            self._running.result()
        return False

    async def _run(self) -> None:
        long = {**LONG, "until": str(self.release)}

        def work(client: AnyClient) -> list[object]:
            runs = [run for run in self.streams if run.variant == client.variant]
            return [
                *(self._stream(client, run, long) for run in runs),
                *(self._wait(client, long) for _ in range(LONG_WAITS)),
                self._wait_repeatedly(client),
            ]

        await self._with_clients(work)

    async def _with_clients(self, work: Callable[[AnyClient], list[object]]) -> None:
        async with AsyncExitStack() as stack:
            clients = [
                AnyClient.create(variant, threads=32, base_url=self.url) for variant in VARIANTS
            ]
            for client in clients:
                stack.push_async_callback(client.aclose)
            async with asyncio.TaskGroup() as group:
                for coroutine in [each for client in clients for each in work(client)]:
                    group.create_task(coroutine)  # type: ignore[arg-type]

    async def _stream(self, client: AnyClient, run: Streamed, start: dict[str, object]) -> None:
        handler = await client.call("run_workflow_nowait", "count", start_event=start)
        run.handler_id = handler.handler_id
        await client.read(client.stream(run.handler_id), run.events)

    async def _wait(self, client: AnyClient, start: dict[str, object]) -> None:
        handler = await client.call("run_workflow", "count", start_event=start)
        self.waited.append(Waited(client.variant, handler.handler_id, handler.status))

    async def _wait_repeatedly(self, client: AnyClient) -> None:
        while not self._stopped.is_set():
            await self._wait(client, SHORT)


def table(load: Load, store: Store, proxy: Proxy) -> str:
    """Return what became of the load, for the reader of a log."""
    connections = proxy.connections()
    lines = []
    for variant in VARIANTS:
        counts: Counter[str] = Counter()
        for run in load.streams:
            if run.variant == variant:
                expected = store.events(run.handler_id)
                counts.update(
                    runs=1,
                    expected=len(expected),
                    delivered=len(run.events),
                    lost=missing(expected, run.events),
                    duplicated=missing(run.events, expected),
                    connections=connections[run.handler_id],
                )
        statuses = [run.status for run in load.waited if run.variant == variant]
        counts.update(run_workflow=len(statuses), completed=statuses.count("completed"))
        lines = lines or ["client   " + "".join(f"{name:>13}" for name in counts)]
        lines.append(f"{variant:9}" + "".join(f"{count:13}" for count in counts.values()))
    calls = len(load.streams) + len(load.waited)
    lines += ["", f"starts: {calls} called, {len(store.runs())} in the store, "]
    lines[-1] += f"{store.engine_runs()} in the engine, {store.recovered()} recovered"
    lines += [f"not completed: {run}" for run in store.unfinished()]
    return "\n".join(lines)
