"""Go on after a crash: the position in a run is kept on disk.

    python examples/server.py                   # in one terminal
    python examples/resume_from_checkpoint.py   # in another: kill it half-way, with -9 if you like
    python examples/resume_from_checkpoint.py   # goes on after the last event

What it promises: an event is handled, then noted. A crash between the two has the event handled
again after the restart (at least once); any other crash does not (exactly once). Who needs exactly
once without an exception keeps the effect and the position in one transaction of one database.
"""

from __future__ import annotations

import argparse
import os
import uuid
from pathlib import Path
from typing import Literal

from llama_agents.client import EventEnvelopeWithMetadata, NotFoundError, SyncWorkflowClient
from pydantic import BaseModel

from sample_workflows import IndexDone, IndexStart


class Checkpoint(BaseModel):
    """Which run it is, and the sequence number of the last event handled."""

    handler_id: str
    sequence: int | Literal["now"] = -1

    def save(self, path: Path) -> None:
        """Write the file anew, so that a crash leaves the old one or the new one, never half."""
        new = path.with_suffix(".new")
        with new.open("w") as file:
            file.write(self.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


def main(base_url: str, path: Path) -> None:
    """Follow a run from where the file says to its end."""
    if path.exists():
        checkpoint = Checkpoint.model_validate_json(path.read_text())
        print(f"Going on after sequence {checkpoint.sequence}", flush=True)
    else:
        # The run's name is on disk before the run begins: no crash can lose it.
        checkpoint = Checkpoint(handler_id=f"index-{uuid.uuid4()}")
        checkpoint.save(path)

    with SyncWorkflowClient(base_url=base_url) as client:
        start_once(client, checkpoint.handler_id)
        stream = client.get_workflow_events(
            checkpoint.handler_id, after_sequence=checkpoint.sequence
        )
        for event in stream:
            handle(event)
            checkpoint.sequence = stream.last_sequence
            checkpoint.save(path)
        handler = client.get_handler(checkpoint.handler_id)
        print("Indexed:", IndexDone.model_validate(handler.result).indexed)
    path.unlink()  # all done: the next start begins a new run


def start_once(client: SyncWorkflowClient, handler_id: str) -> None:
    """Start the run unless an earlier process did."""
    try:
        client.get_handler(handler_id)
    except NotFoundError:
        start = IndexStart(documents=20, seconds_each=0.2)
        client.run_workflow_nowait("index", handler_id=handler_id, start_event=start)


def handle(event: EventEnvelopeWithMetadata) -> None:
    """Do what is to be done with an event."""
    print(f"Handled {event.type} {event.value}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Follow a run, over crashes.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoint.json"))
    arguments = parser.parse_args()
    try:
        main(arguments.url, arguments.checkpoint)
    except KeyboardInterrupt:
        print("Stopped. Start it again to go on.")
