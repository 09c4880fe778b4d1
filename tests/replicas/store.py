"""What is in the database, read without the client and without the server."""

from __future__ import annotations

import json
from typing import Any, Final, Self

import psycopg

FRAMEWORK: Final = "InternalDispatchEvent"
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
    """A connection to the database of the replicas."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def runs(self) -> dict[str, str]:
        """The runs of all starts: handler id and status."""
        return {handler_id: status for handler_id, status, *_ in self._rows(RUNS)}

    def unknown_to_the_engine(self) -> set[str]:
        """The runs that a replica has written down and not yet handed to DBOS."""
        return {handler_id for handler_id, _, engine_id, *_ in self._rows(RUNS) if not engine_id}

    def driven_by(self, executor_id: str) -> set[str]:
        """The runs that go on in a replica, or would if it were alive."""
        return {
            handler_id
            for handler_id, _, _, status, executor in self._rows(RUNS)
            if status == "PENDING" and executor == executor_id
        }

    def unfinished(self) -> list[tuple[str, ...]]:
        """The runs that have not completed, as the server and as DBOS have them."""
        return [row for row in self._rows(RUNS) if row[1] != "completed" or row[3] != "SUCCESS"]

    def engine_runs(self) -> int:
        """How many runs DBOS has been given."""
        return self._number("SELECT count(*) FROM dbos.workflow_status")

    def recovered(self) -> int:
        """How many of them it has begun again after the death of a replica."""
        query = "SELECT count(*) FROM dbos.workflow_status WHERE recovery_attempts > 1"
        return self._number(query)

    def events(self, handler_id: str) -> list[tuple[int, object]]:
        """What a stream of a run has to deliver, to the terminal event: sequences and values."""
        events = []
        for sequence, text in self._rows(EVENTS, handler_id):
            event = json.loads(text)
            types = [event["type"], *(event["types"] or [])]
            if FRAMEWORK not in types:
                events.append((sequence, event["value"]))
            if TERMINAL in types:
                break
        return events

    def _number(self, query: str) -> int:
        return int(self._rows(query)[0][0])

    def _rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, parameters).fetchall()
