"""The rules of a checkpoint: what it holds, and which run it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from .errors import CheckpointError
from .protocol import HandlerData


class Checkpoint(TypedDict):
    """A position in a run, to be kept as JSON.

    Attributes:
        handler_id: The handler.
        run_id: The server's id of the run; a handler that is used again gets another one.
        sequence: The sequence number of the last event that was taken; -1 before the first.
    """

    handler_id: str
    run_id: str
    sequence: int


def take_checkpoint(
    handler_id: str, run_id: str | None, sequence: int | Literal["now"]
) -> Checkpoint:
    """Make a checkpoint.

    Raises:
        CheckpointError: The position or the run is not known.
    """
    if sequence == "now":
        raise CheckpointError(
            f"no position in handler {handler_id!r} yet: its stream began at 'now', and no event "
            "has come"
        )
    if run_id is None:
        raise CheckpointError(f"the server has no id for the run of handler {handler_id!r}")
    return {"handler_id": handler_id, "run_id": run_id, "sequence": sequence}


def read_checkpoint(checkpoint: Mapping[str, Any]) -> Checkpoint:
    """Check what was kept.

    Raises:
        CheckpointError: It is no checkpoint.
    """
    match checkpoint:
        case {"handler_id": str(handler_id), "run_id": str(run_id), "sequence": int(sequence)}:
            if handler_id and run_id and sequence >= -1 and not isinstance(sequence, bool):
                return {"handler_id": handler_id, "run_id": run_id, "sequence": sequence}
    raise CheckpointError(f"not a checkpoint: {checkpoint!r}")


def refuse_another_run(checkpoint: Checkpoint, handler: HandlerData) -> None:
    """Make sure that a handler is still that of the checkpoint's run.

    Raises:
        CheckpointError: It has been used for another run.
    """
    if handler.run_id != checkpoint["run_id"]:
        raise CheckpointError(
            f"handler {handler.handler_id!r} has since been used for another run "
            f"({handler.run_id}, begun {handler.started_at}; the checkpoint is of "
            f"{checkpoint['run_id']})"
        )
