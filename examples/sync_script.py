"""A script with the sync client: no event loop, no await.

python examples/server.py                         # in one terminal
python examples/sync_script.py [http://HOST:PORT] # in another
"""

from __future__ import annotations

import sys

import httpx
from llama_agents.client import NotFoundError, SyncWorkflowClient, WorkflowFailedError

from sample_workflows import Greeting, GreetStart, IndexDone, IndexStart


def main(base_url: str) -> None:
    """Run workflows in two ways, and handle two errors."""
    with SyncWorkflowClient(base_url=base_url) as client:
        print("Workflows:", ", ".join(client.list_workflows().workflows))

        # Run a workflow and wait for its result.
        handler = client.run_workflow("greet", start_event=GreetStart(name="Ada"))
        print("Result:", Greeting.model_validate(handler.result).text)

        # Start a run, follow its events, then fetch its result.
        start = IndexStart(documents=5, seconds_each=0.2)
        handler = client.run_workflow_nowait("index", start_event=start)
        for event in client.get_workflow_events(handler.handler_id):
            if event.type == "DocumentIndexed":
                print(f"  {event.value['number']} of {event.value['total']} documents")
        handler = client.get_handler(handler.handler_id)
        print("Indexed:", IndexDone.model_validate(handler.result).indexed)

        # A failed run raises an error that carries the final state of the run.
        try:
            client.run_workflow("index", start_event=IndexStart(documents=0))
        except WorkflowFailedError as error:
            print("Failed, as expected:", error.handler.error)

        # So does every error response of the server.
        try:
            client.run_workflow("no-such-workflow")
        except NotFoundError as error:
            print(f"{error.status_code}, as expected: {error.detail}")


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    try:
        main(url)
    except httpx.ConnectError as error:
        sys.exit(f"No workflow server at {url} ({error}). Start one: python examples/server.py")
