"""The asynchronous runner of a batch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from .._core import endpoints
from .._core.actions import Finished, Retry
from .._core.batch import (
    CANCEL_TIMEOUT,
    BatchItem,
    BatchStart,
    BatchState,
    Cancellation,
    Deliver,
    PollDue,
    StartMore,
)
from .._core.batch_results import MapProgress, MapResult
from .._core.logs import BATCHES
from .._core.policy import TRANSPORT_ERRORS
from .._core.start import new_handler_id
from .._process import generation
from .._transport.concurrency import acall, afor_each, arun_shielded, asleep
from ..errors import NotFoundError, StatusError, WorkflowClientError, WorkflowFailedError
from ..protocol import HandlerData
from .driver import Driver

END: Final[Any] = object()


class BatchRunner:
    """Starts and polls the runs of one batch.

    Args:
        driver: Sends everything.
        workflow_name: Name of the workflow.
        source: The input.
        state: The state of the batch.
        awaits_input: Whether the input is asynchronous.
        key: Returns the handler ID of an item, or None for new IDs.
        on_progress: Called when the progress has changed.
    """

    def __init__(
        self,
        driver: Driver,
        workflow_name: str,
        source: AsyncIterator[Any],
        state: BatchState,
        *,
        awaits_input: bool,
        key: Callable[[Any], str] | None,
        on_progress: Callable[[MapProgress], Any] | None,
    ) -> None:
        self._driver = driver
        self._workflow_name = workflow_name
        self._source = source
        self._awaits_input = awaits_input
        self._state = state
        self._key = key
        self._on_progress = on_progress
        self._reported = state.progress()

    async def results(self) -> AsyncGenerator[MapResult, None]:
        """Yield the results; cancel what is running when stopped early."""
        process = generation()
        with self._driver.clients.kept_open():
            try:
                while True:
                    if generation() != process:
                        raise RuntimeError("a batch cannot be continued in a forked process")
                    match self._state.next_action():
                        case Deliver(result):
                            yield result
                        case StartMore():
                            await self._start_more()
                        case PollDue(delay):
                            await asleep(delay)
                            await self._poll_due()
                        case Finished():
                            return
            finally:
                if generation() == process:  # else the runs are those of the parent
                    await arun_shielded(self._cancel, CANCEL_TIMEOUT)

    async def _start_more(self) -> None:
        if self._awaits_input:
            # Not in a task group: cancel scopes that the input holds open would outlive it.
            if (item := await self._take()) is not None:
                await self._start(item)
        else:
            await afor_each(self._start, self._take)
        await self._report()

    async def _take(self) -> BatchItem | None:
        """Take the next item, if it may be started now."""
        await self._report()
        state = self._state
        item = state.take_deferred()
        if item is None:
            if not state.wants_item():
                return None
            start_event = await anext(self._source, END)
            if start_event is END:
                state.input_exhausted = True
                return None
            handler_id = new_handler_id() if self._key is None else self._key(start_event)
            item = state.admit(start_event, handler_id)
        return item if state.try_start(item) else None

    async def _start(self, item: BatchItem) -> None:
        """Start an item; one that cannot be started has an error for its result."""
        try:
            await self._start_with_retries(item)
        except Exception as error:
            self._state.start_failed(item, error)

    async def _start_with_retries(self, item: BatchItem) -> None:
        start = BatchStart(item.handler_id, self._driver.time)
        may_exist = self._key is not None
        while True:
            try:
                return await self._start_once(item, may_exist=may_exist)
            except (StatusError, *TRANSPORT_ERRORS) as error:
                action = start.failed(error)
            await asleep(action.delay)
            may_exist = True  # the start may have arrived

    async def _start_once(self, item: BatchItem, *, may_exist: bool) -> None:
        state = self._state
        known = await self._known(item.handler_id) if may_exist else None
        handler = known.handler if isinstance(known, WorkflowFailedError) else known
        if handler is None or not state.accepts(item, handler):
            state.start_sent(item, replaced=handler)
            known = await self._driver.start_run(
                self._workflow_name,
                item.handler_id,
                item.start_event,
                id_is_generated=handler is None,
            )
        if isinstance(known, WorkflowFailedError):
            raise known
        assert known is not None
        if known.status == "completed":
            state.end(item, known)
        else:  # a poll reads the result, or why it failed
            state.started(item, self._driver.completion_wait(item.handler_id))

    async def _known(self, handler_id: str) -> HandlerData | WorkflowFailedError | None:
        """Return the run that an item already has, or how it failed."""
        try:
            return await self._driver.send(endpoints.get_handler(handler_id, must_succeed=True))
        except NotFoundError:
            return None
        except WorkflowFailedError as error:
            return error

    async def _poll_due(self) -> None:
        self._state.skip_remaining = False
        await afor_each(self._poll, partial(next, iter(self._state.due()), None))
        await self._report()

    async def _poll(self, item: BatchItem) -> None:
        if self._state.skip_remaining:
            return
        assert item.wait is not None
        try:
            action = await self._driver.poll(item.wait)
        except WorkflowClientError as error:
            self._state.poll_rejected(item, error)
        else:
            self._state.polled(item, action)

    async def _report(self) -> None:
        if self._on_progress is None:
            return
        progress = self._state.progress()
        if progress != self._reported:
            self._reported = progress
            await acall(self._on_progress, progress)

    async def _cancel(self) -> None:
        """Cancel what was started here and is running."""
        state = self._state
        items = state.own_items()
        state.skip_remaining = False
        if items:
            BATCHES.info("a batch was stopped early, cancelling %d runs", len(items))
        with suppress(RuntimeError):  # the client was closed before
            await afor_each(self._cancel_run, partial(next, iter(items), None))

    async def _cancel_run(self, item: BatchItem) -> None:
        cancellation = Cancellation(self._state, item)
        while cancellation.is_needed():
            try:
                await self._driver.send(endpoints.cancel_handler(item.handler_id, False))
                return
            except (WorkflowClientError, *TRANSPORT_ERRORS) as error:
                action = cancellation.failed(error)
            match action:
                case Retry(delay):
                    await asleep(delay)
                case Finished():
                    return
