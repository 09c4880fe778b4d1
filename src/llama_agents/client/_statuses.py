"""The statuses of a run."""

from __future__ import annotations

from typing import Final, Literal

Status = Literal["running", "completed", "failed", "cancelled"]
"""The status of a run. Other values, from a newer server, are passed through."""

ENDED_STATUSES: Final = frozenset({"completed", "failed", "cancelled"})
"""The statuses that a run does not leave."""


def is_status_completed(status: str) -> bool:
    """Return whether a run with this status has ended, in any way; the name is the server's."""
    return status in ENDED_STATUSES
