# Generated from tests/_async/test_requests.py by `python -m generator`: do not edit.
"""What is sent where: base URLs, redirects, and headers that fail when they are sent."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from llama_agents.client import StatusError, SyncWorkflowClient

from ..support.scripted import Turn, frame, response, scripted, stream
from .replies import replies

EVENT: dict[str, Any] = {"type": "Answer", "value": {}}
SENT = b'{"status": "sent"}'


def test_query_of_base_url_is_part_of_every_request() -> None:
    turns = [
        Turn(response("200 OK", b'{"workflows": []}')),
        Turn(response("200 OK", SENT)),
        Turn(stream(frame(1, "StopEvent"))),
    ]
    with scripted(turns) as script:
        with SyncWorkflowClient(base_url=f"{script.url}/flows/?v=1&v=2&key=a%2Fb") as client:
            client.list_workflows()
            client.send_event("h1", EVENT)
            assert [event.type for event in client.get_workflow_events("h1")] == ["StopEvent"]
    query = "?v=1&v=2&key=a%2Fb"
    assert [request.split()[1] for request in script.requests] == [
        f"/flows/workflows{query}",
        f"/flows/events/h1{query}",
        f"/flows/events/h1{query}&sse=true&include_internal=false&after_sequence=-1"
        "&include_qualified_name=true",
    ]


@pytest.mark.parametrize(
    ("base_url", "words"),
    [("http://test/flows?v=1", "params="), ("", "no base_url"), ("/flows", "no base_url")],
)
def test_external_client_with_unusable_base_url_is_rejected(base_url: str, words: str) -> None:
    def unexpected(request: httpx.Request) -> httpx.Response:
        pytest.fail(f"sent {request.url}")

    transport = httpx.MockTransport(unexpected)
    with httpx.Client(transport=transport, base_url=base_url) as inner:
        client = SyncWorkflowClient(httpx_client=inner)
        with pytest.raises(ValueError, match=words):
            client.list_workflows()
        with pytest.raises(ValueError, match=words):
            for _ in client.get_workflow_events("h1"):
                pytest.fail("an event")


def test_params_of_external_client_are_part_of_every_request() -> None:
    with scripted([Turn(response("200 OK", b'{"workflows": []}'))]) as script:
        with httpx.Client(base_url=script.url, params={"v": "1"}) as inner:
            SyncWorkflowClient(httpx_client=inner).list_workflows()
    assert script.requests[0].startswith("GET /workflows?v=1 ")


@pytest.mark.parametrize(
    "location", ["/other/path?token=secret", "http://user:secret@test/other/path"]
)
def test_error_of_redirect_names_its_target(location: str) -> None:
    client = replies(lambda _: httpx.Response(302, headers={"Location": location}))
    for call in client.list_workflows, lambda: client.send_event("h1", EVENT):
        with pytest.raises(StatusError, match="redirects to http://test/other/path") as caught:
            call()
        assert "base_url" in str(caught.value)
        assert "secret" not in str(caught.value)


def test_url_that_is_too_long_for_httpx_is_rejected() -> None:
    client = replies(lambda request: pytest.fail(f"sent {request.url}"))
    with pytest.raises(ValueError, match=r"get_handlers .* too long"):
        client.get_handlers(workflow_name=["w" * 70_000])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_of_post_is_followed_only_as_post(status: int) -> None:
    """httpx follows the first three with a GET: for an event that is the run's event stream."""

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/events/h1":
            return httpx.Response(status, headers={"Location": "/moved/events/h1"})
        if request.method == "POST":
            return httpx.Response(200, content=SENT)
        return httpx.Response(200, headers={"content-type": "text/event-stream"})

    transport = httpx.MockTransport(reply)
    with httpx.Client(transport=transport, base_url="http://test", follow_redirects=True) as inner:
        client = SyncWorkflowClient(httpx_client=inner)
        if status in (307, 308):
            assert (client.send_event("h1", EVENT)).status == "sent"
        else:
            with pytest.raises(StatusError, match=f"a POST cannot follow a {status}") as caught:
                client.send_event("h1", EVENT)
            assert caught.value.status_code == status


def test_stream_follows_redirects_of_external_client() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith("/moved"):
            return httpx.Response(307, headers={"Location": f"/moved{request.url.raw_path!s}"})
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(200, content=frame(1, "StopEvent"), headers=headers)

    transport = httpx.MockTransport(reply)
    with httpx.Client(transport=transport, base_url="http://test", follow_redirects=True) as inner:
        events = SyncWorkflowClient(httpx_client=inner).get_workflow_events("h1")
        assert [event.type for event in events] == ["StopEvent"]


@pytest.mark.parametrize("value", ["Bearer secret\ud800", "Bearer secret\n"])
def test_header_of_auth_that_cannot_be_sent_is_not_shown(value: str) -> None:
    def auth(request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = value
        return request

    with scripted([Turn()]) as script:
        with SyncWorkflowClient(base_url=script.url, auth=auth) as client:  # type: ignore[arg-type]
            for call in client.get_handler, client.wait_for_handler, client.cancel_handler:
                with pytest.raises(httpx.LocalProtocolError, match="cannot be sent") as caught:
                    call("h1")
                assert "secret" not in "".join(traceback.format_exception(caught.value))
                assert b"secret" not in pickle.dumps(caught.value)
                assert caught.value.__notes__ == ["handler 'h1'"]


def test_error_of_the_callers_own_code_is_raised_as_it_is() -> None:
    def auth(request: httpx.Request) -> httpx.Request:
        "\u200b".encode("ascii")
        return request

    with SyncWorkflowClient(base_url="http://127.0.0.1:9", auth=auth) as client:  # type: ignore[arg-type]
        with pytest.raises(UnicodeEncodeError):
            client.list_workflows()


def test_header_that_cannot_be_sent_is_named() -> None:
    headers = {b"X-Token": b"secret\n"}
    with scripted([Turn()]) as script:
        with httpx.Client(base_url=script.url, headers=headers) as inner:
            with pytest.raises(httpx.LocalProtocolError, match="'X-Token' has a control") as caught:
                SyncWorkflowClient(httpx_client=inner).list_workflows()
    assert "secret" not in str(caught.value)


def test_pickled_transport_error_has_no_request_headers() -> None:
    with scripted([Turn()]) as script:
        with SyncWorkflowClient(base_url=script.url, headers={"X-Token": "secret"}) as client:
            with pytest.raises(httpx.TransportError) as caught:
                client.is_healthy()
    assert b"secret" not in pickle.dumps(caught.value)
    assert caught.value.request.method == "GET"


CALLS_BY_ID: list[Callable[[SyncWorkflowClient, str], Any]] = [
    lambda client, name: client.get_handler(name),
    lambda client, name: client.run_workflow("w", name),
    lambda client, name: client.run_workflow(name),
    lambda client, name: client.get_workflow_schema(name),
    lambda client, name: client.wait_for_handler(name),
]


@pytest.mark.parametrize("name", ["x" * 70_000, "\u00e4" * 2_000], ids=["long", "long if quoted"])
@pytest.mark.parametrize("call", CALLS_BY_ID)
def test_name_that_is_too_long_for_a_url_is_rejected(
    call: Callable[[SyncWorkflowClient, str], Any], name: str
) -> None:
    client = replies(lambda request: pytest.fail(f"sent {request.method}"))
    with pytest.raises(ValueError, match="too long for a URL") as caught:
        call(client, name)
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match="too long for a URL"):
        client.get_workflow_events(name)
