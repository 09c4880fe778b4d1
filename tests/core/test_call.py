"""The machine of a plain call."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from llama_agents.client import ServerError, StatusError
from llama_agents.client._core import endpoints
from llama_agents.client._core.actions import Retry
from llama_agents.client._core.call import Call
from llama_agents.client._core.limits import limits_of
from llama_agents.client._core.policy import closes_connection_silently
from llama_agents.client.protocol import HandlerData, HealthResponse

from .machines import LOST, REFUSED, Clock, response, run


def get_call() -> Call[HandlerData]:
    return Call(endpoints.get_handler("h1"), Clock().source())


def post_call() -> Call[Any]:
    return Call(endpoints.cancel_handler("h1", False), Clock().source())


@pytest.mark.parametrize("failure", [LOST, REFUSED, httpx.ReadTimeout("slow")])
def test_get_is_retried_twice(failure: Exception) -> None:
    call = get_call()
    assert [call.failed(failure), call.failed(failure)] == [Retry(0.0), Retry(1.0)]
    with pytest.raises(type(failure), match="h1"):
        call.failed(failure)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_get_is_retried_twice_when_the_server_is_unavailable(status: int) -> None:
    call = get_call()
    assert call.receive(response(status)) == Retry(0.0)
    assert call.receive(response(status, retry_after="7")) == Retry(7.0)
    with pytest.raises(StatusError):
        call.receive(response(status))


def test_get_is_not_retried_when_retry_after_is_very_long() -> None:
    with pytest.raises(ServerError):
        get_call().receive(response(503, retry_after="86400"))


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_get_is_not_retried_after_a_final_status(status: int) -> None:
    with pytest.raises(StatusError) as caught:
        get_call().receive(response(status, {"detail": "Handler not found"}))
    assert caught.value.handler_id == "h1"


def test_post_is_not_retried_when_it_may_have_been_sent() -> None:
    for failure in (LOST, REFUSED):  # also refused, where the transport is not exact
        with pytest.raises(type(failure)):
            post_call().failed(failure)
    with pytest.raises(ServerError):
        post_call().receive(response(503))


def test_post_is_retried_when_it_was_never_sent() -> None:
    assert post_call().failed(REFUSED, not_sent=True) == Retry(0.0)


def health_call() -> Call[HealthResponse]:
    return Call(endpoints.get_health(), Clock().source())


def lost(kind: type[httpx.TransportError], **extensions: bool) -> httpx.TransportError:
    request = httpx.Request("GET", "http://host/health", extensions=extensions)
    return kind("lost", request=request)


def test_health_check_is_not_retried_when_the_server_is_not_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ServerError):
        health_call().receive(response(503))
    causes = [REFUSED, LOST, lost(httpx.ReadTimeout, connection_opened=False)]
    for cause in [*causes, lost(httpx.ReadError, connection_opened=True)]:
        with pytest.raises(type(cause)):
            health_call().failed(cause)
    assert caplog.records == []  # nothing was given up


@pytest.mark.parametrize("kind", [httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError])
def test_health_check_is_retried_once_after_a_stale_connection(
    kind: type[httpx.TransportError],
) -> None:
    call, cause = health_call(), lost(kind, connection_opened=False)
    assert call.failed(cause) == Retry(0.0)
    with pytest.raises(kind):
        call.failed(cause)


def test_attempts_and_delays_end_within_the_total() -> None:
    clock = Clock()
    call = Call(endpoints.get_handler("h1"), clock.source())
    own = limits_of("plain call", None)
    assert call.limits(own).whole == 15
    clock.now += 15
    assert call.failed(httpx.ReadTimeout("slow")) == Retry(0.0)
    assert call.limits(own).whole == 15
    clock.now += 15
    assert call.failed(httpx.ReadTimeout("slow")) == Retry(1.0)
    clock.now += 1
    assert call.limits(own).whole == 14


def test_retry_that_would_be_too_late_is_not_begun() -> None:
    clock = Clock()
    call = Call(endpoints.get_handler("h1"), clock.source())
    call.limits(limits_of("plain call", None))
    clock.now += 15
    with pytest.raises(ServerError):
        call.receive(response(503, retry_after="30"))


def test_chosen_timeout_has_no_total() -> None:
    clock = Clock()
    call = Call(endpoints.get_handler("h1"), clock.source())
    own = limits_of("plain call", httpx.Timeout(3))
    assert call.limits(own) == own
    clock.now += 1000
    assert call.receive(response(503, retry_after="200")) == Retry(200.0)


def test_caller_error_is_not_retried() -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        get_call().failed(httpx.UnsupportedProtocol("ftp"))


def test_header_that_cannot_be_sent_is_not_shown() -> None:
    cause = httpx.LocalProtocolError("Illegal header value b'secret'")
    with pytest.raises(httpx.LocalProtocolError, match="line break") as caught:
        get_call().failed(cause)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert cause.args == ("Illegal header value b'secret'",)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, {"detail": "Internal server error: x"}, True),
        (500, run("failed"), False),
        (404, {"detail": "no"}, False),
        (200, {}, False),
    ],
)
def test_response_after_which_the_server_drops_the_connection_is_recognized(
    status: int, body: object, expected: bool
) -> None:
    assert closes_connection_silently(response(status, body)) is expected
