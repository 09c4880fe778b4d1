"""Having the requests of a run answered: what `Interaction` asks for is called and sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

from .._core import endpoints
from .._core.actions import Retry
from .._core.interaction import InputRequest, Interaction
from .._core.limits import Deadline
from .._core.logs import RUNS
from .._core.policy import TRANSPORT_ERRORS
from .._core.stream import StreamMachine
from .._lazy_types import EventEnvelopeWithMetadata
from .._transport.concurrency import acall, acall_within
from .._transport.failures import was_not_sent
from .._transport.read_ahead import AsyncReadAhead
from ..errors import (
    ConflictError,
    Cursor,
    ServerError,
    StatusError,
    WorkflowClientError,
    WorkflowFailedError,
)
from .driver import Driver

# What others have answered shows in the events that a run has had before. They arrive at once, and
# nothing marks the last.
HISTORY_GAP: Final = 0.3  # s without an event
HISTORY_LIMIT: Final = 5.0  # s, for a run that is never still

New: TypeAlias = "AsyncReadAhead[tuple[Cursor, EventEnvelopeWithMetadata]]"
"""What the stream of the run has brought, with the sequence numbers."""


class InteractionRunner:
    """Performs what an interaction with a run asks for.

    Args:
        driver: Sends the answers.
        interaction: What has been asked and answered.
        limit: The time for all of it.
        keep: Called whenever the position or what has been answered has changed.
    """

    def __init__(
        self,
        driver: Driver,
        interaction: Interaction,
        limit: Deadline,
        keep: Callable[[Interaction], None],
    ) -> None:
        self._driver = driver
        self._interaction = interaction
        self._limit = limit
        self._keep = keep

    async def run(self, new: New, earlier: StreamMachine | None) -> None:
        """Answer the requests of the run, until its stream ends.

        Args:
            new: What its stream brings.
            earlier: The machine of that stream, if the run may have had events before.
        """
        if earlier is None or await self._catch_up(new, earlier):
            await self._answer_all(new)

    async def _catch_up(self, new: New, machine: StreamMachine) -> bool:
        """Receive the events that a run has had before; return whether its stream goes on."""
        limit = self._limit
        clock = self._driver.time.clock
        ends_at = math.inf
        while clock() < ends_at:
            connection = machine.action
            if not isinstance(connection, Retry) and ends_at == math.inf:
                ends_at = clock() + HISTORY_LIMIT
            left = limit.remaining()
            events = await new.get(HISTORY_GAP if left is None else min(HISTORY_GAP, left))
            if events is None:
                return False
            await self._receive(events)
            limit.check()
            # A stream that is being connected, perhaps again, is silent, too: that says nothing.
            is_connected = machine.action is connection and not isinstance(connection, Retry)
            if is_connected and not events:
                break
        return True

    async def _answer_all(self, new: New) -> None:
        """Answer the requests of a run, until its stream ends."""
        interaction, limit = self._interaction, self._limit
        clock = self._driver.time.clock
        while True:
            request = interaction.next_request()
            if request is not None:
                await self._answer(new, request)
                continue
            due = interaction.due()
            waits = [limit.remaining(), None if due is None else max(due[0] - clock(), 0.0)]
            events = await new.get(min((w for w in waits if w is not None), default=None))
            if events is None:
                return
            await self._receive(events)
            limit.check()
            if due is not None and due[0] <= clock():
                interaction.overdue(due[1])
                await self._ensure_alive()

    async def _ensure_alive(self) -> None:
        """Raise ``WorkflowFailedError`` if the run's engine has stopped."""
        try:
            poll = endpoints.get_handler(self._interaction.handler_id)
            await self._driver.send(poll, self._limit.remaining())
        except WorkflowFailedError:
            raise
        except (WorkflowClientError, *TRANSPORT_ERRORS):
            pass  # the stream, which is still read, says what becomes of the run

    async def _receive(self, events: list[tuple[Cursor, EventEnvelopeWithMetadata]]) -> None:
        interaction = self._interaction
        for sequence, envelope in events:
            assert sequence != "now"
            if interaction.on_event is not None:
                await acall(interaction.on_event, sequence, envelope)
            interaction.receive(sequence, envelope)
        self._keep(interaction)

    async def _answer(self, new: New, request: InputRequest) -> None:
        interaction, limit = self._interaction, self._limit
        answer = await acall_within(limit.remaining(), limit.error, request.answer)
        limit.check()
        await self._receive(await new.get(0.0) or [])
        if not interaction.is_open(request):
            RUNS.info(
                "handler %r no longer waits for an answer to %s: it is dropped",
                interaction.handler_id,
                request.envelope.type,
                extra={"handler_id": interaction.handler_id, "last_sequence": interaction.last},
            )
        elif answer is None:
            interaction.skip(request)
        else:
            interaction.ensure_certain(request)
            await self._send_answer(request, answer)
        self._keep(interaction)

    async def _send_answer(self, request: InputRequest, answer: Any) -> None:
        interaction = self._interaction
        operation = endpoints.send_event(interaction.handler_id, answer, None, self._driver.server)
        interaction.answer_sent(request, answer)
        try:
            # An answer to a run that has ended comes too late; the result says how it ended.
            with suppress(ConflictError):
                await self._driver.send(operation, self._limit.remaining())
        except TRANSPORT_ERRORS as error:
            is_lost = not was_not_sent(error)
            interaction.answer_failed(request, error if is_lost else None)
            if not is_lost:
                raise
        except BaseException as error:
            # After a gateway's error or a cancellation, for example, it may be on its way.
            is_rejected = isinstance(error, StatusError) and not isinstance(error, ServerError)
            interaction.answer_failed(request, None if is_rejected else error)
            raise
