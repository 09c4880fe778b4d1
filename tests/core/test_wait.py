"""The machine of a wait: polls, the stream between them, and the deadline."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from llama_agents.client import (
    NotFoundError,
    ServerError,
    WaitTimeoutError,
    WorkflowFailedError,
)
from llama_agents.client._core import endpoints
from llama_agents.client._core.actions import Finished, Listen, Poll, Sleep
from llama_agents.client._core.limits import Kind, limits_of
from llama_agents.client._core.wait import LAST_POLL, POLL_EVERY, Phase, Wait

from ..support.scripted import frame
from ..support.server import newest_server
from .machines import LOST, REFUSED, Clock, response, run

RUNNING = response(202, run("running"))


def waiting(clock: Clock | None = None, **options: Any) -> Wait:
    time = (clock or Clock()).source()
    return Wait(endpoints.get_handler("h1"), "h1", server=newest_server(), time=time, **options)


def listening(clock: Clock | None = None, **options: Any) -> Wait:
    """A wait that reads the stream."""
    wait = waiting(clock, **options)
    wait.listen()
    assert wait.opened(response(200, content_type="text/event-stream"))
    return wait


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_wait_finishes_when_the_run_has_ended(status: str) -> None:
    http_status = 200 if status == "completed" else 500
    action = waiting().poll_response(response(http_status, run(status)))
    assert isinstance(action, Finished)
    assert action.value.status == status


@pytest.mark.parametrize("must_succeed", [True, False])
def test_run_whose_engine_died_ends_the_wait(must_succeed: bool) -> None:
    poll = endpoints.get_handler("h1", must_succeed=must_succeed)
    wait = Wait(poll, "h1", server=newest_server(), time=Clock().source())
    with pytest.raises(WorkflowFailedError, match="stopped without an outcome") as caught:
        wait.poll_response(response(500, run("running")))
    assert caught.value.handler.status == "running"
    assert caught.value.handler_id == "h1"


def test_running_run_is_listened_to_from_now_on() -> None:
    wait = waiting()
    assert wait.poll_response(RUNNING) == Listen()
    operation = wait.listen()
    assert operation.path == "/events/h1"
    assert (operation.params or {})["after_sequence"] == "now"


def test_terminal_event_leads_to_a_poll_and_others_do_not() -> None:
    wait = listening()
    assert not wait.receive(frame(1, text="a StopEvent in a text"))
    assert not wait.receive(frame(2)[:-1])
    assert not wait.receive(b'\n\ndata: "StopEvent"\n\n')
    assert wait.phase is Phase.RUNNING
    assert wait.receive(frame(3, "StopEvent"))
    assert wait.phase is Phase.CONFIRMING


def test_ending_run_is_polled_after_a_doubling_status_lag() -> None:
    wait = listening()
    wait.receive(frame(3, "StopEvent"))
    assert [wait.poll_response(RUNNING) for _ in range(3)] == [
        Sleep(0.005),
        Sleep(0.01),
        Sleep(0.02),
    ]


def test_204_shows_that_the_run_is_ending() -> None:
    wait = waiting()
    wait.listen()
    assert not wait.opened(response(204))
    assert wait.stream_ended(None) == Poll()
    assert wait.poll_response(RUNNING) == Sleep(0.005)


def test_heartbeats_alone_lead_to_a_poll_now_and_then() -> None:
    """The server's subscription may have died: then heartbeats continue forever."""
    clock = Clock()
    wait = listening(clock)
    clock.now += POLL_EVERY - 1
    assert not wait.receive(b": heartbeat\n\n")
    clock.now += 1
    assert wait.receive(b": heartbeat\n\n")


def test_silence_leads_to_an_immediate_poll() -> None:
    assert listening().stream_ended(httpx.ReadTimeout("quiet")) == Poll()


