"""What is in the database, read without the client and without the server."""

from __future__ import annotations

import json
from typing import Any, Final, Self

import psycopg

from ..support.any_client import describe

INTERNAL: Final = "InternalDispatchEvent"
TERMINAL: Final = "StopEvent"

RUNS: Final = """
    SELECT handler_id, run.status, engine.workflow_uuid, engine.status, engine.executor_id
    FROM dbos.wf_handlers AS run
    LEFT JOIN dbos.workflow_status AS engine ON engine.workflow_uuid = run.run_id
"""
EVENTS: Final = """
    SELECT sequence, event_json
    FROM dbos.wf_events JOIN dbos.wf_handlers USING (run_id)
    WHERE handler_id = %s
    ORDER BY sequence
"""


class Store:
    """A connection to the replicas' database."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def runs(self) -> dict[str, str]:
        """Return the status of each run, by handler ID."""
        return {handler_id: status for handler_id, status, *_ in self._rows(RUNS)}

    def unknown_to_engine(self) -> set[str]:
        """Return the runs that a replica has stored but not yet passed to DBOS."""
        return {handler_id for handler_id, _, engine_id, *_ in self._rows(RUNS) if not engine_id}

    def running_on(self, executor_id: str) -> set[str]:
        """Return the unfinished runs that belong to a replica, dead or alive."""
        return {
            handler_id
            for handler_id, _, _, status, executor in self._rows(RUNS)
            if status == "PENDING" and executor == executor_id
        }

    def unfinished(self) -> list[tuple[str, ...]]:
        """Return the rows of runs that the server or DBOS has not as completed."""
        return [row for row in self._rows(RUNS) if row[1] != "completed" or row[3] != "SUCCESS"]

    def engine_runs(self) -> int:
        """Return how many runs were passed to DBOS."""
        return self._count("TRUE")

    def recovered(self) -> int:
        """Return how many runs DBOS has recovered after the death of a replica."""
        return self._count("recovery_attempts > 1")

    def events(self, handler_id: str) -> list[str]:
        """Return what a stream of a run must deliver, up to the terminal event."""
        events = []
        for sequence, text in self._rows(EVENTS, handler_id):
            event = json.loads(text)
            types = [event["type"], *(event["types"] or [])]
            if INTERNAL not in types:
                events.append(describe(sequence, event["value"]))
            if TERMINAL in types:
                break
        return events

    def _count(self, condition: str) -> int:
        query = f"SELECT count(*) FROM dbos.workflow_status WHERE {condition}"
        return int(self._rows(query)[0][0])

    def _rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, parameters).fetchall()
