"""Resume a stream after a crash of this program: its position is saved to disk.

    python examples/server.py                   # in one terminal
    python examples/resume_from_checkpoint.py   # in another; kill it halfway, even with -9
    python examples/resume_from_checkpoint.py   # continues after the last event

Every event is handled at least once: first it is handled, then its position is saved. Only a crash
between the two makes the restarted program handle an event a second time. If you need exactly once,
commit the effect of the event and the position in one database transaction.
"""

from __future__ import annotations

import argparse
import os
import uuid
from pathlib import Path

from llama_agents.client import Cursor, EventEnvelopeWithMetadata, NotFoundError, SyncWorkflowClient
from pydantic import BaseModel

from sample_workflows import IndexDone, IndexStart


class Position(BaseModel):
    """A run, and the sequence number of its last event that was handled.

    `run.checkpoint()` holds the last event that was received, which may not have been handled yet.
    """

    handler_id: str
    sequence: Cursor = -1

    def save(self, path: Path) -> None:
        """Replace the file atomically: a crash leaves either the old or the new content."""
        new = path.with_suffix(".new")
        with new.open("w") as file:
            file.write(self.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


def main(base_url: str, path: Path) -> None:
    """Follow a run to its end, starting at the saved position."""
    if path.exists():
        position = Position.model_validate_json(path.read_text())
        print(f"Resuming after sequence {position.sequence}", flush=True)
    else:
        # Saved before the run is started, so that a crash cannot lose its ID.
        position = Position(handler_id=f"index-{uuid.uuid4()}")
        position.save(path)

    with SyncWorkflowClient(base_url=base_url) as client:
        start_once(client, position.handler_id)
        stream = client.get_workflow_events(position.handler_id, after_sequence=position.sequence)
        for event in stream:
            handle(event)
            position.sequence = stream.last_sequence
            position.save(path)
        handler = client.get_handler(position.handler_id)
        print("Indexed:", IndexDone.model_validate(handler.result).indexed)
    path.unlink()  # done: the next start of this program starts a new run


def start_once(client: SyncWorkflowClient, handler_id: str) -> None:
    """Start the run, unless an earlier process has started it."""
    try:
        client.get_handler(handler_id)
    except NotFoundError:
        start = IndexStart(documents=20, seconds_each=0.2)
        client.run_workflow_nowait("index", handler_id=handler_id, start_event=start)


def handle(event: EventEnvelopeWithMetadata) -> None:
    """Handle an event: your code goes here."""
    print(f"Handled {event.type} {event.value}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Follow a run, across crashes.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoint.json"))
    arguments = parser.parse_args()
    try:
        main(arguments.url, arguments.checkpoint)
    except KeyboardInterrupt:
        print("Stopped. Start it again to continue.")
