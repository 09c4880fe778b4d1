"""The asynchronous handle on one run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar, overload

from .._core import endpoints
from .._core.checkpoint import Checkpoint, take_checkpoint
from .._core.history import HistoryMachine
from .._core.interaction import QUIET_PERIOD, Interaction, Unanswered
from .._core.stream import StreamMachine
from .._events.results import result_of
from .._lazy_types import Event, StopEvent
from .._transport.concurrency import acall
from ..errors import ConflictError, Cursor
from ..protocol import CancelHandlerResponse, ResultEnvelope, SendEventResponse, Status
from .driver import Driver
from .stream import EventStream

StopT = TypeVar("StopT", bound=StopEvent)
Answer: TypeAlias = Event | dict[str, Any] | None


class WorkflowRun:
    """A handle on one run of a workflow.

    ``WorkflowClient.start`` returns one for a new run, ``WorkflowClient.get_run`` for a run that is
    known by its ID, and ``WorkflowClient.resume`` for the run of a checkpoint.

    Example:
        Start a run, follow it, and get its result as an object of its class:

            run = await client.start("index", IndexStart(documents=20))
            async for event in run.events():
                print(event.type)
            done = await run.result(IndexDone)

    Attributes:
        handler_id: ID of the run.
    """

    def __init__(
        self,
        driver: Driver,
        handler_id: str,
        *,
        run_id: str | None = None,
        sequence: int = -1,
        is_new: bool = False,
    ) -> None:
        self.handler_id = handler_id
        self._driver = driver
        self._run_id = run_id
        self._sequence: Cursor = sequence
        self._reading: StreamMachine | None = None  # not the stream, which ends when it is dropped
        self._has_history = not is_new

    def __getstate__(self) -> dict[str, Any]:
        # A copy has the position, but not what reads on from there.
        return {**vars(self), "_sequence": self._position, "_reading": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.handler_id!r})"

    def events(
        self,
        include_internal_events: bool = False,
        after_sequence: Cursor | None = None,
        max_reconnect_attempts: int = 3,
    ) -> EventStream:
        """Stream the events of the run, as ``WorkflowClient.get_workflow_events`` does.

        Args:
            include_internal_events: Whether to include the framework's own events about steps.
            after_sequence: Where to begin. Defaults to the position of the handle: after the last
                event of its previous stream or of its checkpoint, at first with the first event.
            max_reconnect_attempts: How many times in a row to try to reconnect before giving up.
                Defaults to 3.

        Returns:
            The stream. ``EventStream`` says when it is connected.
        """
        begin = self._position if after_sequence is None else after_sequence
        self._reading = self._machine(begin, include_internal_events, max_reconnect_attempts)
        return EventStream(self._driver, self._reading)

    @overload
    async def result(
        self,
        result_type: None = None,
        timeout: float | None = None,
    ) -> ResultEnvelope: ...

    @overload
    async def result(
        self,
        result_type: type[StopT],
        timeout: float | None = None,
    ) -> StopT: ...

    async def result(self, result_type: Any = None, timeout: float | None = None) -> Any:
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
        wait = self._driver.completion_wait(self.handler_id, timeout)
        return result_of(await self._driver.wait(wait), result_type)

    @overload
    async def interact(
        self,
        answers: Mapping[type[Event], Callable[[Any], Answer | Awaitable[Answer]]],
        result_type: None = None,
        *,
        unanswered: Unanswered = "error",
    ) -> ResultEnvelope: ...

    @overload
    async def interact(
        self,
        answers: Mapping[type[Event], Callable[[Any], Answer | Awaitable[Answer]]],
        result_type: type[StopT],
        *,
        unanswered: Unanswered = "error",
    ) -> StopT: ...

    async def interact(
        self,
        answers: Mapping[Any, Callable[[Any], Any]],
        result_type: Any = None,
        *,
        unanswered: Unanswered = "error",
    ) -> Any:
        """Answer the run's requests until it has completed, and return its result.

        Each request is answered once, also across processes: a request that the run has moved past
        is not asked again. ``checkpoint()`` is the position before the first request that the run
        may still wait for, and may be called while an answer is being produced.

        Example:
            Let a person answer:

                def ask(event: RequestEvent) -> ResponseEvent:
                    return ResponseEvent(response=input(event.prompt))

                result = await run.interact({RequestEvent: ask}, OutEvent)

        Args:
            answers: For each class of request, a function that takes the event and returns the
                answer: an event, or an envelope as a dict. It is called for subclasses as well;
                the nearest class wins.
            result_type: The class of stop event to return. Defaults to none: the result as a dict
                of its fields and its envelope.
            unanswered: How to treat an ``InputRequiredEvent`` that gets no answer (no function, or
                its function returned None): ``"error"`` (the default) raises, ``"ignore"`` leaves
                it to another client.

        Returns:
            The result.

        Raises:
            UnansweredRequestError: A request has no answer; or several were open and another
                process answered one of them: the server does not say which.
            WorkflowFailedError: The run failed, timed out or was cancelled, or its engine stopped.
            StreamDisconnectedError: The connection broke, and every attempt to reconnect failed.
            EventValidationError: A request does not fit its class, or the result is of another.
            WorkflowClientError: An answer was not accepted, as ``send`` raises.
            httpx.TransportError: An answer may or may not have arrived. Call ``interact`` again: it
                finds out and continues.
            TypeError, ValueError: ``answers`` or ``unanswered`` is invalid; nothing was sent.
        """
        position = self._position
        if position == "now":
            position = -1
            self._has_history = True
        interaction = Interaction(
            self.handler_id,
            answers,
            unanswered=unanswered,
            position=position,
            replaying=self._has_history,
        )
        self._reading, self._sequence = None, position
        had_history, self._has_history = self._has_history, True  # until everything is answered
        if had_history:
            replay = HistoryMachine(
                self._machine(position, True), QUIET_PERIOD, self._driver.time.clock
            )
            await self._follow(interaction, replay)
            interaction.history_replayed()
        await self._follow(interaction, self._machine(interaction.last, True))
        self._has_history = False
        return await self.result(result_type)

    async def _follow(
        self, interaction: Interaction, machine: StreamMachine | HistoryMachine
    ) -> None:
        """Pass the events of a stream to an interaction, and answer its requests."""
        async with EventStream(self._driver, machine) as stream:
            await self._answer(interaction)
            async for envelope in stream:
                sequence = stream.last_sequence
                assert sequence != "now"
                interaction.receive(sequence, envelope)
                self._sequence = interaction.position
                await self._answer(interaction)

    async def _answer(self, interaction: Interaction) -> None:
        while (request := interaction.next_request()) is not None:
            answer = await acall(request.answer)
            if answer is None:
                interaction.skip(request)
            else:
                interaction.answer_sent(request)
                # An answer to a run that has ended comes too late; the result says how it ended.
                with suppress(ConflictError):
                    await self.send(answer)
            self._sequence = interaction.position

    async def send(
        self, event: Event | dict[str, Any], step: str | None = None
    ) -> SendEventResponse:
        """Send an event to the run, as ``WorkflowClient.send_event`` does.

        Args:
            event: The event, or an envelope as a dict.
            step: The step that receives it. Defaults to every step that accepts such events.

        Returns:
            Confirmation that the event was accepted.

        Raises:
            WorkflowClientError: As ``WorkflowClient.send_event``.
        """
        return await self._driver.send(endpoints.send_event(self.handler_id, event, step))

    async def cancel(self, purge: bool = False) -> CancelHandlerResponse:
        """Cancel the run, as ``WorkflowClient.cancel_handler`` does.

        Args:
            purge: Whether to remove it from the server's store as well, even if it has ended.

        Returns:
            Confirmation: ``"cancelled"``, or ``"deleted"`` with ``purge``.

        Raises:
            NotFoundError: There is no such run, or it has ended and ``purge`` is not set.
        """
        return await self._driver.send(endpoints.cancel_handler(self.handler_id, purge))

    async def status(self) -> Status:
        """Return the status of the run.

        Returns:
            ``"running"``, ``"completed"``, ``"failed"`` or ``"cancelled"``.
        """
        return (await self._driver.send(endpoints.get_handler(self.handler_id))).status

    async def checkpoint(self) -> Checkpoint:
        """Return the position of the handle, from which another process can continue.

        The first call sends a request, if the handle does not know the run's ID yet.

        Returns:
            A dict to be kept as JSON, for ``WorkflowClient.resume``.

        Raises:
            CheckpointError: A stream that began at ``"now"`` has not delivered an event yet, or
                the server has no ID for the run.
            NotFoundError: There is no such run.
        """
        if self._run_id is None:
            handler = await self._driver.send(endpoints.get_handler(self.handler_id))
            self._run_id = handler.run_id
        return take_checkpoint(self.handler_id, self._run_id, self._position)

    def _machine(
        self, after_sequence: Cursor, include_internal: bool, max_reconnect_attempts: int = 3
    ) -> StreamMachine:
        return StreamMachine(
            self.handler_id,
            after_sequence=after_sequence,
            include_internal=include_internal,
            max_reconnect_attempts=max_reconnect_attempts,
            max_event_size=self._driver.sizes.event,
            time=self._driver.time,
        )

    @property
    def _position(self) -> Cursor:
        return self._sequence if self._reading is None else self._reading.cursor
