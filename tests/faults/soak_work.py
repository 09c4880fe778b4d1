"""What a worker of the soak does: one stream, or one scenario of calls, with either client."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sqlite3
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from typing import Any, Final

import attrs
import httpx
from llama_agents.client import (
    EventStream,
    HandlerData,
    NotFoundError,
    StatusError,
    SyncEventStream,
    SyncWorkflowClient,
    WorkflowClient,
)

from .random_faults import RandomFaults
from .server_process import ServerProcess, seen

TEXTS: Final = (
    "",
    "plain",
    "a line\u2028and a paragraph\u2029 and \x85, \x1c, \r\n, \x00",
    "日本語 👩‍👩‍👧 ß" * 7,
    "data: x\n\nid: 99999\n",
    "long " * 800,
)
SHAPES: Final = (
    (1, 0.0),
    (5, 0.5),
    (12, 0.2),
    (25, 0.12),
    (40, 0.08),
    (60, 0.04),
    (60, 0.0),
    (2, 3.5),
)
SHAPE_WEIGHTS: Final = (1, 4, 4, 4, 4, 2, 1, 1)
MANNERS: Final = ("to the end", "left", "cancelled")
MANNER_WEIGHTS: Final = (8, 2, 2)
THREADS: Final = 4  # that ask for the truth


class Broken(Exception):
    """A promise that was not kept."""


@attrs.define
class Tally:
    """Counts; nothing in it grows with the time, but for what is broken and what is uncertain.

    Attributes:
        uncertain: The numbers of the starts that were cancelled: they may have arrived.
    """

    streams: int = 0
    left_early: int = 0
    expected: int = 0
    delivered: int = 0
    lost: int = 0
    twice: int = 0
    starts: int = 0
    posts: int = 0
    calls: Counter[str] = attrs.field(factory=Counter)
    errors: Counter[str] = attrs.field(factory=Counter)
    left: dict[str, int] = attrs.field(factory=dict)
    uncertain: set[int] = attrs.field(factory=set)
    broken: list[str] = attrs.field(factory=list)

    def break_(self, what: str) -> None:
        """Take down a broken promise."""
        self.broken.append(what[:600])

    def compare(self, run: str, expected: Sequence[str], delivered: Sequence[str]) -> None:
        """Hold what was delivered against what the server has.

        Raises:
            Broken: They are not the same, event by event.
        """
        self.streams += 1
        self.expected += len(expected)
        self.delivered += len(delivered)
        if expected == delivered:
            return
        lost, twice = Counter(expected) - Counter(delivered), Counter(delivered) - Counter(expected)
        self.lost += lost.total()
        self.twice += twice.total()
        pairs = enumerate(zip_longest(expected, delivered))
        where = next((at, *pair) for at, pair in pairs if pair[0] != pair[1])
        raise Broken(
            f"run {run}: {len(expected)} events expected, {len(delivered)} delivered, "
            f"{lost.total()} lost, {twice.total()} twice; first difference (place, expected, "
            f"delivered): {where}"
        )

    def check_starts(self, runs: Counter[int]) -> None:
        """Hold the starts that were called against the runs that the server has begun."""
        for number in range(self.starts):
            count = runs.pop(number, 0)
            if count > 1 or (count == 0 and number not in self.uncertain):
                self.break_(f"start {number} has begun {count} runs")
        if runs:
            self.break_(f"runs of nobody: {runs}")


class Truth:
    """What the server says and stores, read without the client and without the proxy."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._client = httpx.Client(base_url=server.url, timeout=60)
        self._threads = ThreadPoolExecutor(THREADS, "truth")

    async def events(self, run: str) -> list[str]:
        """The events of a run that has ended; as `ServerProcess.stored`, over kept connections."""
        return await self._in_a_thread(self._events, run)

    async def purge(self, run: str) -> None:
        """End a run and remove it."""
        path = f"/handlers/{run}/cancel"
        await self._in_a_thread(partial(self._client.post, params={"purge": "true"}), path)

    def starts(self) -> Counter[int]:
        """How many runs were ever begun, by the number that the start event carries."""
        with sqlite3.connect(f"file:{self._server.store}?mode=ro", uri=True) as store:
            rows = store.execute(
                "SELECT run_id, tick_data FROM ticks "
                "WHERE tick_data LIKE '%StartEvent%' AND tick_data LIKE '%add_event%'"
            )
            begun = {
                (run, int(number[1]))
                for run, tick in rows
                if (number := re.search(r'"call\\*": (\d+)', tick))
            }
        store.close()
        return Counter(number for _, number in begun)

    def close(self) -> None:
        """Free the connections and threads; `starts` still works."""
        self._client.close()
        self._threads.shutdown()

    def _events(self, run: str) -> list[str]:
        answer = self._client.get(f"/events/{run}", params={"after_sequence": -1})
        answer.raise_for_status()
        events = []
        for frame in answer.text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in frame.split("\n") if ": " in line)
            if "data" in fields:
                events.append(seen(int(fields["id"]), json.loads(fields["data"])["value"]))
        return events

    async def _in_a_thread(self, function: Any, *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


@attrs.frozen
class Face:
    """One of the two clients, both driven from the event loop: the synchronous one in threads.

    Attributes:
        alone: Held for calls that the plan cannot tell apart.
    """

    name: str
    client: WorkflowClient | SyncWorkflowClient
    threads: ThreadPoolExecutor | None
    alone: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    async def call(self, operation: str, *args: Any, **options: Any) -> Any:
        """Call a method."""
        method = partial(getattr(self.client, operation), *args, **options)
        if self.threads is None:
            return await method()
        return await asyncio.get_running_loop().run_in_executor(self.threads, method)

    async def read(
        self, events: EventStream | SyncEventStream, into: list[str], most: int | None = None
    ) -> None:
        """Read a stream to its end, or break after so many events."""
        if isinstance(events, EventStream):
            async for event in events:
                into.append(seen(events.last_sequence, event.value))
                if len(into) == most:
                    break
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self.threads, _read, events, into, most)


