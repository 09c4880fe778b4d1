"""What a worker of the soak does: one stream, or one scenario of calls, with either client."""

from __future__ import annotations

import asyncio
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final

import attrs
import httpx
from llama_agents.client import (
    EventStream,
    HandlerData,
    InvalidResponseError,
    NotFoundError,
    StatusError,
    SyncEventStream,
    SyncWorkflowClient,
    WorkflowClient,
    WorkflowClientError,
)

from .random_faults import RandomFaults
from .server_process import seen
from .soak_truth import Broken, Tally, Truth

TEXTS: Final = (
    "",
    "plain",
    "a line\u2028and a paragraph\u2029 and \x85, \x1c, \r\n, \x00",
    "日本語 👩‍👩‍👧 ß" * 7,
    "data: x\n\nid: 99999\n",
    "long " * 800,
)
SHAPES: Final = (  # events, and seconds between two
    (1, 0.0),
    (60, 0.0),
    (60, 0.05),
    (40, 0.15),
    (25, 0.3),
    (12, 0.6),
    (5, 1.0),
    (2, 9.5),
)
SHAPE_WEIGHTS: Final = (1, 1, 1, 4, 4, 4, 4, 1)
MANNERS: Final = ("to the end", "left", "cancelled")
MANNER_WEIGHTS: Final = (8, 2, 2)


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
    """What one worker does, one piece after another."""

    def __init__(
        self, face: Face, chance: random.Random, tally: Tally, truth: Truth, faults: RandomFaults
    ) -> None:
        self._name = ""
        self._run = ""
        self._delivered: list[str] = []
        self._face = face
        self._chance = chance
        self._tally = tally
        self._truth = truth
        self._faults = faults

    def at(self) -> str:
        """Say what it is at, and what the plan has done to that."""
        return (
            f"{self._name}, run {self._run}, {len(self._delivered)} events delivered, "
            f"stored: {self._truth.state(self._run)}, faults: {self._faults.story(self._run)}"
        )

    def begin(self) -> None:
        """Forget the last piece of work."""
        self._faults.forget(self._run)
        self._name = self._run = ""
        self._delivered = []

    async def stream(self) -> None:
        """Start a run, and stream it; sometimes leave in between, and resume."""
        self._name = "stream"
        run = (await self._start("run_workflow_nowait", "count", **self._shape())).handler_id
        (manner,) = self._chance.choices(MANNERS, MANNER_WEIGHTS)
        self._name = f"stream {manner}"
        events = self._face.client.get_workflow_events(run)
        ended = False
        if manner == "to the end":
            await self._face.read(events, self._delivered)
            ended = True
        elif manner == "left":
            await self._face.read(events, self._delivered, self._chance.randint(1, 20))
        else:
            ended = await self._cancel(events)
        if not ended:
            self._tally.left_early += 1
            await self._resume(events)
        await self._compare()

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
        self._name = scenario.__name__.strip("_").replace("_", " ")
        await scenario()

    # ------------------------------------------------------------------ streams

    async def _cancel(self, events: Any) -> bool:
        """Read, and be cancelled (or closed, from another thread); return whether it has ended."""
        reading = asyncio.create_task(self._face.read(events, self._delivered))
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

    async def _resume(self, left: Any) -> None:
        after = left.last_sequence
        rest = self._face.client.get_workflow_events(self._run, after_sequence=after)
        await self._face.read(rest, self._delivered)

    async def _compare(self) -> None:
        self._tally.compare(await self._truth.events(self._run), self._delivered)

    def _shape(self) -> dict[str, Any]:
        ((n, pause),) = self._chance.choices(SHAPES, SHAPE_WEIGHTS)
        return {"n": n, "pause": pause, "text": self._chance.choice(TEXTS)}

    # -------------------------------------------------------------------- calls

    async def _call(self, operation: str, *args: Any, **options: Any) -> Any:
        self._tally.calls[operation] += 1
        return await self._face.call(operation, *args, **options)

    async def _start(self, operation: str, workflow: str, **fields: Any) -> HandlerData:
        number = self._number()
        try:
            run = await self._call(operation, workflow, start_event={**fields, "call": number})
        except (WorkflowClientError, httpx.HTTPError) as error:
            self._run = getattr(error, "handler_id", "that its error does not name")
            raise
        self._run = run.handler_id
        return run

    def _number(self) -> int:
        self._tally.starts += 1
        return self._tally.starts - 1

    async def _post(self, operation: str, run: str, *args: Any) -> Any:
        """Make a call that is not sent again; return None if it failed and had to."""
        self._tally.posts += 1
        try:
            answer = await self._call(operation, run, *args)
        except (httpx.TransportError, StatusError) as error:
            # On a machine that has too much to do, the limit may be reached without a fault.
            if not (self._faults.take_hit(run) or isinstance(error, httpx.ReadTimeout)):
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

    async def _wait(self) -> None:
        run = (await self._start("run_workflow_nowait", "count", **self._shape())).handler_id
        handler = await self._call("wait_for_handler", run, timeout=60)
        _same((handler.handler_id, handler.status), (run, "completed"))
        _same((await self._call("get_handler", run)).status, "completed")
        await self._face.read(self._face.client.get_workflow_events(run), self._delivered)
        await self._compare()

    async def _answer(self) -> None:
        run = (await self._start("run_workflow_nowait", "human")).handler_id
        events = self._face.client.get_workflow_events(run)
        await self._face.read(events, self._delivered, 1)
        answer = {"type": "ResponseEvent", "value": {"response": "Ada"}}
        if await self._post("send_event", run, answer) is None:
            await self._truth.purge(run)  # whether it has arrived is not known
        else:
            handler = await self._call("wait_for_handler", run, timeout=60)
            _same(handler.result and handler.result.value["output"], "Hello, Ada")
            await self._resume(events)
            await self._compare()

    async def _stop(self) -> None:
        run = (await self._start("run_workflow_nowait", "count", n=200, pause=0.2)).handler_id
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
            handler = await self._call("wait_for_handler", run, timeout=60)
            _same(handler.status, "cancelled")
            await self._face.read(self._face.client.get_workflow_events(run), self._delivered)
            await self._compare()

    async def _list(self) -> None:
        run = (await self._start("run_workflow_nowait", "human")).handler_id
        # A name that no other call asks for: the plan tells calls apart by it.
        names = ["human", uuid.uuid4().hex]
        found = await self._call("get_handlers", status=["running"], workflow_name=names)
        if run not in {handler.handler_id for handler in found.handlers}:
            raise Broken(f"run {run} is not in the list")
        await self._truth.purge(run)
        async with self._face.alone:
            _same("count" in (await self._call("list_workflows")).workflows, True)

    async def _cancel_start(self) -> None:
        """Cancel a start, a blocking run or a wait; a synchronous call has to be left alone.

        The start names its run, so that it can be purged. So its end may also be that it cannot be
        told whether a run that is found is this one.
        """
        if self._face.threads is not None:
            return await self._wait()
        run = self._run = uuid.uuid4().hex
        number = self._number()
        self._tally.uncertain.add(number)
        start = {**self._shape(), "call": number}
        operation = self._chance.choice(("run_workflow", "run_workflow_nowait"))
        with suppress(TimeoutError, InvalidResponseError):
            async with asyncio.timeout(self._chance.uniform(0, 2)):
                await self._call(operation, "count", run, start)
                await self._call("wait_for_handler", run)
        await self._truth.purge(run)

    async def _not_found(self, run: str) -> None:
        try:
            handler = await self._call("get_handler", run)
        except NotFoundError:
            return
        raise Broken(f"purged, and still there: {handler}")


def _same(found: object, expected: object) -> None:
    if found != expected:
        raise Broken(f"{found!r} instead of {expected!r}")