@pytest.mark.parametrize(
    ("backoff", "intervals"),
    [
        ("constant", [0.5, 0.5, 0.5]),
        ("linear", [0.5, 1.5, 2.0]),
        ("exponential", [0.5, 1.0, 2.0]),
    ],
)
def test_poll_interval_grows_while_there_is_no_stream(backoff: Any, intervals: list[float]) -> None:
    wait = waiting(max_poll_interval=2.0, backoff=backoff)
    actions = [wait.stream_ended(REFUSED) for _ in intervals]
    assert actions == [Sleep(interval) for interval in intervals]
    wait.listen()
    assert not wait.opened(response(503))
    assert wait.stream_ended(None) == Sleep(intervals[-1])


def test_lost_and_unavailable_polls_back_off_alike_until_one_succeeds() -> None:
    wait = waiting()
    actions = [
        wait.poll_response(response(503)),
        wait.poll_failed(REFUSED),
        wait.poll_response(response(503)),
        wait.poll_failed(LOST),
    ]
    assert actions == [Sleep(0.0), Sleep(1.0), Sleep(2.0), Sleep(4.0)]
    wait.poll_response(RUNNING)
    assert wait.poll_response(response(429, retry_after="3")) == Sleep(3.0)


def test_polls_that_keep_failing_end_the_wait() -> None:
    wait = waiting()
    with pytest.raises(httpx.ConnectError, match="h1"):
        for _ in range(7):
            wait.poll_failed(httpx.ConnectError("refused"))
    wait = waiting()
    with pytest.raises(ServerError) as caught:
        for _ in range(7):
            wait.poll_response(response(503))
    assert caught.value.handler_id == "h1"
    with pytest.raises(NotFoundError, match="h1"):
        waiting().poll_response(response(404, {"detail": "Handler not found"}))


def test_wait_ends_at_its_deadline() -> None:
    clock = Clock()
    wait = waiting(clock, timeout=2.0)
    assert wait.poll_response(RUNNING) == Listen()
    clock.now += 1.9
    assert wait.poll_failed(LOST) == Sleep(0.0)
    for action in (wait.poll_failed(LOST), wait.stream_ended(None)):
        assert isinstance(action, Sleep)
        assert action.seconds == pytest.approx(0.1)
    clock.now += 0.1
    assert wait.stream_ended(None) == Sleep(0.0)
    with pytest.raises(WaitTimeoutError):
        wait.poll_response(RUNNING)
    with pytest.raises(WaitTimeoutError) as caught:
        wait.poll_failed(LOST)
    assert caught.value.__cause__ is LOST


@pytest.mark.parametrize("kind", ["plain call", "stream"])
def test_limits_end_at_the_deadline(kind: Kind) -> None:
    clock = Clock()
    wait = waiting(clock, timeout=3.0)
    own = limits_of(kind, httpx.Timeout(connect=2, read=45, write=45, pool=None))
    limits = wait.limits(own)
    assert (limits.head, limits.whole) == (3, 3)
    assert limits.timeout == httpx.Timeout(connect=2, read=3, write=3, pool=3)
    clock.now += 2.9
    assert wait.limits(own).whole == LAST_POLL
    assert waiting(clock).limits(own) == own


def test_stream_is_left_at_the_deadline() -> None:
    clock = Clock()
    wait = listening(clock, timeout=10.0)
    clock.now += 9.9
    assert not wait.receive(frame(1))
    clock.now += 0.1
    assert wait.receive(frame(2))


def test_stream_is_not_opened_close_to_the_deadline() -> None:
    clock = Clock()
    wait = waiting(clock, timeout=10.0)
    clock.now += 10 - LAST_POLL
    assert wait.poll_response(RUNNING) == Sleep(LAST_POLL)
    clock.now += LAST_POLL / 2
    assert wait.poll_response(RUNNING) == Sleep(LAST_POLL / 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": -1}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"poll_interval": -1}, "poll_interval"),
        ({"max_poll_interval": 0.1}, "max_poll_interval"),
        ({"backoff": "cubic"}, "backoff"),
    ],
)
def test_wait_rejects_invalid_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        waiting(**options)
