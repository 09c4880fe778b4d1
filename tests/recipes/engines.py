"""The workflow that the recipes of engines run, on a server that sees and controls what happens."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import psutil
from llama_agents.client import SyncWorkflowClient
from llama_agents.client.testing import serve
from llama_agents.server import SqliteWorkflowStore
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from workflows import Workflow, step
from workflows.events import StartEvent, StopEvent

PATIENCE = 100.0  # s; on a busy machine, an engine takes long to start and to notice a death


class IndexStart(StartEvent):
    documents: int


class IndexDone(StopEvent):
    indexed: int


@attrs.define(eq=False)
class Engine:
    """What happens on the server.

    Attributes:
        url: URL of the server.
        client: A client of it.
        starts: How often the workflow has been started, by number of documents.
        waits: How often somebody has begun to wait for a run, by path of its events.
        responds: Nobody learns that a run has been started before this is set.
        ends: No run ends before this is set.
    """

    url: str = ""
    client: SyncWorkflowClient = attrs.field(init=False)
    starts: Counter[int] = attrs.field(factory=Counter)
    waits: Counter[str] = attrs.field(factory=Counter)
    responds: threading.Event = attrs.field(factory=threading.Event)
    ends: threading.Event = attrs.field(factory=threading.Event)


class Index(Workflow):
    def __init__(self, engine: Engine) -> None:
        super().__init__(timeout=600)
        self.engine = engine

    @step
    async def index(self, ev: IndexStart) -> IndexDone:
        self.engine.starts[ev.documents] += 1
        await is_set(self.engine.ends)
        if ev.documents == 0:
            raise ValueError("there is nothing to index")
        return IndexDone(indexed=ev.documents)


class Watch:
    """Counts who waits for runs, and holds the responses to starts back."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self.app = app
        self.engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            if scope["method"] == "POST":
                await is_set(self.engine.responds)
            await send(message)

        if scope["type"] == "http" and scope["path"].startswith("/events/"):
            self.engine.waits[scope["path"]] += 1
        await self.app(scope, receive, send_in_time if scope["type"] == "http" else send)


async def is_set(event: threading.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0.1)


@contextmanager
def serve_index(folder: Path) -> Iterator[Engine]:
    """Serve the workflow; the folder has its runs."""
    engine = Engine()
    store = SqliteWorkflowStore(str(folder / "runs.db"))
    watch = Middleware(Watch, engine=engine)
    options = {"workflow_store": store, "middleware": [watch]}
    with (
        serve({"index": Index(engine)}, **options) as engine.url,
        SyncWorkflowClient(base_url=engine.url) as engine.client,
    ):
        yield engine


@contextmanager
def stopping(pid: int) -> Iterator[psutil.Process]:
    """Yield a process; kill it and its children at the end."""
    process = psutil.Process(pid)
    try:
        yield process
    finally:
        for each in [*process.children(recursive=True), process] if process.is_running() else []:
            each.kill()
