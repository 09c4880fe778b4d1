"""Interrupting one call: the task's cancellation, or an exception from a signal handler."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from .server import wait_until, wait_until_async


class Interrupt(Exception):
    """What the signal handler raises."""


async def ainterrupt(call: Callable[[], Awaitable[Any]], condition: Callable[[], object]) -> None:
    """Call a function, and interrupt it once the condition is met and it waits for the network."""

    async def watch() -> None:
        await wait_until_async(condition)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(watch)
            await call()
    assert scope.cancelled_caught


def interrupt(call: Callable[[], Any], condition: Callable[[], object]) -> None:
    """Call a function, and interrupt it once the condition is met and it waits for the network."""
    thread = threading.main_thread()

    def watch() -> None:
        wait_until(lambda: condition() and waits_for_network(thread))
        signal.pthread_kill(thread.ident or 0, signal.SIGUSR1)

    def handle(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGUSR1, handle)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call()
    except Interrupt:
        return
    finally:
        watcher.join()
        signal.signal(signal.SIGUSR1, before)
    raise AssertionError("not interrupted")


def waits_for_network(thread: threading.Thread, *, or_its_turn: bool = False) -> bool:
    """Return whether a thread is where httpcore uses a socket, or takes a lock to use it."""
    frame = sys._current_frames().get(thread.ident or 0)
    files = ("_backends/sync.py", "_synchronization.py")[: 1 + or_its_turn]
    folders = ("httpcore", "httpcore2")
    ends = tuple(f"{folder}/{file}" for folder in folders for file in files)
    return frame is not None and Path(frame.f_code.co_filename).as_posix().endswith(ends)
