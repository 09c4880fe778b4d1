"""A batch: many runs of one workflow, with a concurrency limit.

Theory of operation
===================

`BatchState.next_action` says what to do next::

    Deliver(result)   hand a result to the caller
    StartMore         take items from the input, while there is capacity
    AwaitRun          wait until one of the runs has ended
    Finished          the input is exhausted and every result delivered

The life of an item::

    admitted ──► running ──► ready ──► delivered
         └► following ─┴───────┘

- running: its run is looked up, started and waited for, by a worker that continues while the
  caller handles a result. It counts towards the concurrency limit. If the batch stops early, the
  runs that were started here are cancelled.
- following: a running item has the same handler ID, and so the same run and outcome. If that item
  has no run, because its start was rejected, the next one of them is started.
- ready: with ``ordered``, a result waits for those of earlier items.

Items that have been admitted and not delivered never exceed WINDOW times the limit, which bounds
memory.

Each item has one retry budget for whatever is sent for it, which a response restores. With it, a
server that is gone ends the batch after PATIENCE.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import httpx

from .._statuses import ENDED_STATUSES, Status
from ..errors import (
    ConflictError,
    EventValidationError,
    NotFoundError,
    ResponseTooLargeError,
    StatusError,
    UnsupportedServerError,
    WorkflowFailedError,
)
from .actions import Finished, Retry, TimeSource
from .batch_results import MapProgress, MapResult
from .logs import BATCHES
from .policy import (
    POLL_RETRIES,
    RetryBudget,
    is_retryable,
    may_have_arrived,
)

if TYPE_CHECKING:
    from ..protocol import HandlerData

WINDOW: Final = 4  # times the limit
PATIENCE: Final = 40.0  # s, with a server that cannot be reached; the back-off takes about 31
CANCEL_TIMEOUT: Final = 10.0  # s, for cancelling all that was started
CANCEL_RETRY_DELAYS: Final = (0.05, 0.25, 1.0)  # s; a start that was cut off may still arrive

# The server would send these for every item.
_BATCH_WIDE_STATUSES: Final = frozenset({401, 403, 404, 407, 429})


@attrs.define(eq=False)
class BatchItem:
    """An item of the input that has been admitted.

    Attributes:
        index: The item's index in the input.
        start_event: The item.
        handler_id: ID of the run.
        budget: The retries of whatever is sent for it.
        exists: Whether the server has reported its run.
        is_own: Whether the run is started here, so that it is cancelled with the rest.
        replaced: The server's ID of the run that this item replaces.
        awaited: The server's ID of a run that was found in progress.
        followers: Later items with the same handler ID.
    """

    index: int
    start_event: Any
    handler_id: str
    budget: RetryBudget
    exists: bool = False
    is_own: bool = False
    replaced: str | None = None
    awaited: str | None = None
    followers: list[BatchItem] = attrs.field(factory=list)


@attrs.frozen
class Deliver:
    """Hand a result to the caller."""

    result: MapResult


@attrs.frozen
class StartMore:
    """Take items from the input and start their runs, while there is capacity."""


@attrs.frozen
class AwaitRun:
    """Wait until one of the runs has ended, or could not be started."""


class BatchState:
    """The items of one batch, and what to do next.

    Args:
        workflow_name: Name of the workflow.
        limit: The concurrency limit.
        ordered: Whether results are delivered in the order of the input.
        total: The number of items, if known.
        rerun: The statuses in which a run that is there already is run again.
        time: The source of time and randomness.

    Attributes:
        running: The items whose runs are being started or running, by index.
        input_exhausted: Whether the input has no more items.
        start_rejected: Whether the batch ends because the server rejected a start.
        skip_remaining: Whether to send no more cancellations.

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
        time: TimeSource,
    ) -> None:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ValueError(f"limit must be an integer of at least 1, not {limit!r}")
        self.running: dict[int, BatchItem] = {}
        self.input_exhausted = False
        self.start_rejected = False
        self.skip_remaining = False
        self._workflow_name = workflow_name
        self._limit = limit
        self._ordered = ordered
        self._total = total
        self._rerun = _check_statuses(rerun)
        self._time = time
        self._unstarted: list[BatchItem] = []
        self._ready: dict[int, MapResult] = {}
        self._taken = 0
        self._delivered = 0
        self._failed = 0

    def next_action(self) -> Deliver | StartMore | AwaitRun | Finished[None]:
        """Return what to do next."""
        result = self._ready.pop(self._next_index, None)
        if result is not None:
            self._delivered += 1
            return Deliver(result)
        if self._unstarted or (self._has_capacity and not self.input_exhausted):
            return StartMore()
        return AwaitRun() if self.running else Finished(None)

    # ------------------------------------------------------------------ items

    def limit_to(self, connections: int) -> None:
        """Lower the concurrency limit to the number of connections that there can be."""
        self._limit = min(self._limit, connections)

    def wants_item(self) -> bool:
        """Return whether to read another item: there is capacity, and no result comes first."""
        return self._has_capacity and self._next_index not in self._ready

    def admit(self, start_event: Any, handler_id: str) -> BatchItem:
        """Take an item from the input."""
        self._taken += 1
        budget = RetryBudget(
            POLL_RETRIES,
            self._time,
            logger=BATCHES,
            subject="a request",
            handler_id=handler_id,
            patience=PATIENCE,
        )
        return BatchItem(self._taken - 1, start_event, handler_id, budget)

    def next_unstarted(self) -> BatchItem | None:
        """Return an item whose predecessor with the same handler ID had no run, if there is one."""
        return self._unstarted.pop(0) if self._unstarted else None

    def try_start(self, item: BatchItem) -> bool:
        """Return whether to start an item; else it follows one that has the same handler ID."""
        for other in self.running.values():
            if item.handler_id == other.handler_id:
                other.followers.append(item)
                return False
        self.running[item.index] = item
        return True

    def accepts(self, item: BatchItem, known: HandlerData | WorkflowFailedError) -> bool:
        """Return whether an existing run is used for an item, rather than a new one.

        Raises:
            ValueError: It is a run of another workflow.
        """
        handler = known.handler if isinstance(known, WorkflowFailedError) else known
        if handler.workflow_name != self._workflow_name:
            raise ValueError(
                f"the key {item.handler_id!r} names a run of {handler.workflow_name!r}, "
                f"not of {self._workflow_name!r}"
            )
        # A run that this item has already started is kept, whatever its status.
        is_earlier = not item.is_own or handler.run_id == item.replaced
        statuses = self._rerun
        if handler.status not in ENDED_STATUSES:
            item.awaited = handler.run_id
        elif item.awaited is not None and handler.run_id == item.awaited:
            statuses = statuses & {"cancelled"}  # else its outcome is what this item waited for
        return not (is_earlier and handler.status in statuses)

    def start_sent(
        self, item: BatchItem, replaced: HandlerData | WorkflowFailedError | None
    ) -> None:
        """Note that the run of an item is started here, in place of an earlier one if any."""
        handler = replaced.handler if isinstance(replaced, WorkflowFailedError) else replaced
        item.replaced = None if handler is None else handler.run_id
        item.is_own = True

    def conflict(self, item: BatchItem, error: ConflictError) -> Retry:
        """Handle a start that was rejected, since somebody else has started a run with its ID.

        Raises:
            ConflictError: ``error``, if that has been so too often.
        """
        item.is_own = False
        delay = item.budget.record_failure(error)
        if delay is None:
            raise error
        return Retry(delay)

    def found(self, item: BatchItem) -> None:
        """Note that the server has reported the run of an item."""
        item.exists = True
        item.budget.reset()

    def failed(self, item: BatchItem, error: BaseException) -> None:
        """Handle the final failure of an item.

        Raises:
            BaseException: ``error``, if it is not about this item alone.
        """
        if not isinstance(error, Exception) or not _concerns_one_item(
            error, starting=not item.exists
        ):
            is_reply = isinstance(error, StatusError) and not may_have_arrived(error.status_code)
            self.start_rejected = is_reply and not item.exists
            raise error
        self.end(item, error)

    def end(self, item: BatchItem, outcome: HandlerData | Exception) -> None:
        """Note the outcome of an item: its run, or why there is none."""
        followers, item.followers = item.followers, []
        if not isinstance(outcome, Exception) or isinstance(outcome, WorkflowFailedError):
            for follower in followers:
                self._end(follower, outcome)
        else:
            self._unstarted += followers
        self._end(item, outcome)
        self.running.pop(item.index, None)

    def _end(self, item: BatchItem, outcome: HandlerData | Exception) -> None:
        handler, error = (None, outcome) if isinstance(outcome, Exception) else (outcome, None)
        if isinstance(error, WorkflowFailedError):
            handler = error.handler
        self._failed += error is not None
        self._ready[item.index] = MapResult(
            item.index, item.start_event, item.handler_id, handler, error
        )

    def own_items(self) -> list[BatchItem]:
        """Return the items whose runs were started here, and have not ended."""
        return [item for item in [*self.running.values()] if item.is_own]

    def progress(self) -> MapProgress:
        """Return how far the batch is."""
        running, ended = len(self.running), self._delivered + len(self._ready)
        return MapProgress(
            self._total, running + ended, running, ended - self._failed, self._failed
        )

    @property
    def _has_capacity(self) -> bool:
        undelivered = self._taken - self._delivered
        return len(self.running) < self._limit and undelivered < WINDOW * self._limit

    @property
    def _next_index(self) -> int:
        return self._delivered if self._ordered else next(iter(self._ready), -1)


