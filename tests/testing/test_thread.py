"""The thread of a server: it ends however its ``with`` block does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any

import pytest
from llama_agents.client.testing import _thread
from llama_agents.client.testing._thread import in_thread

seen: list[str] = []


@asynccontextmanager
async def managed(failure: BaseException | None = None) -> AsyncIterator[int]:
    seen.append("begin")
    if failure is not None:
        raise failure
    try:
        yield 5
    finally:
        seen.append("end")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Any:
    seen.clear()
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_manager_is_exited_however_the_block_ends(error: type[BaseException] | None) -> None:
    if error is None:
        with in_thread(managed()) as value:
            assert value == 5
    else:
        with pytest.raises(error), in_thread(managed()):
            raise error
    assert seen == ["begin", "end"]


@pytest.mark.parametrize(
    ("failure", "raised"),
    [(OSError("no port"), OSError), (asyncio.CancelledError(), CancelledError)],
)
def test_failure_to_enter_is_raised(failure: BaseException, raised: type[BaseException]) -> None:
    with pytest.raises(raised), in_thread(managed(failure)):
        pytest.fail("entered")


def test_loop_that_fails_in_between_is_an_error() -> None:
    async def exit_() -> None:
        raise SystemExit(3)

    @asynccontextmanager
    async def exiting() -> AsyncIterator[asyncio.Task[None]]:
        yield asyncio.create_task(exit_())

    with (
        pytest.raises(RuntimeError, match=r"event loop has failed: SystemExit\(3\)"),
        in_thread(exiting()) as task,
    ):
        while not task.done():
            time.sleep(0.001)
        assert isinstance(task.exception(), SystemExit)  # retrieved, so asyncio does not log it


def test_interrupt_while_the_event_loop_starts_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setattr(_thread, "Future", Interrupted)
    with pytest.raises(KeyboardInterrupt), in_thread(managed()):
        pytest.fail("entered")
    assert seen in ([], ["begin", "end"])


def test_interrupt_while_the_thread_ends_does_not_leave_it_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = 0

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal waits
            waits += 1
            if waits == 1:
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr(_thread, "Event", Interrupted)
    with pytest.raises(KeyboardInterrupt), in_thread(managed()):
        pass
    assert (waits, seen) == (2, ["begin", "end"])


def test_interrupt_before_the_thread_has_begun_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late: list[Thread] = []

    class Late(Thread):
        def start(self) -> None:
            late.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(_thread, "Thread", Late)
    with pytest.raises(KeyboardInterrupt), in_thread(managed()):
        pytest.fail("entered")
    late[0].run()
    assert seen == []
