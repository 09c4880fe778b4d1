"""The asynchronous client: what users call."""

from __future__ import annotations

import copy
import warnings
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from types import EllipsisType, TracebackType
from typing import Any, Self, overload

import httpx

from .._core import endpoints
from .._core.batch import BatchState, length
from .._core.batch_results import MapProgress
from .._core.checkpoint import books_of, empty_books, ensure_same_run, read_checkpoint
from .._core.logs import RUNS
from .._core.options import OnResponse, Options, checked_function, checked_timeout
from .._core.policy import DEFAULT_MAX_SIZE, SizeLimits
from .._core.start import new_handler_id
from .._core.stream import StreamMachine
from .._core.wait import Backoff, Wait
from .._headers import checked_headers
from .._lazy_types import (
    CancelHandlerResponse,
    Context,
    Event,
    EventTypes,
    HandlerData,
    HandlersListResponse,
    HealthResponse,
    SendEventResponse,
    StartEvent,
    TracerProvider,
    WorkflowEventsListResponse,
    WorkflowGraphResponse,
    WorkflowSchemaResponse,
    WorkflowsListResponse,
)
from .._statuses import Status, is_status_completed
from .._tracing import tracing
from .._transport.clients import AsyncClients, Transport, resolve_settings
from .._transport.concurrency import aiterate
from ..errors import Cursor
from .batch import Batch, BatchRunner
from .driver import Driver
from .run import WorkflowRun
from .stream import EventStream


