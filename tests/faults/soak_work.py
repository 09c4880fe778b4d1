"""What the workers of a soak do, what they count, and the store that they are compared with."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import zip_longest
from typing import Any, Final

import attrs
import httpx
from llama_agents.client import (
    HandlerData,
    InvalidResponseError,
    NotFoundError,
    StatusError,
    WorkflowClientError,
)

from ..support.any_client import AnyClient
from .measure import missing
from .random_faults import RandomFaults
from .server_process import ServerProcess, events_in

TEXTS: Final = (
    "",
    "plain",
    "a line\u2028and a paragraph\u2029 and \x85, \x1c, \r\n, \x00",
    "日本語 👩‍👩‍👧 ß" * 7,
    "data: x\n\nid: 99999\n",
    "long " * 800,
)
SHAPES: Final = {  # events, seconds between two: weight
    (1, 0.0): 1,
    (60, 0.0): 1,
    (60, 0.05): 1,
    (40, 0.15): 4,
    (25, 0.3): 4,
    (12, 0.6): 4,
    (5, 1.0): 4,
    (2, 9.5): 1,
}
NAME: Final = "Ada \u2028 日本"
ANSWER: Final = {"type": "ResponseEvent", "value": {"response": "Ada"}}
WAIT: Final = {"timeout": 60}


class BrokenGuaranteeError(Exception):
    """The client did not do what it guarantees."""


@attrs.define
class Tally:
    """What a soak counts; only `broken` and `uncertain` grow with its duration.

    Attributes:
        counts: Streams, events, starts and POSTs.
        calls: Calls, by method.
        errors: Errors of POSTs that met a fault, by class.
        uncertain: Numbers of cancelled starts, which may or may not have reached the server.
        broken: The broken guarantees.
    """

    counts: Counter[str] = attrs.field(factory=Counter)
    calls: Counter[str] = attrs.field(factory=Counter)
    errors: Counter[str] = attrs.field(factory=Counter)
    uncertain: set[int] = attrs.field(factory=set)
    broken: list[str] = attrs.field(factory=list)

    def report(self, broken: str) -> None:
        """Record a broken guarantee."""
        self.broken.append(broken[:1500])

    def compare(self, expected: Sequence[str], delivered: Sequence[str]) -> None:
        """Compare delivered events with those in the store.

        Raises:
            BrokenGuaranteeError: They differ.
        """
        lost, duplicated = missing(expected, delivered), missing(delivered, expected)
        self.counts.update(
            streams=1,
            expected=len(expected),
            delivered=len(delivered),
            lost=lost,
            duplicated=duplicated,
        )
        for index, pair in enumerate(zip_longest(expected, delivered)):
            if pair[0] != pair[1]:
                raise BrokenGuaranteeError(
                    f"{len(expected)} events expected, {len(delivered)} delivered, {lost} lost, "
                    f"{duplicated} duplicated; first difference at {index}: {pair}"
                )

    def check_starts(self, runs: Counter[int]) -> None:
        """Compare the starts that were called with the runs that the server started."""
        for number in range(self.counts["starts"]):
            count = runs.pop(number, 0)
            if count > 1 or (count == 0 and number not in self.uncertain):
                self.report(f"start {number} has started {count} runs")
        if runs:
            self.report(f"runs without a start: {runs}")


class Truth:
    """What the server says and stores, read without the client and the proxy."""

    def __init__(self, server: ServerProcess) -> None:
        self._store = f"file:{server.store}?mode=ro"
        self.http = httpx.AsyncClient(base_url=server.url, timeout=60)

    async def events(self, run: str) -> list[str]:
        """Return the events of a run that has ended."""
        return events_in(await self.http.get(f"/events/{run}", params={"after_sequence": -1}))

    async def purge(self, run: str) -> None:
        """End a run and delete it."""
        await self.http.post(f"/handlers/{run}/cancel", params={"purge": "true"})

    def starts(self) -> Counter[int]:
        """Return how many runs were ever started for the number in each start event."""
        rows = self._select(
            "SELECT run_id, tick_data FROM ticks "
            "WHERE tick_data LIKE '%StartEvent%' AND tick_data LIKE '%add_event%'"
        )
        numbers = ((run, re.search(r'"call\\*": (\d+)', tick)) for run, tick in rows)
        started = {(run, int(number[1])) for run, number in numbers if number}
        return Counter(number for _, number in started)

    def progress(self, run: str) -> str:
        """Return the status and the last event of a run."""
        rows = self._select(
            "SELECT status, max(sequence), max(timestamp), datetime() FROM handlers "
            "JOIN events USING (run_id) WHERE handler_id = ?",
            run,
        )
        return "{}, last event {} at {}, now {}".format(*rows[0])

    def _select(self, query: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(self._store, uri=True)) as store:
            return store.execute(query, values).fetchall()


@attrs.define
class Worker:
    """One worker; it does one task after another."""

    client: AnyClient
    chance: random.Random
    tally: Tally
    truth: Truth
    faults: RandomFaults
    alone: asyncio.Lock
    """Held for calls that the plan of faults cannot tell apart."""
    _task: str = ""
    _run: str = ""
    _delivered: list[str] = attrs.field(factory=list)

    def describe(self) -> str:
        """Describe the current task and the faults that it has met."""
        return (
            f"{self.client.variant} {self._task}, run {self._run}, {len(self._delivered)} events "
            f"delivered, stored: {self.truth.progress(self._run)}, "
            f"faults: {self.faults.history(self._run)}"
        )

    async def work(self, task: str) -> None:
        """Do one task: "stream", or "call" for one of the others."""
        self.faults.forget(self._run)
        self._run, self._delivered = "", []
        if task == "call":
            tasks = ("run_and_purge", "wait", "answer", "cancel", "list_runs", "cancel_start")
            task = self.chance.choice(tasks)
        self._task = task
        await getattr(self, f"_{task}")()

    # ------------------------------------------------------------------- streams

    async def _stream(self) -> None:
        """Start a run and stream it; sometimes stop early and resume."""
        run = await self._start("run_workflow_nowait", "count", **self._shape())
        (manner,) = self.chance.choices(("whole", "left", "cancelled"), (8, 2, 2))
        self._task = f"stream {manner}"
        events = self.client.stream(run.handler_id)
        if manner == "whole":
            await self._read(events)
        elif manner == "left":
            await self._read(events, self.chance.randint(1, 20))
            await self._resume(events)
        elif not await self._read_and_cancel(events):
            await self._resume(events)
        await self._compare()

    async def _read_and_cancel(self, events: Any) -> bool:
        """Read until cancelled, or closed from another thread; return whether it had ended."""
        reading = asyncio.create_task(self._read(events))
        await asyncio.sleep(self.chance.uniform(0, 2))
        if self.client.threads is not None:
            await asyncio.to_thread(events.close)
            await reading
            return False
        reading.cancel()
        await asyncio.wait({reading})
        if reading.cancelled():
            return False
        reading.result()
        return True

    async def _read(self, events: Any, limit: int | None = None) -> None:
        await self.client.read(events, self._delivered, limit)

    async def _resume(self, events: Any) -> None:
        self.tally.counts["ended early"] += 1
        await self._read_all(after_sequence=events.last_sequence)

    async def _read_all(self, **options: Any) -> None:
        await self._read(self.client.stream(self._run, **options))

    async def _compare(self) -> None:
        self.tally.compare(await self.truth.events(self._run), self._delivered)

    def _shape(self) -> dict[str, Any]:
        ((n, pause),) = self.chance.choices([*SHAPES], [*SHAPES.values()])
        return {"n": n, "pause": pause, "text": self.chance.choice(TEXTS)}

    # ------------------------------------------------------------------- calls

    async def _call(self, operation: str, *args: Any, **options: Any) -> Any:
        self.tally.calls[operation] += 1
        return await self.client.call(operation, *args, **options)

    async def _start(self, operation: str, workflow: str, **fields: Any) -> HandlerData:
        start_event = {**fields, "call": self._number()}
        try:
            run = await self._call(operation, workflow, start_event=start_event)
        except (WorkflowClientError, httpx.HTTPError) as error:
            self._run = getattr(error, "handler_id", "that its error does not name")
            raise
        self._run = run.handler_id
        return run

    def _number(self) -> int:
        self.tally.counts["starts"] += 1
        return self.tally.counts["starts"] - 1

    async def _post(self, operation: str, *args: Any) -> Any:
        """Make a call that is not retried; return None if a fault made it fail."""
        self.tally.counts["posts"] += 1
        try:
            response = await self._call(operation, self._run, *args)
        except (httpx.TransportError, StatusError) as error:
            # On an overloaded machine a timeout may expire without a fault.
            if not (self.faults.take_hit(self._run) or isinstance(error, httpx.ReadTimeout)):
                raise
            self.tally.errors[type(error).__name__] += 1
            return None
        if self.faults.take_hit(self._run):
            raise BrokenGuaranteeError(f"{operation} met a fault and returned {response}")
        return response

    async def _wait_for(self, status: str) -> HandlerData:
        handler: HandlerData = await self._call("wait_for_handler", self._run, **WAIT)
        _check((handler.handler_id, handler.status), (self._run, status))
        return handler

    async def _check_purged(self) -> None:
        with suppress(NotFoundError):
            handler = await self._call("get_handler", self._run)
            raise BrokenGuaranteeError(f"purged, and still found: {handler}")

    async def _run_and_purge(self) -> None:
        if self.chance.random() < 0.5:
            run = await self._start("run_workflow", "greet", name=NAME)
            _check(run.result and run.result.value["result"], f"Hello, {NAME}!")
        else:
            run = await self._start("run_workflow", "count", **self._shape())
        _check(run.status, "completed")
        if await self._post("cancel_handler", True) is not None:
            await self._check_purged()

    async def _wait(self) -> None:
        await self._start("run_workflow_nowait", "count", **self._shape())
        await self._wait_for("completed")
        _check((await self._call("get_handler", self._run)).status, "completed")
        await self._read_all()
        await self._compare()

    async def _answer(self) -> None:
        run = await self._start("run_workflow_nowait", "human")
        events = self.client.stream(run.handler_id)
        await self._read(events, 1)
        if await self._post("send_event", ANSWER) is None:
            return await self.truth.purge(self._run)  # it is unknown whether the answer arrived
        handler = await self._wait_for("completed")
        _check(handler.result and handler.result.value["output"], "Hello, Ada")
        await self._read_all(after_sequence=events.last_sequence)
        await self._compare()

    async def _cancel(self) -> None:
        await self._start("run_workflow_nowait", "count", n=200, pause=0.2)
        _check((await self._call("get_handler", self._run)).status, "running")
        purge = self.chance.random() < 0.5
        response = await self._post("cancel_handler", purge)
        if response is None:
            return await self.truth.purge(self._run)
        _check(response.status, "deleted" if purge else "cancelled")
        if purge:
            return await self._check_purged()
        await self._wait_for("cancelled")
        await self._read_all()
        await self._compare()

    async def _list_runs(self) -> None:
        await self._start("run_workflow_nowait", "human")
        # No other call asks for this name: the plan of faults tells calls apart by it.
        names = ["human", uuid.uuid4().hex]
        found = await self._call("get_handlers", status=["running"], workflow_name=names)
        _check(self._run in {handler.handler_id for handler in found.handlers}, True)
        await self.truth.purge(self._run)
        async with self.alone:
            _check("count" in (await self._call("list_workflows")).workflows, True)

    async def _cancel_start(self) -> None:
        """Cancel a start, a blocking run or a wait; a sync call cannot be cancelled.

        The start names its run, so that the run can be purged; it may therefore end in the error
        that a run found under that ID is not known to be its own.
        """
        if self.client.threads is not None:
            return await self._wait()
        self._run = uuid.uuid4().hex
        number = self._number()
        self.tally.uncertain.add(number)
        start = {**self._shape(), "call": number}
        operation = self.chance.choice(("run_workflow", "run_workflow_nowait"))
        with suppress(TimeoutError, InvalidResponseError):
            async with asyncio.timeout(self.chance.uniform(0, 2)):
                await self._call(operation, "count", self._run, start)
                await self._call("wait_for_handler", self._run)
        await self.truth.purge(self._run)


def _check(found: object, expected: object) -> None:
    if found != expected:
        raise BrokenGuaranteeError(f"{found!r} instead of {expected!r}")
