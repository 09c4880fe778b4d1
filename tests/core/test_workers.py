"""The threads of the sync client's batches: how many there are, and how they end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client._core.start import new_handler_id
from llama_agents.client._transport.concurrency import for_each, sleep
from llama_agents.client._transport.workers import (
    Interrupted,
    Workers,
    current_interruption,
)

from .._async.replies import completed, reported
from ..support.processes import run_program
from ..support.scripted import Turn, scripted
from ..support.server import wait_until


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "map_workflow"]


def running(client: SyncWorkflowClient) -> list[str]:
    return [handler.handler_id for handler in client.get_handlers(["running"]).handlers]


def test_batch_has_as_many_threads_as_its_limit_and_only_while_iterated(server_url: str) -> None:
    most = 0

    def note(progress: object) -> None:
        nonlocal most
        most = max(most, len(threads()))

    with SyncWorkflowClient(base_url=server_url) as client:
        starts = [{"n": 1, "pause": 0.01}] * 12
        results = client.map_workflow("count", starts, limit=3, on_progress=note)
        assert threads() == []
        assert [result.error for result in results] == [None] * 12
        assert threads() == []
    assert most == 3


@pytest.mark.parametrize("leave", ["break", "raise", "close", "client"])
def test_threads_are_joined_however_the_batch_ends(server_url: str, leave: str) -> None:
    prefix = new_handler_id()
    client = SyncWorkflowClient(base_url=server_url)
    results: Any = client.map_workflow(
        "count", [{"n": 0}, {"n": 1, "pause": 60}], key=lambda start: f"{prefix}-{start['n']}"
    )
    try:
        for _ in results:
            assert len(threads()) == 2
            wait_until(lambda: f"{prefix}-1" in running(client))
            if leave == "break":
                break
            if leave == "raise":
                raise ArithmeticError
            results.close() if leave == "close" else client.close()
            break
    except ArithmeticError:
        pass
    del results
    assert threads() == []
    with SyncWorkflowClient(base_url=server_url) as other:
        assert other.get_handler(f"{prefix}-1").status == "cancelled"


@pytest.mark.parametrize("close", ["batch", "client"])
def test_batch_that_another_thread_closes_ends(server_url: str, close: str) -> None:
    prefix = new_handler_id()
    client = SyncWorkflowClient(base_url=server_url)
    starts = [{"n": n, "pause": 60} for n in range(1, 4)]
    results = client.map_workflow("count", starts, key=lambda start: f"{prefix}-{start['n']}")

    def close_it() -> None:
        with SyncWorkflowClient(base_url=server_url) as other:
            wait_until(lambda: sum(name.startswith(prefix) for name in running(other)) == 3)
        (results if close == "batch" else client).close()

    thread = threading.Thread(target=close_it)
    thread.start()
    if close == "batch":
        assert [*results] == []
    else:
        with pytest.raises(RuntimeError, match="its client was closed"):
            next(results)
    thread.join()
    client.close()
    assert threads() == []


def test_interrupt_from_the_keyboard_cancels_what_was_started(server_url: str) -> None:
    prefix = new_handler_id()

    def interrupt() -> None:
        with SyncWorkflowClient(base_url=server_url) as other:
            wait_until(lambda: {f"{prefix}-1", f"{prefix}-2"} <= {*running(other)})
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with SyncWorkflowClient(base_url=server_url) as client:
        starts = [{"n": n, "pause": 60} for n in (1, 2)]
        results = client.map_workflow("count", starts, key=lambda start: f"{prefix}-{start['n']}")
        with pytest.raises(KeyboardInterrupt):
            next(results)
        thread.join()
        assert threads() == []
        statuses = {client.get_handler(f"{prefix}-{n}").status for n in (1, 2)}
        assert statuses == {"cancelled"}
        with pytest.raises(RuntimeError, match="last step raised KeyboardInterrupt"):
            next(results)


def test_batch_that_is_interrupted_at_exit_leaves_no_thread(server_url: str) -> None:
    program = """
    import os, signal, sys, threading
    from llama_agents.client import SyncWorkflowClient
    client = SyncWorkflowClient(base_url=sys.argv[1])
    starts = [{"n": 0}, {"n": 1, "pause": 60}]
    results = client.map_workflow("count", starts, key=lambda s: f"{sys.argv[2]}-{s['n']}")
    next(results)
    while f"{sys.argv[2]}-1" not in [h.handler_id for h in client.get_handlers().handlers]: pass
    try:
        os.kill(os.getpid(), signal.SIGINT)
        next(results)
    except KeyboardInterrupt:
        print(client.get_handler(f"{sys.argv[2]}-1").status, threading.active_count())
    """
    run = new_handler_id()
    output, errors = run_program(program, server_url, run)
    assert errors == ""
    with SyncWorkflowClient(base_url=server_url) as client:
        assert client.get_handler(f"{run}-1").status == "cancelled"
    assert output in ("running 3\n", "cancelled 1\n")  # interrupted before, or in, the second step


def wait_for_response(url: str) -> None:
    with SyncWorkflowClient(base_url=url) as client:
        client.run_workflow("w")


def wait_for_retry(url: str) -> None:
    sleep(60)


@pytest.mark.parametrize("wait", [wait_for_response, wait_for_retry])
def test_stopping_wakes_threads(wait: Callable[[str], None]) -> None:
    with scripted([Turn(then="hold")]) as script:
        outcomes: list[BaseException] = []
        started = threading.Event()

        def call(url: str) -> None:
            started.set()
            try:
                wait(url)
            except BaseException as error:
                outcomes.append(error)
                raise

        workers: Workers[str, None] = Workers(call)
        workers.start(script.url)
        started.wait()
        if wait is wait_for_response:
            wait_until(lambda: script.requests)
        workers.stop()
        assert threads() == []
    assert [type(error) for error in outcomes] == [Interrupted]


def test_thread_that_waits_for_a_call_does_not_see_its_interruption() -> None:
    class SlowStream:
        def get_extra_info(self, name: str) -> None:
            time.sleep(0.05)  # meanwhile, the interrupted thread is the first to tell

    def call(item: str) -> None:
        interruption = current_interruption()
        assert interruption is not None
        interruption.uses(SlowStream())
        sleep(60)

    seen: list[object] = []
    workers: Workers[str, None] = Workers(call)
    workers.start("h1")
    thread = threading.Thread(target=lambda: seen.append(workers.next()))
    thread.start()
    time.sleep(0.05)  # until it waits
    workers.stop()
    thread.join()
    assert seen == [None]


def test_interrupted_thread_sends_nothing_more() -> None:
    """Also through a transport that cannot be woken."""
    sent: list[str] = []
    may_respond = threading.Event()

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        may_respond.wait(60)
        return httpx.Response(200, json=reported("r1", "running"))

    def call_twice(handler_id: str) -> None:
        client.get_handler(handler_id)
        client.get_handler(handler_id)

    inner = httpx.Client(transport=httpx.MockTransport(completed(reply)), base_url="http://test")
    client = SyncWorkflowClient(httpx_client=inner)
    workers: Workers[str, None] = Workers(call_twice)
    workers.start("h1")
    wait_until(lambda: sent)
    (thread,) = threads()
    workers.stop()
    may_respond.set()
    thread.join()
    assert sent == ["/handlers/h1"]


def test_calls_for_each_item_end_after_the_timeout() -> None:
    for_each(lambda seconds: sleep(seconds), [0.0, 60.0], 0.1)
    assert threads() == []


def test_calls_are_made_when_the_interpreter_starts_no_thread_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As from Python 3.12 on, while it exits."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    called: list[int] = []
    monkeypatch.setattr(threading.Thread, "start", start)
    for_each(called.append, [1, 2], 10.0)
    assert called == [1, 2]


def test_calls_of_sync_batch_see_context_variables_of_the_caller() -> None:
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(variable.get())
        return httpx.Response(200, json=reported("r1", "completed"))

    variable.set("set")
    inner = httpx.Client(transport=httpx.MockTransport(completed(reply)), base_url="http://test")
    assert len([*SyncWorkflowClient(httpx_client=inner).map_workflow("w", [{}, {}])]) == 2
    assert seen == ["set", "set"]