def _read(events: SyncEventStream, into: list[str], most: int | None) -> None:
    for event in events:
        into.append(seen(events.last_sequence, event.value))
        if len(into) == most:
            break


class Work:
    """What one worker does, one piece after another.

    Attributes:
        name: What it is at.
    """

    def __init__(
        self, face: Face, chance: random.Random, tally: Tally, truth: Truth, faults: RandomFaults
    ) -> None:
        self.name = ""
        self._face = face
        self._chance = chance
        self._tally = tally
        self._truth = truth
        self._faults = faults

    async def stream(self) -> None:
        """Start a run, and stream it; sometimes leave in between, and resume."""
        self.name = "stream"
        run = await self._start("run_workflow_nowait", "count", **self._shape())
        (manner,) = self._chance.choices(MANNERS, MANNER_WEIGHTS)
        self.name = f"stream {manner}"
        delivered: list[str] = []
        events = self._face.client.get_workflow_events(run.handler_id)
        ended = False
        if manner == "to the end":
            await self._face.read(events, delivered)
            ended = True
        elif manner == "left":
            await self._face.read(events, delivered, self._chance.randint(1, 20))
        else:
            ended = await self._cancel(events, delivered)
        if not ended:
            self._tally.left_early += 1
            await self._resume(run.handler_id, events, delivered)
        await self._compare(run.handler_id, delivered)

    async def call(self) -> None:
        """Go through one scenario of calls."""
        scenarios = [
            self._run_and_purge,
            self._wait,
            self._answer,
            self._stop,
            self._list,
            self._cancel_start,
        ]
        scenario = self._chance.choice(scenarios)
        self.name = scenario.__name__.strip("_").replace("_", " ")
        await scenario()

    # ------------------------------------------------------------------ streams

    async def _cancel(self, events: Any, delivered: list[str]) -> bool:
        """Read, and be cancelled (or closed, from another thread); return whether it has ended."""
        reading = asyncio.create_task(self._face.read(events, delivered))
        await asyncio.sleep(self._chance.uniform(0, 2))
        if self._face.threads is not None:
            await asyncio.get_running_loop().run_in_executor(None, events.close)
            await reading
            return False
        reading.cancel()
        await asyncio.wait({reading})
        if reading.cancelled():
            return False
        reading.result()
        return True

    async def _resume(self, run: str, left: Any, delivered: list[str]) -> None:
        after = left.last_sequence
        rest = self._face.client.get_workflow_events(run, after_sequence=after)
        await self._face.read(rest, delivered)

    async def _compare(self, run: str, delivered: list[str]) -> None:
        self._tally.compare(run, await self._truth.events(run), delivered)
        self._faults.forget(run)

    def _shape(self) -> dict[str, Any]:
        ((n, pause),) = self._chance.choices(SHAPES, SHAPE_WEIGHTS)
        return {"n": n, "pause": pause, "text": self._chance.choice(TEXTS)}

    # -------------------------------------------------------------------- calls

    async def _call(self, operation: str, *args: Any, **options: Any) -> Any:
        self._tally.calls[operation] += 1
        return await self._face.call(operation, *args, **options)

    async def _start(self, operation: str, workflow: str, **fields: Any) -> HandlerData:
        number, self._tally.starts = self._tally.starts, self._tally.starts + 1
        return await self._call(operation, workflow, start_event={**fields, "call": number})

    async def _post(self, operation: str, run: str, *args: Any) -> Any:
        """Make a call that is not sent again; return None if it failed and had to."""
        self._tally.posts += 1
        try:
            answer = await self._call(operation, run, *args)
        except (httpx.TransportError, StatusError) as error:
            if not self._faults.take_hit(run):
                raise
            self._tally.errors[type(error).__name__] += 1
            return None
        if self._faults.take_hit(run):
            raise Broken(f"{operation} met a fault and does not say so: {answer}")
        return answer

    async def _run_and_purge(self) -> None:
        if self._chance.random() < 0.5:
            run = await self._start("run_workflow", "greet", name="Ada \u2028 日本")
            _same(run.result and run.result.value["result"], "Hello, Ada \u2028 日本!")
        else:
            run = await self._start("run_workflow", "count", **self._shape())
        _same(run.status, "completed")
        if await self._post("cancel_handler", run.handler_id, True) is not None:
            await self._not_found(run.handler_id)
        self._faults.forget(run.handler_id)

    async def _wait(self) -> None:
        run = (await self._start("run_workflow_nowait", "count", **self._shape())).handler_id
        handler = await self._call("wait_for_handler", run, timeout=40)
        _same((handler.handler_id, handler.status), (run, "completed"))
        _same((await self._call("get_handler", run)).status, "completed")
        delivered: list[str] = []
        await self._face.read(self._face.client.get_workflow_events(run), delivered)
        await self._compare(run, delivered)

    async def _answer(self) -> None:
        run = (await self._start("run_workflow_nowait", "human")).handler_id
        delivered: list[str] = []
        events = self._face.client.get_workflow_events(run)
        await self._face.read(events, delivered, 1)
        answer = {"type": "ResponseEvent", "value": {"response": "Ada"}}
        if await self._post("send_event", run, answer) is None:
            await self._truth.purge(run)  # whether it has arrived is not known
        else:
            handler = await self._call("wait_for_handler", run, timeout=40)
            _same(handler.result and handler.result.value["output"], "Hello, Ada")
            await self._resume(run, events, delivered)
            await self._compare(run, delivered)
        self._faults.forget(run)

    async def _stop(self) -> None:
        run = (await self._start("run_workflow_nowait", "count", n=400, pause=0.1)).handler_id
        _same((await self._call("get_handler", run)).status, "running")
        purge = self._chance.random() < 0.5
        answer = await self._post("cancel_handler", run, purge)
        if answer is None:
            await self._truth.purge(run)
        elif purge:
            _same(answer.status, "deleted")
            await self._not_found(run)
        else:
            _same(answer.status, "cancelled")
            handler = await self._call("wait_for_handler", run, timeout=40)
            _same(handler.status, "cancelled")
            delivered: list[str] = []
            await self._face.read(self._face.client.get_workflow_events(run), delivered)
            await self._compare(run, delivered)
        self._faults.forget(run)

    async def _list(self) -> None:
        run = (await self._start("run_workflow_nowait", "human")).handler_id
        # A name that no other call asks for: the plan tells calls apart by it.
        names = ["human", uuid.uuid4().hex]
        found = await self._call("get_handlers", status=["running"], workflow_name=names)
        if run not in {handler.handler_id for handler in found.handlers}:
            raise Broken(f"run {run} is not in the list")
        await self._truth.purge(run)
        self._faults.forget(run)
        async with self._face.alone:
            _same("count" in (await self._call("list_workflows")).workflows, True)

    async def _cancel_start(self) -> None:
        """Cancel a start, a blocking run or a wait; a synchronous call has to be left alone."""
        if self._face.threads is not None:
            return await self._wait()
        run = uuid.uuid4().hex
        number, self._tally.starts = self._tally.starts, self._tally.starts + 1
        self._tally.uncertain.add(number)
        start = {**self._shape(), "call": number}
        operation = self._chance.choice(("run_workflow", "run_workflow_nowait"))
        try:
            async with asyncio.timeout(self._chance.uniform(0, 2)):
                await self._call(operation, "count", run, start)
                await self._call("wait_for_handler", run)
        except TimeoutError:
            pass
        await self._truth.purge(run)
        self._faults.forget(run)

    async def _not_found(self, run: str) -> None:
        try:
            handler = await self._call("get_handler", run)
        except NotFoundError:
            return
        raise Broken(f"purged, and still there: {handler}")


def _same(found: object, expected: object) -> None:
    if found != expected:
        raise Broken(f"{found!r} instead of {expected!r}")
