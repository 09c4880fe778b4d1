"""The workflows that tests run on the real server."""

from __future__ import annotations

import asyncio

from workflows import Context, Workflow, step
from workflows.events import Event, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent


class Tick(Event):
    """Progress of `Count`."""

    n: int
    text: str = ""


class GreetStart(StartEvent):
    """A typed start event."""

    name: str = "nobody"


class Named(StartEvent):
    """A client's own start event, declared by no workflow."""

    name: str


class Boxed(StartEvent):
    """A start event with a field named ``value``, as an envelope has."""

    value: int


class RequestEvent(InputRequiredEvent):
    """A question to a human."""

    prompt: str


class ResponseEvent(HumanResponseEvent):
    """The human's answer."""

    response: str


class OutEvent(StopEvent):
    """A typed result."""

    output: str


class Greet(Workflow):
    """Greets the name in an untyped start event."""

    @step
    async def greet(self, ev: StartEvent) -> StopEvent:
        return StopEvent(result=f"Hello, {ev.get('name', 'World')}!")


class Echo(Workflow):
    """Returns the fields of an untyped start event."""

    @step
    async def echo(self, ev: StartEvent) -> StopEvent:
        return StopEvent(result=dict(ev.items()))


class TypedGreet(Workflow):
    """Greets with typed events."""

    @step
    async def greet(self, ev: GreetStart) -> OutEvent:
        return OutEvent(output=f"Hello, {ev.name}!")


class Unbox(Workflow):
    """Returns the ``value`` field of its start event."""

    @step
    async def unbox(self, ev: Boxed) -> StopEvent:
        return StopEvent(result=ev.value)


class Count(Workflow):
    """Streams ``n`` events with ``text``, ``pause`` seconds apart."""

    @step
    async def count(self, ev: StartEvent, ctx: Context) -> StopEvent:
        for n in range(ev.get("n", 5)):
            ctx.write_event_to_stream(Tick(n=n, text=ev.get("text", "")))
            await asyncio.sleep(ev.get("pause", 0))
        return StopEvent(result=None)


class Fail(Workflow):
    """Fails with a long message."""

    @step
    async def fail(self, ev: StartEvent) -> StopEvent:
        raise ValueError("boom " * 100)


class Unstorable(Workflow):
    """Ends with a result that the server cannot store, which stops its engine."""

    @step
    async def end(self, ev: StartEvent) -> StopEvent:
        return StopEvent(result=ValueError("not JSON"))


class Human(Workflow):
    """Asks for a name."""

    @step
    async def ask(self, ev: StartEvent) -> RequestEvent:
        return RequestEvent(prompt="What is your name?")

    @step
    async def greet(self, ev: ResponseEvent) -> OutEvent:
        return OutEvent(output=f"Hello, {ev.response}")


class Interview(Workflow):
    """Asks ``n`` questions in sequence and records every answer that arrives."""

    @step
    async def begin(self, ev: StartEvent, ctx: Context) -> RequestEvent:
        await ctx.store.set("remaining", ev.get("n", 3))
        return RequestEvent(prompt="0")

    @step
    async def record(self, ev: ResponseEvent, ctx: Context) -> RequestEvent | OutEvent:
        answers = [*await ctx.store.get("answers", []), ev.response]
        await ctx.store.set("answers", answers)
        remaining = await ctx.store.get("remaining") - 1
        await ctx.store.set("remaining", remaining)
        if remaining:
            return RequestEvent(prompt=str(len(answers)))
        return OutEvent(output=",".join(answers))


class Dialog(Workflow):
    """Asks two questions from inside one step."""

    @step
    async def ask(self, ev: StartEvent, ctx: Context) -> OutEvent:
        answers = [
            await ctx.wait_for_event(
                ResponseEvent,
                waiter_event=RequestEvent(prompt=name),
                waiter_id=name,
                requirements={"response": f"to {name}"},
            )
            for name in ("0", "1")
        ]
        return OutEvent(output=",".join(answer.response for answer in answers))


class Survey(Workflow):
    """Asks two questions at once."""

    @step
    async def ask(self, ev: StartEvent, ctx: Context) -> RequestEvent:
        ctx.write_event_to_stream(RequestEvent(prompt="0"))
        return RequestEvent(prompt="1")

    @step
    async def collect(self, ev: ResponseEvent, ctx: Context) -> OutEvent | None:
        answers = ctx.collect_events(ev, [ResponseEvent, ResponseEvent])
        return OutEvent(output=",".join(a.response for a in answers)) if answers else None


class Restless(Workflow):
    """Asks a question, and reports progress all the time."""

    @step
    async def ask(self, ev: StartEvent, ctx: Context) -> RequestEvent | OutEvent:
        ctx.write_event_to_stream(RequestEvent(prompt="busy"))
        while True:
            ctx.write_event_to_stream(Tick(n=0))
            await asyncio.sleep(0.02)

    @step
    async def end(self, ev: ResponseEvent) -> OutEvent:
        return OutEvent(output=ev.response)


def sample_workflows() -> dict[str, Workflow]:
    """Return the workflows under the names that tests use."""
    return {
        "greet": Greet(),
        "echo": Echo(),
        "typed": TypedGreet(),
        "unbox": Unbox(),
        "count": Count(timeout=60),
        "fail": Fail(),
        "human": Human(timeout=60),
        "interview": Interview(timeout=60),
        "dialog": Dialog(timeout=60),
        "survey": Survey(timeout=60),
        "restless": Restless(timeout=60),
        "opaque": WithoutSchema(),
    }


class Opaque:
    """A type without a JSON schema."""


class OpaqueEvent(Event):
    """An event without a JSON schema."""

    thing: Opaque | None = None


class OpaqueStart(StartEvent):
    """A start event without a JSON schema."""

    thing: Opaque | None = None


class WithoutSchema(Workflow):
    """Starts with an event that has no JSON schema."""

    @step
    async def start(self, ev: OpaqueStart) -> OpaqueEvent:
        return OpaqueEvent()

    @step
    async def stop(self, ev: OpaqueEvent) -> StopEvent:
        return StopEvent()
