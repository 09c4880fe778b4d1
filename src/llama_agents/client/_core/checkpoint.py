"""Positions in a run that outlive the process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from ..errors import CheckpointError, Cursor

if TYPE_CHECKING:
    from ..protocol import HandlerData
    from .books import Books


class Checkpoint(TypedDict):
    """A position in a run, to be kept as JSON.

    Attributes:
        handler_id: ID of the run.
        run_id: The server's internal ID of the run, which changes when a handler ID is reused.
        sequence: The sequence number to continue after; -1 for the beginning.
        requests: Which requests are open, and which were answered; absent if the handle does not
            know.
    """

    handler_id: str
    run_id: str
    sequence: int
    requests: NotRequired[dict[str, Any]]


def take_checkpoint(
    handler_id: str, run_id: str | None, sequence: Cursor, books: Books | None
) -> Checkpoint:
    """Return a checkpoint.

    Raises:
        CheckpointError: The position or the run is unknown.
    """
    if sequence == "now":
        raise CheckpointError(
            f"no position in handler {handler_id!r} yet: its stream began at 'now' and has not "
            "received an event"
        )
    if run_id is None:
        raise CheckpointError(f"the server has no ID for the run of handler {handler_id!r}")
    checkpoint: Checkpoint = {"handler_id": handler_id, "run_id": run_id, "sequence": sequence}
    if books is not None:
        checkpoint["requests"] = books.model_dump(mode="json")
    return checkpoint


def read_checkpoint(checkpoint: Mapping[str, Any]) -> Checkpoint:
    """Return a checkpoint that was kept, validated.

    Raises:
        CheckpointError: It is invalid.
    """
    match checkpoint:
        case {"handler_id": str(handler_id), "run_id": str(run_id), "sequence": int(sequence)}:
            if handler_id and run_id and sequence >= -1 and not isinstance(sequence, bool):
                books_of(checkpoint)
                return cast(Checkpoint, checkpoint)
    raise CheckpointError(f"not a checkpoint: {checkpoint!r}")


def books_of(checkpoint: Mapping[str, Any]) -> Books | None:
    """Return what a checkpoint says of the run's requests, or None if it says nothing.

    Raises:
        CheckpointError: That is invalid.
    """
    requests = checkpoint.get("requests")
    if requests is None:
        return None
    from .books import Books

    try:
        return Books.model_validate_json(json.dumps(requests), strict=True)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"not a checkpoint: {checkpoint!r}") from error


def empty_books() -> Books:
    """Return the books of a run of which no request is known."""
    from .books import Books

    return Books()


def ensure_same_run(checkpoint: Checkpoint, handler: HandlerData) -> None:
    """Make sure that a handler still belongs to the run of a checkpoint.

    Raises:
        CheckpointError: The handler has been used for another run.
    """
    if handler.run_id != checkpoint["run_id"]:
        raise CheckpointError(
            f"the checkpoint no longer matches its run: handler {handler.handler_id!r} has since "
            f"been used for run {handler.run_id}, started {handler.started_at}; the checkpoint is "
            f"of run {checkpoint['run_id']}"
        )
