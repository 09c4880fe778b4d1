"""Concurrency in two variants: sleeping, shielding, calling the caller's code, fan-out.

The async functions start with ``a``; the translation drops it. anyio is imported when first used:
importing it is slow, and programs that only use the sync client never need it.
"""

from __future__ import annotations

import inspect
import sys
import threading
import time
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import AbstractContextManager, suppress
from typing import Any, Final, TypeVar

from .._process import keep_forever
from .workers import Workers, current_interruption

__all__ = [
    "AsyncFinalizer",
    "Finalizer",
    "acall",
    "acall_within",
    "aevent_loop",
    "aexhaust",
    "afor_each",
    "ais_cancellation",
    "aiterate",
    "alock",
    "arun_in_loop",
    "arun_shielded",
    "asleep",
    "call",
    "call_within",
    "current_loop",
    "event_loop",
    "for_each",
    "is_cancellation",
    "iterate",
    "lock",
    "run_in_loop",
    "shielded",
    "sleep",
]

T = TypeVar("T")

MAX_CONCURRENCY: Final = 32  # calls of `afor_each` under way
MAX_BUFFERED: Final = 100_000  # items that a generator has without waiting

STARTED: Final[set[AsyncGenerator[Any, None]]] = set()
"""Generators that an owner closes as it is dropped.

Held here until then: of an owner and a generator that are collected together, the generator may go
first, and trio would issue a ResourceWarning.
"""


async def asleep(seconds: float) -> None:
    """Sleep."""
    import anyio

    await anyio.sleep(seconds)


def sleep(seconds: float) -> None:
    """Sleep; in a thread that can be interrupted, until then."""
    interruption = current_interruption()
    if interruption is None:
        time.sleep(seconds)
    else:
        interruption.sleep(seconds)


def ais_cancellation(error: BaseException) -> bool:
    """Return whether an exception is the cancellation of the running task."""
    import anyio

    return isinstance(error, anyio.get_cancelled_exc_class())


def is_cancellation(error: BaseException) -> bool:
    """Return false: a thread is not cancelled."""
    return False


def shielded() -> AbstractContextManager[Any]:
    """Return a context inside which the cancellation of the task waits."""
    import anyio

    return anyio.CancelScope(shield=True)


def current_loop() -> Any:
    """Return the running event loop: asyncio's loop, or trio's token."""
    from anyio.lowlevel import current_token

    return current_token().native_token


def aevent_loop() -> Any:
    """Return the running event loop, or None."""
    try:
        return current_loop()
    except RuntimeError:
        return None


def event_loop() -> Any:
    """Return the same for all threads, which share everything."""
    return threading


def arun_in_loop(loop: Any, function: Callable[[], Awaitable[object]]) -> None:
    """Have an event loop call a cleanup function soon; from any thread, or a destructor."""

    async def run() -> None:
        with suppress(Exception):
            await function()

    with suppress(RuntimeError):  # the loop has been closed, and everything with it
        if hasattr(loop, "run_sync_soon"):
            loop.run_sync_soon(_spawn, loop, run, 5)
        else:
            loop.call_soon_threadsafe(lambda: loop.create_task(run()))


def _spawn(loop: Any, run: Callable[[], Awaitable[object]], ticks: int) -> None:
    # A function of the module: one that refers to itself would be left to the garbage collector,
    # with all that it cleans up.
    with suppress(RuntimeError):
        sys.modules["trio"].lowlevel.spawn_system_task(run)
        return
    # The run is ending. In a few ticks it closes the async generators that are left: what is to be
    # closed, and would else be collected before, must exist until then.
    with suppress(RuntimeError):
        if ticks:
            loop.run_sync_soon(_spawn, loop, run, ticks - 1)


def run_in_loop(loop: Any, function: Callable[[], object]) -> None:
    """Call a cleanup function at once."""
    with suppress(Exception):
        function()


def alock() -> Any:
    """Return a lock for the tasks of an event loop."""
    import anyio

    return anyio.Lock()