class Cancellation:
    """The cancellation of one item when the batch stops early.

    Args:
        state: The batch.
        item: The item.
    """

    def __init__(self, state: BatchState, item: BatchItem) -> None:
        self._state = state
        self._may_arrive = not item.exists and not state.start_rejected
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
        status = error.status_code
        is_proxys = status > 500  # such as 521 for a server that is down
        return not is_proxys and (
            status not in _BATCH_WIDE_STATUSES or (status == 404 and not starting)
        )
    if isinstance(error, ResponseTooLargeError):
        return True
    if isinstance(error, UnsupportedServerError):
        return error.may_have_started
    # An event that cannot be written, a key that is not an ID or names a run of another workflow.
    # Exactly these classes: InvalidResponseError is a ValueError, too, and concerns all.
    return type(error) in (ValueError, TypeError, EventValidationError)


def _check_statuses(statuses: Iterable[Status]) -> frozenset[str]:
    known = frozenset(statuses)
    if not known <= ENDED_STATUSES:
        raise ValueError(
            f"rerun must name statuses of ended runs ({', '.join(sorted(ENDED_STATUSES))}), "
            f"not {known!r}"
        )
    return known


def length(source: object) -> int | None:
    """Return the number of items of an input, or None if it has no length.

    Raises:
        TypeError: It is a single item, not a collection.
    """
    from pydantic import BaseModel

    if isinstance(source, (str, bytes, Mapping, BaseModel)) or not isinstance(
        source, (Iterable, AsyncIterable)
    ):
        raise TypeError(f"start_events must be an iterable of start events, not {source!r}")
    try:
        return len(source)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return None
