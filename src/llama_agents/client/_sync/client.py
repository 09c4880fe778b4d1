# Generated from src/llama_agents/client/_async/client.py by `python -m generator`: do not edit.
"""The synchronous client: one method for each operation, one line of work in each."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, overload

import httpx

from .. import _operations
from .._connection import free, hang_up, read, send
from .._handle import read_checkpoint, refuse_another_run
from .._map import (
    Crowd,
    MapProgress,
    MapResult,
    check_statuses,
    is_asynchronous,
    length,
)
from .._operations import Operation
from .._pool import Pool, own_settings
from .._resume import StreamMachine
from .._retry import DROPS, Again, Call, Exchange, Returned, Sources, is_poisoned
from .._start import Start, new_handler_id
from .._tasks import items, sleep
from .._wait import Wait
from ..protocol import (
    CancelHandlerResponse,
    HandlerData,
    HandlersListResponse,
    HealthResponse,
    SendEventResponse,
    Status,
    WorkflowEventsListResponse,
    WorkflowSchemaResponse,
    WorkflowsListResponse,
    is_status_completed,
)
from .many import ManyRuns
from .run import SyncWorkflowRun
from .stream import SyncEventStream

if TYPE_CHECKING:
    from workflows import Context
    from workflows.events import Event, StartEvent

    from ..protocol import WorkflowGraphResponse
    from ..typed import EventTypes

T = TypeVar("T")

_SOURCES: Final = Sources(time.monotonic, time.time, random.random)


class SyncWorkflowClient:
    """A client of a ``WorkflowServer``.

    Give exactly one of ``base_url`` and ``httpx_client``. With ``base_url`` the client keeps
    connections of its own, one pool for all threads, and closes them with
    ``close()``, at the end of ``with``, or when nothing refers to it.

    Example:
        Run a workflow and print its result:

            client = SyncWorkflowClient(base_url="http://127.0.0.1:8080")
            handler = client.run_workflow("greet", start_event={"name": "Ada"})
            print(handler.result)

    Args:
        base_url: Where the server is, with a prefix if it has one
            (``"https://host/deployments/name"``).
        httpx_client: A client to send everything with. It is never closed here, and its own
            timeouts count; its read timeout is the idle limit of event streams.
        headers: Headers of every request (with ``base_url``).
        auth: Credentials of every request, as httpx takes them (with ``base_url``).
        timeout: Limits in seconds, as httpx takes them (with ``base_url``). Defaults to 10 s for
            connecting and 45 s without a byte; the server sends a heartbeat every 25 s.

    Raises:
        ValueError: Neither or both of the two were given, the URL is unusable, or a setting was
            given together with ``httpx_client``.
        TypeError: ``httpx_client`` is not a synchronous one.
    """

    @overload
    def __init__(self, *, httpx_client: httpx.Client) -> None: ...

    @overload
    def __init__(
        self,
        *,
        base_url: str | httpx.URL,
        headers: dict[str, str] | None = None,
        auth: httpx.Auth | tuple[str, str] | None = None,
        timeout: httpx.Timeout | float | None = None,
    ) -> None: ...

    def __init__(
        self,
        *,
        httpx_client: httpx.Client | None = None,
        base_url: str | httpx.URL | None = None,
        headers: dict[str, str] | None = None,
        auth: httpx.Auth | tuple[str, str] | None = None,
        timeout: httpx.Timeout | float | None = None,
    ) -> None:
        settings = own_settings(
            base_url, httpx_client, httpx.AsyncClient, headers=headers, auth=auth, timeout=timeout
        )
        self.httpx_client = httpx_client
        self.base_url = base_url
        self._pool = Pool(httpx_client, settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of this client; a client that was handed in stays open."""
        self._pool.close()

    def is_healthy(self) -> HealthResponse:
        """Ask whether the server is ready.

        Returns:
            The server's word for it.

        Raises:
            ServerError: 503, the server is not ready.
        """
        return self._send(_operations.get_health())

    def list_workflows(self) -> WorkflowsListResponse:
        """List the names of the workflows that the server offers.

        Returns:
            The names.
        """
        return self._send(_operations.list_workflows())

    def get_workflow_schema(self, workflow_name: str) -> WorkflowSchemaResponse:
        """Get the JSON schemas of a workflow's start and stop events.

        Args:
            workflow_name: The name of the workflow.

        Returns:
            Both schemas.

        Raises:
            NotFoundError: There is no such workflow.
            ServerError: An event of the workflow has no schema.
        """
        return self._send(_operations.get_workflow_schema(workflow_name))

    def get_workflow_events_schema(self, workflow_name: str) -> WorkflowEventsListResponse:
        """Get the JSON schemas of all events of a workflow.

        Args:
            workflow_name: The name of the workflow.

        Returns:
            The schemas.

        Raises:
            NotFoundError: There is no such workflow.
            ServerError: An event of the workflow has no schema.
        """
        return self._send(_operations.get_workflow_events_schema(workflow_name))

    def get_workflow_graph(self, workflow_name: str) -> WorkflowGraphResponse:
        """Get the steps and events of a workflow as a directed graph.

        Args:
            workflow_name: The name of the workflow.

        Returns:
            The graph.

        Raises:
            NotFoundError: There is no such workflow.
            ServerError: The workflow cannot be drawn.
        """
        return self._send(_operations.get_workflow_graph(workflow_name))

    def get_event_types(self, workflow_name: str) -> EventTypes:
        """Make classes of a workflow's events, of the schemas that the server has of them.

        Args:
            workflow_name: The name of the workflow.

        Returns:
            The classes: a registry for ``load_event``, which gives each by its name too.

        Raises:
            NotFoundError: There is no such workflow.
            ServerError: An event of the workflow has no schema.
            InvalidResponseError: The schemas make no classes.
        """
        listed = self._send(_operations.list_events(workflow_name))
        return self._send(_operations.get_event_types(workflow_name, listed))

    def run_workflow(
        self,
        workflow_name: str,
        handler_id: str | None = None,
        start_event: StartEvent | dict[str, Any] | None = None,
        context: Context | dict[str, Any] | None = None,
        *,
        validate: bool = False,
    ) -> HandlerData:
        """Run a workflow and wait until it has completed, however long that takes.

        When the connection breaks or falls silent, the wait goes on by the run's handler id. A
        start whose answer is lost is sent again only if the server does not know the run.

        Args:
            workflow_name: The name of the workflow.
            handler_id: A name for the run. Defaults to a new one. A name whose run has ended is
                used again for a new run.
            start_event: What the workflow starts with: an event, or its fields as a dict. Defaults
                to an event without fields.
            context: The state of an earlier run to go on from. Servers refuse it unless they were
                made with ``accept_context_api=True``.
            validate: Whether to compare the start event with the workflow's schema first.

        Returns:
            The completed run, its result included.

        Raises:
            WorkflowFailedError: The run failed, timed out or was cancelled.
            NotFoundError: There is no such workflow.
            ConflictError: A run of that name goes on.
            StatusError: 400, the server does not take the start event or the context.
            InvalidResponseError: The answer was lost, and it cannot be told whether the run that
                was found is this one or an earlier one of that name.
            EventValidationError: The start event does not fit the schema; nothing was sent.
            ValueError: An argument cannot be sent; nothing was.
        """
        if validate:
            self._send(_operations.check_start(workflow_name, start_event))
        run_id = handler_id if handler_id is not None else new_handler_id()
        forms = _operations.run_workflow(workflow_name, run_id, start_event, context)
        look = _operations.get_run(run_id)
        handler = self._exchange(
            Start(forms, look, run_id, made_here=handler_id is None, sources=_SOURCES)
        )
        if is_status_completed(handler.status):
            return handler
        return self._wait(self._end_of(run_id))

    def run_workflow_nowait(
        self,
        workflow_name: str,
        handler_id: str | None = None,
        start_event: StartEvent | dict[str, Any] | None = None,
        context: Context | dict[str, Any] | None = None,
        *,
        validate: bool = False,
    ) -> HandlerData:
        """Start a workflow and return at once.

        A start whose answer is lost is sent again only if the server does not know the run.

        Args:
            workflow_name: The name of the workflow.
            handler_id: A name for the run. Defaults to a new one. A name whose run has ended is
                used again for a new run.
            start_event: What the workflow starts with: an event, or its fields as a dict. Defaults
                to an event without fields.
            context: The state of an earlier run to go on from. Servers refuse it unless they were
                made with ``accept_context_api=True``.
            validate: Whether to compare the start event with the workflow's schema first.

        Returns:
            The run as it begins; its ``handler_id`` is what the other methods take.

        Raises:
            NotFoundError: There is no such workflow.
            ConflictError: A run of that name goes on.
            StatusError: 400, the server does not take the start event or the context.
            InvalidResponseError: The answer was lost, and it cannot be told whether the run that
                was found is this one or an earlier one of that name.
            EventValidationError: The start event does not fit the schema; nothing was sent.
            ValueError: An argument cannot be sent; nothing was.
        """
        if validate:
            self._send(_operations.check_start(workflow_name, start_event))
        run_id = handler_id if handler_id is not None else new_handler_id()
        return self._start_run(
            workflow_name, run_id, start_event, context, is_new_id=handler_id is None
        )

    def start(
        self,
        workflow_name: str,
        start_event: StartEvent | dict[str, Any] | None = None,
        *,
        handler_id: str | None = None,
        context: Context | dict[str, Any] | None = None,
        validate: bool = False,
    ) -> SyncWorkflowRun:
        """Start a workflow, and get a handle on the run.

        Args:
            workflow_name: The name of the workflow.
            start_event: What the workflow starts with: an event, or its fields as a dict. Defaults
                to an event without fields.
            handler_id: A name for the run. Defaults to a new one.
            context: The state of an earlier run to go on from.
            validate: Whether to compare the start event with the workflow's schema first.

        Returns:
            The run.

        Raises:
            WorkflowClientError: As ``run_workflow_nowait``.
            ValueError: An argument cannot be sent; nothing was.
        """
        handler = self.run_workflow_nowait(
            workflow_name, handler_id, start_event, context, validate=validate
        )
        return SyncWorkflowRun(self, handler.handler_id, run_id=handler.run_id, is_new=True)

    def run(self, handler_id: str) -> SyncWorkflowRun:
        """Get a handle on a run that was started before. Nothing is sent.

        Args:
            handler_id: The run.

        Returns:
            The run.
        """
        return SyncWorkflowRun(self, handler_id)

    def resume(self, checkpoint: Mapping[str, Any]) -> SyncWorkflowRun:
        """Get a handle on a run, standing where a checkpoint was made.

        Args:
            checkpoint: What ``SyncWorkflowRun.checkpoint`` gave.

        Returns:
            The run; its ``events()`` go on after the last event that was taken.

        Raises:
            CheckpointError: It is no checkpoint, or its handler has since been used for another
                run.
            NotFoundError: The server does not know the handler any more.
        """
        known = read_checkpoint(checkpoint)
        refuse_another_run(known, self.get_handler(known["handler_id"]))
        return SyncWorkflowRun(
            self, known["handler_id"], run_id=known["run_id"], sequence=known["sequence"]
        )

    def map_workflow(
        self,
        workflow_name: str,
        start_events: Iterable[Any],
        *,
        limit: int = 8,
        ordered: bool = True,
        key: Callable[[Any], str] | None = None,
        rerun: Sequence[Status] = ("cancelled",),
        on_progress: Callable[[MapProgress], Any] | None = None,
    ) -> Generator[MapResult, None, None]:
        """Run a workflow once for each start event, a few at a time.

        The input is read as there is room, so it may be endless. A run that fails, and a start
        event that is refused, are results like others. What concerns them all (no such workflow,
        no access, the server is gone) is raised.

        Breaking off cancels the runs that were started here and go on: leaving the loop by an
        exception, or by ``break`` under ``contextlib.aclosing``.

        Example:
            Sum up documents, four at a time:

                starts = (SummaryStart(path=path) for path in paths)
                for done in client.map_workflow("summarize", starts, limit=4):
                    print(done.start_event.path, done.error or done.result(Summary).text)

        Args:
            workflow_name: The name of the workflow.
            start_events: What each run starts with: events, or their fields as dicts.
            limit: How many runs may go on at once. Up to four times as many may be begun and not
                given out yet, when ``ordered`` results wait for an earlier one.
            ordered: Whether the results come in the order of the input (the default) or as the
                runs end.
            key: Gives the handler id of an item, the same one each time: an item whose run the
                server knows already is not run again, so that what was broken off can be called
                again. Defaults to new ids.
            rerun: With ``key``, in which statuses a known run that has ended is run again
                nevertheless: ``"cancelled"`` (the default), ``"failed"``, ``"completed"``.
            on_progress: Is called when runs were begun or have ended; one call after another.

        Returns:
            The results, one for each item. Nothing is sent before the first is asked for.

        Raises:
            ValueError: ``limit`` or ``rerun`` is out of range.
            TypeError: ``start_events`` is one event.
        """
        crowd = Crowd(
            limit=limit, ordered=ordered, total=length(start_events), clock=_SOURCES.clock
        )
        runs = ManyRuns(
            self,
            workflow_name,
            items(start_events),
            crowd,
            awaits_input=is_asynchronous(start_events),
            key=key,
            rerun=check_statuses(rerun),
            on_progress=on_progress,
        )
        return runs.results()

    def get_workflow_events(
        self,
        handler_id: str,
        include_internal_events: bool = False,
        after_sequence: int | Literal["now"] = -1,
        max_reconnect_attempts: int = 3,
    ) -> SyncEventStream:
        """Stream the events of a run as they are produced.

        A connection that is lost, or that ends before the run's terminal event, is made again from
        the last event received.

        Args:
            handler_id: The run.
            include_internal_events: Whether to include the framework's own events about steps.
            after_sequence: Where to begin: ``-1`` (the default) with the first event, ``"now"``
                with the next one that is produced, an integer with the event after that sequence
                number.
            max_reconnect_attempts: How many attempts to connect may fail in a row, after the first.
                Defaults to 3: the first is made at once, the others after about 1 s and 2 s. Every
                event that arrives starts the count again.

        Returns:
            The stream, to iterate over. Nothing is sent before that.

        Raises:
            ValueError: An argument is out of range.
        """
        return self._stream(
            handler_id, after_sequence, include_internal_events, max_reconnect_attempts
        )

    def send_event(
        self, handler_id: str, event: Event | dict[str, Any], step: str | None = None
    ) -> SendEventResponse:
        """Send an event to a run, such as the answer of a human.

        Args:
            handler_id: The run.
            event: The event, or an envelope (``{"type": ..., "value": {...}}``) as a dict. The
                workflow must declare its class.
            step: The step that is to get it. Defaults to every step that takes such events.

        Returns:
            That the event was accepted; not that a step has handled it.

        Raises:
            NotFoundError: There is no such run.
            ConflictError: The run has ended.
            StatusError: 400, the workflow does not declare the event.
            ServerError: There is no such step.
            ValueError: The event cannot be sent; nothing was.
        """
        return self._send(_operations.send_event(handler_id, event, step))

    def get_result(self, handler_id: str) -> HandlerData:
        """Get a run. Deprecated: the same as ``get_handler``.

        Args:
            handler_id: The run.

        Returns:
            The run.
        """
        warnings.warn("get_result is deprecated: use get_handler", DeprecationWarning, stacklevel=2)
        return self.get_handler(handler_id)

    def get_handlers(
        self,
        status: list[Status] | None = None,
        workflow_name: list[str] | None = None,
    ) -> HandlersListResponse:
        """List the runs that the server knows.

        Args:
            status: Only runs of one of these statuses: ``"running"``, ``"completed"``,
                ``"failed"``, ``"cancelled"``. Defaults to all.
            workflow_name: Only runs of one of these workflows. Defaults to all.

        Returns:
            The runs. A result that the server cannot decode is marked ``result_unreadable``.

        Raises:
            ValueError: A status is unknown, or a name empty.
        """
        return self._send(_operations.get_handlers(status, workflow_name))

    def get_handler(self, handler_id: str) -> HandlerData:
        """Get a run: its status and, once completed, its result.

        Args:
            handler_id: The run.

        Returns:
            The run, also one that failed or was cancelled.

        Raises:
            NotFoundError: There is no such run.
            UnreadableResultError: The server cannot decode the run's result.
        """
        return self._send(_operations.get_handler(handler_id))

    def wait_for_handler(
        self,
        handler_id: str,
        *,
        timeout: float | None = None,
        poll_interval: float = 0.5,
        max_poll_interval: float = 5.0,
        backoff: Literal["constant", "linear", "exponential"] = "linear",
    ) -> HandlerData:
        """Wait until a run has ended, and get it.

        The run's event stream tells when it ends. Looks at the run make sure, and take its place
        while there is no stream.

        Args:
            handler_id: The run.
            timeout: How long to wait, in seconds. Defaults to no bound.
            poll_interval: Seconds between the first two looks while there is no stream.
            max_poll_interval: The longest time between two such looks, in seconds.
            backoff: How the time between them grows: not at all, by one second each time, or
                doubling.

        Returns:
            The run, also one that failed or was cancelled.

        Raises:
            WaitTimeoutError: The run goes on after ``timeout`` seconds.
            NotFoundError: There is no such run.
            ValueError: An argument is out of range.
        """
        wait = Wait(
            _operations.get_handler(handler_id),
            handler_id,
            timeout=timeout,
            poll_interval=poll_interval,
            max_poll_interval=max_poll_interval,
            backoff=backoff,
            sources=_SOURCES,
        )
        return self._wait(wait)

    def cancel_handler(self, handler_id: str, purge: bool = False) -> CancelHandlerResponse:
        """Cancel a run.

        Args:
            handler_id: The run.
            purge: Whether to remove it from the server's store as well, also if it has ended.

        Returns:
            What was done.

        Raises:
            NotFoundError: There is no such run, or it has ended and ``purge`` is not set.
        """
        return self._send(_operations.cancel_handler(handler_id, purge))

    def _start_run(
        self,
        workflow_name: str,
        handler_id: str,
        start_event: StartEvent | dict[str, Any] | None,
        context: Context | dict[str, Any] | None = None,
        *,
        is_new_id: bool,
    ) -> HandlerData:
        """Start a run; it is known that no other has had a new id."""
        forms = _operations.run_workflow_nowait(workflow_name, handler_id, start_event, context)
        look = _operations.get_handler(handler_id)
        start = Start(forms, look, handler_id, made_here=is_new_id, sources=_SOURCES)
        return self._exchange(start)

    def _stream(
        self,
        handler_id: str,
        after_sequence: int | Literal["now"],
        include_internal: bool,
        max_reconnect_attempts: int = 3,
        settle: float | None = None,
    ) -> SyncEventStream:
        """Make a stream; with ``settle`` one of the past."""
        machine = StreamMachine(
            handler_id,
            after_sequence=after_sequence,
            include_internal=include_internal,
            max_reconnect_attempts=max_reconnect_attempts,
            sources=_SOURCES,
            settle=settle,
        )
        return SyncEventStream(self._pool, machine)

    def _end_of(self, handler_id: str, timeout: float | None = None) -> Wait:
        """Make a wait until a run has completed; one that ended otherwise is an error."""
        look = _operations.get_run(handler_id)
        return Wait(look, handler_id, timeout=timeout, sources=_SOURCES)

    def _send(self, operation: Operation[T]) -> T:
        call: Exchange[T] = Call(operation, _SOURCES)
        return self._exchange(call)

    def _exchange(self, exchange: Exchange[T]) -> T:
        while True:
            step: Again | Returned[T]
            try:
                response = self._request(exchange.request())
            except DROPS as error:
                step = exchange.failed(error)
            else:
                step = exchange.answered(response)
            if not isinstance(step, Again):
                return step.value
            sleep(step.after)

    def _wait(self, wait: Wait) -> HandlerData:
        while True:
            try:
                response = self._request(wait.look, wait)
            except DROPS as error:
                pause = wait.look_failed(error)
            else:
                handler = wait.looked(response)
                if isinstance(handler, HandlerData):
                    return handler
                pause = handler or self._listen(wait)
            sleep(pause)

    def _listen(self, wait: Wait) -> float:
        """Follow the run's stream until it may have ended; return the pause before a look."""
        client = self._pool.get()
        cause = None
        try:
            request = wait.listen().request(client, wait.timeout(client.timeout))
            response = send(client, request)
            try:
                if wait.opened(response):
                    for piece in response.iter_bytes():
                        if wait.heard(piece):
                            return 0.0
            finally:
                free(response)
        except DROPS as error:
            cause = error
        return wait.fell_silent(cause)

    def _request(self, operation: Operation[Any], wait: Wait | None = None) -> httpx.Response:
        client = self._pool.get()
        timeout = None if wait is None else wait.timeout(client.timeout)
        response = send(client, operation.request(client, timeout))
        read(response, None if wait is None else wait.is_late)
        if is_poisoned(response):
            hang_up(response)
        return response
