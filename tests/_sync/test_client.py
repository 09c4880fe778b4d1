# Generated from tests/_async/test_client.py by `python -m generator`: do not edit.
"""Plain calls: on the real server, and against responses that a function returns."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    ConflictError,
    EventValidationError,
    InvalidResponseError,
    NotFoundError,
    ServerError,
    StatusError,
    SyncWorkflowClient,
    WaitTimeoutError,
    WorkflowFailedError,
)
from llama_agents.client.testing import serve
from workflows import Context
from workflows.events import Event, StartEvent

from ..support.scripted import Turn, response, scripted
from ..support.versions import needs_new_contexts
from ..support.workflows import (
    Boxed,
    Greet,
    GreetStart,
    Named,
    OutEvent,
    ResponseEvent,
    Unstorable,
    sample_workflows,
)
from .replies import replies, reported


class Number(Event):
    """An event with a number in it."""

    n: float


LOOK_ALIKE = type(httpx.Client.__name__, (), {"__module__": "httpx2"})


def replies_with(status: int, body: bytes = b"", **headers: str) -> SyncWorkflowClient:
    """Return a client whose every request gets the same response."""
    return replies(lambda _: httpx.Response(status, content=body, headers=headers))


def sends_nothing() -> SyncWorkflowClient:
    """Return a client that must not send a request."""

    def unexpected(request: httpx.Request) -> httpx.Response:
        pytest.fail(f"sent {request.url}")

    return replies(unexpected)


# ------------------------------------------------------------------- what the server offers


def test_schemas_are_those_of_the_workflow(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        schema = client.get_workflow_schema("typed")
        events = client.get_workflow_events_schema("typed")
        with pytest.raises(NotFoundError):
            client.get_workflow_schema("nothing")
    assert (schema.start["title"], schema.stop["title"]) == ("GreetStart", "OutEvent")
    assert {event["title"] for event in events.events} == {"GreetStart", "OutEvent"}


def test_graph_contains_the_steps(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        graph = (client.get_workflow_graph("greet")).graph
    assert any(node.node_type == "step" and node.id == "greet" for node in graph.nodes)


# ------------------------------------------------------------------- runs


@pytest.mark.parametrize(
    ("workflow", "start_event", "expected"),
    [
        ("greet", StartEvent(name="Ada"), {"result": "Hello, Ada!"}),  # type: ignore[call-arg]
        ("greet", {"name": "Ada"}, {"result": "Hello, Ada!"}),
        ("greet", None, {"result": "Hello, World!"}),
        ("greet", Named(name="Ada"), {"result": "Hello, Ada!"}),
        ("echo", {"value": 5}, {"result": {"value": 5}}),
        ("echo", StartEvent(value=5, type="t"), {"result": {"value": 5, "type": "t"}}),  # type: ignore[call-arg]
        ("typed", GreetStart(name="Ada"), {"output": "Hello, Ada!"}),
        ("typed", StartEvent(name="Ada"), {"output": "Hello, Ada!"}),  # type: ignore[call-arg]
        ("typed", {"name": "Ada"}, {"output": "Hello, Ada!"}),
        ("typed", {"type": "GreetStart", "value": {"name": "Ada"}}, {"output": "Hello, Ada!"}),
        ("unbox", Boxed(value=7), {"result": 7}),
        ("unbox", {"value": 7}, {"result": 7}),
        ("unbox", StartEvent(value=7), {"result": 7}),  # type: ignore[call-arg]
        ("unbox", {"type": "Boxed", "value": {"value": 7}}, {"result": 7}),
        ("echo", {"value": 5, "type": "t"}, {"result": {"value": 5, "type": "t"}}),
    ],
)
@pytest.mark.parametrize("validate", [False, True])
@pytest.mark.parametrize("wait", [True, False])
def test_start_event_reaches_workflow_in_every_form(
    server_url: str,
    workflow: str,
    start_event: Any,
    expected: dict[str, Any],
    wait: bool,
    validate: bool,
) -> None:
    options: dict[str, Any] = {"start_event": start_event, "validate": validate}
    with SyncWorkflowClient(base_url=server_url) as client:
        if wait:
            handler = client.run_workflow(workflow, **options)
        else:
            started = client.run_workflow_nowait(workflow, **options)
            handler = client.wait_for_handler(started.handler_id, poll_interval=0.01)
    assert handler.status == "completed"
    assert handler.result == expected


@pytest.mark.parametrize("validate", [False, True])
@pytest.mark.parametrize(
    ("start_event", "words"),
    [
        (Boxed(value=1), "Invalid event type: Boxed.*GreetStart, which has no field 'value'"),
        (ResponseEvent(response="x"), "Invalid event type: ResponseEvent"),
        (OutEvent(output="x"), "must be an instance of"),
        ({"value": {"name": "Ada"}}, "GreetStart, which has no field 'value'"),
        ({"type": "Boxed", "value": {"name": "Ada"}}, "Invalid event type: Boxed"),
    ],
)
def test_start_event_that_workflow_would_not_read_starts_nothing(
    server_url: str, start_event: Any, words: str, validate: bool
) -> None:
    """Every field of the start class has a default: a run with all of them must not begin."""
    with SyncWorkflowClient(base_url=server_url) as client:
        before = client.get_handlers()
        for start in (client.run_workflow, client.run_workflow_nowait):
            with pytest.raises((StatusError, EventValidationError), match=words):
                start("typed", start_event=start_event, validate=validate)
        (result,) = [done for done in client.map_workflow("typed", [start_event])]
        assert isinstance(result.error, (StatusError, EventValidationError))
        assert client.get_handlers() == before


def test_run_whose_engine_dies_is_an_error_and_can_be_purged() -> None:
    with serve({"unstorable": Unstorable()}) as url:
        with SyncWorkflowClient(base_url=url) as client:
            with pytest.raises(WorkflowFailedError, match="stopped without an outcome") as caught:
                client.run_workflow("unstorable", "h1")
            assert caught.value.handler.status == "running"
            with pytest.raises(WaitTimeoutError):  # no other response tells
                client.wait_for_handler("h1", timeout=0.2)
            client.cancel_handler("h1", purge=True)
            with pytest.raises(NotFoundError):
                client.get_handler("h1")


@pytest.mark.parametrize("status", ["running", "paused"])
def test_500_with_a_run_that_has_not_ended_is_an_error(status: str) -> None:
    client = replies(lambda _: httpx.Response(500, json=reported("r1", status)))
    run = client.get_run("h1")
    for call in (
        partial(client.run_workflow, "w", "h1"),
        partial(client.run_workflow_nowait, "w", "h1"),
        partial(client.get_handler, "h1"),
        partial(client.wait_for_handler, "h1"),
        run.result,
        run.status,
    ):
        with pytest.raises(WorkflowFailedError, match=f"status is '{status}'") as caught:
            call()  # type: ignore[operator]
        assert caught.value.handler.handler_id == "h1"


def test_run_whose_engine_died_ends_interact_and_its_item_of_a_batch() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/events/"):
            return httpx.Response(204)
        status = 200 if request.method == "POST" else 500
        return httpx.Response(status, json=reported("r1", "running"))

    client = replies(reply)
    with pytest.raises(WorkflowFailedError, match="stopped without an outcome"):
        client.get_run("h1").interact({})
    (result,) = [result for result in client.map_workflow("w", [{}])]
    assert isinstance(result.error, WorkflowFailedError)
    assert result.handler is result.error.handler


def test_run_workflow_raises_for_failed_run_and_get_handler_returns_it(
    server_url: str,
) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(WorkflowFailedError) as caught:
            client.run_workflow("fail")
        failed = caught.value.handler
        assert client.wait_for_handler(failed.handler_id) == failed
        assert client.get_handler(failed.handler_id) == failed
    assert failed.status == "failed"
    assert failed.error == caught.value.detail == "boom " * 100
    assert "boom " * 100 in str(caught.value)


@pytest.mark.parametrize("body", [b"{}", b'{"detail": "x"}', b"oops"])
def test_run_workflow_raises_server_error_for_500_without_run(body: bytes) -> None:
    with pytest.raises(ServerError):
        replies_with(500, body).run_workflow("greet")


def test_run_workflow_returns_completed_run_from_500() -> None:
    client = replies(lambda _: httpx.Response(500, json=reported("r1", "completed")))
    assert (client.run_workflow("greet")).status == "completed"


def test_handler_id_is_rejected_while_its_run_is_running(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("human", "the-one")
        assert handler.handler_id == "the-one"
        with pytest.raises(ConflictError):
            client.run_workflow_nowait("human", "the-one")
        client.cancel_handler("the-one", purge=True)


def test_start_event_of_wrong_type_raises_with_server_explanation(
    server_url: str,
) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(StatusError, match="Invalid event type: OutEvent") as caught:
            client.run_workflow("unbox", start_event=OutEvent(output="x"))  # type: ignore[arg-type]
    assert caught.value.status_code == 400


@needs_new_contexts
def test_context_is_sent_in_both_forms() -> None:
    with serve(sample_workflows(), accept_context_api=True) as url:
        with SyncWorkflowClient(base_url=url) as client:
            context = Context(Greet())
            for form in (context, context.to_dict()):
                handler = client.run_workflow("greet", context=form)
                assert handler.status == "completed"


def test_context_is_rejected_by_server_default(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(StatusError, match="Context API is disabled"):
            client.run_workflow("greet", context={"state": {"a": 1}})


# ------------------------------------------------------------------- events to a run


def test_send_event_reaches_named_step(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        started = client.run_workflow_nowait("human")
        event = {"type": "ResponseEvent", "value": {"response": "Ada"}}
        with pytest.raises(ServerError):
            client.send_event(started.handler_id, event, "nowhere")
        assert (client.send_event(started.handler_id, event, "greet")).status == "sent"
        handler = client.wait_for_handler(started.handler_id, poll_interval=0.01)
        with pytest.raises(ConflictError):
            client.send_event(started.handler_id, ResponseEvent(response="too late"))
    assert handler.result == {"output": "Hello, Ada"}


# ------------------------------------------------------------------- handlers


def test_get_handlers_filters_by_status_and_workflow(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        done = client.run_workflow("greet")
        open_ = client.run_workflow_nowait("human")
        everything = client.get_handlers()
        some = client.get_handlers(["running", "failed"], ["human", "echo"])
        one = client.get_handlers(status="completed", workflow_name="greet")  # type: ignore[arg-type]
        client.cancel_handler(open_.handler_id)
    ids = [{handler.handler_id for handler in found.handlers} for found in (everything, some, one)]
    assert {done.handler_id, open_.handler_id} <= ids[0]
    assert open_.handler_id in ids[1]
    assert done.handler_id not in ids[1]
    assert done.handler_id in ids[2]
    assert open_.handler_id not in ids[2]


def test_get_handler_returns_cancelled_run(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        started = client.run_workflow_nowait("human")
        assert (client.cancel_handler(started.handler_id)).status == "cancelled"
        assert (client.get_handler(started.handler_id)).status == "cancelled"
        with pytest.raises(NotFoundError):
            client.cancel_handler(started.handler_id)
        assert (client.cancel_handler(started.handler_id, True)).status == "deleted"
        with pytest.raises(NotFoundError):
            client.get_handler(started.handler_id)


def test_get_result_warns_and_returns_handler(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow("greet")
        with pytest.warns(DeprecationWarning, match="get_handler"):
            assert client.get_result(handler.handler_id) == handler


def test_wait_with_zero_timeout_polls_once(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        done = client.run_workflow("greet")
        assert client.wait_for_handler(done.handler_id, timeout=0) == done
        started = client.run_workflow_nowait("human")
        with pytest.raises(WaitTimeoutError):
            client.wait_for_handler(started.handler_id, timeout=0)
        client.cancel_handler(started.handler_id, purge=True)


# ------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[]", b'{"workflows": [1]}', b"[" * 10**5, b'"\\ud800"']
)
def test_call_raises_invalid_response_for_malformed_body(body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        replies_with(200, body).list_workflows()
    assert caught.value.response.content == body


def test_call_raises_on_redirect() -> None:
    with pytest.raises(StatusError, match="302 Found"):
        replies_with(302, location="http://elsewhere").list_workflows()


CALLS = [
    ("get_handler", ("h1",), "h1"),
    ("wait_for_handler", ("h1",), "h1"),
    ("cancel_handler", ("h1",), "h1"),
    ("send_event", ("h1", {"type": "T", "value": {}}), "h1"),
    ("run_workflow", ("w", "h1"), "h1"),
    ("run_workflow_nowait", ("w", "h1"), "h1"),
    ("list_workflows", (), None),
]


@pytest.mark.parametrize(("method", "arguments", "handler_id"), CALLS)
@pytest.mark.parametrize(("status", "error"), [(400, StatusError), (200, InvalidResponseError)])
def test_error_carries_handler_id_of_calls_about_a_run(
    method: str, arguments: Any, handler_id: str | None, status: int, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        getattr(replies_with(status, b"<html>"), method)(*arguments)
    assert getattr(caught.value, "handler_id", "") == handler_id


@pytest.mark.parametrize(("method", "arguments", "handler_id"), CALLS)
def test_transport_error_names_run_in_note(
    method: str, arguments: Any, handler_id: str | None
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.UnsupportedProtocol("as it was raised")

    with pytest.raises(httpx.UnsupportedProtocol) as caught:
        getattr(replies(fail), method)(*arguments)
    assert caught.value.args == ("as it was raised",)
    notes = getattr(caught.value, "__notes__", [])
    assert notes == ([] if handler_id is None else ["handler 'h1'"])


# ------------------------------------------------------------------- bad arguments


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "a\x00", "\x7f", "\x85", "\ud800"])
def test_call_rejects_name_that_cannot_be_path_segment(name: str) -> None:
    client = sends_nothing()
    for call in (
        client.get_workflow_schema,
        client.get_workflow_events_schema,
        client.get_workflow_graph,
        client.run_workflow,
        client.run_workflow_nowait,
        client.get_handler,
        client.wait_for_handler,
        client.cancel_handler,
    ):
        with pytest.raises(ValueError, match="cannot be part of a URL"):
            call(name)  # type: ignore[operator]
    with pytest.raises(ValueError, match="cannot be part of a URL"):
        client.send_event(name, {})
    with pytest.raises(ValueError, match="cannot be part of a URL"):
        client.run_workflow("greet", name)
    with pytest.raises(ValueError, match="cannot be part of a URL"):
        client.get_workflow_events(name)


def test_name_is_quoted_as_one_segment() -> None:
    paths = []

    def reply(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={"status": "sent"})

    for name in ("../handlers/X/cancel?purge=true#", "a b%2F\u00e4"):
        replies(reply).send_event(name, {"type": "T", "value": {}})
    assert paths == [
        b"/events/..%2Fhandlers%2FX%2Fcancel%3Fpurge%3Dtrue%23",
        b"/events/a%20b%252F%C3%A4",
    ]


@pytest.mark.parametrize(
    "event",
    [
        Number(n=math.nan),
        Number(n=math.inf),
        StartEvent(n=math.nan),  # type: ignore[call-arg]
        StartEvent(n=[{"x": (math.inf,)}]),  # type: ignore[call-arg]
        StartEvent(n="\ud800"),  # type: ignore[call-arg]
        StartEvent(n=object()),  # type: ignore[call-arg]
        {"n": math.nan},
        {"n": "\ud800"},
        {"n": object()},
        {"n": b"\xff"},
        5,
    ],
)
def test_call_rejects_payload_that_json_cannot_represent(event: Any) -> None:
    client = sends_nothing()
    with pytest.raises(ValueError, match=r"event|JSON"):
        client.send_event("h1", event)
    with pytest.raises(ValueError, match=r"event|JSON"):
        client.run_workflow("greet", start_event=event)


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("get_handlers", {"status": ["done"]}, "unknown status 'done'"),
        ("get_handlers", {"workflow_name": [""]}, "workflow_name must be non-empty"),
        ("get_handlers", {"workflow_name": [5]}, "workflow_name must be non-empty"),
        ("wait_for_handler", {"handler_id": "h1", "backoff": "cubic"}, "backoff must be"),
        ("run_workflow", {"workflow_name": "w", "handler_id": "a/b"}, "'/'"),
        ("get_handler", {"handler_id": 5}, "handler_id must be a string, not int"),
        ("run_workflow", {"workflow_name": "w", "context": {"x": object()}}, "context cannot be"),
        ("run_workflow", {"workflow_name": "w", "context": object()}, "context cannot be written"),
    ],
)
def test_call_rejects_bad_argument(method: str, options: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        getattr(sends_nothing(), method)(**options)


# ------------------------------------------------------------------- the client itself


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "exactly one"),
        ({"base_url": "http://h", "httpx_client": httpx.Client()}, "exactly one"),
        (
            {"httpx_client": httpx.Client(), "headers": {"a": "b"}},
            "headers cannot be combined",
        ),
    ],
)
def test_client_rejects_arguments_that_exclude_each_other(arguments: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SyncWorkflowClient(**arguments)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (object(), "builtins.object"),
        (httpx.AsyncClient(), "httpx.AsyncClient"),
        (LOOK_ALIKE(), f"httpx2.{LOOK_ALIKE.__name__}"),
    ],
)
def test_client_rejects_httpx_client_of_wrong_class(given: Any, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        SyncWorkflowClient(httpx_client=given)
    assert str(caught.value) == f"httpx_client must be an httpx.Client, or httpx2's, not {shown}"


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://h", "http://", "/path", "http://h:x"])
def test_client_rejects_unusable_url(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        SyncWorkflowClient(base_url=url)


def test_client_keeps_attributes_of_published_client() -> None:
    inner = httpx.Client()
    assert SyncWorkflowClient(httpx_client=inner).httpx_client is inner
    assert SyncWorkflowClient(httpx_client=inner).base_url is None
    assert SyncWorkflowClient(base_url="http://h").base_url == "http://h"
    assert SyncWorkflowClient(base_url="http://h").httpx_client is None


def test_client_never_closes_external_httpx_client(server_url: str) -> None:
    with httpx.Client(base_url=server_url) as inner:
        with SyncWorkflowClient(httpx_client=inner) as client:
            client.is_healthy()
        assert not inner.is_closed
        client.is_healthy()


def test_closed_client_rejects_calls(server_url: str) -> None:
    client = SyncWorkflowClient(base_url=server_url)
    client.is_healthy()
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.is_healthy()


def test_client_sends_its_settings_and_keeps_path_prefix() -> None:
    with scripted([Turn(response("200 OK", b'{"workflows": []}'))]) as script:
        url = f"{script.url}/deployments/d/"
        settings: dict[str, Any] = {"headers": {"X-A": "b"}, "auth": ("u", "p"), "timeout": 3.0}
        with SyncWorkflowClient(base_url=url, **settings) as client:
            client.list_workflows()
    (request,) = script.requests
    assert request.startswith("GET /deployments/d/workflows ")
    assert "x-a: b" in request.lower()
    assert "authorization: basic" in request.lower()


def test_calls_share_one_connection(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow("greet")
        for _ in range(5):
            client.get_handler(handler.handler_id)
        pool = (client._driver.clients.get())._transport._pool  # type: ignore[attr-defined]
        pools = getattr(pool, "shards", [pool])
        assert [len(pool.connections) for pool in pools] == [1]
