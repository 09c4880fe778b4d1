"""A workflow server of any version, run by the Python of its own environment.

    python old_server.py PORT

It knows nothing of the client, and imports the server from where its version has it.
"""

from __future__ import annotations

import asyncio
import sys

from workflows import Context, Workflow, step
from workflows.events import Event, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent

try:
    from llama_agents.server import WorkflowServer
except ImportError:  # before llama-agents-server, it was part of the framework
    from workflows.server import WorkflowServer


class GreetStart(StartEvent):
    name: str = "nobody"


class Greeting(StopEvent):
    text: str


class Tick(Event):
    number: int


class CountStart(StartEvent):
    ticks: int = 5
    pause: float = 0.0


class Counted(StopEvent):
    ticks: int


class Question(InputRequiredEvent):
    prompt: str


class Answer(HumanResponseEvent):
    text: str


class Greet(Workflow):
    @step
    async def greet(self, event: GreetStart) -> Greeting:
        return Greeting(text=f"Hello, {event.name}!")


class Plain(Workflow):
    @step
    async def greet(self, event: StartEvent) -> StopEvent:
        return StopEvent(result="Hello, {}!".format(event.get("name", "nobody")))


STARTED: list[str] = []


class Count(Workflow):
    @step
    async def count(self, ctx: Context, event: CountStart) -> Counted:
        STARTED.append("count")
        for number in range(event.ticks):
            await asyncio.sleep(event.pause)
            ctx.write_event_to_stream(Tick(number=number))
        return Counted(ticks=event.ticks)


class Starts(Workflow):
    """Tells how many runs of `Count` have begun."""

    @step
    async def tell(self, event: StartEvent) -> StopEvent:
        return StopEvent(result=len(STARTED))


class Ask(Workflow):
    @step
    async def ask(self, ctx: Context, event: StartEvent) -> Question:
        return Question(prompt="Who?")

    @step
    async def answer(self, ctx: Context, event: Answer) -> Greeting:
        return Greeting(text=f"Hello, {event.text}!")


class Fail(Workflow):
    @step
    async def fail(self, event: StartEvent) -> StopEvent:
        raise ValueError("no")


async def main(port: int) -> None:
    server = WorkflowServer()
    workflows = {
        "greet": Greet(timeout=60),
        "plain": Plain(timeout=60),
        "count": Count(timeout=60),
        "starts": Starts(timeout=60),
        "ask": Ask(timeout=60),
        "fail": Fail(timeout=60),
    }
    for name, workflow in workflows.items():
        server.add_workflow(name, workflow)
    await server.serve(host="127.0.0.1", port=port)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
