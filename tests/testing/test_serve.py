"""The real server, run in a thread."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any, Final, get_args, get_type_hints

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, testing
from llama_agents.client.testing import ServeWorkflows, replay, serve
from llama_agents.server import WorkflowServer
from starlette.middleware import Middleware
from workflows import Workflow
from workflows.events import Event

from ..support.workflows import Greet, Human

DELAYED_ACK: Final = 0.04  # s, the minimum on Linux
SHUTDOWN_TIMEOUT: Final = 10.0  # s; a stream lasts as long as its run: 60 s


class Broken:
    """Middleware that fails to start."""

    def __init__(self, app: object) -> None:
        raise OSError("no disk")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Any:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_workflows_are_served_by_name_until_the_end_of_the_block() -> None:
    with serve({"greet": Greet(), "human": Human()}) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", url)
        with SyncWorkflowClient(base_url=url) as client:
            assert sorted(client.list_workflows().workflows) == ["greet", "human"]
            assert client.run_workflow("greet", start_event={"name": "Ada"}).status == "completed"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_configured_server_is_served() -> None:
    server = WorkflowServer(accept_context_api=True)
    server.add_workflow("mine", Greet())
    with serve(server) as url, SyncWorkflowClient(base_url=url) as client:
        assert client.list_workflows().workflows == ["mine"]


def test_responses_do_not_wait_for_delayed_acknowledgements() -> None:
    """A body in a segment of its own would, unless Nagle's algorithm is off."""
    seconds = []
    with serve({"greet": Greet()}) as url, httpx.Client(base_url=url) as client:
        for _ in range(21):
            start = time.perf_counter()
            client.get("/health")
            seconds.append(time.perf_counter() - start)
    assert min(seconds) < DELAYED_ACK  # the delay would be in each


class Faulty:
    """Middleware that sends more than it announced, for one path."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/workflows":
            headers = [(b"content-length", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"too long"})
        await self._app(scope, receive, send)


def test_only_the_complaint_about_the_body_of_a_204_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serve({"greet": Greet()}, middleware=[Middleware(Faulty)]) as url:
        httpx.post(f"{url}/workflows/greet/run", json={"handler_id": "h1"}).raise_for_status()
        assert httpx.get(f"{url}/events/h1?after_sequence=1000").status_code == 204
        assert not caplog.records
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{url}/workflows")
    (record,) = (r for r in caplog.records if r.exc_info)
    assert "Unhandled exception on GET /workflows" in record.getMessage()


def test_server_stops_while_a_stream_is_open() -> None:
    with ExitStack() as ours, ExitStack() as theirs:
        url = theirs.enter_context(serve({"human": Human(timeout=60)}))
        httpx.post(f"{url}/workflows/human/run-nowait", json={"handler_id": "h1"})
        stream = httpx.stream("GET", f"{url}/events/h1?after_sequence=-1")
        lines = ours.enter_context(stream).iter_lines()  # if dropped, it would close the stream
        assert next(lines).startswith("id: ")
        started = time.monotonic()
        theirs.close()
        assert time.monotonic() - started < SHUTDOWN_TIMEOUT


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, pytest.fail.Exception])
def test_exception_in_the_block_stops_the_server(
    error: type[BaseException],
) -> None:
    with pytest.raises(error, match=r"^reason$"), serve({"greet": Greet()}) as url:
        raise error("reason")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_failed_start_raises_its_reason() -> None:
    with (
        pytest.raises(OSError, match="no disk"),
        serve({"greet": Greet()}, middleware=[Middleware(Broken)]),
    ):
        pass


def test_start_that_takes_too_long_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("llama_agents.client.testing._serve.START_TIMEOUT", 0.05)
    server = WorkflowServer()
    server.app = hang  # type: ignore[assignment]
    with pytest.raises(TimeoutError, match=r"not ready within 0\.05 s"), serve(server):
        pass


def test_start_that_fails_without_an_exception_is_an_error() -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})

    server = WorkflowServer()
    server.app = fail  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="did not start"), serve(server):
        pass


@pytest.mark.parametrize(
    ("workflows", "options", "problem"),
    [
        ({"greet": Greet}, {}, "'greet' must be a Workflow instance, not <class"),
        (None, {}, "expected workflows by name, or a WorkflowServer, not None"),
        ([Greet()], {}, "expected workflows by name, or a WorkflowServer, not "),
        (WorkflowServer, {}, "expected workflows by name, or a WorkflowServer, not <class"),
        ({1: Greet()}, {}, "name of a workflow must be a string, not 1"),
        (WorkflowServer(), {"idle_timeout": 1}, "takes no options: idle_timeout"),
    ],
)
def test_serve_rejects_invalid_arguments(
    workflows: Any, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(TypeError, match=problem), serve(workflows, **options):
        pass


def test_type_hints_resolve_although_the_kit_imports_neither_server_nor_workflows() -> None:
    assert Workflow in get_args(get_args(get_type_hints(serve)["workflows"])[0])
    assert (
        get_type_hints(ServeWorkflows.__call__)["workflows"] == get_type_hints(serve)["workflows"]
    )
    assert Event in get_args(get_args(get_args(get_type_hints(replay)["recording"])[-1])[0])
    for name in set(testing.__all__) - {"Fault"}:
        get_type_hints(getattr(testing, name))


def test_missing_server_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_agents.server", None)
    with (
        pytest.raises(ModuleNotFoundError, match=r"pip install 'llama-agents-client\[testing\]'"),
        serve({"greet": Greet()}),
    ):
        pass
