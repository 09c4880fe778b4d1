"""Many runs of one workflow: how many at once, what is given out when, and how often to look.

Pure.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import attrs
from pydantic import BaseModel

from ._handle import typed_result
from ._wait import Wait
from .errors import StatusError, WorkflowFailedError
from .protocol import HandlerData, ResultEnvelope, Status

if TYPE_CHECKING:
    from workflows.events import StartEvent, StopEvent

    StopT = TypeVar("StopT", bound=StopEvent)

FIRST_LOOK: Final = 0.01  # s, the pause between two rounds of looks when something has just ended
LATEST_LOOK: Final = 1.0  # s, the longest one
SLOWNESS: Final = 0.1  # of the time that nothing has ended: so much later than it could be is fine
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
        return self.handler.result if type is None else typed_result(self.handler, type)


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
class Running:
    """A run that goes on.

    Attributes:
        index: The item's place in the input.
        start_event: The item.
        handler_id: The run.
        wait: Reads what a look at it gives.
        is_own: Whether it was started here, and is to be cancelled with the rest.
    """

    index: int
    start_event: StartEvent | Mapping[str, Any]
    handler_id: str
    wait: Wait
    is_own: bool


class Crowd:
    """The runs of one ``map_workflow``.

    Attributes:
        running: The runs that go on, oldest first.
    """

    def __init__(
        self, *, limit: int, ordered: bool, total: int | None, clock: Callable[[], float]
    ) -> None:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ValueError(f"limit must be an integer of at least 1, not {limit!r}")
        self.running: dict[int, Running] = {}
        self._limit = limit
        self._ordered = ordered
        self._total = total
        self._clock = clock
        self._ready: dict[int, MapResult] = {}
        self._started = 0
        self._given = 0
        self._failed = 0
        self._changed = clock()

    @property
    def has_room(self) -> bool:
        """Whether another item may be begun."""
        begun = len(self.running) + len(self._ready)
        return len(self.running) < self._limit and begun < WINDOW * self._limit

    def next_index(self) -> int:
        """Count the next item of the input; return its place."""
        self._started += 1
        return self._started - 1

    def began(self, run: Running) -> None:
        """Take a run that goes on."""
        self.running[run.index] = run
        self._changed = self._clock()

    def ended(self, result: MapResult) -> None:
        """Take the result of an item."""
        self.running.pop(result.index, None)
        self._ready[result.index] = result
        self._failed += result.error is not None
        self._changed = self._clock()

    def next_result(self) -> MapResult | None:
        """Return the next result to be given out, if there is one by now."""
        index = self._given if self._ordered else next(iter(self._ready), None)
        result = None if index is None else self._ready.pop(index, None)
        self._given += result is not None
        return result

    def pause(self) -> float:
        """Return the pause before the next round of looks, in seconds."""
        quiet = self._clock() - self._changed
        return min(max(SLOWNESS * quiet, FIRST_LOOK), LATEST_LOOK)

    def progress(self) -> MapProgress:
        """Return how far it is."""
        ended = self._started - len(self.running)
        return MapProgress(
            self._total, self._started, len(self.running), ended - self._failed, self._failed
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
