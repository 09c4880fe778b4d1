"""The statuses of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Status = Literal["running", "completed", "failed", "cancelled"]
"""The status of a run. Other values, from a newer server, are passed through."""

ENDED_STATUSES: Final = frozenset({"completed", "failed", "cancelled"})
"""The statuses that a run does not leave."""

_STATUS_AFTER: Final[Mapping[str, Status]] = {
    "WorkflowFailedEvent": "failed",
    "WorkflowTimedOutEvent": "failed",
    "WorkflowCancelledEvent": "cancelled",
}


def is_status_completed(status: str) -> bool:
    """Return whether a run with this status has ended, in any way; the name is the server's."""
    return status in ENDED_STATUSES


def status_after(event_type: str) -> Status:
    """Return the status of a run after a terminal event of this class."""
    return _STATUS_AFTER.get(event_type, "completed")
