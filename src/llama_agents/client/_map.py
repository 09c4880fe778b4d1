"""Many runs of one workflow: how many at once, what is given out when, and how often to look.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import attrs
from pydantic import BaseModel

from ._events.results import result_of
from ._wait import Wait
from .errors import StatusError, WorkflowFailedError
from .protocol import HandlerData, ResultEnvelope, Status

if TYPE_CHECKING:
    from workflows.events import StartEvent, StopEvent

    StopT = TypeVar("StopT", bound=StopEvent)

FIRST_LOOK: Final = 0.01  # s, the least time between two looks at a run
LOOK_COST: Final = 0.001  # s for each run that goes on, if that is more: 1000 looks a second
SLOWNESS: Final = 0.1  # of the time that a run has taken: its end may be noticed so much later
LATEST_LOOK: Final = 1.0  # s, and not more
WINDOW: Final = 4  # times the limit: so many items may be begun and not given out yet
STATUSES: Final = frozenset({"completed", "failed", "cancelled"})

# What the server says to every item alike, so that it is not about one of them.
_ABOUT_ALL: Final = frozenset({401, 403, 404, 407, 429, 502, 503, 504})


@attrs.frozen
class MapResult:
    """What became of one item of ``map_workflow``.

    Attributes:
        index: The item's place in the input, from 0.
        start_event: The item.
        handler_id: The run, or None if none was begun.
        handler: The completed run, or the failed one; None if none was begun.
        error: Why there is no result; None if there is one.
    """

    index: int
    start_event: StartEvent | Mapping[str, Any]
    handler_id: str | None = None
    handler: HandlerData | None = None
    error: Exception | None = None

    @overload
    def result(self, type: None = None) -> ResultEnvelope: ...

    @overload
    def result(self, type: type[StopT]) -> StopT: ...

    def result(self, type: Any = None) -> Any:  # noqa: A002
        """Get the result, or raise what stands in its place.

        Args:
            type: The class of stop event that it is to be made of. Defaults to none: the result as
                a dict of its fields, and its envelope.

        Returns:
            The result.

        Raises:
            Exception: ``error``, if there is one.
            EventValidationError: The result is of another class.
        """
        if self.error is not None:
            raise self.error
        assert self.handler is not None
        return result_of(self.handler, type)


@attrs.frozen
class MapProgress:
    """How far ``map_workflow`` is.

    Attributes:
        total: How many items there are, if the input tells its length.
        started: How many items have been begun, those whose run was there already included.
        running: How many of them go on.
        completed: How many have a result.
        failed: How many have an error.
    """

    total: int | None
    started: int
    running: int
    completed: int
    failed: int


@attrs.define(eq=False)
class Item:
    """An item of the input whose run is being started, or goes on.

    Attributes:
        index: The item's place in the input.
        start_event: The item.
        handler_id: The run.
        wait: Reads what a look at it gives, once it goes on.
        since: When it was first seen to go on, by the clock of the crowd.
        due: When to look at it.
        is_own: Whether it was started here, and is to be cancelled with the rest.
        replaced: The id of the run that it takes the place of.
    """

    index: int
    start_event: Any
    handler_id: str
    wait: Wait | None = None
    since: float = 0.0
    due: float = 0.0
    is_own: bool = False
    replaced: str | None = None


class Crowd:
    """The runs of one ``map_workflow``.

    Attributes:
        starting: The items whose runs are being started.
        running: Those whose runs go on, oldest first.
    """

    def __init__(
        self, *, limit: int, ordered: bool, total: int | None, clock: Callable[[], float]
    ) -> None:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ValueError(f"limit must be an integer of at least 1, not {limit!r}")
        self.starting: dict[int, Item] = {}
        self.running: dict[int, Item] = {}
        self._limit = limit
        self._ordered = ordered
        self._total = total
        self._clock = clock
        self._ready: dict[int, MapResult] = {}
        self._taken = 0
        self._given = 0
        self._failed = 0
        self._rest = -math.inf

    @property
    def has_room(self) -> bool:
        """Whether another item may be begun."""
        going = len(self.starting) + len(self.running)
        return going < self._limit and going + len(self._ready) < WINDOW * self._limit

    def next_index(self) -> int:
        """Count the next item of the input; return its place."""
        self._taken += 1
        return self._taken - 1

    def starts(self, item: Item) -> None:
        """Take an item whose run is to be started."""
        self.starting[item.index] = item

    def began(self, item: Item) -> None:
        """Take an item whose run goes on."""
        self.starting.pop(item.index, None)
        self.running[item.index] = item
        item.since = self._clock()
        self.goes_on(item)

    def goes_on(self, item: Item) -> None:
        """Take an item whose run goes on still."""
        now = self._clock()
        pause = min(SLOWNESS * (now - item.since), LATEST_LOOK)
        item.due = now + max(pause, FIRST_LOOK, LOOK_COST * len(self.running))

    def ended(self, result: MapResult) -> None:
        """Take the result of an item."""
        self.starting.pop(result.index, None)
        self.running.pop(result.index, None)
        self._ready[result.index] = result
        self._failed += result.error is not None

    @property
    def has_result(self) -> bool:
        """Whether there is a result to be given out by now."""
        return self._next in self._ready

    def next_result(self) -> MapResult | None:
        """Return the next result to be given out, if there is one by now."""
        result = self._ready.pop(self._next, None)
        self._given += result is not None
        return result

    @property
    def _next(self) -> int:
        return self._given if self._ordered else next(iter(self._ready), -1)

    def rests(self, seconds: float) -> None:
        """Look at no run for so long."""
        self._rest = max(self._rest, self._clock() + seconds)

    def pause(self) -> float:
        """Return the seconds until the next look at a run."""
        first = min((item.due for item in self.running.values()), default=math.inf)
        return max(0.0, first - self._clock(), self._rest - self._clock())

    def due(self) -> list[Item]:
        """Return the items to look at now."""
        now = self._clock()
        return [item for item in self.running.values() if item.due <= now]

    def progress(self) -> MapProgress:
        """Return how far it is."""
        running, ended = len(self.running), self._given + len(self._ready)
        return MapProgress(
            self._total, running + ended, running, ended - self._failed, self._failed
        )


def is_about_item(error: Exception, *, starting: bool) -> bool:
    """Whether an error is the fault of one item, so that the others may fare better."""
    if isinstance(error, WorkflowFailedError):
        return True
    if isinstance(error, StatusError):
        return error.status_code not in _ABOUT_ALL or (error.status_code == 404 and not starting)
    # Before anything is sent: an event that cannot be written, a key that is no id.
    return starting and type(error) in (ValueError, TypeError)


def check_statuses(statuses: Iterable[Status]) -> frozenset[str]:
    """Check which ended runs are to be run again.

    Raises:
        ValueError: One of them is not the status of an ended run.
    """
    known = frozenset(statuses)
    if not known <= STATUSES:
        raise ValueError(
            f"rerun must name statuses of ended runs ({', '.join(sorted(STATUSES))}), not {known!r}"
        )
    return known


def is_asynchronous(source: object) -> bool:
    """Whether the next item of an input is awaited."""
    return isinstance(source, AsyncIterable)


def length(source: object) -> int | None:
    """Return how many items there are, if that is known.

    Raises:
        TypeError: It is one item, and no collection of them.
    """
    if isinstance(source, (str, bytes, Mapping, BaseModel)) or not isinstance(
        source, (Iterable, AsyncIterable)
    ):
        raise TypeError(f"start_events must be an iterable of start events, not {source!r}")
    try:
        return len(source)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return None
