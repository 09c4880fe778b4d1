"""The load: streams and blocking runs of both clients at once, and what became of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from typing import Final, Literal

import anyio
import attrs
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from ..support.server import wait_until

Face = Literal["async", "sync"]

STREAMS: Final = 10  # of each face
LONG_WAITS: Final = 3  # of each face, of runs that last as long as those
LONG: Final = {"to": 1_000_000, "pause": 0.5}
SHORT: Final[dict[str, object]] = {"to": 1}
LIMIT: Final = 120.0  # s, for whatever is waited for, on a loaded machine


@attrs.define
class Streamed:
    """A streamed run.

    Attributes:
        face: Which client streams it.
        handler_id: The run, once it has been started.
        events: What was delivered: sequence numbers and values.
    """

    face: Face
    handler_id: str = ""
    events: list[tuple[int, object]] = attrs.field(factory=list)


@attrs.frozen
class Waited:
    """A run that a blocking call has returned."""

    face: Face
    handler_id: str
    status: str


@attrs.define
class Load:
    """What both clients do at the same time.

    Attributes:
        url: The address of the deployment.
        release: The file that ends the long runs.
        streams: The streamed runs.
        waited: The runs that blocking calls have returned.
    """

    url: str
    release: Path
    streams: list[Streamed] = attrs.field(factory=list)
    waited: list[Waited] = attrs.field(factory=list)
    _enough: threading.Event = attrs.field(factory=threading.Event)
    _faces: list[Future[None]] = attrs.field(factory=list)

    def start(self, pool: ThreadPoolExecutor) -> None:
        """Begin."""
        self.streams += [Streamed(face) for face in ("async", "sync") for _ in range(STREAMS)]
        self._faces += [pool.submit(anyio.run, self._asynchronous), pool.submit(self._synchronous)]

    def stop(self) -> None:
        """Start no more short runs, and end the long ones."""
        self._enough.set()
        self.release.touch()

    def call(self) -> None:
        """Have each client run a short run, and wait for it."""
        with SyncWorkflowClient(base_url=self.url) as client:
            self._wait(client, SHORT)
        anyio.run(self._call_async)

    async def _call_async(self) -> None:
        async with WorkflowClient(base_url=self.url) as client:
            await self._wait_async(client, SHORT)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition; fail at once when the load has failed."""
        wait_until(lambda: self._failed() or condition(), within=LIMIT)

    def finish(self) -> None:
        """Stop, and wait for the end of all runs."""
        self.stop()
        _, late = wait(self._faces, LIMIT)
        self._failed()
        assert not late, f"not within {LIMIT} s"

    def _long(self) -> dict[str, object]:
        return {**LONG, "until": str(self.release)}

    def _failed(self) -> None:
        for face in self._faces:
            if face.done():
                face.result()

    def _synchronous(self) -> None:
        with SyncWorkflowClient(base_url=self.url) as client, ThreadPoolExecutor(32) as pool:
            calls = [
                pool.submit(self._stream, client, run) for run in self.streams if run.face == "sync"
            ]
            calls += [pool.submit(self._wait, client, self._long()) for _ in range(LONG_WAITS)]
            calls += [pool.submit(self._wait_again_and_again, client)]
            try:
                for call in as_completed(calls):
                    call.result()
            finally:
                self._enough.set()

    def _stream(self, client: SyncWorkflowClient, run: Streamed) -> None:
        run.handler_id = client.run_workflow_nowait("count", start_event=self._long()).handler_id
        stream = client.get_workflow_events(run.handler_id)
        for event in stream:
            assert isinstance(stream.last_sequence, int)
            run.events.append((stream.last_sequence, event.value))

    def _wait(self, client: SyncWorkflowClient, start_event: dict[str, object]) -> None:
        handler = client.run_workflow("count", start_event=start_event)
        self.waited.append(Waited("sync", handler.handler_id, handler.status))

    def _wait_again_and_again(self, client: SyncWorkflowClient) -> None:
        while not self._enough.is_set():
            self._wait(client, SHORT)

    async def _asynchronous(self) -> None:
        async with WorkflowClient(base_url=self.url) as client, anyio.create_task_group() as calls:
            for run in self.streams:
                if run.face == "async":
                    calls.start_soon(self._stream_async, client, run)
            for _ in range(LONG_WAITS):
                calls.start_soon(self._wait_async, client, self._long())
            calls.start_soon(self._wait_again_and_again_async, client)

    async def _stream_async(self, client: WorkflowClient, run: Streamed) -> None:
        run.handler_id = (
            await client.run_workflow_nowait("count", start_event=self._long())
        ).handler_id
        stream = client.get_workflow_events(run.handler_id)
        async for event in stream:
            assert isinstance(stream.last_sequence, int)
            run.events.append((stream.last_sequence, event.value))

    async def _wait_async(self, client: WorkflowClient, start_event: dict[str, object]) -> None:
        handler = await client.run_workflow("count", start_event=start_event)
        self.waited.append(Waited("async", handler.handler_id, handler.status))

    async def _wait_again_and_again_async(self, client: WorkflowClient) -> None:
        while not self._enough.is_set():
            await self._wait_async(client, SHORT)
