"""A real server with a workflow that sleeps: ``python -m benchmarks.server``.

It prints its URL and exits at the end of its standard input.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from llama_agents.server import WorkflowServer
from workflows import Workflow, step
from workflows.events import StartEvent, StopEvent


class PauseEvent(StartEvent):
    """The duration of the sleep, in seconds."""

    seconds: float = 0.0


class Pause(Workflow):
    """A workflow that sleeps."""

    @step
    async def pause(self, event: PauseEvent) -> StopEvent:
        """Sleep."""
        await asyncio.sleep(event.seconds)
        return StopEvent(result="done")


async def main() -> None:
    """Serve until standard input ends."""
    server = WorkflowServer()
    server.add_workflow("pause", Pause(timeout=None))
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(server.app, log_level="error")
    app = uvicorn.Server(config)
    serving = asyncio.create_task(app.serve(sockets=[listener]))
    while not app.started:
        await asyncio.sleep(0.01)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    app.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
