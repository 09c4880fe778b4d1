"""The asynchronous driver: performs what the machines of `_core` ask for."""

from __future__ import annotations

import random
import time
import weakref
from typing import Any, Final, Protocol, TypeVar

import httpx

from .._core import endpoints
from .._core.actions import Finished, Listen, Poll, Retry, Sleep, TimeSource
from .._core.call import Call, Exchange, RequestLimits
from .._core.endpoints import Operation
from .._core.logs import log_response
from .._core.payloads import StartPayload
from .._core.policy import TRANSPORT_ERRORS, closes_connection_silently
from .._core.start import Start
from .._core.wait import Wait
from .._lazy_types import Context
from .._transport.clients import AsyncClients
from .._transport.concurrency import aevent_loop, asleep
from .._transport.connection import aclose_response, aread, asend, shutdown_socket
from ..protocol import HandlerData

T = TypeVar("T")

SYSTEM_TIME: Final = TimeSource(time.monotonic, time.time, random.random)


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

    async def _connect_early(self, wait: Wait | None) -> None:
        """Connect it, before a request that may be part of a wait."""
        ...


class Driver:
    """Sends, exchanges, waits and listens for the client, its runs, streams and batches.

    Args:
        clients: The httpx clients to send with.

    Attributes:
        clients: The httpx clients to send with.
        time: The source of time and randomness for the machines.
    """

    def __init__(self, clients: AsyncClients) -> None:
        self.clients = clients
        self.time = SYSTEM_TIME
        self._early: dict[int, weakref.ref[EarlyStream]] = {}

    def expect(self, stream: EarlyStream) -> None:
        """Connect a stream before anything is asked of its run."""
        early, key = self._early, id(stream)
        early[key] = weakref.ref(stream, lambda _: early.pop(key, None))

    def connected(self, stream: EarlyStream) -> None:
        """Forget a stream that has been connected."""
        self._early.pop(id(stream), None)

    async def _connect_early(self, operation: Operation[Any], wait: Wait | None = None) -> None:
        if not self._early:
            return
        loop = aevent_loop()
        for reference in [*self._early.values()]:
            stream = reference()
            if stream is None or stream.handler_id != operation.handler_id:
                continue
            if stream._loop is loop:  # in another its connection would be of no use
                await stream._connect_early(wait)

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation, with retries where that is safe; return its result."""
        await self._connect_early(operation)
        call: Exchange[T] = Call(operation, self.time)
        return await self.exchange(call)

    async def exchange(self, exchange: Exchange[T]) -> T:
        """Send what a machine asks for until it has a result."""
        while True:
            action: Retry | Finished[T]
            try:
                response = await self._request(exchange.request())
            except TRANSPORT_ERRORS as error:
                action = exchange.failed(error)
            else:
                action = exchange.receive(response)
            match action:
                case Finished(result):
                    return result
                case Retry(delay):
                    await asleep(delay)

    async def start_run(
        self,
        workflow_name: str,
        handler_id: str,
        start_event: StartPayload,
        context: Context | dict[str, Any] | None = None,
        *,
        id_is_generated: bool,
    ) -> HandlerData:
        """Start a run without waiting for it."""
        encodings = endpoints.run_workflow_nowait(workflow_name, handler_id, start_event, context)
        poll = endpoints.get_handler(handler_id)
        return await self.exchange(
            Start(encodings, poll, handler_id, id_is_generated=id_is_generated, time=self.time)
        )

    def completion_wait(self, handler_id: str, timeout: float | None = None) -> Wait:
        """Return a wait until a run has completed; one that ends otherwise is an error."""
        poll = endpoints.get_handler(handler_id, must_succeed=True)
        return Wait(poll, handler_id, timeout=timeout, time=self.time)

    async def wait(self, wait: Wait) -> HandlerData:
        """Wait until a run has ended; return it."""
        await self._connect_early(wait.poll_operation, wait)
        action: Poll | Listen | Sleep | Finished[HandlerData] = Poll()
        while True:
            match action:
                case Poll():
                    action = await self.poll(wait)
                case Listen():
                    action = await self._listen(wait)
                case Sleep(seconds):
                    await asleep(seconds)
                    action = Poll()
                case Finished(handler):
                    return handler

    async def poll(self, wait: Wait) -> Listen | Sleep | Finished[HandlerData]:
        """Poll the run of a wait."""
        try:
            response = await self._request(wait.poll_operation, wait)
        except TRANSPORT_ERRORS as error:
            return wait.poll_failed(error)
        return wait.poll_response(response)

    async def _listen(self, wait: Wait) -> Poll | Sleep:
        """Follow the stream of a run until it is time for a poll."""
        cause = None
        try:
            response = await self.open(wait.listen(), wait)
            chunks = response.aiter_bytes()
            try:
                if wait.opened(response):
                    async for chunk in chunks:
                        action = wait.receive(chunk)
                        if action is not None:
                            return action
            finally:
                await aclose_response(response, chunks)
        except TRANSPORT_ERRORS as error:
            cause = error
        return wait.stream_ended(cause)

    async def open(
        self, operation: Operation[Any], limits: RequestLimits | None = None
    ) -> httpx.Response:
        """Send an operation; return its response with the body still to be read.

        Args:
            operation: What to send.
            limits: Says how long the request may take; by default the client does.
        """
        client = await self.clients.get()
        timeout = client.timeout if limits is None else limits.request_timeout(client.timeout)
        response = await asend(client, operation.request(client, timeout))
        log_response(operation.name, operation.handler_id, response.status_code)
        return response

    async def _request(self, operation: Operation[Any], wait: Wait | None = None) -> httpx.Response:
        response = await self.open(operation, wait)
        await aread(response, None if wait is None else wait.deadline_passed)
        if closes_connection_silently(response):
            shutdown_socket(response)
        return response
