"""Iterators over events that survive the interruption of a step.

A generator is over once an exception has passed through it, be it a timeout around one step, a
cancellation or an interrupt from a signal handler. So these iterators have another one take over.

Their ``__anext__`` and ``__next__`` are the generator's own, kept in a slot: a method that calls
them would cost 10 % of a whole stream of small events, and a signal could interrupt its return,
when the event has been delivered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .._process import keep_forever
from .concurrency import arun_in_loop

T = TypeVar("T")


class AsyncEventIterator(Generic[T]):
    """Iterates over generators; when the loop drops it, the last one is closed a moment later.

    Args:
        events: The first generator.
        aclose: Ends the iteration, also from another task.

    Attributes:
        loop: The event loop in which a generator is open, or None.
    """

    __slots__ = ("__anext__", "__weakref__", "_events", "aclose", "loop")

    if TYPE_CHECKING:

        def __anext__(self) -> Awaitable[T]: ...

    def __init__(self, events: AsyncGenerator[T, None], aclose: Callable[[], Awaitable[None]]):
        self.aclose = aclose
        self.loop: Any = None
        self.take_over(events)

    def __del__(self) -> None:
        # To leave it to the garbage collector would be a ResourceWarning on trio.
        if self.loop is not None:
            arun_in_loop(self.loop, self._events.aclose)

    def __aiter__(self) -> Self:
        return self

    @property
    def is_waiting(self) -> bool:
        """Whether a task waits for the next event."""
        return bool(self._events.ag_running)

    def let_go(self) -> None:
        """Keep the generator, whose event loop is the parent's or has ended, untouched."""
        self.loop = None
        keep_forever(self._events)

    def take_over(self, events: AsyncGenerator[T, None]) -> None:
        """Continue with another generator."""
        self.loop = None
        self._events: Any = events
        self.__anext__ = events.__anext__  # type: ignore[method-assign]  # in a slot


class EventIterator(Generic[T]):
    """Iterates over generators; when the loop drops it, the last one is closed.

    Args:
        events: The first generator.
        close: Ends the iteration, also from another thread.

    Attributes:
        loop: Not None while a generator is open.
    """

    __slots__ = ("__next__", "__weakref__", "_events", "close", "loop")

    if TYPE_CHECKING:

        def __next__(self) -> T: ...

    def __init__(self, events: Generator[T, None, None], close: Callable[[], None]):
        self.close = close
        self.take_over(events)

    def __iter__(self) -> Self:
        return self

    @property
    def is_waiting(self) -> bool:
        """Whether a thread waits for the next event."""
        return bool(self._events.gi_running)

    def let_go(self) -> None:
        """Go on: a generator depends on no event loop."""

    def take_over(self, events: Generator[T, None, None]) -> None:
        """Continue with another generator."""
        self.loop: Any = None
        self._events: Any = events
        self.__next__ = events.__next__  # type: ignore[method-assign]  # in a slot
