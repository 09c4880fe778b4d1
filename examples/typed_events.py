"""Typed events without the server's code: the classes come from the server's schemas.

python examples/server.py                          # in one terminal
python examples/typed_events.py [http://HOST:PORT] # in another
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httpx
from llama_agents.client import EventValidationError, SyncWorkflowClient, WorkflowClient
from workflows.events import InputRequiredEvent


def follow_an_index(base_url: str) -> None:
    """Without an event loop: start a workflow with a built class, and load its events."""
    with SyncWorkflowClient(base_url=base_url) as client:
        types = client.get_event_types("index")
        print("The events of 'index':", ", ".join(types.names))

        # The type checker knows these classes no better than it knows a dict: to it, they are Any.
        # `python -m llama_agents.client.codegen` writes classes that it knows.
        start: Any = types["IndexStart"]
        run = client.start("index", start(documents=3, seconds_each=0.1))
        for envelope in run.events():
            event: Any = envelope.load_event(types)
            if isinstance(event, types["DocumentIndexed"]):
                print(f"  {event.number} of {event.total} documents")
        print("Indexed:", event.indexed)

        # A start event that does not fit is refused before it is sent.
        try:
            client.start("index", {"documents": "many"}, validate=True)
        except EventValidationError as error:
            print("Not sent, as it should be:", error)


async def answer_a_question(base_url: str) -> None:
    """With asyncio: find out which event asks, and answer it with a built class."""
    async with WorkflowClient(base_url=base_url) as client:
        types = await client.get_event_types("human")
        run = await client.start("human", validate=True)
        async for envelope in run.events():
            event: Any = envelope.load_event(types)
            if isinstance(event, InputRequiredEvent):
                print(f"{type(event).__name__} asks: {event.prompt}")
                response: Any = types["ResponseEvent"]
                await run.send(response(response="Ada"))
        print("The answer:", event.output)


def main(base_url: str) -> None:
    """Show both faces."""
    follow_an_index(base_url)
    asyncio.run(answer_a_question(base_url))


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    try:
        main(url)
    except httpx.ConnectError as error:
        sys.exit(f"No server at {url} ({error}). Start one: python examples/server.py")
