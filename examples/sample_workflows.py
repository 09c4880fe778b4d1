"""The workflows and events that the examples share.

The server and its clients both import this module, and so use the same event classes. A client can
do without the classes: ``event.type`` and ``event.value`` are always available.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from workflows import Context, Workflow, step
from workflows.events import Event, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent


class GreetStart(StartEvent):
    """Start of `Greet`: the name to greet."""

    name: str = "World"


class Greeting(StopEvent):
    """The greeting."""

    text: str


class Greet(Workflow):
    """Returns a greeting immediately."""

    @step
    async def greet(self, ev: GreetStart) -> Greeting:
        """Greet the name of the start event."""
        return Greeting(text=f"Hello, {ev.name}!")


class IndexStart(StartEvent):
    """Start of `Index`: number of documents, and seconds that each of them takes."""

    documents: int = 20
    seconds_each: float = 0.1


class DocumentIndexed(Event):
    """Progress: this many of all documents are indexed."""

    number: int
    total: int


class IndexDone(StopEvent):
    """Number of documents indexed."""

    indexed: int


class Index(Workflow):
    """Takes a while, and reports its progress after each document."""

    @step
    async def index(self, ev: IndexStart, ctx: Context) -> IndexDone:
        """Pretend to index documents."""
        if ev.documents < 1:
            raise ValueError(f"documents must be at least 1, not {ev.documents}")
        for number in range(1, ev.documents + 1):
            await asyncio.sleep(ev.seconds_each)
            ctx.write_event_to_stream(DocumentIndexed(number=number, total=ev.documents))
        return IndexDone(indexed=ev.documents)


class RequestEvent(InputRequiredEvent):
    """A question to a human."""

    prompt: str


class ResponseEvent(HumanResponseEvent):
    """The human's answer."""

    response: str


class OutEvent(StopEvent):
    """The result."""

    output: str


class HumanInTheLoop(Workflow):
    """Asks for a name, waits for the answer, and greets."""

    @step
    async def ask(self, ev: StartEvent) -> RequestEvent:
        """Ask for the name."""
        return RequestEvent(prompt="What is your name?")

    @step
    async def greet(self, ev: ResponseEvent) -> OutEvent:
        """Greet the human by name."""
        return OutEvent(output=f"Hello, {ev.response}")


# The server finds the events of a workflow in the signatures of its steps. One that is only written
# to the stream has to be declared, so that its schema is served to clients.
STREAMED_EVENTS: Final[Mapping[str, list[type[Event]]]] = {"index": [DocumentIndexed]}


def sample_workflows() -> dict[str, Workflow]:
    """Return the workflows by name."""
    return {
        "greet": Greet(),
        "index": Index(timeout=600),
        "human": HumanInTheLoop(timeout=600),
    }
