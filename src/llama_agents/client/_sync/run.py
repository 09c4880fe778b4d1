# Generated from src/llama_agents/client/_async/run.py by `python -m generator`: do not edit.
"""The synchronous handle on one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TextIO, TypeAlias, TypeVar, overload

from .._core import endpoints
from .._core.answer_classes import UNKNOWN, AnswerClasses, read_answer_classes
from .._core.checkpoint import Checkpoint, empty_books, take_checkpoint
from .._core.interaction import (
    Interaction,
    OnEvent,
    OnUncertain,
    Unanswered,
)
from .._core.limits import Deadline
from .._core.policy import POLL_RETRIES, TRANSPORT_ERRORS
from .._core.stream import StreamMachine
from .._events.results import result_of
from .._lazy_types import (
    Books,
    CancelHandlerResponse,
    Event,
    HandlerData,
    ResultEnvelope,
    SendEventResponse,
    StopEvent,
)
from .._statuses import ENDED_STATUSES, Status, status_after
from .._tracing import UntracedRun
from .._transport.read_ahead import read_ahead
from ..errors import (
    Cursor,
    WorkflowClientError,
    WorkflowFailedError,
)
from .driver import Driver
from .interact import InteractionRunner
from .stream import SyncEventStream

StopT = TypeVar("StopT", bound=StopEvent)
Answer: TypeAlias = Event | dict[str, Any] | None
AnswerKeyT = TypeVar("AnswerKeyT", bound=type[Event] | str)  # a class or its name


class SyncWorkflowRun:
    """A handle on one run of a workflow.

    ``SyncWorkflowClient.start`` returns one for a new run, ``SyncWorkflowClient.get_run`` for a run that is
    known by its ID, and ``SyncWorkflowClient.resume`` for the run of a checkpoint.

    Example:
        Start a run, follow it, and get its result as an object of its class:

            run = client.start("index", IndexStart(documents=20))
            for event in run.events():
                print(event.type)
            done = run.result(IndexDone)

    Attributes:
        handler_id: ID of the run.
    """

    def __init__(
        self,
        driver: Driver,
        handler_id: str,
        *,
        run_id: str | None = None,
        workflow_name: str | None = None,
        status: str | None = None,
        sequence: int = -1,
        books: Books | None = None,
        is_new: bool = False,
    ) -> None:
        self.handler_id = handler_id
        self._driver = driver
        self._run_id = run_id
        self._workflow_name = workflow_name
        self._status = status
        self._sequence: Cursor = sequence
        self._reading: StreamMachine | None = None  # not the stream, which ends when it is dropped
        self._books = books
        self._is_new = is_new  # nobody can have answered a request

    def __getstate__(self) -> dict[str, Any]:
        # A copy has the position, but not what reads on from there.
        state = {**vars(self), "_sequence": self._position, "_reading": None}
        return state | {"_is_new": False, "_status": self._last_status}

    def __repr__(self) -> str:
        status = self._last_status
        known = "" if status is None else f", status={status!r}"
        return f"{type(self).__name__}({self.handler_id!r}{known})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .._display.bundles import run_bundle

        return run_bundle(self, self.handler_id, self._workflow_name, self._last_status)

    def events(
        self,
        include_internal_events: bool = False,
        after_sequence: Cursor | None = None,
        max_reconnect_attempts: int = 3,
    ) -> SyncEventStream:
        """Stream the events of the run, as ``SyncWorkflowClient.get_workflow_events`` does.

        Args:
            include_internal_events: Whether to include the framework's own events about steps.
            after_sequence: Where to begin. Defaults to the position of the handle: after the last
                event of its previous stream or of its checkpoint, at first with the first event.
            max_reconnect_attempts: How many times in a row to try to reconnect before giving up.
                Defaults to 3.

        Returns:
            The stream. ``SyncEventStream`` says when it is connected.
        """
        begin = self._position if after_sequence is None else after_sequence
        self._is_new, self._status = False, self._last_status
        self._reading = self._machine(begin, include_internal_events, max_reconnect_attempts)
        return SyncEventStream(self._driver, self._reading, self._workflow_name)

    @overload
    def result(
        self,
        result_type: None = None,
        timeout: float | None = None,
    ) -> ResultEnvelope: ...

    @overload
    def result(
        self,
        result_type: type[StopT],
        timeout: float | None = None,
    ) -> StopT: ...

    def result(self, result_type: Any = None, timeout: float | None = None) -> Any:
        """Wait until the run has completed, and return its result.

        Args:
            result_type: The class of stop event to return. Defaults to none: the result as a dict
                of its fields and its envelope.
            timeout: How long to wait, in seconds. Defaults to no limit.

        Returns:
            The result.

        Raises:
            WorkflowFailedError: The run failed, timed out or was cancelled, or its engine stopped.
            WaitTimeoutError: The run is still running after ``timeout`` seconds.
            EventValidationError: The result is of another class.
            NotFoundError: There is no such run.
        """
        with self._traced() as traced:
            return self._result(result_type, timeout, traced)

    def _traced(self) -> AbstractContextManager[UntracedRun]:
        return self._driver.tracing.run(self._workflow_name, self.handler_id, self._run_id)

    def _result(self, result_type: Any, timeout: float | None, traced: UntracedRun) -> Any:
        wait = self._driver.completion_wait(self.handler_id, timeout)
        try:
            handler = self._driver.wait(wait)
        except WorkflowFailedError as error:
            self._learn(error.handler)
            raise
        traced.found(handler)
        self._learn(handler)
        return result_of(handler, result_type)

    def watch(self, after_sequence: Cursor | None = None, *, file: TextIO | None = None) -> None:
        """Show the events and the progress of the run until it has ended.

        A notebook gets one display, and a terminal a few lines, that are updated in place: the
        status, the time since the call, the number of events and the last of them, the steps that
        are under way, and the requests that wait for an answer. Anywhere else, each event is
        written as a line. Nothing is raised for a run that fails; ``result`` does that. If the call
        is interrupted, the run continues, and so does ``events()`` after the last event shown.

        Args:
            after_sequence: Where to begin. Defaults to the position of the handle, as with
                ``events``.
            file: Where to write. Defaults to the notebook, or else to stdout.

        Raises:
            StatusError: The server responds with an error (404 is a ``StreamNotFoundError``).
            StreamDisconnectedError: The connection broke, and every attempt to reconnect failed.
            WorkflowClientError: The events cannot be read, as ``events`` raises.
        """
        from .watch import watch

        watch(self, after_sequence, file)

    @overload
    def interact(
        self,
        answers: Mapping[AnswerKeyT, Callable[[Any], Answer]],
        result_type: None = None,
        *,
        unanswered: Unanswered = "error",
        on_uncertain: OnUncertain = "ask",
        on_event: OnEvent | None = None,
        timeout: float | None = None,
    ) -> ResultEnvelope: ...

    @overload
    def interact(
        self,
        answers: Mapping[AnswerKeyT, Callable[[Any], Answer]],
        result_type: type[StopT],
        *,
        unanswered: Unanswered = "error",
        on_uncertain: OnUncertain = "ask",
        on_event: OnEvent | None = None,
        timeout: float | None = None,
    ) -> StopT: ...

    def interact(
        self,
        answers: Mapping[Any, Callable[[Any], Any]],
        result_type: Any = None,
        *,
        unanswered: Unanswered = "error",
        on_uncertain: OnUncertain = "ask",
        on_event: OnEvent | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Answer the run's requests until it has completed, and return its result.

        A request that this handle has answered is not asked again, also not by a handle that
        continues from its ``checkpoint()``, which may be called while an answer is being produced.
        What others have answered is known only where the framework's own events prove it; anything
        else is asked, perhaps twice, or raised: see ``on_uncertain``.

        Example:
            Let a person answer:

                def ask(event: RequestEvent) -> ResponseEvent:
                    return ResponseEvent(response=input(event.prompt))

                result = run.interact({RequestEvent: ask}, OutEvent)

        Args:
            answers: For each class of request, a function that takes the event and returns the
                answer: an event, or an envelope as a dict. It is called for subclasses as well;
                the nearest class wins. The answer is dropped if the run no longer needs it by then.
                Where the classes are not at hand, the keys are their names (every request that
                needs input is an ``"InputRequiredEvent"``), and the functions take envelopes.
            result_type: The class of stop event to return. Defaults to none: the result as a dict
                of its fields and its envelope.
            unanswered: How to treat an ``InputRequiredEvent`` that gets no answer (no function, or
                its function returned None): ``"error"`` (the default) raises, ``"ignore"`` leaves
                it to another client.
            on_uncertain: How to treat a request that somebody else may have answered, while the
                server does not say so: ``"ask"`` (the default) answers it, ``"error"`` raises.
            on_event: Called with the sequence number of each event that is read, and the event, in
                order and before the event is acted on. The framework's own events about steps are
                among them, as is what the run has had before the call. May be async.
            timeout: How long all of it may take, in seconds. Defaults to no limit. The sync client
                cannot interrupt a function.

        Returns:
            The result.

        Raises:
            UnsupportedServerError: The server's events have no sequence numbers; nothing was asked.
            UnansweredRequestError: A request has no answer; no step of the workflow takes the
                answer; or, with ``on_uncertain="error"``, somebody else may have answered it.
            WorkflowFailedError: The run failed, timed out or was cancelled, or its engine stopped.
            WaitTimeoutError: The run is still running after ``timeout`` seconds.
            StreamDisconnectedError: The connection broke, and every attempt to reconnect failed.
            EventValidationError: A request does not fit its class, or the result is of another.
            WorkflowClientError: An answer was not accepted, as ``send`` raises.
            httpx.TransportError: An answer was not sent, or may not have arrived and the run has
                not taken it within 15 s.
            TypeError, ValueError: ``answers`` or another argument is invalid; nothing was sent.
        """
        limit = Deadline(self.handler_id, timeout, self._driver.time.clock)
        books = self._books or empty_books()
        interaction = Interaction(
            self.handler_id,
            answers,
            unanswered=unanswered,
            on_uncertain=on_uncertain,
            on_event=on_event,
            books=books,
            clock=self._driver.time.clock,
        )
        with self._traced() as traced:
            self._answer_requests(interaction, books, limit)
            return self._result(result_type, limit.remaining(), traced)

    def _answer_requests(self, interaction: Interaction, books: Books, limit: Deadline) -> None:
        """Answer the requests of the run until its stream ends."""
        self._driver.identify(limit.remaining())
        self._driver.server.ensure_cursors(self.handler_id)
        is_new = self._is_new
        self._status = self._last_status
        self._reading, self._sequence, self._is_new = None, books.begin, False
        machine = self._machine(books.begin, True, POLL_RETRIES, needs_numbers=True)
        stream = SyncEventStream(self._driver, machine, self._workflow_name)
        runner = InteractionRunner(self._driver, interaction, limit, self._keep)
        try:
            with read_ahead(stream, lambda event: (stream.last_sequence, event)) as new:
                interaction.answer_classes = self._answer_classes(limit)
                runner.run(new, None if is_new else machine)
        finally:
            self._keep(interaction)

    def _keep(self, interaction: Interaction) -> None:
        """Keep the position of an interaction, and what has been answered."""
        self._sequence, self._books = interaction.position, interaction.books

    def _answer_classes(self, limit: Deadline) -> AnswerClasses:
        """Return what the graph of the workflow says of answers."""
        send = self._driver.send
        name = self._workflow_name
        try:
            if name is None:
                handler = send(endpoints.get_handler(self.handler_id), limit.remaining())
                self._learn(handler)
                name = handler.workflow_name
            graph = endpoints.get_workflow_graph(name)
            found = send(graph, limit.remaining())
        except (WorkflowClientError, *TRANSPORT_ERRORS):
            return UNKNOWN  # it is of help, but not needed
        return read_answer_classes(found.graph)

    def send(self, event: Event | dict[str, Any], step: str | None = None) -> SendEventResponse:
        """Send an event to the run, as ``SyncWorkflowClient.send_event`` does.

        Args:
            event: The event, or an envelope as a dict.
            step: The step that receives it. Defaults to every step that accepts such events.

        Returns:
            Confirmation that the event was accepted.

        Raises:
            WorkflowClientError: As ``SyncWorkflowClient.send_event``.
        """
        self._is_new = False
        return self._driver.send(
            endpoints.send_event(self.handler_id, event, step, self._driver.server)
        )

    def cancel(self, purge: bool = False) -> CancelHandlerResponse:
        """Cancel the run, as ``SyncWorkflowClient.cancel_handler`` does.

        Args:
            purge: Whether to remove it from the server's store as well, even if it has ended.

        Returns:
            Confirmation: ``"cancelled"``, or ``"deleted"`` with ``purge``.

        Raises:
            NotFoundError: There is no such run, or it has ended and ``purge`` is not set.
            UnsupportedServerError: The server, known to be older than 0.2.0, let the run go on.
        """
        response = self._driver.cancel(self.handler_id, purge)
        self._status = response.status
        return response

    def status(self) -> Status:
        """Return the status of the run.

        Returns:
            ``"running"``, ``"completed"``, ``"failed"`` or ``"cancelled"``.
        """
        handler = self._driver.send(endpoints.get_handler(self.handler_id))
        self._learn(handler)
        return handler.status

    def checkpoint(self) -> Checkpoint:
        """Return the position of the handle, from which another process can continue.

        The first call sends a request, if the handle does not know the run's ID yet.

        Returns:
            A dict to be kept as JSON, for ``SyncWorkflowClient.resume``.

        Raises:
            CheckpointError: A stream that began at ``"now"`` has not delivered an event yet, or
                the server has no ID for the run.
            UnsupportedServerError: The server's events have no sequence numbers.
            NotFoundError: There is no such run.
        """
        if self._reading is not None:
            self._reading.ensure_position()
        if self._run_id is None:
            handler = self._driver.send(endpoints.get_handler(self.handler_id))
            self._learn(handler)
            self._run_id = handler.run_id
        return take_checkpoint(self.handler_id, self._run_id, self._position, self._books)

    def _machine(
        self,
        after_sequence: Cursor,
        include_internal: bool,
        max_reconnect_attempts: int = 3,
        *,
        needs_numbers: bool = False,
    ) -> StreamMachine:
        return StreamMachine(
            self.handler_id,
            after_sequence=after_sequence,
            include_internal=include_internal,
            max_reconnect_attempts=max_reconnect_attempts,
            max_event_size=self._driver.options.sizes.event,
            needs_numbers=needs_numbers,
            server=self._driver.server,
            time=self._driver.time,
        )

    def _learn(self, handler: HandlerData) -> None:
        """Keep what the server says of the run."""
        self._status, self._workflow_name = handler.status, handler.workflow_name

    @property
    def _last_status(self) -> str | None:
        """The status as last known; a run does not leave the one that it ends with."""
        ended_by = None if self._reading is None else self._reading.ended_by
        if ended_by is None or self._status in {*ENDED_STATUSES, "deleted"}:
            return self._status
        return status_after(ended_by)

    @property
    def _position(self) -> Cursor:
        if self._reading is None:
            return self._sequence
        self._reading.ensure_position()
        return self._reading.cursor