class WorkflowClient:
    """A client for a ``WorkflowServer``.

    Pass exactly one of ``base_url`` and ``httpx_client``. With ``base_url`` the client owns its
    connections, one pool for each event loop it is used in. They are closed by ``aclose()``, at the
    end of ``async with``, or when the event loop ends.

    Every method that sends a request may also raise ``StatusError`` for an error status that it
    does not list, ``InvalidResponseError`` for a response that is not the API's or too large, and
    ``httpx.TransportError`` once retries are exhausted; ``RuntimeError`` after ``aclose()``.

    Example:
        Run a workflow and print its result:

            client = WorkflowClient(base_url="http://127.0.0.1:8080")
            handler = await client.run_workflow("greet", start_event={"name": "Ada"})
            print(handler.result)

    Args:
        base_url: URL of the server, including its path prefix if it has one
            (``"https://host/deployments/name"``). Its query goes with every request.
        httpx_client: An ``httpx.AsyncClient`` to send every request with. It is never closed here.
            Its timeouts apply as ``timeout`` does, unless they are httpx's default of 5 s.
        headers: Headers of every request (with ``base_url``).
        auth: Credentials of every request, as httpx accepts them (with ``base_url``).
        timeout: Timeouts of each phase of a request in seconds, as httpx accepts them (with
            ``base_url``). By default, streams and ``run_workflow`` tolerate 45 s without a byte
            (the server sends a heartbeat every 25 s); any other call takes at most 15 s an
            attempt and 45 s in all, ``is_healthy`` 5 s.
        transport: What to send requests through (with ``base_url``): ``"httpx"``, or ``"aiohttp"``,
            which takes less time for each event and call. That needs asyncio and the extra
            ``aiohttp``.
        max_event_size: How many bytes of data one event of a stream may have, decompressed.
            Defaults to 64 MiB; None for no limit. A larger one is a ``ResponseTooLargeError``.
        max_response_size: How many bytes the body of any other response may have, decompressed.
            Defaults to 64 MiB; None for no limit. A larger one is a ``ResponseTooLargeError``.
        on_response: Called with the name of the operation and the ``httpx.Response``, for each
            response to a request, also of retries and of each of a stream's connections. Its body
            has not been read yet, and is not for this function to read: it is for the headers, such
            as rate limits and request IDs. What it raises is raised by the call. May be async; with
            the sync client, batches call it in their threads.
        tracer_provider: Where the spans of OpenTelemetry come from. Defaults to none: nothing is
            traced. Needs the extra ``otel``.

    Raises:
        ValueError: Neither or both of the two were given, the URL or a header is unusable, an
            environment variable that httpx reads is invalid, or a setting was given together with
            ``httpx_client``.
        TypeError: ``httpx_client`` is not an ``httpx.AsyncClient``, or ``headers`` or ``auth`` is
            of the wrong type.
        ImportError: The transport, or OpenTelemetry, is not installed.
    """

    @overload
    def __init__(
        self,
        *,
        httpx_client: httpx.AsyncClient,
        max_event_size: int | None = DEFAULT_MAX_SIZE,
        max_response_size: int | None = DEFAULT_MAX_SIZE,
        on_response: OnResponse | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        *,
        base_url: str | httpx.URL,
        headers: dict[str, str] | None = None,
        auth: httpx.Auth | tuple[str, str] | None = None,
        timeout: httpx.Timeout | float | None = None,
        transport: Transport = "httpx",
        max_event_size: int | None = DEFAULT_MAX_SIZE,
        max_response_size: int | None = DEFAULT_MAX_SIZE,
        on_response: OnResponse | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None: ...

    def __init__(
        self,
        *,
        httpx_client: httpx.AsyncClient | None = None,
        base_url: str | httpx.URL | None = None,
        headers: dict[str, str] | None = None,
        auth: httpx.Auth | tuple[str, str] | None = None,
        timeout: httpx.Timeout | float | None = None,
        transport: Transport = "httpx",
        max_event_size: int | None = DEFAULT_MAX_SIZE,
        max_response_size: int | None = DEFAULT_MAX_SIZE,
        on_response: OnResponse | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        settings = resolve_settings(
            base_url,
            httpx_client,
            httpx.AsyncClient,
            transport=transport,
            headers=headers,
            auth=auth,
            timeout=checked_timeout(timeout),
        )
        # First, so that it is what says why a client with an httpx_client cannot be pickled.
        sizes = SizeLimits(max_event_size, max_response_size)
        options = Options(sizes, on_response=checked_function("on_response", on_response))
        clients = AsyncClients(httpx_client, settings)
        traced = tracing(tracer_provider, clients.base_url)
        self._driver = Driver(clients, options, traced)
        self.httpx_client = httpx_client
        self.base_url = base_url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close this client's connections in the running event loop, and open no others.

        Batches that are under way are stopped, and their runs cancelled. Connections in another
        loop are closed when that loop ends. An httpx client that was passed in stays open and
        usable.
        """
        await self._driver.aclose()

    def with_options(
        self,
        *,
        headers: dict[str, str] | None = None,
        timeout: httpx.Timeout | float | None = None,
        max_event_size: int | EllipsisType | None = ...,
        max_response_size: int | EllipsisType | None = ...,
        on_response: OnResponse | None = None,
    ) -> Self:
        """Return a client with other options that uses the connections of this one.

        Closing it stops the batches that were started with it. The connections stay open: they are
        closed with this client.

        Example:
            Start a run with a tenant's token, which should take no longer than two seconds:

                tenant = client.with_options(
                    headers={"Authorization": f"Bearer {token}"}, timeout=2.0
                )
                run = await tenant.start("greet", {"name": "Ada"})

        Args:
            headers: More headers of every request. They replace those of the same name, and an
                ``Authorization`` also replaces ``auth`` and credentials in the URL.
            timeout: Timeouts of each phase of a request in seconds, as httpx accepts them.
            max_event_size: How many bytes of data one event of a stream may have; None for no
                limit.
            max_response_size: How many bytes the body of any other response may have; None for no
                limit.
            on_response: Called with each response, instead of this client's function.

        Returns:
            The client. What is not given is as with this one.

        Raises:
            ValueError: A header, the timeout or a size is unusable.
            TypeError: An option is of the wrong type.
        """
        options = self._driver.options
        sizes = options.sizes
        options = options.changed(
            headers=None if headers is None else checked_headers(headers),
            timeout=checked_timeout(timeout),
            on_response=checked_function("on_response", on_response),
            sizes=SizeLimits(
                sizes.event if max_event_size is ... else max_event_size,
                sizes.response if max_response_size is ... else max_response_size,
            ),
        )
        view = copy.copy(self)
        view._driver = self._driver.view(options)
        return view

    async def is_healthy(self) -> HealthResponse:
        """Return the health status of the server.

        Returns:
            The status. A server that is not ready raises instead.

        Raises:
            ServerError: 503, the server is not ready.
            httpx.TransportError: The server cannot be reached, or does not respond within 5 s.
        """
        return await self._driver.send(endpoints.get_health())

    async def list_workflows(self) -> WorkflowsListResponse:
        """Return the names of the workflows on the server.

        Returns:
            The names.
        """
        return await self._driver.send(endpoints.list_workflows())

    async def get_workflow_schema(self, workflow_name: str) -> WorkflowSchemaResponse:
        """Return the JSON schemas of a workflow's start and stop events.

        Args:
            workflow_name: Name of the workflow.

        Returns:
            Both schemas.

        Raises:
            NotFoundError: There is no such workflow.
            ServerError: An event of the workflow has no schema.
        """
        return await self._driver.send(endpoints.get_workflow_schema(workflow_name))

    async def get_workflow_events_schema(self, workflow_name: str) -> WorkflowEventsListResponse:
        """Return the JSON schemas of all events of a workflow.

        Args:
            workflow_name: Name of the workflow.

        Returns:
            The schemas.

        Raises:
            NotFoundError: There is no such workflow.
            ServerError: An event of the workflow has no schema.
        """
        return await self._driver.send(endpoints.get_workflow_events_schema(workflow_name))

    async def get_workflow_graph(self, workflow_name: str) -> WorkflowGraphResponse:
        """Return the steps and events of a workflow as a directed graph.

        Args:
            workflow_name: Name of the workflow.

        Returns:
            The graph.

        Raises:
            NotFoundError: There is no such workflow.
            ServerError: The server cannot build the graph.
        """
        return await self._driver.send(endpoints.get_workflow_graph(workflow_name))

    async def get_event_types(self, workflow_name: str) -> EventTypes:
        """Return event classes built from the server's JSON schemas of a workflow's events.

        Args:
            workflow_name: Name of the workflow.

        Returns:
            The classes, as a registry for ``load_event``; each is also available by its name.

        Raises:
            NotFoundError: There is no such workflow.
            ServerError: An event of the workflow has no schema.
            InvalidResponseError: The schemas are invalid.
        """
        listed = await self._driver.send(endpoints.list_events(workflow_name))
        return await self._driver.send(endpoints.get_event_types(workflow_name, listed))

    async def run_workflow(
        self,
        workflow_name: str,
        handler_id: str | None = None,
        start_event: StartEvent | dict[str, Any] | None = None,
        context: Context | dict[str, Any] | None = None,
        *,
        validate: bool = False,
    ) -> HandlerData:
        """Run a workflow and wait until it has completed, however long that takes.

        If the connection breaks or falls silent, the client keeps waiting for the run by its
        handler ID. A start whose response is lost is sent again only if the server does not know
        the run and refuses an ID that is in use, as servers since 0.7.1 do.

        Args:
            workflow_name: Name of the workflow.
            handler_id: An ID for the run. Defaults to a new one. An ID whose run has ended is
                reused for a new run.
            start_event: What the workflow starts with: an event, or its fields as a dict. Defaults
                to an event without fields.
            context: The state of an earlier run to continue from. Servers reject it unless they
                were created with ``accept_context_api=True``.
            validate: Whether to check the start event against the workflow's schema first.

        Returns:
            The completed run, including its result.

        Raises:
            WorkflowFailedError: The run failed, timed out or was cancelled, or its engine stopped.
            NotFoundError: There is no such workflow.
            ConflictError: A run with that ID is running.
            StatusError: 400, the server rejects the start event or the context.
            InvalidResponseError: The response was lost, and the run found under that ID may be
                this one or an earlier one.
            UnsupportedServerError: The response was lost, and the server may not be sent the start
                again; or the server does not take the ID.
            EventValidationError: The workflow would not read every field of the start event or,
                with ``validate``, it does not match the schema; it was not sent.
            ValueError: An argument is invalid; nothing was sent.
        """
        id_is_generated = handler_id is None
        handler_id = new_handler_id() if handler_id is None else handler_id
        with self._driver.tracing.run(workflow_name, handler_id) as traced:
            handler = await self._driver.start_run(
                workflow_name,
                handler_id,
                start_event,
                context,
                id_is_generated=id_is_generated,
                blocking=True,
                validate=validate,
            )
            if not is_status_completed(handler.status):
                # A server may have chosen another ID.
                wait = self._driver.completion_wait(handler.handler_id)
                handler = await self._driver.wait(wait)
            traced.found(handler)
        return handler

    async def run_workflow_nowait(
        self,
        workflow_name: str,
        handler_id: str | None = None,
        start_event: StartEvent | dict[str, Any] | None = None,
        context: Context | dict[str, Any] | None = None,
        *,
        validate: bool = False,
    ) -> HandlerData:
        """Start a workflow and return without waiting for it.

        A start whose response is lost is sent again only if the server does not know the run and
        refuses an ID that is in use, as servers since 0.7.1 do.

        Args:
            workflow_name: Name of the workflow.
            handler_id: An ID for the run. Defaults to a new one. An ID whose run has ended is
                reused for a new run.
            start_event: What the workflow starts with: an event, or its fields as a dict. Defaults
                to an event without fields.
            context: The state of an earlier run to continue from. Servers reject it unless they
                were created with ``accept_context_api=True``.
            validate: Whether to check the start event against the workflow's schema first.

        Returns:
            The run that was started; pass its ``handler_id`` to the other methods.

        Raises:
            NotFoundError: There is no such workflow.
            ConflictError: A run with that ID is running.
            StatusError: 400, the server rejects the start event or the context.
            InvalidResponseError: The response was lost, and the run found under that ID may be
                this one or an earlier one.
            UnsupportedServerError: The response was lost, and the server may not be sent the start
                again; or the server does not take the ID.
            EventValidationError: The workflow would not read every field of the start event or,
                with ``validate``, it does not match the schema; it was not sent.
            ValueError: An argument is invalid; nothing was sent.
        """
        return await self._driver.start_run(
            workflow_name,
            new_handler_id() if handler_id is None else handler_id,
            start_event,
            context,
            id_is_generated=handler_id is None,
            validate=validate,
        )

    async def start(
        self,
        workflow_name: str,
        start_event: StartEvent | dict[str, Any] | None = None,
        *,
        handler_id: str | None = None,
        context: Context | dict[str, Any] | None = None,
        validate: bool = False,
    ) -> WorkflowRun:
        """Start a workflow, and return a handle on the run.

        Args:
            workflow_name: Name of the workflow.
            start_event: What the workflow starts with: an event, or its fields as a dict. Defaults
                to an event without fields.
            handler_id: An ID for the run. Defaults to a new one.
            context: The state of an earlier run to continue from.
            validate: Whether to check the start event against the workflow's schema first.

        Returns:
            The handle.

        Raises:
            WorkflowClientError: As ``run_workflow_nowait``.
            ValueError: An argument is invalid; nothing was sent.
        """
        handler = await self.run_workflow_nowait(
            workflow_name, handler_id, start_event, context, validate=validate
        )
        return WorkflowRun(
            self._driver,
            handler.handler_id,
            run_id=handler.run_id,
            workflow_name=workflow_name,
            status=handler.status,
            books=empty_books(),
            is_new=True,
        )

    def get_run(self, handler_id: str) -> WorkflowRun:
        """Return a handle on a run that was started before. Nothing is sent.

        Args:
            handler_id: ID of the run.

        Returns:
            The handle.
        """
        return WorkflowRun(self._driver, handler_id)

    async def resume(self, checkpoint: Mapping[str, Any]) -> WorkflowRun:
        """Return a handle on the run of a checkpoint, at the checkpoint's position.

        Args:
            checkpoint: What ``WorkflowRun.checkpoint`` returned.

        Returns:
            The handle; its ``events()`` continue at the checkpoint's position.

        Raises:
            CheckpointError: It is not a checkpoint, or its handler has since been used for another
                run.
            NotFoundError: The server no longer knows the handler.
        """
        known = read_checkpoint(checkpoint)
        handler_id, sequence = known["handler_id"], known["sequence"]
        handler = await self.get_handler(handler_id)
        ensure_same_run(known, handler)
        RUNS.info(
            "resuming handler %r after sequence %d",
            handler_id,
            sequence,
            extra={"handler_id": handler_id, "last_sequence": sequence},
        )
        return WorkflowRun(
            self._driver,
            handler_id,
            run_id=known["run_id"],
            workflow_name=handler.workflow_name,
            status=handler.status,
            sequence=sequence,
            books=books_of(known),
        )

    def map_workflow(
        self,
        workflow_name: str,
        start_events: Iterable[Any] | AsyncIterable[Any],
        *,
        limit: int = 8,
        ordered: bool = True,
        key: Callable[[Any], str] | None = None,
        rerun: Sequence[Status] = ("cancelled",),
        on_progress: Callable[[MapProgress], Any] | None = None,
    ) -> Batch:
        """Run a workflow once for each start event, a few at a time.

        The input is read as runs end, so it may be endless. A run that fails and a start event
        that is rejected become results with an ``error``. An error that affects the whole batch
        (unknown workflow, no access, server down) is raised.

        Example:
            Summarize documents, four at a time; when the block ends early, the runs that were
            started here and are still running have been cancelled:

                starts = (SummaryStart(path=path) for path in paths)
                async with client.map_workflow("summarize", starts, limit=4) as results:
                    async for done in results:
                        print(done.start_event.path, done.error or done.result(Summary).text)

        Args:
            workflow_name: Name of the workflow.
            start_events: What each run starts with: events, or their fields as dicts.
            limit: The concurrency limit: how many runs may be running at once. Up to four times as
                many items may be started and not yet returned, when ``ordered`` results wait for an
                earlier one.
            ordered: Whether results are returned in the order of the input (the default) or as the
                runs end.
            key: Returns the handler ID of an item; must be deterministic. An item whose run the
                server already has is not run again, so an interrupted batch can be repeated.
                Defaults to generated IDs.
            rerun: With ``key``, the statuses in which a known run that has ended is run again
                anyway: ``"cancelled"`` (the default), ``"failed"``, ``"completed"``.
            on_progress: Called when runs have started or ended, never concurrently; may be async.

        Returns:
            The results, one for each item, to enter and to iterate over. Nothing is sent before the
            first one is requested. ``Batch`` says how it ends, and what iterating raises.

        Raises:
            ValueError: ``limit`` or ``rerun`` is out of range.
            TypeError: ``start_events`` is a single event, or not iterable.
        """
        state = BatchState(
            workflow_name,
            limit=limit,
            ordered=ordered,
            total=length(start_events),
            rerun=rerun,
            time=self._driver.time,
        )
        runner = BatchRunner(
            self._driver,
            workflow_name,
            aiterate(start_events),
            state,
            key=key,
            on_progress=on_progress,
        )
        return Batch(runner)

    def get_workflow_events(
        self,
        handler_id: str,
        include_internal_events: bool = False,
        after_sequence: Cursor = -1,
        max_reconnect_attempts: int = 3,
    ) -> EventStream:
        """Stream the events of a run as they are produced.

        A stream ends at the run's terminal event. A connection that ends earlier is replaced by
        another, which resumes after the last event received.

        Args:
            handler_id: ID of the run.
            include_internal_events: Whether to include the framework's own events about steps.
            after_sequence: Where to begin: ``-1`` (the default) with the first event, ``"now"``
                with the next one that is produced, an integer with the event after that sequence
                number.
            max_reconnect_attempts: How many times in a row to try to reconnect before giving up.
                Defaults to 3: at once, then after about 1 s and 2 s. Every event received resets
                the count.

        Returns:
            The stream, to iterate over. ``EventStream`` says when it is connected, and what
            iterating raises.

        Raises:
            ValueError: An argument is out of range.
        """
        machine = StreamMachine(
            handler_id,
            after_sequence=after_sequence,
            include_internal=include_internal_events,
            max_reconnect_attempts=max_reconnect_attempts,
            max_event_size=self._driver.options.sizes.event,
            server=self._driver.server,
            time=self._driver.time,
        )
        return EventStream(self._driver, machine)

    async def send_event(
        self, handler_id: str, event: Event | dict[str, Any], step: str | None = None
    ) -> SendEventResponse:
        """Send an event to a run, such as a person's answer.

        Args:
            handler_id: ID of the run.
            event: The event, or an envelope (``{"type": ..., "value": {...}}``) as a dict. The
                workflow must declare its class.
            step: The step that receives it. Defaults to every step that accepts such events.

        Returns:
            Confirmation that the event was accepted; a step may or may not handle it.

        Raises:
            NotFoundError: There is no such run.
            ConflictError: The run has ended.
            StatusError: 400, the workflow does not declare the event.
            ServerError: There is no such step.
            ValueError: The event is invalid; nothing was sent.
        """
        return await self._driver.send(
            endpoints.send_event(handler_id, event, step, self._driver.server)
        )

    async def get_result(self, handler_id: str) -> HandlerData:
        """Return a run. Deprecated: the same as ``get_handler``.

        Args:
            handler_id: ID of the run.

        Returns:
            The run.
        """
        warnings.warn("get_result is deprecated: use get_handler", DeprecationWarning, stacklevel=2)
        return await self.get_handler(handler_id)

    async def get_handlers(
        self,
        status: list[Status] | None = None,
        workflow_name: list[str] | None = None,
    ) -> HandlersListResponse:
        """Return the runs that the server knows.

        Args:
            status: Only runs of one of these statuses: ``"running"``, ``"completed"``,
                ``"failed"``, ``"cancelled"``. Defaults to all.
            workflow_name: Only runs of one of these workflows. Defaults to all.

        Returns:
            The runs. A result that the server cannot decode is marked ``result_unreadable``.

        Raises:
            ValueError: A status is unknown, or a name empty.
        """
        return await self._driver.send(endpoints.get_handlers(status, workflow_name))

    async def get_handler(self, handler_id: str) -> HandlerData:
        """Return a run: its status and, once completed, its result.

        Args:
            handler_id: ID of the run.

        Returns:
            The run, even if it failed or was cancelled.

        Raises:
            NotFoundError: There is no such run.
            WorkflowFailedError: The engine of the run stopped without an outcome.
            UnreadableResultError: The server cannot decode the run's result.
            UnsupportedServerError: The server has no endpoint for a run, or none at that address.
        """
        return await self._driver.send(endpoints.get_handler(handler_id))

    async def wait_for_handler(
        self,
        handler_id: str,
        *,
        timeout: float | None = None,
        poll_interval: float = 0.5,
        max_poll_interval: float = 5.0,
        backoff: Backoff = "linear",
    ) -> HandlerData:
        """Wait until a run has ended, and return it.

        The run's event stream signals the end within milliseconds. Polls confirm it, and replace
        the stream while there is none, and with servers before 0.2.0, which hand each event out
        only once.

        Args:
            handler_id: ID of the run.
            timeout: How long to wait, in seconds. Defaults to no limit.
            poll_interval: Seconds to wait before a poll when the stream is unavailable, the first
                time. Defaults to 0.5.
            max_poll_interval: Upper limit of that interval, in seconds. Defaults to 5.
            backoff: How the interval grows: ``"constant"`` not at all, ``"linear"`` (the default)
                by one second each time, ``"exponential"`` twofold.

        Returns:
            The run, even if it failed or was cancelled.

        Raises:
            WaitTimeoutError: The run is still running after ``timeout`` seconds.
            NotFoundError: There is no such run.
            WorkflowFailedError: The engine of the run stopped without an outcome.
            UnreadableResultError: The server cannot decode the run's result.
            UnsupportedServerError: The server has no endpoint for a run, or none at that address.
            ValueError: An argument is out of range.
        """
        wait = Wait(
            endpoints.get_handler(handler_id),
            handler_id,
            server=self._driver.server,
            timeout=timeout,
            poll_interval=poll_interval,
            max_poll_interval=max_poll_interval,
            backoff=backoff,
            max_event_size=self._driver.options.sizes.event,
            time=self._driver.time,
        )
        with self._driver.tracing.run(None, handler_id) as traced:
            handler = await self._driver.wait(wait)
            traced.found(handler)
        return handler

    async def cancel_handler(self, handler_id: str, purge: bool = False) -> CancelHandlerResponse:
        """Cancel a run.

        Args:
            handler_id: ID of the run.
            purge: Whether to remove it from the server's store as well, even if it has ended.

        Returns:
            Confirmation: ``"cancelled"``, or ``"deleted"`` with ``purge``.

        Raises:
            NotFoundError: There is no such run, or it has ended and ``purge`` is not set.
            UnsupportedServerError: The server, known to be older than 0.2.0, let the run go on.
        """
        return await self._driver.cancel(handler_id, purge)
