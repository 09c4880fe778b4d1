"""What is known of the requests of a run, as a checkpoint keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel


class StepsUnderWay(BaseModel, frozen=True):
    """What of a step has begun, or is to begin again.

    Attributes:
        workers: The numbers of the workers that have begun and not ended.
        retries: How many executions are to begin again.
    """

    workers: tuple[int, ...] = ()
    retries: int = 0


class Books(BaseModel, frozen=True):
    """Which requests of a run are settled; each is named by its sequence number.

    Attributes:
        seen: The sequence number up to which every request is listed here, or settled.
        open: The requests that have no answer.
        answered: Those that were answered, with the class of the answer, while the run is not
            known to have taken it.
        uncertain: Those of the open ones that somebody else may have answered.
        steps: The steps that are under way at `begin`.
    """

    seen: int = -1
    open: tuple[int, ...] = ()
    answered: Mapping[int, str] = {}
    uncertain: tuple[int, ...] = ()
    steps: Mapping[str, StepsUnderWay] = {}

    @property
    def begin(self) -> int:
        """The sequence number after which a stream must begin to contain every open request."""
        return min([self.seen + 1, *self.open, *self.answered]) - 1
