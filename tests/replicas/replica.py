"""One replica: the real server on PostgreSQL, its runs driven by DBOS."""

from __future__ import annotations

import argparse

import uvicorn
from dbos import DBOS
from llama_agents.dbos import DBOSRuntime
from llama_agents.server import WorkflowServer

from .workflows import Count


def serve(port: int, database: str, executor_id: str) -> None:
    """Serve until the process is ended."""
    DBOS(
        config={
            "name": "replicas",
            "system_database_url": database,
            # Its runs go on when a process with the same name starts.
            "executor_id": executor_id,
            # One that DBOS makes of the code would do; this one can be read.
            "application_version": "1",
            "log_level": "ERROR",
        }
    )
    runtime = DBOSRuntime()
    server = WorkflowServer(
        workflow_store=runtime.create_workflow_store(), runtime=runtime.build_server_runtime()
    )
    server.add_workflow("count", Count(timeout=None))
    uvicorn.run(server.app, host="127.0.0.1", port=port, log_level="warning", ws="none")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--executor-id", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    serve(**vars(_arguments()))
