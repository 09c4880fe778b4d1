"""What the two faces do each in its own way: pause, be cancelled, call what the caller gave.

anyio is imported by the first pause of a task, and not with the client: that takes long, and
programs with the synchronous client never need it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from time import sleep
from typing import Any, Final, TypeVar

__all__ = [
    "acall",
    "aeach",
    "ahold_off",
    "aitems",
    "asleep",
    "call",
    "current_loop",
    "each",
    "hold_off",
    "items",
    "shielded",
    "sleep",
]

T = TypeVar("T")

AT_ONCE: Final = 32  # calls of `aeach`, at most


async def asleep(seconds: float) -> None:
    """Let others run for so many seconds."""
    import anyio

    await anyio.sleep(seconds)


def shielded() -> AbstractContextManager[Any]:
    """Return a context in which the cancellation of the task waits."""
    import anyio

    return anyio.CancelScope(shield=True)


def current_loop() -> Any:
    """Return the event loop that runs: of asyncio the loop, of trio its token."""
    from anyio.lowlevel import current_token

    return current_token().native_token


async def ahold_off(function: Callable[[], Awaitable[None]], limit: float) -> None:
    """Call a function that the cancellation of the task waits for, but not over so many seconds."""
    import anyio

    with anyio.move_on_after(limit, shield=True):
        await function()


def hold_off(function: Callable[[], None], limit: float) -> None:
    """Call a function; threads are not cancelled."""
    function()


async def acall(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the caller's, which may be asynchronous."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the caller's."""
    return function(*arguments)


async def aitems(source: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """Iterate over what may be asynchronous."""
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item


def items(source: Iterable[T]) -> Iterator[T]:
    """Iterate."""
    return iter(source)


async def aeach(
    function: Callable[[T], Awaitable[None]], take: Callable[[], T | Awaitable[T | None] | None]
) -> None:
    """Call a function for each item that is there to take, until None, for some items at once.

    The first error ends the calls that are under way.
    """
    import anyio

    errors: list[BaseException] = []
    cancelled: list[BaseException] = []
    room = anyio.Semaphore(AT_ONCE)

    async def guarded(step: Awaitable[None]) -> None:
        try:
            await step
        except anyio.get_cancelled_exc_class() as error:
            cancelled.append(error)
            raise
        except BaseException as error:  # an interrupt would stop the event loop of asyncio
            errors.append(error)
            tasks.cancel_scope.cancel()

    async def act(item: T) -> None:
        try:
            await guarded(function(item))
        finally:
            room.release()

    async def take_all() -> None:
        while (item := await acall(take)) is not None:
            await room.acquire()
            tasks.start_soon(act, item)

    try:
        async with anyio.create_task_group() as tasks:
            await guarded(take_all())
    except BaseExceptionGroup as group:  # trio interrupts where the group waits for its tasks
        raise group.exceptions[0] from None
    # A group keeps to itself that a task was cancelled, also by nobody here.
    for error in (*errors, *cancelled):
        raise error


def each(function: Callable[[T], None], take: Callable[[], T | None]) -> None:
    """Call a function for each item that is there to take, until None, one after the other."""
    while (item := take()) is not None:
        function(item)
