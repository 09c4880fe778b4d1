# Generated from src/llama_agents/client/_async/run.py by `python -m generator`: do not edit.
"""The synchronous handle on one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from .._events.results import result_of
from .._handle import Checkpoint, take_checkpoint
from .._interact import SETTLED, Interaction, Unanswered
from .._tasks import call
from ..errors import ConflictError
from ..protocol import CancelHandlerResponse, HandlerData, ResultEnvelope, SendEventResponse, Status
from .stream import SyncEventStream

if TYPE_CHECKING:
    from workflows.events import Event, StopEvent

    from .client import SyncWorkflowClient

    StopT = TypeVar("StopT", bound=StopEvent)
    Answer = Event | dict[str, Any] | None


class SyncWorkflowRun:
    """A handle on one run of a workflow.

    ``SyncWorkflowClient.start`` makes it for a new run, ``SyncWorkflowClient.run`` for one that is known by
    its id, ``SyncWorkflowClient.resume`` from a checkpoint.

    Example:
        Start a run, follow it, and get its result as an object of its class:

            run = client.start("index", IndexStart(documents=20))
            for event in run.events():
                print(event.type)
            done = run.result(IndexDone)

    Attributes:
        handler_id: The name of the run.
    """

    def __init__(
        self,
        client: SyncWorkflowClient,
        handler_id: str,
        *,
        run_id: str | None = None,
        sequence: int = -1,
        is_new: bool = False,
    ) -> None:
        self.handler_id = handler_id
        self._client = client
        self._run_id = run_id
        self._sequence: int | Literal["now"] = sequence
        self._stream: SyncEventStream | None = None
        self._has_past = not is_new

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.handler_id!r})"

    def events(
        self,
        include_internal_events: bool = False,
        after_sequence: int | Literal["now"] | None = None,
        max_reconnect_attempts: int = 3,
    ) -> SyncEventStream:
        """Stream the events of the run, as ``SyncWorkflowClient.get_workflow_events`` does.

        Args:
            include_internal_events: Whether to include the framework's own events about steps.
            after_sequence: Where to begin. Defaults to where the handle stands: behind the last
                event of the stream before, or of the checkpoint; at first with the first event.
            max_reconnect_attempts: How many attempts to connect may fail in a row.

        Returns:
            The stream. Nothing is sent before it is iterated or entered.
        """
        begin = self._position if after_sequence is None else after_sequence
        stream = self._client.get_workflow_events(
            self.handler_id, include_internal_events, begin, max_reconnect_attempts
        )
        self._stream = stream
        return stream

    @overload
    def result(
        self,
        type: None = None,
        timeout: float | None = None,
    ) -> ResultEnvelope: ...

    @overload
    def result(
        self,
        type: type[StopT],
        timeout: float | None = None,
    ) -> StopT: ...

    def result(self, type: Any = None, timeout: float | None = None) -> Any:  # noqa: A002
        """Wait until the run has completed, and get its result.

        Args:
            type: The class of stop event that the result is to be made of. Defaults to none: the
                result as a dict of its fields, and its envelope.
            timeout: How long to wait, in seconds. Defaults to no bound.

        Returns:
            The result.

        Raises:
            WorkflowFailedError: The run failed, timed out or was cancelled.
            WaitTimeoutError: The run goes on after ``timeout`` seconds.
            EventValidationError: The result is of another class.
            NotFoundError: There is no such run.
        """
        handler = self._client._wait(self._client._end_of(self.handler_id, timeout))
        return result_of(handler, type)

    @overload
    def interact(
        self,
        answers: Mapping[type[Event], Callable[[Any], Answer]],
        type: None = None,
        *,
        unanswered: Unanswered = "error",
    ) -> ResultEnvelope: ...

    @overload
    def interact(
        self,
        answers: Mapping[type[Event], Callable[[Any], Answer]],
        type: type[StopT],
        *,
        unanswered: Unanswered = "error",
    ) -> StopT: ...

    def interact(
        self,
        answers: Mapping[Any, Callable[[Any], Any]],
        type: Any = None,  # noqa: A002
        *,
        unanswered: Unanswered = "error",
    ) -> Any:
        """Answer what the run asks until it has completed, and get its result.

        A request is answered once, also by a handle that another process had before: a request
        that the run has got over is not asked again. ``checkpoint()`` stands before the first
        request that the run may still wait for, and may be called while an answer is made.

        Example:
            Let a person answer:

                def ask(event: RequestEvent) -> ResponseEvent:
                    return ResponseEvent(response=input(event.prompt))

                result = run.interact({RequestEvent: ask}, OutEvent)

        Args:
            answers: For each class of request a function that takes the event and returns the
                answer: an event, or an envelope as a dict. It is called for subclasses as well;
                the class that is nearest counts.
            type: The class of stop event that the result is to be made of. Defaults to none: the
                result as a dict of its fields, and its envelope.
            unanswered: What becomes of an ``InputRequiredEvent`` without an answer (no function,
                or its function returned None): ``"error"`` (the default), or ``"leave"`` it to
                somebody else.

        Returns:
            The result.

        Raises:
            UnansweredRequestError: A request has no answer; or several were open when another
                process answered, and the server does not tell which of them.
            WorkflowFailedError: The run failed, timed out or was cancelled.
            StreamDisconnectedError: The connection broke, and reconnecting did not help.
            WorkflowClientError: An answer was not accepted, as ``send`` raises.
            httpx.TransportError: It is not known whether an answer has arrived. Call it again: it
                finds out, and goes on.
        """
        position = self._position
        if position == "now":
            position = -1
            self._has_past = True
        talk = Interaction(
            self.handler_id, answers, unanswered=unanswered, position=position, past=self._has_past
        )
        self._stream, self._sequence = None, position
        had_past, self._has_past = self._has_past, True  # until all is done
        if had_past:
            self._follow(
                talk, self._client._stream(self.handler_id, position, True, settle=SETTLED)
            )
            talk.present()
        self._follow(talk, self._client._stream(self.handler_id, talk.last, True))
        self._has_past = False
        return self.result(type)

    def _follow(self, talk: Interaction, stream: SyncEventStream) -> None:
        """Take the events of a stream, and answer what is due."""
        with stream:
            self._answer(talk)
            for envelope in stream:
                sequence = stream.last_sequence
                assert sequence != "now"
                talk.take(sequence, envelope)
                self._sequence = talk.position
                self._answer(talk)

    def _answer(self, talk: Interaction) -> None:
        while (request := talk.due()) is not None:
            answer = call(request.answer)
            if answer is None:
                talk.left(request)
            else:
                request.sent = True
                # An answer to a run that has ended comes too late: the result says how it ended.
                with suppress(ConflictError):
                    self.send(answer)
            self._sequence = talk.position

    def send(self, event: Event | dict[str, Any], step: str | None = None) -> SendEventResponse:
        """Send an event to the run, as ``SyncWorkflowClient.send_event`` does.

        Args:
            event: The event, or an envelope as a dict.
            step: The step that is to get it. Defaults to every step that takes such events.

        Returns:
            That the event was accepted.
        """
        return self._client.send_event(self.handler_id, event, step)

    def cancel(self, purge: bool = False) -> CancelHandlerResponse:
        """Cancel the run, as ``SyncWorkflowClient.cancel_handler`` does.

        Args:
            purge: Whether to remove it from the server's store as well, also if it has ended.

        Returns:
            What was done.
        """
        return self._client.cancel_handler(self.handler_id, purge)

    def status(self) -> Status:
        """Ask how the run is.

        Returns:
            ``"running"``, ``"completed"``, ``"failed"`` or ``"cancelled"``.
        """
        handler: HandlerData = self._client.get_handler(self.handler_id)
        return handler.status

    def checkpoint(self) -> Checkpoint:
        """Note where the handle stands, to go on from there in another process.

        Returns:
            A dict to be kept as JSON, for ``SyncWorkflowClient.resume``.

        Raises:
            CheckpointError: A stream that began at ``"now"`` has delivered nothing yet.
        """
        if self._run_id is None:
            self._run_id = (self._client.get_handler(self.handler_id)).run_id
        return take_checkpoint(self.handler_id, self._run_id, self._position)

    @property
    def _position(self) -> int | Literal["now"]:
        return self._sequence if self._stream is None else self._stream.last_sequence
