# Generated from src/llama_agents/client/_async/stream.py by `python -m generator`: do not edit.
"""The synchronous event stream: the state machine's requests, over httpx."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Final, Literal, Self

import httpx

from .._connection import free, hang_up, send
from .._pool import Pool
from .._resume import Done, ReadOn, Step, StreamMachine
from .._retry import DROPS, Again
from .._tasks import sleep
from ..protocol.serializable_events import EventEnvelopeWithMetadata

CLOSING_SEEN: Final = 0.5  # s, at most, until a pause ends because the stream was closed


class SyncEventStream:
    """The events of one run, in order, each of them once, over as many connections as it takes.

    ``SyncWorkflowClient.get_workflow_events`` makes it. Nothing is sent before it is iterated or
    entered; it can be iterated once. A ``break`` out of the loop frees the connection.

    Example:
        Stream, and keep the position:

            stream = client.get_workflow_events(handler_id)
            for event in stream:
                print(event.type, "at sequence", stream.last_sequence)
            saved_sequence = stream.last_sequence

        Entered with ``with``, it connects at once, which fixes the moment that ``"now"``
        means:

            with client.get_workflow_events(handler_id, after_sequence="now") as stream:
                client.send_event(handler_id, event)
                for event in stream:
                    print(event)

    Raises:
        StatusError: While iterating or entering: the server refuses (404 is a
            ``StreamNotFoundError``).
        StreamDisconnectedError: The connection broke, and reconnecting did not help.
        InvalidResponseError: The answer, or a frame of it, is not the API's.
    """

    def __init__(self, pool: Pool, machine: StreamMachine) -> None:
        self._pool = pool
        self._machine = machine
        self._response: httpx.Response | None = None
        self._started = False
        self._closed = False

    @property
    def last_sequence(self) -> int | Literal["now"]:
        """The sequence number of the last event; before the first, the given ``after_sequence``."""
        return self._machine.cursor

    def __iter__(self) -> Iterator[EventEnvelopeWithMetadata]:
        if self._started:
            raise RuntimeError("an event stream can be iterated only once")
        if self._closed:
            raise RuntimeError("the event stream has been closed")
        self._started = True
        # Not kept: when the loop drops it, the connection is freed, whoever holds the stream.
        return self._events()

    def __enter__(self) -> Self:
        if self._started or self._closed:
            raise RuntimeError("an event stream can be entered only once, before it is iterated")
        self._connect()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the stream and free its connection. The run itself goes on."""
        self._closed = True
        try:
            if self._response is not None:
                hang_up(self._response)
        finally:
            self._disconnect()

    def _events(self) -> Iterator[EventEnvelopeWithMetadata]:
        machine = self._machine
        try:
            while (response := self._connect()) is not None:
                cause = None
                try:
                    for piece in response.iter_bytes():
                        for event in machine.receive(piece):
                            yield event
                            if self._closed:
                                return
                        if machine.finished:
                            return
                except DROPS as error:
                    cause = error
                if self._closed:
                    return
                self._follow(machine.closed(cause))
        finally:
            self._disconnect()

    def _connect(self) -> httpx.Response | None:
        """Return a connection to read from, or None when the stream is over."""
        try:
            while self._response is None and not (self._machine.finished or self._closed):
                self._follow(self._open())
        except BaseException:
            self._disconnect()
            raise
        if self._closed:
            self._disconnect()
        return self._response

    def _open(self) -> Step:
        client = self._pool.get()
        machine = self._machine
        request = machine.request().request(client, machine.timeout(client.timeout))
        try:
            self._response = response = send(client, request)
        except DROPS as error:
            return self._machine.closed(error)
        evidence = self._machine.evidence(response)
        if evidence is None:
            return self._machine.opened(response)
        # A status without its whole body still tells what to do.
        with suppress(*DROPS):
            for piece in response.iter_bytes():
                if evidence.take(piece):
                    break
        return self._machine.opened(evidence.response())

    def _follow(self, step: Step) -> None:
        match step:
            case ReadOn():
                return
            case Done():
                self._disconnect()
            case Again(after=pause):
                self._disconnect()
                while pause > 0 and not self._closed:
                    sleep(min(pause, CLOSING_SEEN))
                    pause -= CLOSING_SEEN

    def _disconnect(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            free(response)
