"""The actions that machines ask their driver for, and the source of time and randomness.

A driver performs an action and reports its outcome to the machine, which then has the next action:
`Call`, `Start` and `Wait` return it, `StreamMachine` keeps it in ``action``,
`BatchState` computes it in `next_action`. A machine ends with `Finished` or by raising. It does no
I/O, reads no clock of its own and never sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen
class TimeSource:
    """The source of time and randomness, injected so that tests control both.

    Attributes:
        clock: Returns seconds on a monotonic clock.
        wall_clock: Returns seconds since the epoch.
        random: Returns numbers in [0, 1).
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    random: Callable[[], float]


@attrs.frozen
class Retry:
    """Send the machine's next request after a delay in seconds."""

    delay: float


@attrs.frozen
class Read:
    """Read the open response and report each chunk."""


@attrs.frozen
class Poll:
    """Poll the run."""


@attrs.frozen
class Listen:
    """Follow the run's event stream."""


@attrs.frozen
class Identify:
    """Find out whether the server's streams have cursors."""


@attrs.frozen
class Sleep:
    """Sleep for a number of seconds, then `Poll`."""

    seconds: float


@attrs.frozen
class Finished(Generic[T]):
    """There is nothing left to do; ``value`` is the outcome."""

    value: T