def lock() -> Any:
    """Return a lock for threads, which a signal handler may enter again."""
    return threading.RLock()


async def aacquire(lock: Any, seconds: float) -> bool:
    """Acquire a lock; return False if that has not succeeded within some seconds."""
    import anyio

    with anyio.move_on_after(seconds):
        await lock.acquire()
        return True
    return False


def acquire(lock: Any, seconds: float) -> bool:
    """Acquire a lock; return False if that has not succeeded within some seconds."""
    return bool(lock.acquire(timeout=seconds))


async def aexhaust(source: Any) -> None:
    """Let an async iterator, and all generators below it, run to their ends without waiting.

    To close it would only drop those inside, and then trio issues a ResourceWarning for each.
    """
    import anyio
    from anyio.lowlevel import cancel_shielded_checkpoint

    await cancel_shielded_checkpoint()  # a loop of asyncio that ends closes all of them at once
    if getattr(source, "ag_running", False):  # a task waits in it, and will see its end
        return
    with anyio.CancelScope(shield=True) as scope, suppress(Exception):
        scope.cancel()
        for _ in range(MAX_BUFFERED):
            await anext(source)


async def arun_shielded(function: Callable[[], Awaitable[None]], timeout: float) -> None:
    """Call a function shielded from cancellation, for at most ``timeout`` seconds."""
    import anyio

    if _generators_are_closed():
        # httpx uses async generators, and asyncio would warn of each; it resets the hooks itself.
        sys.set_asyncgen_hooks(None, None)
    deadline = anyio.current_time() + timeout
    try:
        with anyio.CancelScope(deadline=deadline, shield=True):
            await function()
    except anyio.get_cancelled_exc_class():
        # asyncio lets a task be cancelled again, shielded or not, and cancels all as a loop ends.
        with anyio.CancelScope(deadline=deadline, shield=True):
            await function()
        raise


def _generators_are_closed() -> bool:
    """Return whether the running loop of asyncio has begun to close its async generators."""
    started = sys.get_asyncgen_hooks().firstiter
    if started is None or not hasattr(current_loop(), "shutdown_asyncgens"):
        return False

    async def generator() -> AsyncGenerator[None, None]:
        yield

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        started(generator())
    return bool(caught)


