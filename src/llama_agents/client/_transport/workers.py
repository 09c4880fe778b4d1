"""Calls of one function under way in the background: in tasks of the event loop, or in threads.

They continue while nobody waits for the next outcome, and end when they are stopped. A thread
cannot be cancelled, so the network streams and the sleeps of this package obey an `Interruption`.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from os import dup
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Final, Generic, TypeVar

import attrs

from .._process import keep_forever

T = TypeVar("T")
R = TypeVar("R")

JOIN_TIMEOUT: Final = 1.0  # s, for a thread to notice an interruption; DNS cannot be interrupted
CANCELLED: Final = "a task of the batch was cancelled from elsewhere"
WAKE_INTERVAL: Final = 1.0  # s; Windows lets a thread wait for a lock without seeing Ctrl-C


@attrs.frozen
class Ended(Generic[T, R]):
    """A call that has ended.

    Attributes:
        item: The argument.
        value: What it returned; None if it raised.
        error: What it raised, or None.
    """

    item: T
    value: R | None = None
    error: BaseException | None = None


class AsyncWorkers(Generic[T, R]):
    """Calls of an async function, each in a task of its own.

    Not in a task group: the caller of `next` returns in between, and may be another task.

    Args:
        function: What to call.
    """

    def __init__(self, function: Callable[[T], Awaitable[R]]) -> None:
        self._function = function
        self._ended: deque[Ended[T, R]] = deque()
        self._scopes: set[Any] = set()
        self._tasks: set[Any] = set()
        self._changed: Any = None  # an event, while somebody waits
        self._is_stopped = False

    def start(self, item: T) -> None:
        """Call the function with an item, in the background, unless all have been stopped."""
        import anyio
        from anyio.lowlevel import current_token

        if self._is_stopped:
            return
        scope = anyio.CancelScope()
        self._scopes.add(scope)

        async def call() -> None:
            await self._call(item, scope)

        loop: Any = current_token().native_token
        if hasattr(loop, "run_sync_soon"):  # trio's
            spawn_system_task = sys.modules["trio"].lowlevel.spawn_system_task
            spawn_system_task(call, context=copy_context())
            return
        task = loop.create_task(call())
        task._log_destroy_pending = False  # if its loop is never finished
        self._tasks.add(task)

        def done(task: Any) -> None:
            self._tasks.discard(task)
            if scope in self._scopes:  # it was cancelled before it began
                self._end(scope, Ended(item, error=RuntimeError(CANCELLED)))

        task.add_done_callback(done)

    async def _call(self, item: T, scope: Any) -> None:
        import anyio

        ended: Ended[T, R] = Ended(item)
        try:
            with scope:
                ended = Ended(item, await self._function(item))
        except anyio.get_cancelled_exc_class() as error:
            lost = RuntimeError(CANCELLED)  # who waits for the call has not been cancelled
            lost.__cause__ = error
            ended = Ended(item, error=lost)
        except BaseException as error:  # an interrupt would stop the event loop of asyncio
            ended = Ended(item, error=error)
        finally:
            self._end(scope, ended)

    def _end(self, scope: Any, ended: Ended[T, R]) -> None:
        self._scopes.discard(scope)
        self._ended.append(ended)
        self._wake()

    async def next(self) -> Ended[T, R] | None:
        """Wait for the next call that ends; return None once they have been stopped."""
        while not self._is_stopped and not self._ended:
            await self._wait()
        return None if self._is_stopped else self._ended.popleft()

    def have_ended(self) -> bool:
        """Return whether a call has ended, so that `next` does not wait."""
        return bool(self._ended)

    async def stop(self) -> None:
        """Cancel all calls, and wait until they have ended."""
        self._is_stopped = True
        for scope in [*self._scopes]:
            scope.cancel()
        while self._scopes:
            await self._wait()

    def let_go(self) -> None:
        """Leave the calls as they are: their event loop will not run again."""
        keep_forever(self._tasks)

    async def _wait(self) -> None:
        import anyio

        if self._changed is None or self._changed.is_set():
            self._changed = anyio.Event()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()


class Workers(Generic[T, R]):
    """Calls of a function, in as many threads as there are calls under way at once.

    The threads are daemons, because the interpreter joins others before anything can stop them.

    Args:
        function: What to call.
    """

    def __init__(self, function: Callable[[T], R]) -> None:
        self._function = function
        self._items: SimpleQueue[tuple[Any, T] | None] = SimpleQueue()
        self._ended: SimpleQueue[Ended[T, R] | None] = SimpleQueue()
        self._under_way = 0
        self._threads: dict[threading.Thread, Interruption] = {}
        self._is_stopped = False
        self._lock = threading.RLock()  # another thread may stop it

    def start(self, item: T) -> None:
        """Call the function with an item, in the background, unless all have been stopped.

        Raises:
            RuntimeError: No thread can be started, as when the interpreter exits.
        """
        with self._lock:
            if self._is_stopped:
                return
            if self._under_way == len(self._threads):
                interruption = Interruption()
                thread = threading.Thread(
                    target=self._work, args=[interruption], name="map_workflow", daemon=True
                )
                thread.start()
                self._threads[thread] = interruption
            self._under_way += 1
            self._items.put((copy_context(), item))

    def _work(self, interruption: Interruption) -> None:
        _thread.interruption = interruption
        while (work := self._items.get()) is not None:
            context, item = work
            if interruption.is_set():
                continue
            try:
                ended = Ended(item, context.run(self._function, item))
            except BaseException as error:
                ended = Ended(item, error=error)
            self._ended.put(ended)
            del work, context, item, ended  # the thread may wait for long

    def next(self) -> Ended[T, R] | None:
        """Wait for the next call that ends; return None once they have been stopped."""
        while not self._is_stopped:
            with suppress(Empty):
                ended = self._ended.get(timeout=WAKE_INTERVAL)
                if self._is_stopped:  # by another thread: it is one that was interrupted
                    return None
                self._under_way -= 1
                return ended
        return None

    def have_ended(self) -> bool:
        """Return whether a call has ended, so that `next` does not wait."""
        return not self._ended.empty()

    def stop(self) -> None:
        """Interrupt all calls, and wait until their threads have ended."""
        with self._lock:
            self._is_stopped = True
        for interruption in self._threads.values():
            interruption.set()
            self._items.put(None)
        self._ended.put(None)
        until = monotonic() + JOIN_TIMEOUT
        for thread in self._threads:
            # The current one may be it, as it collects garbage.
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, until - monotonic()))

    def finish(self, timeout: float) -> None:
        """Wait until all calls have ended, but no longer than a timeout; then stop."""
        until = monotonic() + timeout
        try:
            while self._under_way and (remaining := until - monotonic()) > 0:
                with suppress(Empty):
                    self._ended.get(timeout=min(remaining, WAKE_INTERVAL))
                    self._under_way -= 1
        finally:
            self.stop()

    def let_go(self) -> None:
        """Do nothing: a forked process has none of the threads."""


# ---------------------------------------------------------------------------- interruption


class Interrupted(BaseException):
    """A thread was interrupted; like a cancellation, nobody handles it but who asked for it."""


class Interruption:
    """What interrupts a thread: its sleep, its reading from a network, and each later request."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._stream: Any = None

    def is_set(self) -> bool:
        """Return whether the thread has been interrupted."""
        return self._event.is_set()

    def set(self) -> None:
        """Interrupt the thread."""
        self._event.set()  # first: a stream that is not known yet will see it
        stream = self._stream
        if stream is not None and not _is_shared(stream):
            shut_down(stream)

    def uses(self, stream: Any) -> None:
        """Note the network stream that the thread is going to use next, and may wait for."""
        self._stream = stream
        self.check()

    def check(self) -> None:
        """Raise `Interrupted`, if the thread has been interrupted."""
        if self._event.is_set():
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Sleep until interrupted."""
        self._event.wait(seconds)
        self.check()


class _Thread(threading.local):
    interruption: Interruption | None = None


_thread: Final = _Thread()


def current_interruption() -> Interruption | None:
    """Return what can interrupt this thread, or None."""
    return _thread.interruption


def shut_down(stream: Any) -> None:
    """Shut down the socket of a network stream, which wakes whoever reads from it.

    Closing the socket would not wake a thread.
    """
    connection = stream.get_extra_info("socket")
    if connection is None:
        return
    # Through a duplicate of its descriptor: uvloop's sockets cannot be shut down themselves.
    with suppress(OSError), socket.socket(fileno=dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


def _is_shared(stream: Any) -> bool:
    """Return whether a connection may carry requests of others, too."""
    tls = stream.get_extra_info("ssl_object")
    return tls is not None and tls.selected_alpn_protocol() == "h2"
