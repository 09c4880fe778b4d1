"""What is a failure of the transport, and which prove that nothing was sent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from llama_agents.client import StreamDisconnectedError, WorkflowClient
from llama_agents.client._core import policy

from ..support.scripted import Turn, response, scripted
from ..support.server import wait_until_async
from ..support.tls import certificates
from .replies import replies, reported

pytestmark = pytest.mark.anyio

WORKFLOWS = response("200 OK", b'{"workflows": []}')
INEXACT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError]


@pytest.fixture(autouse=True)
def _retries_are_immediate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "INITIAL_RETRY_DELAY", 0.0)


@pytest.mark.parametrize("sent", [0, -1])
async def test_call_is_retried_after_tls_error(sent: int) -> None:
    """In the middle of its response, and instead of one."""
    broken = Turn(WORKFLOWS[:sent], then="garble")
    with scripted([broken, Turn(WORKFLOWS)], certificates().server) as script:
        async with httpx.AsyncClient(base_url=script.url, verify=certificates().client) as inner:
            client = WorkflowClient(httpx_client=inner)
            assert (await client.list_workflows()).workflows == []
    assert len(script.requests) == 2


async def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted() -> None:
    with scripted([Turn(WORKFLOWS)] * 3, certificates().server) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(httpx.ConnectError):
                await client.list_workflows()
        assert script.requests == []
        with certificates().trusted():
            async with WorkflowClient(base_url=script.url) as client:
                await client.list_workflows()


async def test_tls_error_is_a_transport_error_with_its_request() -> None:
    with scripted([Turn(WORKFLOWS[:-1], then="garble")], certificates().server) as script:
        async with httpx.AsyncClient(base_url=script.url, verify=certificates().client) as inner:
            with pytest.raises(httpx.ReadError) as caught:
                await WorkflowClient(httpx_client=inner).list_workflows()
    assert caught.value.request.url.path == "/workflows"


async def test_host_name_that_cannot_be_resolved_is_a_failure_to_connect() -> None:
    with scripted([Turn(response("302 Found", Location="http://a..b/"))]) as script:
        async with httpx.AsyncClient(base_url=script.url, follow_redirects=True) as inner:
            client = WorkflowClient(httpx_client=inner)
            with pytest.raises(httpx.ConnectError):
                await client.list_workflows()
            with pytest.raises(StreamDisconnectedError, match="ConnectError"):
                async for _ in client.get_workflow_events("h1", max_reconnect_attempts=0):
                    pass


async def test_what_a_server_gets_wrong_in_http2_is_not_the_request() -> None:
    """httpcore reports it as if the request were at fault."""
    settings, headers = b"\0\0\0\4\0\0\0\0\0", b"\0\0\1\1\5\0\0\0\1\xff"
    with scripted([Turn(settings + headers, then="hold")]) as script:
        async with httpx.AsyncClient(base_url=script.url, http1=False, http2=True) as inner:
            with pytest.raises(httpx.RemoteProtocolError):
                await WorkflowClient(httpx_client=inner).list_workflows()
    assert len(script.requests) == 3


async def test_header_that_http2_cannot_send_is_an_error_of_the_request() -> None:
    with scripted([Turn(then="hold")]) as script:
        async with httpx.AsyncClient(
            base_url=script.url, http1=False, http2=True, headers={"te": "gzip"}
        ) as inner:
            with pytest.raises(httpx.LocalProtocolError):
                await WorkflowClient(httpx_client=inner).list_workflows()
            await wait_until_async(lambda: script.requests)
    assert len(script.requests) == 1


async def test_connect_that_a_proxy_rejects_is_no_lost_start() -> None:
    with scripted([Turn(response("403 Forbidden"))]) as script:
        async with httpx.AsyncClient(proxy=script.url, base_url="https://server") as inner:
            with pytest.raises(httpx.ProxyError, match="403"):
                await WorkflowClient(httpx_client=inner).run_workflow_nowait("w")
    assert len(script.requests) == 3  # the start only, and no polls


@pytest.mark.parametrize("failure", INEXACT)
async def test_event_is_not_sent_again_if_the_transport_may_be_inexact(
    failure: type[httpx.TransportError],
) -> None:
    arrived = []

    def reply(request: httpx.Request) -> httpx.Response:
        arrived.append(request)
        raise failure("the connection was reset")

    with pytest.raises(failure):
        await replies(reply).send_event("h1", {"type": "X", "value": {}})
    assert len(arrived) == 1


@pytest.mark.parametrize("failure", INEXACT)
async def test_start_is_looked_up_if_the_transport_may_be_inexact(
    failure: type[httpx.TransportError],
) -> None:
    methods = []

    def reply(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        if request.method == "POST":
            raise failure("the connection was reset")
        return httpx.Response(202, json=reported("r1", "running"))

    assert (await replies(reply).run_workflow_nowait("w")).run_id == "r1"
    assert methods == ["POST", "GET"]


async def refused_events(url: str, client_class: Any, **options: Any) -> list[Any]:
    """Send an event to a port where nothing listens; return the requests."""
    requests: list[Any] = []

    async def count(request: httpx.Request) -> None:
        requests.append(request)

    hooks = {"request": [count]}
    async with client_class(base_url=url, event_hooks=hooks, **options) as inner:
        with pytest.raises(httpx.ConnectError):
            await WorkflowClient(httpx_client=inner).send_event("h1", {"type": "X", "value": {}})
    return requests


class OwnTransport(httpx.AsyncHTTPTransport):
    """It might send a request again."""


class OwnClient(httpx.AsyncClient):
    """It might send a request again."""

    async def send(self, *args: Any, **kwargs: Any) -> httpx.Response:
        return await super().send(*args, **kwargs)


async def test_event_is_sent_again_only_if_client_and_transport_are_httpx_own() -> None:
    with scripted([Turn()]) as script:
        pass
    url = script.url
    plain: Any = httpx.AsyncClient
    assert len(await refused_events(url, plain)) == 3
    mounts = {"http://": httpx.AsyncHTTPTransport()}
    assert len(await refused_events(url, plain, transport=OwnTransport(), mounts=mounts)) == 3
    assert len(await refused_events(url, plain, transport=OwnTransport())) == 1
    assert len(await refused_events(url, OwnClient)) == 1


async def test_event_is_not_sent_again_if_it_was_redirected_to_a_dead_end() -> None:
    with scripted([Turn()]) as dead_end:
        pass
    moved = response("307 Temporary Redirect", Location=dead_end.url)
    with scripted([Turn(moved)]) as script:
        async with httpx.AsyncClient(base_url=script.url, follow_redirects=True) as inner:
            with pytest.raises(httpx.ConnectError):
                await WorkflowClient(httpx_client=inner).send_event("h1", {"type": "X"})
    assert len(script.requests) == 1


async def test_exception_of_an_event_hook_is_not_a_transport_failure() -> None:
    error = ConnectionResetError("the token service")
    requests = []

    async def fail(request: httpx.Request) -> None:
        requests.append(request)
        raise error

    hooks = {"request": [fail]}
    async with httpx.AsyncClient(base_url="http://test", event_hooks=hooks) as inner:
        with pytest.raises(ConnectionResetError) as caught:
            await WorkflowClient(httpx_client=inner).list_workflows()
    assert caught.value is error
    assert len(requests) == 1