class AsyncFinalizer:
    """Calls a cleanup function once: when it is closed, or at the end of its event loop.

    Args:
        function: The cleanup function; it is called shielded from cancellation, and once more if
            it was cancelled nevertheless.
        timeout: Seconds until it is cancelled nevertheless.
        context: Returns a context that is open until the function has returned.
    """

    def __init__(
        self,
        function: Callable[[], Awaitable[None]],
        timeout: float,
        context: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._function = function
        self._timeout = timeout
        self._context = context
        self._loop: Any = None
        self._generator: AsyncGenerator[None, None] | None = None
        self._closed: Any = None

    async def start(self) -> None:
        """Be called from now on."""
        import anyio

        self._loop = current_loop()
        self._closed = anyio.Event()
        # An event loop that ends closes the async generators that are left.
        self._generator = self._run()
        STARTED.add(self._generator)
        await anext(self._generator)

    async def _run(self) -> AsyncGenerator[None, None]:
        try:
            with self._context():
                try:
                    yield
                finally:
                    await arun_shielded(self._function, self._timeout)
        finally:
            self._closed.set()

    def is_usable(self) -> bool:
        """Return whether this is the event loop in which it was started, if it was."""
        return self._loop is None or self._loop is aevent_loop()

    async def aclose(self) -> None:
        """Call the function, or wait until it has returned."""
        generator = self._generator
        if generator is None:
            return
        STARTED.discard(generator)
        if generator.ag_running:  # type: ignore[attr-defined]  # by another task
            await self._closed.wait()
        else:
            await generator.aclose()

    def drop(self) -> None:
        """Call the function soon; from any thread, or a destructor."""
        if self._generator is not None:
            STARTED.discard(self._generator)
            arun_in_loop(self._loop, self.aclose)

    def at_exit(self) -> None:
        """Call nothing: the event loop will not run again."""
        keep_forever(self._generator)
        self._generator = None


class Finalizer:
    """Calls a cleanup function once: when it is closed.

    Args:
        function: The cleanup function.
        timeout: Without effect, because a thread cannot be cancelled.
        context: Returns a context that is open until the function has returned.
    """

    def __init__(
        self,
        function: Callable[[], None],
        timeout: float,
        context: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._function: Callable[[], None] | None = None
        self._given = function
        self._lock = lock()

    def start(self) -> None:
        """Be called from now on."""
        self._function = self._given

    def is_usable(self) -> bool:
        """Return true: all threads share everything."""
        return True

    def close(self) -> None:
        """Call the function, or wait until it has returned."""
        with self._lock:
            function, self._function = self._function, None
            if function is not None:
                function()

    def drop(self) -> None:
        """Call the function, in a destructor."""
        with suppress(Exception):
            self.close()

    def at_exit(self) -> None:
        """Call the function, while the interpreter can still do what it does then."""
        self.close()


async def acall(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the caller's, which may be asynchronous."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the caller's, which must not be asynchronous."""
    result = function(*arguments)
    if inspect.iscoroutine(result):
        result.close()
        name = getattr(function, "__qualname__", type(function).__name__)
        raise TypeError(f"{name} is async: the sync client cannot await it")
    return result


async def acall_within(
    seconds: float | None, expired: Callable[[], Exception], function: Callable[..., Any]
) -> Any:
    """Call a function of the caller's; raise what ``expired`` returns if it takes longer."""
    import anyio

    with anyio.move_on_after(seconds):
        return await acall(function)
    raise expired()


def call_within(
    seconds: float | None, expired: Callable[[], Exception], function: Callable[..., Any]
) -> Any:
    """Call a function of the caller's, which nothing can interrupt."""
    return function()


def aiterate(source: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """Iterate over an iterable of either kind."""
    return aiter(source) if isinstance(source, AsyncIterable) else _AsyncItems(iter(source))


class _AsyncItems(AsyncIterator[T]):
    # Not a generator: trio issues a ResourceWarning for one that is not iterated to its end.
    def __init__(self, items: Iterator[T]) -> None:
        self._items = items

    async def __anext__(self) -> T:
        for item in self._items:
            return item
        raise StopAsyncIteration


def iterate(source: Iterable[T]) -> Iterator[T]:
    """Iterate over an iterable."""
    return iter(source)


async def afor_each(
    function: Callable[[T], Awaitable[None]], items: Iterable[T], timeout: float
) -> None:
    """Call a function concurrently for each item.

    The first error cancels the calls under way, and is raised. The caller bounds the time.
    """
    import anyio

    errors: list[BaseException] = []
    cancelled: list[BaseException] = []
    capacity = anyio.Semaphore(MAX_CONCURRENCY)

    async def act(item: T) -> None:
        try:
            await function(item)
        except anyio.get_cancelled_exc_class() as error:
            cancelled.append(error)
            raise
        except BaseException as error:  # an interrupt would stop the event loop of asyncio
            errors.append(error)
            tasks.cancel_scope.cancel()
        finally:
            capacity.release()

    try:
        async with anyio.create_task_group() as tasks:
            for item in items:
                await capacity.acquire()
                tasks.start_soon(act, item)
    except BaseExceptionGroup as group:  # trio raises an interrupt where the group waits
        raise group.exceptions[0] from None
    # The group does not report that a task was cancelled, not even by somebody else.
    for error in (*errors, *cancelled):
        raise error


def for_each(function: Callable[[T], None], items: Iterable[T], timeout: float) -> None:
    """Call a function concurrently for each item, for at most ``timeout`` seconds in all."""
    workers: Workers[T, None] = Workers(function)
    for item in items:
        try:
            workers.start(item)
        except RuntimeError:
            function(item)
    workers.finish(timeout)
