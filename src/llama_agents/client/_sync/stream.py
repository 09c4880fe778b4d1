# Generated from src/llama_agents/client/_async/stream.py by `python -m generator`: do not edit.
"""The synchronous event stream."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import httpx

from .._core.actions import Finished, Read, Retry
from .._core.limits import Ahead, HeadWithin
from .._core.policy import TRANSPORT_ERRORS
from .._core.stream import ERROR_BODY_SECONDS, StreamMachine
from .._lazy_types import EventEnvelopeWithMetadata
from .._process import keep_forever, watch
from .._transport.concurrency import acquire, event_loop, lock, run_in_loop, sleep
from .._transport.connection import (
    close_response,
    iter_body,
    limit_body,
    shutdown_socket,
    wait_out_silence,
)
from .._transport.failures import was_not_sent
from .._transport.http2 import cancel_stream, is_shared
from .._transport.iteration import EventIterator, is_running
from ..errors import Cursor, WorkflowClientError
from .driver import Driver

CLOSE_POLL_INTERVAL: Final = 0.5  # s, until a sleeping stream notices that it was closed


class SyncEventStream:
    """The events of one run, in order and each exactly once, through any number of connections.

    Returned by ``SyncWorkflowClient.get_workflow_events`` and ``SyncWorkflowRun.events``. It can be
    iterated once; a ``break`` out of the loop closes the connection. A step that is interrupted (by
    a timeout around ``next``, or an exception of a signal handler) does not end it: the next step
    reconnects and continues after the last event received.

    Nothing is sent before it is iterated or entered, with one exception: a stream that begins at
    ``"now"`` is also connected before the same client sends an event to the run, cancels it, or
    polls it. If that connection fails, the call continues, and the iteration connects anew.

    Example:
        Stream events and keep the position:

            stream = client.get_workflow_events(handler_id)
            for event in stream:
                print(event.type, "at sequence", stream.last_sequence)
            saved_sequence = stream.last_sequence

        Entering it with ``with`` connects at once, which fixes the moment that ``"now"``
        refers to:

            with client.get_workflow_events(handler_id, after_sequence="now") as stream:
                client.send_event(handler_id, event)
                for event in stream:
                    print(event)

    Raises:
        StatusError: While iterating or entering: the server responds with an error (404 is a
            ``StreamNotFoundError``).
        StreamDisconnectedError: The connection broke, and every attempt to reconnect failed.
        InvalidResponseError: The response, or an event of it, is not the API's; or an event is
            larger than ``max_event_size`` (``ResponseTooLargeError``).
        UnsupportedServerError: An event has no sequence number where others may be missing, or
            the server hands each event out once and somebody else reads them. Also raised by
            ``last_sequence`` after an event without a number.
        RuntimeError: It is iterated or entered a second time, or after it was closed.

    Warns:
        MissedEventsWarning: It began at ``"now"`` and was interrupted before its first event, or
            could not be connected before a call of the client.
    """

    def __init__(
        self, driver: Driver, machine: StreamMachine, workflow_name: str | None = None
    ) -> None:
        self._driver = driver
        self._machine = machine
        self._traced = driver.tracing.stream(machine.handler_id, workflow_name)
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] | None = None
        self._started = False
        self._closed = False
        self._is_interrupted = False  # what was under way must be taken up again
        self._error: Exception | None = None  # what ended it, as long as nobody has received it
        # Weak references: when the loop drops the iterator, the connection is closed.
        self._iterator: Callable[[], Any] = lambda: None
        self._generator: Callable[[], Any] | None = None
        self._is_connecting = False
        self._retry: Retry | None = None
        self._retry_at = 0.0  # when the delay of _retry has passed
        self._loop: Any = None  # the event loop of its connection
        self._lock: Any = None  # while a request of the client may have to connect it
        if machine.cursor == "now":
            self._loop = event_loop()
            if self._loop is not None:
                self._lock = lock()
                driver.expect(self)
        watch(self, after_fork=SyncEventStream._let_go, at_exit=SyncEventStream._let_go)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an event stream cannot be pickled or copied: create another one from the client, "
            "with this one's handler_id, and its last_sequence as after_sequence"
        )

    def __del__(self) -> None:
        self._drop()
        self._traced.end(self._machine.delivered)

    @property
    def handler_id(self) -> str:
        """ID of the run whose events are streamed."""
        return self._machine.handler_id

    @property
    def last_sequence(self) -> Cursor:
        """The sequence number of the last event; before the first, the given ``after_sequence``.

        Raises:
            UnsupportedServerError: The server's events have no sequence numbers.
        """
        self._machine.ensure_position()
        return self._machine.cursor

    def __iter__(self) -> Iterator[EventEnvelopeWithMetadata]:
        if self._started:
            raise RuntimeError("an event stream can be iterated only once")
        if self._closed:
            raise RuntimeError("the event stream has been closed")
        self._started = True
        iterator = EventIterator(self._next_generator, self.close)
        self._iterator = weakref.ref(iterator)
        return iterator

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
        """End the stream and close its connection. The run itself keeps running."""
        self._closed = True
        response = self._response
        generator = None if self._generator is None else self._generator()
        if response is not None and is_shared(response) and is_running(generator):
            # Whoever reads it closes it: httpcore would let that reader wait for ever.
            cancel_stream(response)
            return
        try:
            if response is not None:
                shutdown_socket(response)
        finally:
            self._traced.end(self._machine.delivered)
            self._disconnect()

    def _drop(self) -> None:
        """Close the connection, where nothing can be awaited."""
        if self._response is not None:
            run_in_loop(self._loop, self._disconnect)

    def _connect_early(self, ahead: Ahead) -> None:
        """Connect before a call of this client, whose events the stream must not miss.

        Args:
            ahead: The time that the call gives it.
        """
        lock = self._lock
        if lock is None or (ahead.is_wait and self._is_connecting):
            return
        assert isinstance(self._machine, StreamMachine)
        if not acquire(lock, ahead.remaining()):  # whoever iterates it is connecting
            self._machine.overtaken()
            return
        try:
            if self._lock is None or self._is_connecting:  # a signal handler sends the request
                return
            try:
                self._establish(ahead)
                is_settled = not isinstance(self._machine.action, Retry)
            except (WorkflowClientError, *TRANSPORT_ERRORS):
                is_settled = False
            if not is_settled:
                self._machine.restart()
            self._settle()
        finally:
            lock.release()

    def _next_generator(self) -> Generator[EventEnvelopeWithMetadata, None, None] | None:
        """Return what continues where the last generator was interrupted; None at the end."""
        is_over = self._closed or isinstance(self._machine.action, Finished)
        if is_over and self._generator is not None and (self._closed or self._error is None):
            return None
        generator = self._events()
        self._generator = weakref.ref(generator)
        return generator

    def _events(self) -> Generator[EventEnvelopeWithMetadata, None, None]:
        """Yield the events, from where the last generator was interrupted."""
        machine = self._machine
        failure = None
        is_replaced = False  # by an interruption while the connection is closed
        try:
            if (iterator := self._iterator()) is not None:
                iterator.started()
            del iterator
            error, self._error = self._error, None
            if error is not None and isinstance(machine.action, Finished):
                try:
                    raise error
                finally:
                    del error
            while (chunks := self._connect()) is not None:
                cause = None
                try:
                    for chunk in chunks:
                        for event in machine.receive(chunk):
                            yield event
                            if self._closed:
                                return
                        if self._chunks is not chunks:  # in a forked process
                            break
                        if not isinstance(machine.action, Read):
                            return
                        if machine.is_patient() and self._response is not None:
                            wait_out_silence(self._response, machine.is_patient)
                except TRANSPORT_ERRORS as error:
                    cause = error
                if self._closed:
                    return
                self._traced.lost(cause)
                if self._chunks is chunks:
                    machine.connection_ended(cause)
                else:
                    machine.interrupted()
        except BaseException as error:
            if self._error is None and isinstance(error, Exception):
                self._error = error
            is_replaced = error is not self._error
            failure = error
            raise
        finally:
            self._is_interrupted = True  # first: another interrupt may end the rest
            if (iterator := self._iterator()) is not None:
                iterator.ending()
            if iterator is None or self._closed or isinstance(machine.action, Finished):
                self._traced.end(machine.delivered, failure)
            del failure
            self._disconnect()
            if not is_replaced:
                self._error = None

    def _connect(self) -> Iterator[bytes] | None:
        """Return what to read from, or None when the stream has ended."""
        lock = self._lock
        if lock is None:
            return self._establish()
        with lock:
            chunks = self._establish()
            self._settle()
            return chunks

    def _establish(self, ahead: Ahead | None = None) -> Iterator[bytes] | None:
        self._is_connecting = True
        has_tried = False
        try:
            if self._is_interrupted:
                self._is_interrupted = False
                self._traced.lost("interrupted")
                self._machine.interrupted()
            while not self._closed:
                match self._machine.action:
                    case Read():
                        if self._chunks is not None:
                            return self._chunks
                        self._machine.interrupted()
                    case Finished():
                        break
                    case Retry() as retry:
                        self._disconnect()
                        is_first = not (has_tried or retry.delay)
                        if not (ahead is None or is_first or ahead.has_time_for(retry.delay)):
                            return None
                        has_tried = True
                        self._sleep(retry)
                        self._open(ahead)
            self._disconnect()
        except BaseException as error:
            self._is_interrupted = True
            if isinstance(error, Exception):
                self._error = self._error or error
            if isinstance(self._machine.action, Finished):
                self._traced.end(self._machine.delivered, error)
            self._disconnect()
            self._error = None
            raise
        finally:
            self._is_connecting = False
        return None

    def _sleep(self, retry: Retry) -> None:
        clock = self._driver.time.clock
        if retry is not self._retry:
            # Kept when interrupted: steps with a short timeout would never get past a long delay.
            self._retry, self._retry_at = retry, clock() + retry.delay
        while not self._closed and (remaining := self._retry_at - clock()) > 0:
            sleep(min(remaining, CLOSE_POLL_INTERVAL))

    def _open(self, ahead: Ahead | None) -> None:
        """Open the next connection, and report its response to the machine."""
        machine = self._machine
        if self._closed:
            return
        try:
            limits = machine if ahead is None else HeadWithin(machine, ahead)
            with self._traced.connecting():
                response = self._driver.open(machine.request(), limits)
        except TRANSPORT_ERRORS as error:
            self._traced.lost(error)
            machine.connection_ended(error, not_sent=was_not_sent(error))
            return
        self._loop = event_loop()
        self._response = response
        reader = machine.error_body_reader(response)
        if reader is not None:
            # A status without its whole body still tells what to do.
            left = ERROR_BODY_SECONDS if ahead is None else ahead.remaining()
            limit_body(response, min(left, ERROR_BODY_SECONDS))
        chunks = self._chunks = iter_body(response)
        if reader is not None:
            with suppress(*TRANSPORT_ERRORS):
                for chunk in chunks:
                    if reader.receive(chunk):
                        break
            response = reader.response()
        self._traced.lost(response.status_code)  # if it is an error
        machine.opened(response)
        if machine.is_patient():
            wait_out_silence(response, machine.is_patient)

    def _let_go(self) -> None:
        """Keep the connection, which is the parent's or cannot be closed any more, untouched."""
        if self._response is not None:
            keep_forever((self._response, self._chunks))
            self._response = self._chunks = None
        if (iterator := self._iterator()) is not None:
            iterator.let_go()
        self._is_connecting = False
        if self._lock is not None:
            self._lock = lock()

    def _disconnect(self) -> None:
        response, self._response = self._response, None
        chunks, self._chunks = self._chunks, None
        if response is not None:
            close_response(response, chunks)

    def _settle(self) -> None:
        self._lock = None
        self._driver.connected(self)
