"""The workflow that the replicas serve."""

from __future__ import annotations

import anyio
from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent


class CountStart(StartEvent):
    """What to count.

    Attributes:
        to: The number to count to.
        pause: Seconds before each number.
        until: A file whose existence ends the count.
    """

    to: int
    pause: float = 0.0
    until: str = ""


class Next(Event):
    """The next number, passed between steps: each step is durable."""

    n: int
    start: CountStart


class Tick(Event):
    """A number, in the stream."""

    n: int


class Counted(StopEvent):
    """The number that the count has reached."""

    to: int


class Count(Workflow):
    """Counts, one number in each step."""

    @step
    async def begin(self, ev: CountStart) -> Next:
        return Next(n=0, start=ev)

    @step
    async def count(self, ev: Next, ctx: Context) -> Next | Counted:
        start = ev.start
        if ev.n == start.to or (start.until and await anyio.Path(start.until).exists()):
            return Counted(to=ev.n)
        await anyio.sleep(start.pause)
        ctx.write_event_to_stream(Tick(n=ev.n))
        return Next(n=ev.n + 1, start=start)
