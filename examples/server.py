"""A workflow server with the sample workflows, for the other examples to talk to.

    python examples/server.py                     # http://127.0.0.1:8080
    python examples/server.py --store runs.db     # runs survive a restart

Needs ``llama-agents-server``. Stop it with Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress

from llama_agents.server import SqliteWorkflowStore, WorkflowServer

from sample_workflows import ONLY_STREAMED, sample_workflows


def make_server(store: str | None = None) -> WorkflowServer:
    """Make the server, with a SQLite file or the memory to keep its runs in."""
    server = WorkflowServer(workflow_store=SqliteWorkflowStore(store) if store else None)
    for name, workflow in sample_workflows().items():
        server.add_workflow(name, workflow, additional_events=list(ONLY_STREAMED.get(name, ())))
    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the sample workflows on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8080, help="default: 8080; 0: any free one")
    parser.add_argument("--store", metavar="FILE", help="a SQLite file to keep the runs in")
    arguments = parser.parse_args()
    server = make_server(arguments.store)
    with suppress(KeyboardInterrupt):  # uvicorn has shut down and prints the address when it starts
        asyncio.run(server.serve("127.0.0.1", arguments.port))
