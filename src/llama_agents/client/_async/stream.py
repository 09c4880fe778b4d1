"""The asynchronous event stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Final, NoReturn, Self

import httpx

from .._core.actions import Finished, Read, Retry
from .._core.history import HistoryMachine
from .._core.policy import TRANSPORT_ERRORS
from .._core.stream import StreamMachine
from .._process import keep_forever, watch
from .._transport.concurrency import asleep
from .._transport.connection import aclose_response, shutdown_socket
from ..errors import Cursor
from ..protocol.serializable_events import EventEnvelopeWithMetadata
from .driver import Driver

CLOSE_POLL_INTERVAL: Final = 0.5  # s, until a sleeping stream notices that it was closed


class EventStream:
    """The events of one run, in order and each exactly once, through any number of connections.

    Returned by ``WorkflowClient.get_workflow_events`` and ``WorkflowRun.events``. Nothing is sent
    before it is iterated or entered. It can be iterated once; a ``break`` out of the loop closes
    the connection.

    Example:
        Stream events and keep the position:

            stream = client.get_workflow_events(handler_id)
            async for event in stream:
                print(event.type, "at sequence", stream.last_sequence)
            saved_sequence = stream.last_sequence

        Entering it with ``async with`` connects at once, which fixes the moment that ``"now"``
        refers to:

            async with client.get_workflow_events(handler_id, after_sequence="now") as stream:
                await client.send_event(handler_id, event)
                async for event in stream:
                    print(event)

    Raises:
        StatusError: While iterating or entering: the server responds with an error (404 is a
            ``StreamNotFoundError``).
        StreamDisconnectedError: The connection broke, and every attempt to reconnect failed.
        InvalidResponseError: The response, or an event of it, is not the API's; or an event is
            larger than ``max_event_size`` (``ResponseTooLargeError``).
        RuntimeError: It is iterated or entered a second time, or after it was closed.

    Warns:
        MissedEventsWarning: It began at ``"now"`` and was interrupted before its first event.
    """

    def __init__(self, driver: Driver, machine: StreamMachine | HistoryMachine) -> None:
        self._driver = driver
        self._machine = machine
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._started = False
        self._closed = False
        watch(self, after_fork=EventStream._let_go, at_exit=EventStream._let_go)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an event stream cannot be pickled or copied: create another one from the client, "
            "with this one's handler_id, and its last_sequence as after_sequence"
        )

    @property
    def handler_id(self) -> str:
        """ID of the run whose events are streamed."""
        return self._machine.handler_id

    @property
    def last_sequence(self) -> Cursor:
        """The sequence number of the last event; before the first, the given ``after_sequence``."""
        return self._machine.cursor

    def __aiter__(self) -> AsyncIterator[EventEnvelopeWithMetadata]:
        if self._started:
            raise RuntimeError("an event stream can be iterated only once")
        if self._closed:
            raise RuntimeError("the event stream has been closed")
        self._started = True
        # Not kept: when the loop drops it, the connection is closed, whoever holds the stream.
        return self._events()

    async def __aenter__(self) -> Self:
        if self._started or self._closed:
            raise RuntimeError("an event stream can be entered only once, before it is iterated")
        await self._connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream and close its connection. The run itself keeps running."""
        self._closed = True
        try:
            if self._response is not None:
                shutdown_socket(self._response)
        finally:
            await self._disconnect()

    async def _events(self) -> AsyncIterator[EventEnvelopeWithMetadata]:
        machine = self._machine
        try:
            while (response := await self._connect()) is not None:
                cause = None
                try:
                    chunks = self._chunks = response.aiter_bytes()
                    async for chunk in chunks:
                        for event in machine.receive(chunk):
                            yield event
                            if self._closed:
                                return
                        if self._response is not response:
                            break
                        if not isinstance(machine.action, Read):
                            return
                except TRANSPORT_ERRORS as error:
                    cause = error
                if self._closed:
                    return
                if self._response is response:
                    machine.connection_ended(cause)
                else:
                    machine.interrupted()
        finally:
            await self._disconnect()

    async def _connect(self) -> httpx.Response | None:
        """Return a response to read from, or None when the stream has ended."""
        try:
            while not self._closed:
                match self._machine.action:
                    case Read():
                        if self._response is not None:
                            return self._response
                        self._machine.interrupted()
                    case Finished():
                        break
                    case Retry(delay):
                        await self._disconnect()
                        await self._sleep(delay)
                        await self._open()
            await self._disconnect()
        except BaseException:
            await self._disconnect()
            raise
        return None

    async def _sleep(self, seconds: float) -> None:
        while seconds > 0 and not self._closed:
            await asleep(min(seconds, CLOSE_POLL_INTERVAL))
            seconds -= CLOSE_POLL_INTERVAL

    async def _open(self) -> None:
        """Open the next connection, and report its response to the machine."""
        machine = self._machine
        if self._closed:
            return
        try:
            response = await self._driver.open(machine.request(), machine)
        except TRANSPORT_ERRORS as error:
            machine.connection_ended(error)
            return
        self._response = response
        reader = machine.error_body_reader(response)
        if reader is not None:
            # A status without its whole body still tells what to do.
            with suppress(*TRANSPORT_ERRORS):
                async for chunk in response.aiter_bytes():
                    if reader.receive(chunk):
                        break
            response = reader.response()
        machine.opened(response)

    def _let_go(self) -> None:
        """Keep the connection, which is the parent's or cannot be closed any more, untouched."""
        if self._response is not None:
            keep_forever((self._response, self._chunks))
            self._response = self._chunks = None

    async def _disconnect(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            await aclose_response(response)
