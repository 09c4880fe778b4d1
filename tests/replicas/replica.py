"""One replica: the real server on PostgreSQL, with DBOS as the engine of its runs."""

from __future__ import annotations

import sys

import uvicorn
from dbos import DBOS
from llama_agents.dbos import DBOSRuntime
from llama_agents.server import WorkflowServer

from .workflows import Count


def serve(port: str, database: str, executor_id: str) -> None:
    """Serve until the process is killed.

    Args:
        port: The loopback port.
        database: URL of the database that the replicas share.
        executor_id: A process that starts with the ID of a killed one continues its runs.
    """
    DBOS(
        config={
            "name": "replicas",
            "system_database_url": database,
            "executor_id": executor_id,
            "application_version": "1",  # by default a hash of the code, which is unreadable
            "log_level": "ERROR",
        }
    )
    runtime = DBOSRuntime()
    server = WorkflowServer(
        workflow_store=runtime.create_workflow_store(), runtime=runtime.build_server_runtime()
    )
    server.add_workflow("count", Count(timeout=None))
    uvicorn.run(server.app, host="127.0.0.1", port=int(port), log_level="warning", ws="none")


if __name__ == "__main__":
    serve(*sys.argv[1:])
