# Generated from tests/_async/test_client.py by `python -m generator`: do not edit.
"""Plain calls: on the real server, and against scripted answers."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    ConflictError,
    HandlerData,
    InvalidResponseError,
    NotFoundError,
    ServerError,
    StatusError,
    SyncWorkflowClient,
    UnreadableResultError,
    WaitTimeoutError,
    WorkflowFailedError,
)
from llama_agents.client.testing import serve
from workflows import Context
from workflows.events import Event, StartEvent

from ..support.scripted import Turn, answer, scripted
from ..support.workflows import (
    Boxed,
    Greet,
    GreetStart,
    Named,
    OutEvent,
    ResponseEvent,
    sample_workflows,
)
from .replies import replies

RUNNING = (
    b'{"handler_id": "h1", "workflow_name": "w", "status": "running", "started_at": "now",'
    b' "run_id": null, "error": null, "result": null, "updated_at": null, "completed_at": null}'
)


class Number(Event):
    """An event with a number in it."""

    n: float


def replies_with(status: int, body: bytes = b"", **headers: str) -> SyncWorkflowClient:
    """A client whose every request gets the same answer."""
    return replies(
        lambda _: httpx.Response(
            status,
            content=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
    )


# ------------------------------------------------------------------- what the server offers


def test_healthy_server_says_so(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        assert (client.is_healthy()).status == "healthy"


def test_server_that_is_not_ready_is_an_error() -> None:
    with pytest.raises(ServerError) as caught:
        replies_with(503, b'{"status": "unhealthy"}').is_healthy()
    assert caught.value.status_code == 503


def test_workflows_are_listed(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        assert "greet" in (client.list_workflows()).workflows


def test_schemas_of_a_workflow(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        schema = client.get_workflow_schema("typed")
        events = client.get_workflow_events_schema("typed")
    assert schema.start["title"] == "GreetStart"
    assert schema.stop["title"] == "OutEvent"
    assert {event["title"] for event in events.events} == {"GreetStart", "OutEvent"}


def test_graph_of_a_workflow(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        graph = (client.get_workflow_graph("greet")).graph
    assert any(node.node_type == "step" and node.id == "greet" for node in graph.nodes)


@pytest.mark.parametrize(
    "method", ["get_workflow_schema", "get_workflow_events_schema", "get_workflow_graph"]
)
def test_unknown_workflow_is_not_found(server_url: str, method: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError):
            getattr(client, method)("nothing")


def test_base_url_may_have_a_prefix() -> None:
    paths = []

    def reply(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={"workflows": []})

    transport = httpx.MockTransport(reply)
    with httpx.Client(transport=transport, base_url="http://h/deployments/d/") as inner:
        SyncWorkflowClient(httpx_client=inner).list_workflows()
    assert paths == [b"/deployments/d/workflows"]


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
    ],
)
@pytest.mark.parametrize("wait", [True, False])
def test_start_event_reaches_the_workflow_in_every_form(
    server_url: str, workflow: str, start_event: Any, expected: dict[str, Any], wait: bool
) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        if wait:
            handler = client.run_workflow(workflow, start_event=start_event)
        else:
            started = client.run_workflow_nowait(workflow, start_event=start_event)
            handler = client.wait_for_handler(started.handler_id, poll_interval=0.01)
    assert handler.status == "completed"
    assert handler.result == expected


def test_result_is_a_dict_and_an_envelope(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        result = (client.run_workflow("typed", start_event={"name": "Ada"})).result
    assert result is not None
    assert OutEvent.model_validate(result).output == "Hello, Ada!"
    assert result.load_event() == OutEvent(output="Hello, Ada!")
    assert (result["output"], result.type) == ("Hello, Ada!", "OutEvent")


def test_failed_run_raises_with_the_whole_error(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(WorkflowFailedError) as caught:
            client.run_workflow("fail")
    assert caught.value.handler.status == "failed"
    assert caught.value.detail == "boom " * 100
    assert "boom " * 100 in str(caught.value)


def test_failed_run_is_a_result_of_get_handler(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        started = client.run_workflow_nowait("fail")
        waited = client.wait_for_handler(started.handler_id, poll_interval=0.01)
        handler = client.get_handler(started.handler_id)
    assert waited == handler
    assert handler.status == "failed"


def test_500_that_carries_no_ended_run_is_a_server_error() -> None:
    for body in (b"{}", b'{"detail": "x"}', b"oops"):
        with pytest.raises(ServerError):
            replies_with(500, body).run_workflow("greet")


def test_500_that_carries_a_completed_run_is_its_result() -> None:
    client = replies_with(500, RUNNING.replace(b"running", b"completed"))
    assert (client.run_workflow("greet")).status == "completed"


def test_handler_id_names_the_run_and_is_refused_while_it_goes_on(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("human", "the-one")
        assert handler.handler_id == "the-one"
        with pytest.raises(ConflictError):
            client.run_workflow_nowait("human", "the-one")
        client.cancel_handler("the-one", purge=True)


def test_start_event_that_does_not_fit_is_refused_with_the_servers_words(
    server_url: str,
) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(StatusError, match="Invalid event type: OutEvent") as caught:
            client.run_workflow("unbox", start_event=OutEvent(output="x"))  # type: ignore[arg-type]
    assert caught.value.status_code == 400


def test_context_is_passed_on() -> None:
    with serve(sample_workflows(), accept_context_api=True) as url:
        with SyncWorkflowClient(base_url=url) as client:
            context = Context(Greet())
            for form in (context, context.to_dict()):
                handler = client.run_workflow("greet", context=form)
                assert handler.status == "completed"


def test_context_is_refused_by_default(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(StatusError, match="Context API is disabled"):
            client.run_workflow("greet", context={"state": {"a": 1}})


# ------------------------------------------------------------------- events to a run


def test_human_answers(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        started = client.run_workflow_nowait("human")
        for event in client.get_workflow_events(started.handler_id):
            if event.type == "RequestEvent":
                sent = client.send_event(started.handler_id, ResponseEvent(response="Ada"))
                assert sent.status == "sent"
        handler = client.get_handler(started.handler_id)
        with pytest.raises(ConflictError):
            client.send_event(started.handler_id, ResponseEvent(response="again"))
    assert handler.result == {"output": "Hello, Ada"}


def test_event_goes_to_the_step_that_is_named(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        started = client.run_workflow_nowait("human")
        event = {"type": "ResponseEvent", "value": {"response": "Ada"}}
        with pytest.raises(ServerError):
            client.send_event(started.handler_id, event, "nowhere")
        client.send_event(started.handler_id, event, "greet")
        handler = client.wait_for_handler(started.handler_id, poll_interval=0.01)
    assert handler.result == {"output": "Hello, Ada"}


# ------------------------------------------------------------------- handlers


def test_handlers_are_listed_by_status_and_workflow(server_url: str) -> None:
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


def test_unknown_status_of_a_newer_server_does_not_lose_the_list() -> None:
    body = b'{"handlers": [' + RUNNING.replace(b"running", b"paused") + b"," + RUNNING + b"]}"
    handlers = (replies_with(200, body).get_handlers()).handlers
    assert [handler.status for handler in handlers] == ["paused", "running"]


def test_cancelled_run_is_a_result(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        started = client.run_workflow_nowait("human")
        assert (client.cancel_handler(started.handler_id)).status == "cancelled"
        assert (client.get_handler(started.handler_id)).status == "cancelled"
        with pytest.raises(NotFoundError):
            client.cancel_handler(started.handler_id)
        assert (client.cancel_handler(started.handler_id, True)).status == "deleted"
        with pytest.raises(NotFoundError):
            client.get_handler(started.handler_id)


def test_get_result_is_deprecated_and_the_same_as_get_handler(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow("greet")
        with pytest.warns(DeprecationWarning, match="get_handler"):
            assert client.get_result(handler.handler_id) == handler


def test_unreadable_result_is_an_error() -> None:
    with pytest.raises(UnreadableResultError):
        replies_with(422, b'{"detail": "x"}').get_handler("h1")


def test_waiting_ends_at_the_bound(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        started = client.run_workflow_nowait("human")
        with pytest.raises(WaitTimeoutError, match=r"within 0\.1 seconds") as caught:
            client.wait_for_handler(started.handler_id, timeout=0.1, poll_interval=0.03)
        client.cancel_handler(started.handler_id, purge=True)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.handler_id == started.handler_id


def test_bound_of_zero_looks_once(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        done = client.run_workflow("greet")
        assert client.wait_for_handler(done.handler_id, timeout=0) == done
        started = client.run_workflow_nowait("human")
        with pytest.raises(WaitTimeoutError):
            client.wait_for_handler(started.handler_id, timeout=0)
        client.cancel_handler(started.handler_id, purge=True)


# ------------------------------------------------------------------- answers that are not the API's


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"[]",
        b'{"workflows": [1]}',
        b'{"workflows": null}',
        b"[" * 10**5,
        b'"\\ud800"',
    ],
)
def test_answer_of_another_shape_is_a_typed_error(body: bytes) -> None:
    client = replies_with(200, body, content_type="text/html")
    with pytest.raises(InvalidResponseError, match="text/html") as caught:
        client.list_workflows()
    assert caught.value.response.content == body
    assert isinstance(caught.value, ValueError)


def test_redirect_is_an_error() -> None:
    with pytest.raises(StatusError, match="302 Found"):
        replies_with(302, location="http://elsewhere").list_workflows()


def test_transport_failures_stay_those_of_httpx() -> None:
    with scripted([Turn()]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(httpx.TransportError):
                client.run_workflow("greet")


# ------------------------------------------------------------------- bad input


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "a\x00", "\x7f", "\x85", "\ud800"])
def test_name_that_is_no_path_segment_is_refused(name: str) -> None:
    def unexpected(request: httpx.Request) -> httpx.Response:
        pytest.fail(f"sent {request.url}")

    client = replies(unexpected)
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


def test_name_is_one_quoted_segment() -> None:
    paths = []

    def reply(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={"status": "sent"})

    replies(reply).send_event("../handlers/X/cancel?purge=true#", {"type": "T", "value": {}})
    replies(reply).send_event("a b%2F\u00e4", {"type": "T", "value": {}})
    assert paths == [
        b"/events/..%2Fhandlers%2FX%2Fcancel%3Fpurge%3Dtrue%23",
        b"/events/a%20b%252F%C3%A4",
    ]


def test_name_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match="handler id must be a string, not int"):
        replies_with(200).get_handler(5)  # type: ignore[arg-type]


def test_handler_id_that_no_call_could_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'/'"):
        replies_with(200).run_workflow("greet", "a/b")


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
def test_payload_that_json_cannot_carry_is_refused(event: Any) -> None:
    def unexpected(request: httpx.Request) -> httpx.Response:
        pytest.fail(f"sent {request.url}")

    client = replies(unexpected)
    with pytest.raises(ValueError, match=r"event|JSON"):
        client.send_event("h1", event)
    with pytest.raises(ValueError, match=r"event|JSON"):
        client.run_workflow("greet", start_event=event)


def test_context_that_json_cannot_carry_is_refused() -> None:
    for context in ({"x": object()}, object()):
        with pytest.raises(ValueError, match="context cannot be written"):
            replies_with(200).run_workflow("greet", context=context)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"status": ["done"]}, "unknown status 'done'"),
        ({"workflow_name": [""]}, "workflow_name must be non-empty"),
        ({"workflow_name": [5]}, "workflow_name must be non-empty"),
    ],
)
def test_filter_that_would_be_ignored_is_refused(filters: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replies_with(200).get_handlers(**filters)


# ------------------------------------------------------------------- the client itself


def test_client_takes_exactly_one_of_url_and_httpx_client() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        SyncWorkflowClient()  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="exactly one"):
        SyncWorkflowClient(base_url="http://h", httpx_client=httpx.Client())  # type: ignore[call-overload]


def test_client_refuses_the_httpx_client_of_the_other_face() -> None:
    with pytest.raises(TypeError, match="other client"):
        SyncWorkflowClient(httpx_client=httpx.AsyncClient())  # type: ignore[call-overload]


def test_settings_go_with_a_url() -> None:
    with pytest.raises(ValueError, match="headers goes with base_url"):
        SyncWorkflowClient(httpx_client=httpx.Client(), headers={"a": "b"})  # type: ignore[call-overload]


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://h", "http://", "/path", "http://h:x"])
def test_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        SyncWorkflowClient(base_url=url)


def test_secret_in_an_unusable_url_is_not_shown() -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        SyncWorkflowClient(base_url="ftp://user:secret@host/?token=secret")
    assert "secret" not in str(caught.value)


def test_attributes_of_the_published_client_stay() -> None:
    inner = httpx.Client()
    assert SyncWorkflowClient(httpx_client=inner).httpx_client is inner
    assert SyncWorkflowClient(httpx_client=inner).base_url is None
    assert SyncWorkflowClient(base_url="http://h").base_url == "http://h"
    assert SyncWorkflowClient(base_url="http://h").httpx_client is None


def test_client_handed_in_is_never_closed(server_url: str) -> None:
    with httpx.Client(base_url=server_url) as inner:
        with SyncWorkflowClient(httpx_client=inner) as client:
            client.is_healthy()
        assert not inner.is_closed
        client.is_healthy()


def test_closed_client_refuses_further_calls(server_url: str) -> None:
    client = SyncWorkflowClient(base_url=server_url)
    client.is_healthy()
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.is_healthy()


def test_headers_auth_and_timeout_reach_the_owned_client() -> None:
    with scripted([Turn(answer("200 OK", b'{"workflows": []}'))]) as script:
        client = SyncWorkflowClient(
            base_url=script.url, headers={"X-A": "b"}, auth=("u", "p"), timeout=3.0
        )
        with client:
            client.list_workflows()
    assert "x-a: b" in script.requests[0].lower()
    assert "authorization: basic" in script.requests[0].lower()


def test_calls_share_connections(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler: HandlerData = client.run_workflow("greet")
        for _ in range(5):
            client.get_handler(handler.handler_id)
        pool = (client._pool.get())._transport._pool  # type: ignore[attr-defined]
        assert len(pool.connections) == 1
