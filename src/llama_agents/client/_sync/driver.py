# Generated from src/llama_agents/client/_async/driver.py by `python -m generator`: do not edit.
"""The synchronous driver: performs what the machines of `_core` ask for."""

from __future__ import annotations

import random
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import httpx

from .._core import endpoints
from .._core.actions import Finished, Identify, Listen, Poll, Retry, Sleep, TimeSource
from .._core.call import Call, Exchange
from .._core.endpoints import Operation
from .._core.limits import Ahead, Limiting
from .._core.logs import log_response
from .._core.options import OnResponse, Options
from .._core.policy import (
    TRANSPORT_ERRORS,
    RetryBudget,
    closes_connection_silently,
    is_header_error,
    redirect_to_get,
)
from .._core.responses import BodyReader
from .._core.server import ServerTraits, ensure_cancelled
from .._core.start import Start
from .._core.wait import Wait
from .._headers import combined
from .._tracing import UNTRACED, Untraced
from .._transport.clients import Clients
from .._transport.concurrency import call, event_loop, sleep
from .._transport.connection import (
    close_response,
    limit_decompression,
    read,
    send,
    shutdown_socket,
)
from .._transport.failures import was_not_sent
from ..errors import UnsupportedServerError, WorkflowClientError

if TYPE_CHECKING:
    from .._core.payloads import StartPayload
    from .._lazy_types import Context
    from ..protocol import CancelHandlerResponse, HandlerData

T = TypeVar("T")


def _random() -> float:
    return random.random()  # random.random itself is pickled with its whole state


SYSTEM_TIME: Final = TimeSource(time.monotonic, time.time, _random)


class EarlyStream(Protocol):
    """A stream at "now" that has not been connected yet.

    Attributes:
        _loop: The event loop in which it was created.
    """

    _loop: Any

    @property
    def handler_id(self) -> str:
        """ID of the run."""
        ...

    def _connect_early(self, ahead: Ahead) -> None:
        """Connect it ahead of a call."""
        ...


class Closable(Protocol):
    """What sends requests until it is closed."""

    def close(self) -> None:
        """Close it."""
        ...


