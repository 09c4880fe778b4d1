"""The real server in a thread."""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any, Final

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from llama_agents.client.testing import serve
from llama_agents.server import WorkflowServer
from starlette.middleware import Middleware

from ..support.workflows import Greet, Human

DELAYED_ACK: Final = 0.04  # s, the least of Linux
AT_ONCE: Final = 2.0  # s; a stream that is waited for lasts as long as its run


class Broken:
    """Middleware that cannot be made."""

    def __init__(self, app: object) -> None:
        raise OSError("no disk")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Any:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_workflows_are_served_by_their_names() -> None:
    with serve({"greet": Greet(), "human": Human()}) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", url)
        with SyncWorkflowClient(base_url=url) as client:
            assert sorted(client.list_workflows().workflows) == ["greet", "human"]
            assert client.run_workflow("greet", start_event={"name": "Ada"}).status == "completed"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_server_is_served_as_it_is() -> None:
    server = WorkflowServer(accept_context_api=True)
    server.add_workflow("mine", Greet())
    with serve(server) as url, SyncWorkflowClient(base_url=url) as client:
        assert client.list_workflows().workflows == ["mine"]


def test_answers_do_not_wait_for_the_client_to_acknowledge() -> None:
    """A body in a segment of its own does, unless Nagle's algorithm is off."""
    seconds = []
    with serve({"greet": Greet()}) as url, httpx.Client(base_url=url) as client:
        for _ in range(21):
            begin = time.perf_counter()
            client.get("/health")
            seconds.append(time.perf_counter() - begin)
    assert statistics.median(seconds) < DELAYED_ACK


def test_servers_run_side_by_side() -> None:
    with serve({"one": Greet()}) as first, serve({"two": Greet()}) as second:
        for url, name in ((first, "one"), (second, "two")):
            with SyncWorkflowClient(base_url=url) as client:
                assert client.list_workflows().workflows == [name]


def test_server_runs_while_an_event_loop_does() -> None:
    async def main() -> str:
        with serve({"greet": Greet()}) as url:
            async with WorkflowClient(base_url=url) as client:
                return (await client.run_workflow("greet")).status

    assert asyncio.run(main()) == "completed"


def test_end_does_not_wait_for_open_streams() -> None:
    with ExitStack() as ours, ExitStack() as theirs:
        url = theirs.enter_context(serve({"human": Human(timeout=60)}))
        httpx.post(f"{url}/workflows/human/run-nowait", json={"handler_id": "h1"})
        stream = httpx.stream("GET", f"{url}/events/h1?after_sequence=-1")
        lines = ours.enter_context(stream).iter_lines()  # dropped, it would close the stream
        assert next(lines).startswith("id: ")
        began = time.monotonic()
        theirs.close()
        assert time.monotonic() - began < AT_ONCE


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, pytest.fail.Exception])
def test_what_breaks_off_the_test_is_raised_and_stops_the_server(
    error: type[BaseException],
) -> None:
    with pytest.raises(error, match=r"^why$"), serve({"greet": Greet()}) as url:
        raise error("why")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_failing_start_raises_its_reason() -> None:
    with (
        pytest.raises(OSError, match="no disk"),
        serve({"greet": Greet()}, middleware=[Middleware(Broken)]),
    ):
        pass


def test_start_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asleep(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("llama_agents.client.testing._serve.LONGEST_START", 0.05)
    server = WorkflowServer()
    server.app = asleep  # type: ignore[assignment]
    with pytest.raises(TimeoutError, match=r"not ready after 0\.05 s"), serve(server):
        pass


def test_start_that_ends_without_a_word_is_an_error() -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})

    server = WorkflowServer()
    server.app = refusing  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="did not start"), serve(server):
        pass


def test_what_is_no_workflow_is_refused() -> None:
    with (
        pytest.raises(TypeError, match="'greet' is no workflow but <class"),
        serve({"greet": Greet}),
    ):  # type: ignore[dict-item]
        pass


def test_options_are_for_a_server_that_is_made() -> None:
    with (
        pytest.raises(TypeError, match="made already: idle_timeout"),
        serve(WorkflowServer(), idle_timeout=1),
    ):
        pass


def test_missing_server_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_agents.server", None)
    with (
        pytest.raises(ModuleNotFoundError, match=r"pip install 'llama-agents-client\[testing\]'"),
        serve({"greet": Greet()}),
    ):
        pass
