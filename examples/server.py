"""A workflow server with the sample workflows, which the other examples use.

    python examples/server.py                     # http://127.0.0.1:8080
    python examples/server.py --store runs.db     # runs survive a restart

Needs ``llama-agents-server``. Stop it with Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress

from llama_agents.server import SqliteWorkflowStore, WorkflowServer

from sample_workflows import STREAMED_EVENTS, sample_workflows


def create_server(store: str | None = None) -> WorkflowServer:
    """Create the server; keep its runs in a SQLite file, or in memory without one."""
    server = WorkflowServer(workflow_store=SqliteWorkflowStore(store) if store else None)
    for name, workflow in sample_workflows().items():
        server.add_workflow(name, workflow, additional_events=list(STREAMED_EVENTS.get(name, ())))
    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the sample workflows on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8080, help="default: 8080; 0 = any free one")
    parser.add_argument(
        "--store", metavar="FILE", help="SQLite file for the runs (default: in memory)"
    )
    arguments = parser.parse_args()
    server = create_server(arguments.store)
    with suppress(KeyboardInterrupt):  # raised after uvicorn has shut down
        asyncio.run(server.serve("127.0.0.1", arguments.port))
