"""A client of httpx2 that was passed in: it sends, and all that comes back is httpx's."""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import httpx2
import pytest
from llama_agents.client import (
    NotFoundError,
    ResponseTooLargeError,
    StreamDisconnectedError,
    WorkflowClient,
)
from llama_agents.client._core import policy
from llama_agents.client._transport import httpx2_adapter

from ..support.interruption import ainterrupt
from ..support.scripted import Turn, frame, response, scripted, stream
from ..support.server import wait_until_async
from ..support.tls import certificates

pytestmark = pytest.mark.anyio

WORKFLOWS = response("200 OK", b'{"workflows": []}', Connection="keep-alive")
LIVE = Turn(stream(frame(1), end=b""), then="hold")
REST = Turn(stream(frame(2), frame(9, "StopEvent")))


class Own(httpx2.AsyncClient):
    """A class of the caller's own."""


@pytest.fixture(autouse=True)
def _retries_are_immediate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "INITIAL_RETRY_DELAY", 0.0)


async def test_run_is_started_and_followed_on_the_real_server(server_url: str) -> None:
    async with Own(base_url=server_url) as inner:
        client = WorkflowClient(httpx_client=inner)
        assert client.httpx_client is inner
        handler = await client.run_workflow("greet", start_event={"name": "Ada"})
        assert handler.status == "completed"
        types = [event.type async for event in client.get_workflow_events(handler.handler_id)]
        assert types[-1] == "StopEvent"
        with pytest.raises(NotFoundError) as caught:
            await client.get_handler("no-such-run")
        await client.aclose()
        assert not inner.is_closed
    found = caught.value.response
    assert type(found) is httpx.Response
    assert (found.request.url.path, found.http_version) == ("/handlers/no-such-run", "HTTP/1.1")
    assert found.elapsed.total_seconds() > 0


async def test_stream_resumes_after_a_disconnect() -> None:
    with scripted([Turn(stream(frame(1), end=b""), then="reset"), REST]) as script:
        async with httpx2.AsyncClient(base_url=script.url) as inner:
            events = WorkflowClient(httpx_client=inner).get_workflow_events("h1")
            assert [events.last_sequence async for _ in events] == [1, 2, 9]
    assert "after_sequence=1&" in script.requests[1]


async def test_interruption_closes_the_connection_and_leaves_none_in_the_pool() -> None:
    with scripted([Turn(then="hold"), LIVE, REST, Turn(WORKFLOWS)]) as script:
        limits = httpx2.Limits(max_connections=1)
        async with httpx2.AsyncClient(base_url=script.url, limits=limits) as inner:
            client = WorkflowClient(httpx_client=inner)
            await ainterrupt(lambda: client.list_workflows(), lambda: script.requests)
            await wait_until_async(lambda: script.closed == 1)
            events = client.get_workflow_events("h1")
            it = aiter(events)
            await anext(it)
            await ainterrupt(lambda: anext(it), lambda: len(script.requests) == 2)
            await wait_until_async(lambda: script.closed == 2)
            assert [events.last_sequence async for _ in it] == [2, 9]
            assert (await client.list_workflows()).workflows == []


async def test_failure_to_connect_is_httpx_s_and_proves_that_nothing_was_sent() -> None:
    with scripted([]) as script:
        url = script.url
    async with httpx2.AsyncClient(base_url=url, headers={"X-Token": "secret"}) as inner:
        client = WorkflowClient(httpx_client=inner)
        with pytest.raises(httpx.ConnectError) as caught:
            await client.send_event("h1", {"type": "X", "value": {}})
        assert type(caught.value) is httpx.ConnectError
        assert isinstance(caught.value.__cause__, httpx2.ConnectError)
        assert caught.value.request.url.path == "/events/h1"
        assert "x-token" not in caught.value.request.headers
        with pytest.raises(StreamDisconnectedError, match="ConnectError"):
            async for _ in client.get_workflow_events("h1", max_reconnect_attempts=0):
                pass


async def test_start_that_was_not_sent_is_sent_again_without_a_poll() -> None:
    methods = []

    async def see(request: httpx2.Request) -> None:
        methods.append(request.method)

    with scripted([]) as script:
        url = script.url
    hooks: Any = {"request": [see]}
    async with httpx2.AsyncClient(base_url=url, event_hooks=hooks) as inner:
        with pytest.raises(httpx.ConnectError):
            await WorkflowClient(httpx_client=inner).run_workflow_nowait("w")
    assert methods == ["POST"] * 3


async def test_redirect_that_cannot_be_followed_does_not_prove_that_nothing_was_sent() -> None:
    with scripted([]) as closed:
        location = f"{closed.url}/events/h1"
    moved = Turn(response("307 Temporary Redirect", Location=location))
    with scripted([moved]) as script:
        async with httpx2.AsyncClient(base_url=script.url, follow_redirects=True) as inner:
            with pytest.raises(httpx.ConnectError) as caught:
                await WorkflowClient(httpx_client=inner).send_event("h1", {"type": "X"})
    assert len(script.requests) == 1
    assert str(caught.value.request.url) == location


@pytest.mark.parametrize("sent", [0, -1])
async def test_call_is_retried_after_tls_error(sent: int) -> None:
    broken = Turn(WORKFLOWS[:sent], then="garble")
    with scripted([broken, Turn(WORKFLOWS)], certificates().server) as script:
        verify = certificates().client
        async with httpx2.AsyncClient(base_url=script.url, verify=verify) as inner:
            assert (await WorkflowClient(httpx_client=inner).list_workflows()).workflows == []
    assert len(script.requests) == 2


