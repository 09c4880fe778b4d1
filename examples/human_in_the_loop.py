"""Answer the requests of a workflow at the terminal, event by event.

python examples/server.py                                # in one terminal
python examples/human_in_the_loop.py [http://HOST:PORT]  # in another
"""

from __future__ import annotations

import signal
import sys

import anyio
import httpx
from llama_agents.client import WorkflowClient

from sample_workflows import OutEvent, RequestEvent, ResponseEvent


async def ask(prompt: str) -> str:
    """Ask at the terminal. Without a terminal, answer on the human's behalf."""
    if not sys.stdin.isatty():
        print(f"{prompt} (no terminal: answering Ada)")
        return "Ada"
    # In a thread, because input() would block the event loop.
    return await anyio.to_thread.run_sync(input, f"{prompt} ")


async def main(base_url: str) -> None:
    """Run the workflow and answer its requests."""
    async with WorkflowClient(base_url=base_url) as client:
        handler = await client.run_workflow_nowait("human")
        async for event in client.get_workflow_events(handler.handler_id):
            # Only the classes of the registry are loaded; nothing is imported.
            match event.load_event(registry=[RequestEvent, OutEvent]):
                case RequestEvent(prompt=prompt):
                    name = await ask(prompt)
                    answer = ResponseEvent(response=name.strip().capitalize())
                    await client.send_event(handler.handler_id, answer)
                case OutEvent(output=output):
                    print(output)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once, even within input()
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    try:
        anyio.run(main, url)
    except httpx.ConnectError as error:
        sys.exit(f"No workflow server at {url} ({error}). Start one: python examples/server.py")