class Driver:
    """Sends, exchanges, waits and listens for the client, its runs, streams and batches.

    Args:
        clients: The httpx clients to send with.
        options: What it does differently for each request.
        tracing: What traces it.

    Attributes:
        clients: The httpx clients to send with.
        options: What it does differently for each request.
        tracing: What traces it.
        time: The source of time and randomness for the machines.
        server: What is known of the server.
        batches: What is under way until it is closed, at the latest with the client.
    """

    def __init__(self, clients: Clients, options: Options, tracing: Untraced = UNTRACED) -> None:
        endpoints.import_for_calls()
        self.clients = clients
        self.options = options
        self.tracing = tracing
        self.time = SYSTEM_TIME
        self.server = ServerTraits()
        self._early: dict[int, weakref.ref[EarlyStream]] = {}
        self.batches: set[Closable] = set()
        self._is_view = False
        self._views: dict[int, weakref.ref[Driver]] = {}

    def view(self, options: Options) -> Driver:
        """Return a driver with other options, on the same connections."""
        view = object.__new__(Driver)
        vars(view).update(vars(self), options=options, batches=set(), _is_view=True)
        views, key = self._views, id(view)
        views[key] = weakref.ref(view, lambda _: views.pop(key, None))
        return view

    def close(self) -> None:
        """Close the batches, also those of the views, and the httpx client after them.

        A view closes only its own batches.
        """
        views = [] if self._is_view else [reference() for reference in [*self._views.values()]]
        for batch in [batch for each in (self, *views) if each for batch in [*each.batches]]:
            batch.close()
        if not self._is_view:
            self.clients.close()

    def __getstate__(self) -> dict[str, Any]:
        # The streams and batches are those of the original, and a copy has its own connections.
        own = {"_early": {}, "batches": set(), "_is_view": False, "_views": {}}
        return vars(self) | own

    def __setstate__(self, state: dict[str, Any]) -> None:
        endpoints.import_for_calls()
        vars(self).update(state)

    def expect(self, stream: EarlyStream) -> None:
        """Connect a stream before anything is asked of its run."""
        early, key = self._early, id(stream)
        early[key] = weakref.ref(stream, lambda _: early.pop(key, None))

    def connected(self, stream: EarlyStream) -> None:
        """Forget a stream that has been connected."""
        self._early.pop(id(stream), None)

    def _connect_early(self, operation: Operation[Any], wait: Wait | None = None) -> None:
        if not self._early:
            return
        loop = event_loop()
        ahead = Ahead(self.time.clock, wait)
        for reference in [*self._early.values()]:
            stream = reference()
            if stream is None or stream.handler_id != operation.handler_id:
                continue
            if stream._loop is loop:  # in another its connection would be of no use
                stream._connect_early(ahead)

    def send(self, operation: Operation[T], within: float | None = None) -> T:
        """Send an operation, with retries where that is safe; return its result.

        Args:
            operation: What to send.
            within: Seconds for all attempts, if that is less than the operation's own limit.
        """
        self._connect_early(operation)
        call: Exchange[T] = Call(operation, self.time, within)
        with self.tracing.call(operation.name, operation.handler_id):
            return self.exchange(call)

    def exchange(self, exchange: Exchange[T]) -> T:
        """Send what a machine asks for until it has a result."""
        while True:
            action: Retry | Finished[T]
            try:
                response = self._request(exchange.request(), exchange)
            except TRANSPORT_ERRORS as error:
                action = exchange.failed(error, not_sent=was_not_sent(error))
            else:
                action = exchange.receive(response)
            match action:
                case Finished(result):
                    return result
                case Retry(delay):
                    sleep(delay)

    def start_run(
        self,
        workflow_name: str,
        handler_id: str,
        start_event: StartPayload,
        context: Context | dict[str, Any] | None = None,
        *,
        id_is_generated: bool,
        id_is_needed: bool | None = None,
        replaced: str | None = None,
        blocking: bool = False,
        validate: bool = False,
        budget: RetryBudget | None = None,
    ) -> HandlerData:
        """Start a run.

        Args:
            workflow_name: Name of the workflow.
            handler_id: ID of the run.
            start_event: What the workflow starts with.
            context: The state of an earlier run to continue from.
            id_is_generated: Whether no other run can have that ID.
            id_is_needed: Whether the run must have that ID, not one that the server chooses.
                Defaults to whether it was not generated.
            replaced: The server's ID of the earlier run with that ID, if it is known.
            blocking: Whether to wait for the run's end, as long as the connection holds.
            validate: Whether to check the start event against the workflow's schema first.
            budget: The retry budget, if it is not that of a single start.
        """
        from .._core.payloads import start_encoding

        schema = None
        encoding = start_encoding(start_event)  # once: its values may be iterators
        if validate:
            schema = self.send(endpoints.check_start(workflow_name, encoding))
        start = endpoints.start_run(
            workflow_name,
            handler_id,
            encoding,
            context,
            server=self.server,
            blocking=blocking,
            schema=schema,
        )
        poll = endpoints.get_handler(handler_id, must_succeed=blocking)
        machine = Start(
            start,
            poll,
            handler_id,
            server=self.server,
            id_is_generated=id_is_generated,
            id_is_needed=not id_is_generated if id_is_needed is None else id_is_needed,
            replaced=replaced,
            time=self.time,
            budget=budget,
        )
        with self.tracing.call(start.name, handler_id, workflow_name):
            return self.exchange(machine)

    def cancel(self, handler_id: str, purge: bool) -> CancelHandlerResponse:
        """Cancel a run; raise if an old server only says so."""
        response = self.send(endpoints.cancel_handler(handler_id, purge))
        if self.server.has_cursors is False and not purge:
            try:
                handler = self.send(endpoints.get_handler(handler_id))
            except UnsupportedServerError:
                return response  # it has no such endpoint, so nothing tells
            ensure_cancelled(handler)
        return response

    def completion_wait(
        self, handler_id: str, timeout: float | None = None, budget: RetryBudget | None = None
    ) -> Wait:
        """Return a wait until a run has completed; one that ends otherwise is an error."""
        poll = endpoints.get_handler(handler_id, must_succeed=True)
        return Wait(
            poll,
            handler_id,
            server=self.server,
            timeout=timeout,
            max_event_size=self.options.sizes.event,
            time=self.time,
            budget=budget,
        )

    def wait(self, wait: Wait) -> HandlerData:
        """Wait until a run has ended; return it."""
        self._connect_early(wait.poll_operation, wait)
        action: Poll | Identify | Listen | Sleep | Finished[HandlerData] = Poll()
        while True:
            match action:
                case Poll():
                    action = self.poll(wait)
                case Identify():
                    self.identify(wait.remaining())
                    action = wait.identified()
                case Listen():
                    action = self._listen(wait)
                case Sleep(seconds):
                    sleep(seconds)
                    action = Poll()
                case Finished(handler):
                    return handler

    def identify(self, within: float | None = None) -> None:
        """Find out whether the server's streams have cursors, unless they are known to.

        Args:
            within: Seconds for all attempts, if that is less than the operation's own limit.
        """
        if self.server.has_cursors:
            return
        with suppress(WorkflowClientError, *TRANSPORT_ERRORS):
            has_cursors = self.send(endpoints.identify(), within)
            if has_cursors is not None:
                self.server.has_cursors = has_cursors

    def poll(self, wait: Wait) -> Listen | Identify | Sleep | Finished[HandlerData]:
        """Poll the run of a wait."""
        operation = wait.poll_operation
        with self.tracing.call(operation.name, operation.handler_id):
            try:
                response = self._request(operation, wait)
            except TRANSPORT_ERRORS as error:
                self.tracing.failed(error)
                return wait.poll_failed(error)
            action = wait.poll_response(response)
            if response.is_error:
                self.tracing.failed(response.status_code)
            return action

    def _listen(self, wait: Wait) -> Poll | Sleep:
        """Follow the stream of a run until it is time for a poll."""
        operation = wait.listen()
        with self.tracing.call(operation.name, operation.handler_id):
            return self._follow(operation, wait)

    def _follow(self, operation: Operation[None], wait: Wait) -> Poll | Sleep:
        cause = None
        try:
            response = self.open(operation, wait)
            chunks = response.iter_bytes()
            try:
                if wait.opened(response):
                    for chunk in chunks:
                        action = wait.receive(chunk)
                        if action is not None:
                            return action
                elif response.is_error:
                    self.tracing.failed(response.status_code)
            finally:
                close_response(response, chunks)
        except TRANSPORT_ERRORS as error:
            self.tracing.failed(error)
            cause = error
        return wait.stream_ended(cause)

    def open(self, operation: Operation[Any], machine: Limiting) -> httpx.Response:
        """Send an operation; return its response with the body still to be read.

        Args:
            operation: What to send.
            machine: Has a say in how long it may take.
        """
        client = self.clients.get()
        options = self.options
        limits = machine.limits(options.limits(operation.kind, self.clients.chosen_timeout))
        headers = combined(options.headers, self.tracing.request(operation.name))
        request = operation.request(client, limits.timeout, headers)
        try:
            response = send(
                client,
                request,
                head=limits.head,
                whole=limits.whole,
                has_credentials=options.has_credentials,
            )
        except UnicodeEncodeError as error:
            if is_header_error(error):
                raise httpx.LocalProtocolError("a header cannot be encoded") from None
            raise
        try:
            redirect = redirect_to_get(response)
            if redirect is not None:
                close_response(response)
                response = redirect
            limit_decompression(response)
            log_response(operation.name, operation.handler_id, response.status_code)
            self.tracing.response(response.status_code)
            if options.on_response is not None:
                self._report(options.on_response, operation, response)
        except BaseException:  # such as a signal handler's
            close_response(response)
            raise
        return response

    def _report(
        self, on_response: OnResponse, operation: Operation[Any], response: httpx.Response
    ) -> None:
        try:
            call(on_response, operation.name, response)
        except (WorkflowClientError, *TRANSPORT_ERRORS) as error:
            # Else it would be taken for what became of this request, which might be sent again.
            raise RuntimeError(f"on_response raised {type(error).__name__}") from error

    def _request(self, operation: Operation[Any], machine: Limiting) -> httpx.Response:
        response = self.open(operation, machine)
        reader = BodyReader(response, self.options.sizes.response, operation.handler_id)
        read(response, reader)
        response = reader.response()
        if closes_connection_silently(response):
            shutdown_socket(response)
        return response