async def test_chosen_timeout_applies() -> None:
    with scripted([Turn(then="hold")]) as script:
        async with httpx2.AsyncClient(base_url=script.url, timeout=0.1) as inner:
            with pytest.raises(httpx.ReadTimeout) as caught:
                await WorkflowClient(httpx_client=inner).list_workflows()
    assert caught.value.request.url.path == "/workflows"


async def test_stock_timeout_is_not_a_chosen_one() -> None:
    client = WorkflowClient(httpx_client=httpx2.AsyncClient(base_url="http://test"))
    assert client._driver.clients.chosen_timeout is None
    chosen = httpx2.AsyncClient(base_url="http://test", timeout=httpx2.Timeout(5.0, read=7.0))
    client = WorkflowClient(httpx_client=chosen)
    assert client._driver.clients.chosen_timeout == httpx.Timeout(5.0, read=7.0)


async def test_what_the_client_adds_goes_with_each_request() -> None:
    moved = Turn(response("307 Temporary Redirect", Location="/moved"))
    seen: list[str] = []

    async def see(request: httpx2.Request) -> None:
        request.headers["X-Hook"] = "hook"
        seen.append(request.url.path)

    options: dict[str, Any] = {"cookies": {"c": "1"}, "params": {"p": "2"}, "auth": ("u", "w")}
    unknown = response("404 Not Found", b'{"detail": "Handler not found"}')
    with scripted([moved, Turn(unknown)]) as script:
        async with httpx2.AsyncClient(
            base_url=f"{script.url}/prefix",
            follow_redirects=True,
            event_hooks={"request": [see]},
            **options,
        ) as inner:
            with pytest.raises(NotFoundError) as caught:
                await WorkflowClient(httpx_client=inner).get_handler("h1")
    assert script.requests[0].startswith("GET /prefix/handlers/h1?p=2 ")
    for line in ("cookie: c=1", "authorization: basic", "x-hook: hook"):
        assert line in script.requests[0].lower()
    assert seen == ["/prefix/handlers/h1", "/moved"]
    redirected = caught.value.response
    assert redirected.request.url.path == "/moved"
    (first,) = redirected.history
    assert first.request.headers["X-Hook"] == "hook"
    assert (first.status_code, first.content) == (307, b"")


async def test_header_of_a_view_replaces_the_credentials_of_the_client() -> None:
    with scripted([Turn(WORKFLOWS)]) as script:
        async with httpx2.AsyncClient(base_url=script.url, auth=("user", "word")) as inner:
            client = WorkflowClient(httpx_client=inner)
            await client.with_options(headers={"Authorization": "Bearer t"}).list_workflows()
            await client.list_workflows()
    first, second = (request.lower() for request in script.requests)
    assert "authorization: bearer t" in first
    assert "authorization: basic" in second


async def test_error_of_a_hook_passes_through() -> None:
    async def check(response: httpx2.Response) -> None:
        response.raise_for_status()

    with scripted([Turn(response("404 Not Found", b"{}"))]) as script:
        hooks: Any = {"response": [check]}
        async with httpx2.AsyncClient(base_url=script.url, event_hooks=hooks) as inner:
            with pytest.raises(httpx2.HTTPStatusError):
                await WorkflowClient(httpx_client=inner).get_handler("h1")


async def test_response_that_a_hook_has_read_is_not_read_again() -> None:
    async def read(response: httpx2.Response) -> None:
        await response.aread()

    with scripted([Turn(WORKFLOWS)]) as script:
        hooks: Any = {"response": [read]}
        async with httpx2.AsyncClient(base_url=script.url, event_hooks=hooks) as inner:
            assert (await WorkflowClient(httpx_client=inner).list_workflows()).workflows == []


async def test_only_what_httpx_decompresses_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default: httpx2 also knows zstd, since Python 3.14 without another package."""
    default = {"accept-encoding": "gzip, zstd"}
    monkeypatch.setattr(httpx2_adapter, "_HTTPX2_ENCODINGS", default["accept-encoding"])
    zipped = response("200 OK", gzip.compress(b" " * 2_000_000), Content_Encoding="gzip")
    with scripted([Turn(zipped)]) as script:
        async with httpx2.AsyncClient(base_url=script.url, headers=default) as inner:
            client = WorkflowClient(httpx_client=inner, max_response_size=100_000)
            with pytest.raises(ResponseTooLargeError):
                await client.list_workflows()
    ours = httpx.AsyncClient().headers["accept-encoding"]
    assert f"accept-encoding: {ours}\r\n" in script.requests[0].lower()


@pytest.mark.parametrize("value", ["secret\ud800", "secret\n"])
async def test_header_that_cannot_be_sent_is_not_shown(value: str) -> None:
    def sign(request: httpx2.Request) -> httpx2.Request:
        request.headers["X-Token"] = value
        return request

    with scripted([Turn(WORKFLOWS)]) as script:
        async with httpx2.AsyncClient(base_url=script.url, auth=sign) as inner:
            with pytest.raises(httpx.LocalProtocolError) as caught:
                await WorkflowClient(httpx_client=inner).list_workflows()
    assert "secret" not in str(caught.value)
    assert not any(script.requests)


async def test_redirect_to_an_invalid_url_is_an_error_of_the_server() -> None:
    with scripted([Turn(response("302 Found", Location="http://a:b/"))]) as script:
        async with httpx2.AsyncClient(base_url=script.url) as inner:
            with pytest.raises(httpx.RemoteProtocolError, match="Invalid URL"):
                await WorkflowClient(httpx_client=inner).list_workflows()


async def test_client_of_the_other_variant_is_rejected() -> None:
    other: Any = httpx2.Client()
    with pytest.raises(TypeError, match=r"must be an httpx\.\w+, or httpx2's, not httpx2\.\w+"):
        WorkflowClient(httpx_client=other)
