# Generated from tests/_async/test_options.py by `python -m generator`: do not edit.
"""Views of a client with other options, and the function that gets each response."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import pytest
from llama_agents.client import ResponseTooLargeError, StatusError, SyncWorkflowClient

from ..support.scripted import Turn, frame, response, scripted, stream
from .replies import replies

NAMES = b'{"workflows": []}'


def fields(request: str) -> dict[str, str]:
    """The headers of a request."""
    lines = request.split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def test_headers_of_view_are_added_to_its_requests_only() -> None:
    kept = Turn(response("200 OK", NAMES))
    with scripted([kept, kept, kept, Turn(stream(frame(0, "StopEvent")))]) as script:
        with SyncWorkflowClient(base_url=script.url, headers={"X-A": "1", "X-B": "1"}) as client:
            view = client.with_options(headers={"x-b": "2", "X-C": "2", "Accept": "nothing"})
            view.list_workflows()
            view.with_options(headers={"X-C": "3"}).list_workflows()
            client.list_workflows()
            for _ in view.get_workflow_events("h1"):
                pass
    first, second, third, fourth = map(fields, script.requests)
    assert [first[name] for name in ("x-a", "x-b", "x-c")] == ["1", "2", "2"]
    assert [second[name] for name in ("x-a", "x-b", "x-c")] == ["1", "2", "3"]
    assert (third["x-b"], third.get("x-c")) == ("1", None)
    assert (fourth["x-c"], fourth["accept"]) == ("2", "text/event-stream")


@pytest.mark.parametrize("place", ["auth", "url"])
def test_authorization_of_view_replaces_credentials_of_client(place: str) -> None:
    with scripted([Turn(response("200 OK", NAMES))]) as script:
        login = script.url.replace("://", "://ada:secret@")
        own: dict[str, Any] = {"base_url": login}
        if place == "auth":
            own = {"base_url": script.url, "auth": ("ada", "secret")}
        with SyncWorkflowClient(**own) as client:
            client.with_options(headers={"Authorization": "Bearer t"}).list_workflows()
            client.with_options(headers={"X-A": "1"}).list_workflows()
    tenant, other = map(fields, script.requests)
    assert tenant["authorization"] == "Bearer t"
    assert other["authorization"].startswith("Basic ")


def test_timeout_of_view_applies_to_its_requests_only() -> None:
    seen: list[Any] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, content=NAMES)

    client = replies(reply)
    client.with_options(timeout=0.25).list_workflows()
    client.with_options(timeout=httpx.Timeout(None)).list_workflows()
    client.list_workflows()
    assert seen[:2] == [0.25, None]
    assert 1 < seen[2] <= 15


def test_sizes_of_view_apply_to_its_responses_only() -> None:
    client = replies(lambda _: httpx.Response(200, content=NAMES))
    view = client.with_options(max_response_size=10)
    with pytest.raises(ResponseTooLargeError):
        view.list_workflows()
    view.with_options(max_response_size=None).list_workflows()
    with pytest.raises(ResponseTooLargeError):
        view.with_options(max_event_size=None).list_workflows()
    client.list_workflows()


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("headers", {"X A": "1"}, ValueError),
        ("headers", 5, TypeError),
        ("timeout", "5", TypeError),
        ("timeout", 0, ValueError),
        ("timeout", (1, "5", 1, 1), TypeError),
        ("max_event_size", 0, ValueError),
        ("max_response_size", 1.5, ValueError),
        ("on_response", "print", TypeError),
    ],
)
def test_invalid_option_is_rejected(option: str, value: object, error: type[Exception]) -> None:
    options: Any = {option: value}
    client = replies(lambda request: pytest.fail(f"sent {request.url}"))
    with pytest.raises(error, match=option.removesuffix("s").replace("_", ".")):
        client.with_options(**options)
    with pytest.raises(error):
        SyncWorkflowClient(base_url="http://127.0.0.1:1", **options)


def test_view_uses_the_connections_of_its_client(server_url: str) -> None:
    client = SyncWorkflowClient(base_url=server_url)
    streams: list[Any] = []

    def keep(_: str, response: httpx.Response) -> None:
        streams.append(response.extensions["network_stream"].get_extra_info("client_addr"))

    with client.with_options(on_response=keep) as view:
        view.list_workflows()
    client.with_options(on_response=keep).list_workflows()
    assert streams[0] == streams[1]
    client.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        view.list_workflows()


def test_view_closes_its_batches_and_client_those_of_its_views(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        views = [client.with_options(timeout=20), client.with_options(timeout=30)]
        batches = [view.map_workflow("human", [{}, {}], limit=1) for view in views]
        for view, batch in zip(views, batches, strict=True):
            view._driver.batches.add(batch)
        views[0].close()
        assert (batches[0]._runner._is_closed, batches[1]._runner._is_closed) == (True, False)
    assert batches[1]._runner._is_closed


def test_copy_of_view_in_another_process_has_connections_of_its_own(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        view = client.with_options(headers={"X-A": "1"}, timeout=20)
        copied = pickle.loads(pickle.dumps(view))
    copied.list_workflows()
    assert copied._driver.options == view._driver.options
    copied.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        copied.list_workflows()


# ---------------------------------------------------------------------------- on_response


def test_each_response_is_reported_with_its_operation() -> None:
    seen: list[tuple[str, int, str | None]] = []

    def on_response(operation: str, response: httpx.Response) -> None:
        assert not response.is_stream_consumed
        seen.append((operation, response.status_code, response.headers.get("x-request-id")))

    turns = [
        Turn(response("503 Service Unavailable", b"{}", X_Request_ID="a", Retry_After="0")),
        Turn(response("200 OK", NAMES, X_Request_ID="b")),
        Turn(stream(frame(0), end=b"")),
        Turn(stream(frame(1, "StopEvent"))),
    ]
    with scripted(turns) as script:
        with SyncWorkflowClient(base_url=script.url, on_response=on_response) as client:
            client.list_workflows()
            events = client.get_workflow_events("h1")
            assert [event.type for event in events] == ["Tick", "StopEvent"]
    assert seen == [
        ("list_workflows", 503, "a"),
        ("list_workflows", 200, "b"),
        ("stream_events", 200, None),
        ("stream_events", 200, None),
    ]


def test_function_of_view_replaces_that_of_its_client() -> None:
    seen: list[str] = []
    client = replies(lambda _: httpx.Response(200, content=NAMES))
    view = client.with_options(on_response=lambda *_: seen.append("view"))
    nested = view.with_options(on_response=lambda *_: seen.append("nested"))
    for each in client, view, nested, view.with_options(timeout=20):
        each.list_workflows()
    assert seen == ["view", "nested", "view"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (LookupError("mine"), LookupError),
        (httpx.ConnectError("mine"), RuntimeError),
        (httpx.ReadTimeout("mine"), RuntimeError),
        (httpx.DecodingError("mine"), RuntimeError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_error_of_function_is_raised_and_the_request_not_repeated(
    error: Exception, raised: type[Exception]
) -> None:
    requests: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request.url.path)
        return httpx.Response(200, json={"status": "sent"})

    def fail(*_: Any) -> None:
        raise error

    client = replies(reply).with_options(on_response=fail)
    with pytest.raises(raised) as caught:
        client.send_event("h1", {"type": "Answer", "value": {}})
    assert error in (caught.value, caught.value.__cause__)
    assert requests == ["/events/h1"]


def test_error_status_is_reported_before_it_is_raised() -> None:
    seen: list[int] = []
    client = replies(lambda _: httpx.Response(403, json={"detail": "no"}))
    view = client.with_options(on_response=lambda _, response: seen.append(response.status_code))
    with pytest.raises(StatusError):
        view.list_workflows()
    assert seen == [403]
