"""A batch: many runs of one workflow, with a concurrency limit.

Theory of operation
===================

`BatchState.next_action` says what to do next::

    Deliver(result)   hand a result to the caller
    StartMore         take items from the input and start their runs, while there is capacity
    PollDue(delay)    after the delay, poll the runs that are due
    Finished          the input is exhausted and every result delivered

StartMore and PollDue alternate while both are due, so that neither a long input nor many runs can
starve the other. The life of an item::

    admitted ──► starting ──► running ──► ready ──► delivered
      │  ▲          └── rejected, completed ─►
      ▼  │
    deferred

- deferred (one item at most): an item with the same handler ID is being started; starting both at
  once could start two runs. No further input is read until it can be started.
- starting, running: count towards the concurrency limit. If the batch stops early, those of their
  runs that were started here are cancelled.
- ready: with ``ordered``, a result waits for those of earlier items. Items that are starting,
  running or ready never exceed WINDOW times the limit, which bounds memory.

The longer a run takes, the less often it is polled: every POLL_BACKOFF_RATIO of its age, between
MIN_POLL_INTERVAL and MAX_POLL_INTERVAL. All runs together are polled at most once per
MIN_POLL_SPACING on average.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Final

import attrs
import httpx
from pydantic import BaseModel

from ..errors import EventValidationError, NotFoundError, StatusError, WorkflowFailedError
from ..protocol import HandlerData, Status
from .actions import Finished, Listen, Retry, Sleep, TimeSource
from .batch_results import MapProgress, MapResult
from .logs import BATCHES
from .policy import (
    ENDED_STATUSES,
    POLL_RETRIES,
    RETRYABLE_STATUSES,
    RetryBudget,
    is_caller_error,
    is_retryable,
    raise_final,
)
from .wait import Wait

MIN_POLL_INTERVAL: Final = 0.01  # s, between two polls of a run
MIN_POLL_SPACING: Final = 0.001  # s, per running item: at most 1000 polls a second
POLL_BACKOFF_RATIO: Final = 0.1  # of the time that a run has taken
MAX_POLL_INTERVAL: Final = 1.0  # s
WINDOW: Final = 4  # times the limit
CANCEL_TIMEOUT: Final = 10.0  # s, for cancelling all that was started
CANCEL_RETRY_DELAYS: Final = (0.05, 0.25, 1.0)  # s; a start that was cut off may still arrive

# The server would send these for every item.
_BATCH_WIDE_STATUSES: Final = RETRYABLE_STATUSES | {401, 403, 404, 407}


@attrs.define(eq=False)
class BatchItem:
    """An item of the input whose run is being started or is running.

    Attributes:
        index: The item's index in the input.
        start_event: The item.
        handler_id: ID of the run.
        wait: Reads the polls of the run, once it is running.
        since: When it was first seen running, by the clock of the batch.
        due: When to poll it.
        is_own: Whether it was started here, so that it is cancelled with the rest.
        replaced: The server's ID of the run that this item replaces.
    """

    index: int
    start_event: Any
    handler_id: str
    wait: Wait | None = None
    since: float = 0.0
    due: float = 0.0
    is_own: bool = False
    replaced: str | None = None


@attrs.frozen
class Deliver:
    """Hand a result to the caller."""

    result: MapResult


@attrs.frozen
class StartMore:
    """Take items from the input and start their runs, while there is capacity."""


@attrs.frozen
class PollDue:
    """After a delay in seconds, poll the runs that are due."""

    delay: float


class BatchState:
    """The items of one batch, and what to do next.

    Args:
        workflow_name: Name of the workflow.
        limit: The concurrency limit.
        ordered: Whether results are delivered in the order of the input.
        total: The number of items, if known.
        rerun: The statuses in which a run that is there already is run again.
        clock: Returns seconds on a monotonic clock.

    Attributes:
        starting: The items whose runs are being started, by index.
        running: The items whose runs are running, by index, oldest first.
        input_exhausted: Whether the input has no more items.
        start_rejected: Whether the batch ends because the server rejected a start.
        skip_remaining: Whether to send no more of the current round of polls or cancellations.

    Raises:
        ValueError: ``limit`` or ``rerun`` is out of range.
    """

    def __init__(
        self,
        workflow_name: str,
        *,
        limit: int,
        ordered: bool,
        total: int | None,
        rerun: Iterable[Status],
        clock: Callable[[], float],
    ) -> None:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ValueError(f"limit must be an integer of at least 1, not {limit!r}")
        self.starting: dict[int, BatchItem] = {}
        self.running: dict[int, BatchItem] = {}
        self.input_exhausted = False
        self.start_rejected = False
        self.skip_remaining = False
        self._workflow_name = workflow_name
        self._limit = limit
        self._ordered = ordered
        self._total = total
        self._rerun = _check_statuses(rerun)
        self._clock = clock
        self._deferred: BatchItem | None = None
        self._ready: dict[int, MapResult] = {}
        self._taken = 0
        self._delivered = 0
        self._failed = 0
        self._backs_off_until = -math.inf
        self._polled_last = False

    def next_action(self) -> Deliver | StartMore | PollDue | Finished[None]:
        """Return what to do next."""
        result = self._ready.pop(self._next_index, None)
        if result is not None:
            self._delivered += 1
            return Deliver(result)
        delay = self._poll_delay()
        may_start = self._has_capacity and not self.input_exhausted
        if may_start and (self._polled_last or delay > 0):
            self._polled_last = False
            return StartMore()
        if self.running:
            self._polled_last = True
            return PollDue(delay)
        assert not self.starting
        return Finished(None)

    # ------------------------------------------------------------------ items

    def wants_item(self) -> bool:
        """Return whether to read another item: there is capacity, and no result comes first."""
        return self._has_capacity and self._next_index not in self._ready

    def admit(self, start_event: Any, handler_id: str) -> BatchItem:
        """Take an item from the input."""
        self._taken += 1
        return BatchItem(self._taken - 1, start_event, handler_id)

    def take_deferred(self) -> BatchItem | None:
        """Return the deferred item, if there is one, to be started or deferred again."""
        item, self._deferred = self._deferred, None
        return item

    def try_start(self, item: BatchItem) -> bool:
        """Return whether an item may be started now; else it is deferred."""
        if any(item.handler_id == other.handler_id for other in self.starting.values()):
            self._deferred = item
            return False
        self.starting[item.index] = item
        return True

    def accepts(self, item: BatchItem, handler: HandlerData) -> bool:
        """Return whether an existing run is used for an item, rather than a new one.

        Raises:
            ValueError: It is a run of another workflow.
        """
        if handler.workflow_name != self._workflow_name:
            raise ValueError(
                f"the key {item.handler_id!r} names a run of {handler.workflow_name!r}, "
                f"not of {self._workflow_name!r}"
            )
        # A run that this item has already started is kept, whatever its status.
        is_earlier = not item.is_own or handler.run_id == item.replaced
        return not (is_earlier and handler.status in self._rerun)

    def start_sent(self, item: BatchItem, replaced: HandlerData | None) -> None:
        """Note that the run of an item is started here, in place of an earlier one if any."""
        item.is_own = True
        item.replaced = None if replaced is None else replaced.run_id

    def start_failed(self, item: BatchItem, error: Exception) -> None:
        """Handle the final failure of a start.

        Raises:
            Exception: ``error``, if it is not about this item alone.
        """
        if not _concerns_one_item(error, starting=True):
            self.start_rejected = isinstance(error, StatusError) and not is_retryable(error)
            raise error
        self.end(item, error)

    def started(self, item: BatchItem, wait: Wait) -> None:
        """Note that the run of an item has started."""
        self.starting.pop(item.index, None)
        self.running[item.index] = item
        item.wait = wait
        item.since = self._clock()
        self.reschedule(item)

    def reschedule(self, item: BatchItem) -> None:
        """Set when to poll a run that is still running."""
        now = self._clock()
        interval = min(POLL_BACKOFF_RATIO * (now - item.since), MAX_POLL_INTERVAL)
        spacing = MIN_POLL_SPACING * len(self.running)
        item.due = now + max(interval, MIN_POLL_INTERVAL, spacing)

    def polled(self, item: BatchItem, action: Listen | Sleep | Finished[HandlerData]) -> None:
        """Handle the outcome of a poll."""
        match action:
            case Finished(handler):
                self.end(item, handler)
            case Listen():
                self.reschedule(item)
            case Sleep(seconds):  # what happened to this poll happens to all
                self.skip_remaining = True
                self._backs_off_until = max(self._backs_off_until, self._clock() + seconds)

    def poll_rejected(self, item: BatchItem, error: Exception) -> None:
        """Handle an error response to a poll.

        Raises:
            Exception: ``error``, if it is not about this item alone.
        """
        if not _concerns_one_item(error, starting=False):
            raise error
        self.end(item, error)

    def end(self, item: BatchItem, outcome: HandlerData | Exception) -> None:
        """Note the outcome of an item: its run, or why there is none."""
        self.starting.pop(item.index, None)
        self.running.pop(item.index, None)
        error = outcome if isinstance(outcome, Exception) else None
        handler = outcome if isinstance(outcome, HandlerData) else None
        if isinstance(error, WorkflowFailedError):
            handler = error.handler
        self._failed += error is not None
        self._ready[item.index] = MapResult(
            item.index, item.start_event, item.handler_id, handler, error
        )

    # ------------------------------------------------------------------ time

    def due(self) -> list[BatchItem]:
        """Return the items to poll now."""
        now = self._clock()
        return [item for item in self.running.values() if item.due <= now]

    def own_items(self) -> list[BatchItem]:
        """Return the items whose runs were started here, and have not ended."""
        active = (*self.starting.values(), *self.running.values())
        return [item for item in active if item.is_own]

    def progress(self) -> MapProgress:
        """Return how far the batch is."""
        running, ended = len(self.running), self._delivered + len(self._ready)
        return MapProgress(
            self._total, running + ended, running, ended - self._failed, self._failed
        )

    @property
    def _has_capacity(self) -> bool:
        active = len(self.starting) + len(self.running)
        return active < self._limit and active + len(self._ready) < WINDOW * self._limit

    @property
    def _next_index(self) -> int:
        return self._delivered if self._ordered else next(iter(self._ready), -1)

    def _poll_delay(self) -> float:
        first = min((item.due for item in self.running.values()), default=math.inf)
        now = self._clock()
        return max(0.0, first - now, self._backs_off_until - now)


class BatchStart:
    """The retries of one item's start, as patient as a wait: the server may be down for a while.

    Args:
        handler_id: ID of the run.
        time: The source of time and randomness.
    """

    def __init__(self, handler_id: str, time: TimeSource) -> None:
        self._handler_id = handler_id
        self._budget = RetryBudget(
            POLL_RETRIES, time, logger=BATCHES, subject="the start", handler_id=handler_id
        )

    def failed(self, error: Exception) -> Retry:
        """Handle a `StatusError` or a transport error; raise it if it is final."""
        is_final = isinstance(error, StatusError) and not is_retryable(error)
        if not is_final and not is_caller_error(error):
            delay = self._budget.record_failure(error)
            if delay is not None:
                return Retry(delay)
        raise_final(error, self._handler_id)


class Cancellation:
    """The cancellation of one item when the batch stops early.

    Args:
        state: The batch.
        item: The item.
    """

    def __init__(self, state: BatchState, item: BatchItem) -> None:
        self._state = state
        self._may_arrive = item.index in state.starting and not state.start_rejected
        self._delays = iter(CANCEL_RETRY_DELAYS)

    def is_needed(self) -> bool:
        """Return whether to send the cancellation."""
        return not self._state.skip_remaining

    def failed(self, error: Exception) -> Retry | Finished[None]:
        """Handle a failed cancellation."""
        if isinstance(error, (httpx.TimeoutException, httpx.ConnectError, httpx.ProxyError)):
            self._state.skip_remaining = True
        is_early = self._may_arrive and isinstance(error, NotFoundError)
        if is_early or is_retryable(error):
            delay = next(self._delays, None)
            if delay is not None:
                return Retry(delay)
        return Finished(None)


def _concerns_one_item(error: Exception, *, starting: bool) -> bool:
    """Return whether an error is about one item, so that the others may fare better."""
    if isinstance(error, WorkflowFailedError):
        return True
    if isinstance(error, StatusError):
        return error.status_code not in _BATCH_WIDE_STATUSES or (
            error.status_code == 404 and not starting
        )
    # Before anything is sent: an event that cannot be written, a key that is not an ID. Exactly
    # these classes: InvalidResponseError is a ValueError, too, and concerns all.
    return starting and type(error) in (ValueError, TypeError, EventValidationError)


def _check_statuses(statuses: Iterable[Status]) -> frozenset[str]:
    known = frozenset(statuses)
    if not known <= ENDED_STATUSES:
        raise ValueError(
            f"rerun must name statuses of ended runs ({', '.join(sorted(ENDED_STATUSES))}), "
            f"not {known!r}"
        )
    return known


def is_asynchronous(source: object) -> bool:
    """Return whether the next item of an input is awaited."""
    return isinstance(source, AsyncIterable)


def length(source: object) -> int | None:
    """Return the number of items of an input, or None if it has no length.

    Raises:
        TypeError: It is a single item, not a collection.
    """
    if isinstance(source, (str, bytes, Mapping, BaseModel)) or not isinstance(
        source, (Iterable, AsyncIterable)
    ):
        raise TypeError(f"start_events must be an iterable of start events, not {source!r}")
    try:
        return len(source)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return None
