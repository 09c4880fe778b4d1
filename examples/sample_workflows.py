"""The workflows that the examples share, with their events.

The server and its clients import this one module, so that an event of the one side is the same
class on the other. A client can do without it: ``event.type`` and ``event.value`` are always there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from workflows import Context, Workflow, step
from workflows.events import Event, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent


class GreetStart(StartEvent):
    """Whom to greet."""

    name: str = "World"


class Greeting(StopEvent):
    """The greeting."""

    text: str


class Greet(Workflow):
    """Greets, at once."""

    @step
    async def greet(self, ev: GreetStart) -> Greeting:
        """Greet the name of the start event."""
        return Greeting(text=f"Hello, {ev.name}!")


class IndexStart(StartEvent):
    """How many documents to index, and how long each of them takes in seconds."""

    documents: int = 20
    seconds_each: float = 0.1


class DocumentIndexed(Event):
    """Progress: this many documents of the total are done."""

    number: int
    total: int


class IndexDone(StopEvent):
    """How many documents were indexed."""

    indexed: int


class Index(Workflow):
    """Takes its time, and tells after each document how far it is."""

    @step
    async def index(self, ev: IndexStart, ctx: Context) -> IndexDone:
        """Pretend to index documents."""
        if ev.documents < 1:
            raise ValueError(f"there is nothing to index in {ev.documents} documents")
        for number in range(1, ev.documents + 1):
            await asyncio.sleep(ev.seconds_each)
            ctx.write_event_to_stream(DocumentIndexed(number=number, total=ev.documents))
        return IndexDone(indexed=ev.documents)


class RequestEvent(InputRequiredEvent):
    """A question to a human."""

    prompt: str


class ResponseEvent(HumanResponseEvent):
    """The answer of the human."""

    response: str


class OutEvent(StopEvent):
    """What came of it."""

    output: str


class HumanInTheLoop(Workflow):
    """Asks for a name, waits for the answer, greets."""

    @step
    async def ask(self, ev: StartEvent) -> RequestEvent:
        """Ask."""
        return RequestEvent(prompt="What is your name?")

    @step
    async def greet(self, ev: ResponseEvent) -> OutEvent:
        """Greet who answered."""
        return OutEvent(output=f"Hello, {ev.response}")


# Events that are only written to the stream stand in no signature of a step: the server has to be
# told of them, to tell its clients.
ONLY_STREAMED: Final[Mapping[str, list[type[Event]]]] = {"index": [DocumentIndexed]}


def sample_workflows() -> dict[str, Workflow]:
    """Return the workflows by the names that the examples use."""
    return {
        "greet": Greet(),
        "index": Index(timeout=600),
        "human": HumanInTheLoop(timeout=600),
    }
