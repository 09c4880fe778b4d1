"""Iterators over events that survive the interruption of a step.

A generator is over once an exception has passed through it, be it a timeout around one step, a
cancellation or an interrupt from a signal handler. So these iterators have another one take over.

Their ``__anext__`` and ``__next__`` are C functions in a slot: methods in Python would cost 10 % of
a whole stream of small events, and a signal could interrupt the return of an event.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial
from itertools import chain, compress, repeat
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .._process import keep_forever
from .concurrency import STARTED, aevent_loop, arun_in_loop

T = TypeVar("T")


class AsyncEventIterator(Generic[T]):
    """Iterates over generators; when the loop drops it, the last one is closed a moment later.

    Args:
        generator: Returns the next generator, or None at the end.
        aclose: Ends the iteration, also from another task.
    """

    __slots__ = ("__anext__", "__weakref__", "_events", "_generator", "_loop", "aclose")

    if TYPE_CHECKING:

        def __anext__(self) -> Awaitable[T]: ...

    def __init__(
        self,
        generator: Callable[[], AsyncGenerator[T, None] | None],
        aclose: Callable[[], Awaitable[None]],
    ) -> None:
        self.aclose = aclose
        self._generator = generator
        self._loop: Any = None
        self._continue()

    def __del__(self) -> None:
        # To leave it to the garbage collector would be a ResourceWarning on trio.
        if self._loop is not None:
            arun_in_loop(self._loop, self._events.aclose)
            STARTED.discard(self._events)

    def __aiter__(self) -> Self:
        return self

    def let_go(self) -> None:
        """Keep the generator, whose event loop is the parent's or has ended, untouched."""
        self._loop = None
        keep_forever(self._events)

    def started(self) -> None:
        """Note that the generator has been started."""
        self._loop = aevent_loop()
        STARTED.add(self._events)

    def ending(self) -> None:
        """Have the next generator take over."""
        self._loop = None
        STARTED.discard(self._events)
        self._continue()

    def _continue(self) -> None:
        events = self._generator()
        if events is not None:
            self._events = events
            self.__anext__ = events.__anext__  # type: ignore[method-assign]  # in a slot


class EventIterator(Generic[T]):
    """Iterates over generators; when the loop drops it, the last one is closed.

    Args:
        generator: Returns the next generator, or None at the end.
        close: Ends the iteration, also from another thread.
    """

    __slots__ = ("__next__", "__weakref__", "close")

    if TYPE_CHECKING:

        def __next__(self) -> T: ...

    def __init__(
        self, generator: Callable[[], Generator[T, None, None] | None], close: Callable[[], None]
    ) -> None:
        self.close = close
        more = [True]

        def following() -> Generator[T, None, None] | None:
            events = generator()
            if events is None:
                more.clear()
            return events

        # A chain goes on to the next generator by itself, whatever has ended the last one. A signal
        # that interrupts `following` ends the chain, so as long as there is more, another chain
        # takes over, and that without a call into Python.
        has_more = iter(partial(any, more), False)
        generators = iter(following, None)
        chains = map(chain.from_iterable, compress(repeat(generators), has_more))
        events = chain.from_iterable(chains)
        self.__next__ = events.__next__  # type: ignore[method-assign]  # in a slot

    def __iter__(self) -> Self:
        return self

    def started(self) -> None:
        """Do nothing: a generator that is dropped is closed at once."""

    def ending(self) -> None:
        """Do nothing: the chain has the next generator take over."""

    def let_go(self) -> None:
        """Go on: a generator depends on no event loop."""


def is_running(generator: Any) -> bool:
    """Return whether a task or thread is inside a generator."""
    return bool(getattr(generator, "ag_running", False) or getattr(generator, "gi_running", False))
