"""Async context managers on an event loop in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from contextvars import Context
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def in_thread(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter an async context manager in a thread of its own, and exit it there at the end.

    It also ends if it is interrupted while the event loop starts, where anyio's blocking portal
    would wait for ever.

    Args:
        manager: The context manager; the end of the ``with`` block, however it comes, is a
            cancellation for it.

    Raises:
        Exception: Whatever the context manager raises when it is entered.
        RuntimeError: The event loop failed after that, as when a task raises ``SystemExit``.
    """
    entered: Future[T] = Future()
    end: Future[None] = Future()
    ended = Event()
    failures: list[BaseException] = []

    async def hold() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended, as after SystemExit in a task
                loop.call_soon_threadsafe(task.cancel)

        end.add_done_callback(cancel)  # at once, if the end has come by now
        async with manager as value:
            entered.set_result(value)
            await asyncio.Event().wait()

    def run() -> None:
        try:
            if end.done():
                return
            with suppress(asyncio.CancelledError):
                asyncio.run(hold())
        except BaseException as error:
            if entered.done():
                failures.append(error)
            else:
                entered.set_exception(error)
        finally:
            entered.cancel()  # if nothing is known by now, as after a cancellation from elsewhere
            ended.set()

    # In a context of its own: the caller's may say that this is trio.
    thread = Thread(target=Context().run, args=(run,), daemon=True)
    try:
        thread.start()
        yield entered.result()
    finally:
        end.set_result(None)
        if thread.ident is not None:  # else it was interrupted before it began, and will do nothing
            try:
                ended.wait()
            except BaseException:  # an interrupt, but the thread is about to end
                ended.wait()  # not join, which waits no more once it was interrupted
                raise
            finally:
                thread.join()
    if failures:
        raise RuntimeError(f"the thread's event loop has failed: {failures[0]!r}") from failures[0]
