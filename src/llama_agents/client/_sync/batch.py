# Generated from src/llama_agents/client/_async/batch.py by `python -m generator`: do not edit.
"""The synchronous runner of a batch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
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
from .._transport.concurrency import call, for_each, run_shielded, sleep
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
        awaits_input: Whether the input is synchronous.
        key: Returns the handler ID of an item, or None for new IDs.
        on_progress: Called when the progress has changed.
    """

    def __init__(
        self,
        driver: Driver,
        workflow_name: str,
        source: Iterator[Any],
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

    def results(self) -> Generator[MapResult, None, None]:
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
                            self._start_more()
                        case PollDue(delay):
                            sleep(delay)
                            self._poll_due()
                        case Finished():
                            return
            finally:
                if generation() == process:  # else the runs are those of the parent
                    run_shielded(self._cancel, CANCEL_TIMEOUT)

    def _start_more(self) -> None:
        if self._awaits_input:
            # Not in a task group: cancel scopes that the input holds open would outlive it.
            if (item := self._take()) is not None:
                self._start(item)
        else:
            for_each(self._start, self._take)
        self._report()

    def _take(self) -> BatchItem | None:
        """Take the next item, if it may be started now."""
        self._report()
        state = self._state
        item = state.take_deferred()
        if item is None:
            if not state.wants_item():
                return None
            start_event = next(self._source, END)
            if start_event is END:
                state.input_exhausted = True
                return None
            handler_id = new_handler_id() if self._key is None else self._key(start_event)
            item = state.admit(start_event, handler_id)
        return item if state.try_start(item) else None

    def _start(self, item: BatchItem) -> None:
        """Start an item; one that cannot be started has an error for its result."""
        try:
            self._start_with_retries(item)
        except Exception as error:
            self._state.start_failed(item, error)

    def _start_with_retries(self, item: BatchItem) -> None:
        start = BatchStart(item.handler_id, self._driver.time)
        may_exist = self._key is not None
        while True:
            try:
                return self._start_once(item, may_exist=may_exist)
            except (StatusError, *TRANSPORT_ERRORS) as error:
                action = start.failed(error)
            sleep(action.delay)
            may_exist = True  # the start may have arrived

    def _start_once(self, item: BatchItem, *, may_exist: bool) -> None:
        state = self._state
        known = self._known(item.handler_id) if may_exist else None
        handler = known.handler if isinstance(known, WorkflowFailedError) else known
        if handler is None or not state.accepts(item, handler):
            state.start_sent(item, replaced=handler)
            known = self._driver.start_run(
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

    def _known(self, handler_id: str) -> HandlerData | WorkflowFailedError | None:
        """Return the run that an item already has, or how it failed."""
        try:
            return self._driver.send(endpoints.get_handler(handler_id, must_succeed=True))
        except NotFoundError:
            return None
        except WorkflowFailedError as error:
            return error

    def _poll_due(self) -> None:
        self._state.skip_remaining = False
        for_each(self._poll, partial(next, iter(self._state.due()), None))
        self._report()

    def _poll(self, item: BatchItem) -> None:
        if self._state.skip_remaining:
            return
        assert item.wait is not None
        try:
            action = self._driver.poll(item.wait)
        except WorkflowClientError as error:
            self._state.poll_rejected(item, error)
        else:
            self._state.polled(item, action)

    def _report(self) -> None:
        if self._on_progress is None:
            return
        progress = self._state.progress()
        if progress != self._reported:
            self._reported = progress
            call(self._on_progress, progress)

    def _cancel(self) -> None:
        """Cancel what was started here and is running."""
        state = self._state
        items = state.own_items()
        state.skip_remaining = False
        if items:
            BATCHES.info("a batch was stopped early, cancelling %d runs", len(items))
        with suppress(RuntimeError):  # the client was closed before
            for_each(self._cancel_run, partial(next, iter(items), None))

    def _cancel_run(self, item: BatchItem) -> None:
        cancellation = Cancellation(self._state, item)
        while cancellation.is_needed():
            try:
                self._driver.send(endpoints.cancel_handler(item.handler_id, False))
                return
            except (WorkflowClientError, *TRANSPORT_ERRORS) as error:
                action = cancellation.failed(error)
            match action:
                case Retry(delay):
                    sleep(delay)
                case Finished():
                    return
