# Generated from src/llama_agents/client/_async/batch.py by `python -m generator`: do not edit.
"""The synchronous batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from .._core import endpoints
from .._core.actions import Finished, Retry
from .._core.batch import (
    CANCEL_TIMEOUT,
    AwaitRun,
    BatchItem,
    BatchState,
    Cancellation,
    Deliver,
    StartMore,
)
from .._core.batch_results import MapProgress, MapResult
from .._core.call import Call, Exchange
from .._core.logs import BATCHES
from .._core.policy import TRANSPORT_ERRORS
from .._core.start import new_handler_id
from .._lazy_types import HandlerData
from .._process import generation, keep_forever, watch
from .._statuses import is_status_completed
from .._transport.concurrency import (
    Finalizer,
    call,
    for_each,
    is_cancellation,
    sleep,
)
from .._transport.pool import free_connections
from .._transport.workers import Workers
from ..errors import ConflictError, NotFoundError, WorkflowClientError, WorkflowFailedError
from .driver import Driver

END: Final[Any] = object()


class SyncBatch:
    """The results of one batch: an iterator of ``MapResult``, and a context manager.

    Returned by ``SyncWorkflowClient.map_workflow``. Enter it with ``with`` before you iterate
    over it: when the block ends, however it ends, the runs that the batch started and that are
    still in progress have been cancelled::

        with client.map_workflow("summarize", starts) as results:
            for result in results:
                print(result.index, result.error)

    In the block, a timeout around ``next`` does not end the batch: the next step continues.

    Without the block, an interrupted step stops the batch and cancels its runs, and another step is
    an error. A batch that is dropped, as by ``break``, is stopped soon after, at the latest with
    its client.

    Raises:
        WorkflowClientError, httpx.TransportError: While iterating: an error that affects the whole
            batch. It has been stopped, and its runs cancelled.
        RuntimeError: It is iterated after it was stopped by an error, an interruption or its
            client, by two tasks or threads at once, or outside the event loop or process in which
            it began.
    """

    def __init__(self, runner: BatchRunner) -> None:
        self._runner = runner
        self._is_entered = False
        watch(self, after_fork=keep_forever, at_exit=SyncBatch._at_exit)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a batch cannot be pickled or copied: call map_workflow again")

    def __del__(self) -> None:
        self._runner.drop()

    def __enter__(self) -> Self:
        self._is_entered = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> MapResult:
        try:
            result = self._runner.step()
        except BaseException as error:
            # The end of the block would cancel the runs: here, nothing else might.
            if not (self._is_entered and is_cancellation(error)):
                self._runner.stop_because_of(error)
            if isinstance(error, StopIteration):  # the caller's: it would end the loop
                raise RuntimeError(f"a function of the batch raised {error!r}") from error
            raise
        if result is None:
            raise StopIteration
        return result

    def close(self) -> None:
        """Stop the batch: start nothing more, and cancel the runs that it started."""
        self._runner.close(None)

    def _at_exit(self) -> None:
        self._runner.at_exit()


class BatchRunner:
    """Starts the runs of one batch, and waits for them.

    Args:
        driver: Sends everything.
        workflow_name: Name of the workflow.
        source: The input.
        state: The state of the batch.
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
        key: Callable[[Any], str] | None,
        on_progress: Callable[[MapProgress], Any] | None,
    ) -> None:
        self._driver = driver
        self._workflow_name = workflow_name
        self._source = source
        self._state = state
        self._key = key
        self._on_progress = on_progress
        self._reported = state.progress()
        self._process: int | None = None  # where it began
        self._workers: Workers[BatchItem, HandlerData] = Workers(self._run)
        self._finalizer = Finalizer(self._stop, CANCEL_TIMEOUT, driver.clients.kept_open)
        self._is_stepping = False
        self._is_closed = False
        self._stopped_by: str | None = None
        self._input_lost: str | None = None

    def step(self) -> MapResult | None:
        """Return the next result, or None at the end."""
        if self._is_parents():
            raise RuntimeError("a batch cannot be continued in a forked process")
        if not self._finalizer.is_usable():
            raise RuntimeError("a batch cannot be continued in another event loop")
        if self._is_stepping:
            raise RuntimeError("another task or thread is waiting for the next result of the batch")
        self._is_stepping = True
        try:
            result = self._step()
        finally:
            self._is_stepping = False
        if result is None and self._stopped_by is not None:
            raise RuntimeError(f"the batch was stopped: {self._stopped_by}")
        return result

    def _step(self) -> MapResult | None:
        if self._process is None and not self._is_closed:
            self._begin()
        while not self._is_closed:
            match self._state.next_action():
                case Deliver(result):
                    return result
                case StartMore():
                    self._start_more()
                    if self._workers.have_ended():  # the next item may take long to come
                        self._await_run()
                case AwaitRun():
                    self._await_run()
                case Finished():
                    self.close(self._input_lost)
        return None

    def close(self, reason: str | None = "its client was closed") -> None:
        """Stop; cancel what was started here and is running.

        Args:
            reason: Why a later step is an error, or None if the batch is over for it, too.
        """
        if not self._is_parents() and self._finalizer.is_usable():
            if not self._is_closed:
                self._is_closed, self._stopped_by = True, reason
            self._finalizer.close()

    def stop_because_of(self, error: BaseException) -> None:
        """Stop after an error or interruption, unless another task is waiting for a result."""
        if not self._is_stepping:
            self.close(f"its last step raised {type(error).__name__}")

    def drop(self) -> None:
        """Stop, where nothing can be awaited."""
        if not self._is_parents():
            self._is_closed = True
            self._finalizer.drop()

    def at_exit(self) -> None:
        """Stop, or leave everything as it is, as the interpreter exits."""
        if not self._is_parents():
            self._is_closed = True
            self._finalizer.at_exit()
            self._workers.let_go()

    def _is_parents(self) -> bool:
        """Return whether its runs are those of the process that this one was forked from."""
        return self._process is not None and self._process != generation()

    def _begin(self) -> None:
        client = self._driver.clients.get()
        self._state.limit_to(free_connections(client))
        self._process = generation()
        self._driver.batches.add(self)
        self._finalizer.start()

    def _start_more(self) -> None:
        """Start items while there is capacity, until a run has ended."""
        while not self._is_closed and (item := self._take()) is not None:
            self._workers.start(item)
            if self._workers.have_ended():
                break
        self._report()

    def _take(self) -> BatchItem | None:
        """Return the next item that may be started now."""
        state = self._state
        while True:
            self._report()
            item = state.next_unstarted()
            if item is None:
                if state.input_exhausted or not state.wants_item():
                    return None
                start_event = self._read()
                if start_event is END:
                    state.input_exhausted = True
                    return None
                handler_id = new_handler_id() if self._key is None else self._key(start_event)
                item = state.admit(start_event, handler_id)
            if state.try_start(item):
                return item

    def _read(self) -> Any:
        """Return the next item of the input, or END."""
        source = self._source
        try:
            return next(source, END)
        except BaseException:
            # To a generator, an interruption is the end; the batch may be continued.
            if getattr(source, "ag_frame", source) is None:
                self._state.input_exhausted = True
                self._input_lost = "its input, a generator, ended when a step was interrupted"
            raise

    def _await_run(self) -> None:
        """Wait until an item has an outcome."""
        ended = self._workers.next()
        if ended is None:
            return  # it was closed meanwhile
        if ended.error is not None:
            self._state.failed(ended.item, ended.error)
        else:
            assert ended.value is not None
            self._state.end(ended.item, ended.value)
        self._report()

    def _report(self) -> None:
        if self._on_progress is None:
            return
        progress = self._state.progress()
        if progress != self._reported:
            self._reported = progress
            call(self._on_progress, progress)

    # ------------------------------------------------------------------ in a worker

    def _run(self, item: BatchItem) -> HandlerData:
        with self._driver.tracing.run(self._workflow_name, item.handler_id) as traced:
            known = self._completed(item)
            traced.found(known)
        return known

    def _completed(self, item: BatchItem) -> HandlerData:
        """Return the run of an item, found or started, once it has completed."""
        known = None if self._key is None else self._known(item)
        while True:
            if known is None or not self._state.accepts(item, known):
                try:
                    known = self._start(item, known)
                except ConflictError as error:
                    if self._key is None:
                        raise
                    sleep(self._state.conflict(item, error).delay)
                    known = self._known(item)
                    continue
            if isinstance(known, WorkflowFailedError):
                raise known
            if is_status_completed(known.status):
                return known
            known = self._outcome(item)

    def _known(self, item: BatchItem) -> HandlerData | WorkflowFailedError | None:
        """Return the run that an item already has, or how it failed."""
        operation = endpoints.get_handler(item.handler_id, must_succeed=True)
        call: Exchange[HandlerData] = Call(operation, self._driver.time, budget=item.budget)
        try:
            with self._driver.tracing.call(operation.name, item.handler_id):
                known: HandlerData | WorkflowFailedError = self._driver.exchange(call)
        except NotFoundError:
            return None
        except WorkflowFailedError as error:
            known = error
        self._state.found(item)
        return known

    def _start(
        self, item: BatchItem, replaced: HandlerData | WorkflowFailedError | None
    ) -> HandlerData | WorkflowFailedError:
        """Start the run of an item; return it once it has completed, or may take long."""
        item.exists = False
        self._state.start_sent(item, replaced)
        try:
            known = self._driver.start_run(
                self._workflow_name,
                item.handler_id,
                item.start_event,
                id_is_generated=True,
                id_is_needed=self._key is not None,
                replaced=item.replaced,
                blocking=True,
                budget=item.budget,
            )
        except WorkflowFailedError as error:
            item.handler_id = error.handler.handler_id
            return error
        item.handler_id = known.handler_id  # which a server may have chosen
        self._state.found(item)
        return known

    def _outcome(self, item: BatchItem) -> HandlerData | WorkflowFailedError:
        """Wait until the run of an item has ended."""
        wait = self._driver.completion_wait(item.handler_id, budget=item.budget)
        try:
            return self._driver.wait(wait)
        except WorkflowFailedError as error:
            return error

    # ------------------------------------------------------------------ stopping early

    def _stop(self) -> None:
        """Cancel what was started here and is running."""
        state = self._state
        self._is_closed = True
        try:
            self._workers.stop()
            items = state.own_items()
            if items:
                BATCHES.info("a batch was stopped early, cancelling %d runs", len(items))
                with suppress(RuntimeError):  # the client was closed before
                    for_each(self._cancel_run, items, CANCEL_TIMEOUT)
        finally:
            self._driver.batches.discard(self)

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
