"""Reading a stream beside its consumer, who may take minutes for one item and see what came since.

In a task of its own, or in a thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream

MAX_AHEAD: Final = 1000  # items; a stream that has more must wait for its consumer
END_TIMEOUT: Final = 2.0  # s, in which a thread notices that its stream was closed

T = TypeVar("T")


class AsyncReadAhead(Generic[T]):
    """What has been read and not taken yet."""

    def __init__(self, items: MemoryObjectReceiveStream[T]) -> None:
        self._items = items
        self.failure: BaseException | None = None

    async def get(self, timeout: float | None) -> list[T] | None:
        """Take all items, of which the first may take ``timeout`` seconds to arrive.

        Returns:
            The items, which may be none; None at the end of the stream.
        """
        import anyio

        found: list[T] = []
        has_ended = False
        with anyio.move_on_after(timeout):
            try:
                found.append(await self._items.receive())
            except anyio.EndOfStream:
                has_ended = True
        if has_ended:
            if self.failure is not None:
                raise self.failure  # not "from None", which would remove its cause
            return None
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            while True:
                found.append(self._items.receive_nowait())
        return found


@asynccontextmanager
async def aread_ahead(source: Any, item: Callable[[Any], T]) -> AsyncIterator[AsyncReadAhead[T]]:
    """Read a stream in a task, until this context ends.

    Args:
        source: The stream; it is closed at the end.
        item: Makes an item of each thing that the stream yields, in that task.
    """
    import anyio

    send, receive = anyio.create_memory_object_stream[T](MAX_AHEAD)
    ahead = AsyncReadAhead(receive)

    async def read() -> None:
        with send:
            try:
                async for each in source:
                    new = item(each)
                    try:
                        # What has arrived at once is taken at once: a send that waits would let the
                        # consumer have one item without the next.
                        send.send_nowait(new)
                    except anyio.WouldBlock:
                        await send.send(new)
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:
                ahead.failure = error

    failure: BaseException | None = None
    with receive:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                try:
                    yield ahead
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as error:  # the group would wrap it
                    failure = error
                finally:
                    tasks.cancel_scope.cancel()
        finally:
            # Not before the task has ended: it may just have received something, and would leave
            # the generators that it has it from to the garbage collector.
            with anyio.CancelScope(shield=True):
                await source.aclose()
    if failure is not None:
        raise failure


class ReadAhead(Generic[T]):
    """What has been read and not taken yet."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._has_ended = False
        self._failure: BaseException | None = None

    def get(self, timeout: float | None) -> list[T] | None:
        """Take all items, of which the first may take ``timeout`` seconds to arrive.

        Returns:
            The items, which may be none; None at the end of the stream.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._has_ended, timeout)
            if self._has_ended and not self._items:
                if self._failure is not None:
                    raise self._failure
                return None
            found = [*self._items]
            self._items.clear()
            self._changed.notify_all()
        return found

    def read(self, source: Any, item: Callable[[Any], T]) -> None:
        """Read a stream to its end."""
        try:
            for each in source:
                with self._changed:
                    self._changed.wait_for(lambda: len(self._items) < MAX_AHEAD or self._has_ended)
                    if self._has_ended:
                        return
                    self._items.append(item(each))
                    self._changed.notify_all()
        except BaseException as error:
            self._failure = error
        finally:
            self.end()

    def end(self) -> None:
        """Read no more."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()


@contextmanager
def read_ahead(source: Any, item: Callable[[Any], T]) -> Iterator[ReadAhead[T]]:
    """Read a stream in a thread, until this context ends.

    Args:
        source: The stream; it is closed at the end.
        item: Makes an item of each thing that the stream yields, in that thread.
    """
    ahead = ReadAhead[T]()
    thread = threading.Thread(target=ahead.read, args=(source, item), daemon=True)
    thread.start()
    try:
        yield ahead
    finally:
        ahead.end()
        source.close()
        thread.join(END_TIMEOUT)
