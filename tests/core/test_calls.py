"""The machines of plain calls, of starts and of waits, without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    ConflictError,
    InvalidResponseError,
    NotFoundError,
    ServerError,
    StatusError,
    WaitTimeoutError,
    WorkflowFailedError,
)
from llama_agents.client import _operations as operations
from llama_agents.client._retry import Again, Call, Returned, Sources, is_poisoned
from llama_agents.client._start import Start, new_handler_id
from llama_agents.client._wait import LOOK_EVERY, Wait
from llama_agents.client.protocol import HandlerData

from ..support.scripted import frame
from ..support.workflows import Named

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
LOST = httpx.ReadError("reset")
REFUSED = httpx.ConnectError("refused")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def sources(self) -> Sources:
        return Sources(clock=lambda: self.now, wall_clock=lambda: NOW, random=lambda: 0.5)


def answer(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        content=b"" if body is None else json.dumps(body).encode(),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        request=httpx.Request("GET", "http://host/x"),
    )


def run(status: str, started_at: str = "2023-11-14T22:13:19+00:00") -> dict[str, Any]:
    return {
        "handler_id": "h1",
        "workflow_name": "w",
        "status": status,
        "started_at": started_at,
        "error": "boom" if status == "failed" else None,
    }


# ------------------------------------------------------------------- plain calls


def get_call() -> Call[HandlerData]:
    return Call(operations.get_handler("h1"), Clock().sources())


def post_call() -> Call[Any]:
    return Call(operations.cancel_handler("h1", False), Clock().sources())


@pytest.mark.parametrize("failure", [LOST, REFUSED, httpx.ReadTimeout("slow")])
def test_get_is_sent_again_twice(failure: Exception) -> None:
    call = get_call()
    assert [call.failed(failure), call.failed(failure)] == [Again(0.0), Again(1.0)]
    with pytest.raises(type(failure)):
        call.failed(failure)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_get_of_an_unavailable_server_is_sent_again_twice(status: int) -> None:
    call = get_call()
    assert call.answered(answer(status)) == Again(0.0)
    assert call.answered(answer(status, retry_after="7")) == Again(7.0)
    with pytest.raises(StatusError):
        call.answered(answer(status))


def test_server_that_asks_for_a_very_long_pause_is_not_waited_for() -> None:
    with pytest.raises(ServerError):
        get_call().answered(answer(503, retry_after="86400"))


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_refusal_is_not_asked_for_again(status: int) -> None:
    with pytest.raises(StatusError):
        get_call().answered(answer(status))


def test_post_that_may_have_been_sent_is_not_sent_again() -> None:
    with pytest.raises(httpx.ReadError):
        post_call().failed(LOST)
    with pytest.raises(ServerError):
        post_call().answered(answer(503))


@pytest.mark.parametrize("failure", [REFUSED, httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
def test_post_that_was_never_sent_is_sent_again(failure: Exception) -> None:
    assert post_call().failed(failure) == Again(0.0)


def test_health_is_never_asked_for_again() -> None:
    call = Call(operations.get_health(), Clock().sources())
    with pytest.raises(ServerError):
        call.answered(answer(503))
    with pytest.raises(httpx.ConnectError):
        call.failed(REFUSED)


def test_mistake_of_the_caller_is_not_sent_again() -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        get_call().failed(httpx.UnsupportedProtocol("ftp"))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, {"detail": "Internal server error: x"}, True),
        (500, run("failed"), False),
        (404, {"detail": "no"}, False),
        (200, {}, False),
    ],
)
def test_answer_after_which_the_server_drops_the_connection_is_known(
    status: int, body: object, expected: bool
) -> None:
    assert is_poisoned(answer(status, body)) is expected


# ------------------------------------------------------------------- the safe start


def start(
    clock: Clock | None = None,
    *,
    made_here: bool = True,
    wait: bool = True,
    start_event: Any = None,
) -> Start:
    build: Callable[..., Any] = operations.run_workflow if wait else operations.run_workflow_nowait
    look = operations.get_run("h1") if wait else operations.get_handler("h1")
    forms = build("w", "h1", start_event, None)
    sources = (clock or Clock()).sources()
    return Start(forms, look, "h1", made_here=made_here, sources=sources)


def sent(machine: Start) -> str:
    operation = machine.request()
    return f"{operation.method} {operation.path}"


POST, LOOK = "POST /workflows/w/run", "GET /handlers/h1"


def test_start_carries_its_id_from_the_first_request() -> None:
    operation = start().request()
    assert json.loads(operation.content or b"")["handler_id"] == "h1"


def test_ids_are_new_each_time() -> None:
    assert len({new_handler_id() for _ in range(100)}) == 100


def test_answer_is_the_result() -> None:
    machine = start()
    assert sent(machine) == POST
    step = machine.answered(answer(200, run("completed")))
    assert isinstance(step, Returned)
    assert step.value.status == "completed"


@pytest.mark.parametrize("failure", [LOST, httpx.ReadTimeout("silent")])
def test_start_whose_answer_is_lost_is_looked_for(failure: Exception) -> None:
    machine = start()
    sent(machine)
    assert machine.failed(failure) == Again(0.0)
    assert sent(machine) == LOOK


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_start_behind_a_proxy_that_gave_up_is_looked_for(status: int) -> None:
    machine = start()
    sent(machine)
    assert machine.answered(answer(status, retry_after="3")) == Again(3.0)
    assert sent(machine) == LOOK


def test_run_that_is_found_is_adopted() -> None:
    machine = start()
    sent(machine)
    machine.failed(LOST)
    sent(machine)
    step = machine.answered(answer(202, run("running")))
    assert isinstance(step, Returned)
    assert step.value.status == "running"


def test_run_that_the_server_does_not_know_is_started_again() -> None:
    machine = start()
    sent(machine)
    machine.failed(LOST)
    sent(machine)
    assert machine.answered(answer(404)) == Again(0.0)
    assert sent(machine) == POST


def test_start_that_was_never_sent_is_sent_again_without_a_look() -> None:
    machine = start()
    sent(machine)
    assert machine.failed(REFUSED) == Again(0.0)
    assert sent(machine) == POST


def test_conflict_after_a_lost_answer_is_our_own_run() -> None:
    machine = start()
    sent(machine)
    machine.failed(LOST)
    sent(machine)
    machine.answered(answer(404))
    sent(machine)
    assert machine.answered(answer(409)) == Again(1.0)
    assert sent(machine) == LOOK


def test_conflict_of_the_first_request_is_an_error() -> None:
    machine = start(made_here=False)
    sent(machine)
    with pytest.raises(ConflictError) as caught:
        machine.answered(answer(409))
    assert caught.value.handler_id == "h1"  # type: ignore[attr-defined]


def test_every_error_names_the_run() -> None:
    machine = start()
    sent(machine)
    with pytest.raises(NotFoundError, match="h1"):
        machine.answered(answer(404))
    machine = start()
    for _ in range(2):
        machine.failed(REFUSED)
    with pytest.raises(httpx.ConnectError, match="h1") as caught:
        machine.failed(REFUSED)
    assert caught.value.handler_id == "h1"  # type: ignore[attr-defined]


def test_search_for_a_lost_start_gives_up_in_the_end() -> None:
    machine = start()
    sent(machine)
    pauses = []
    with pytest.raises(httpx.ReadError, match="h1"):
        while True:
            pauses.append(machine.failed(LOST).after)
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0]


def test_unavailable_server_is_looked_at_again() -> None:
    machine = start()
    sent(machine)
    machine.failed(LOST)
    assert machine.answered(answer(503)) == Again(1.0)
    assert sent(machine) == LOOK


@pytest.mark.parametrize(("wait", "error"), [(True, WorkflowFailedError), (False, None)])
def test_run_that_is_found_failed_is_an_error_only_of_who_waits(
    wait: bool, error: type[Exception] | None
) -> None:
    machine = start(wait=wait)
    sent(machine)
    machine.failed(LOST)
    sent(machine)
    if error is not None:
        with pytest.raises(error):
            machine.answered(answer(500, run("failed")))
    else:
        step = machine.answered(answer(500, run("failed")))
        assert isinstance(step, Returned)
        assert step.value.status == "failed"


def found_after(
    elapsed: float, started_at: str, ended_at: str | None = None, **headers: str
) -> Any:
    """Lose a start of a name that the caller chose; what comes of a run that is found."""
    clock = Clock()
    machine = start(clock, made_here=False)
    sent(machine)
    clock.now += elapsed
    machine.failed(LOST)
    sent(machine)
    status = "running" if ended_at == "not yet" else "completed"
    body = {**run(status, started_at), "completed_at": None if ended_at == "not yet" else ended_at}
    step = machine.answered(answer(200, body, **headers))
    return sent(machine) if isinstance(step, Again) else step.value.status


OLD, AT_START, LATER = "2023-11-14T20:00:00Z", "2023-11-14T22:12:20Z", "2023-11-14T22:12:50Z"
JUST_BEFORE = "2023-11-14T22:12:19Z"


@pytest.mark.parametrize("ended_at", ["2023-11-14T21:00:00Z", LATER, "not yet"])
def test_run_of_that_name_that_began_before_the_start_is_not_taken_for_it(ended_at: str) -> None:
    assert found_after(60, OLD, ended_at, date=DATE) == POST


@pytest.mark.parametrize(("ended_at", "status"), [(LATER, "completed"), ("not yet", "running")])
def test_run_of_that_name_that_began_with_the_start_is_it(ended_at: str, status: str) -> None:
    assert found_after(60, AT_START, ended_at, date=DATE) == status


@pytest.mark.parametrize(
    ("started_at", "ended_at", "headers"),
    [
        (AT_START, "2023-11-14T22:12:21Z", {"date": DATE}),
        (AT_START, None, {"date": DATE}),
        (JUST_BEFORE, LATER, {"date": DATE}),
        (JUST_BEFORE, "not yet", {"date": DATE}),
        ("", LATER, {"date": DATE}),
        (OLD, LATER, {}),
        (OLD, LATER, {"date": "yesterday"}),
        (OLD, LATER, {"date": "1 Jan 99999999999999999999 00:00 GMT"}),
    ],
)
def test_run_of_that_name_that_may_be_either_is_neither_taken_nor_repeated(
    started_at: str, ended_at: str | None, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidResponseError, match=r"earlier one.*h1"):
        found_after(60, started_at, ended_at, **headers)


def test_run_of_that_name_that_still_goes_on_is_a_conflict() -> None:
    machine = start(made_here=False)
    sent(machine)
    machine.failed(LOST)
    sent(machine)
    machine.answered(answer(202, run("running", OLD), date=DATE))
    assert sent(machine) == POST
    with pytest.raises(ConflictError):
        machine.answered(answer(409))


def test_servers_that_contradict_each_other_are_not_asked_for_ever() -> None:
    machine = start()
    sent(machine)
    machine.failed(LOST)
    requests = 0
    with pytest.raises(ConflictError):
        while True:
            requests += 1
            assert requests < 50
            machine.answered(answer(404 if sent(machine) == LOOK else 409))


@pytest.mark.parametrize("status", [408, 501, 520, 524, 599])
def test_any_answer_of_a_proxy_to_a_start_counts_as_lost(status: int) -> None:
    machine = start()
    sent(machine)
    assert machine.answered(answer(status)) == Again(0.0)
    assert sent(machine) == LOOK


def test_header_that_cannot_be_sent_is_not_shown() -> None:
    with pytest.raises(httpx.LocalProtocolError) as caught:
        get_call().failed(httpx.LocalProtocolError("Illegal header value b'secret'"))
    assert "secret" not in str(caught.value)


def test_refused_envelope_is_tried_as_bare_fields_and_the_first_refusal_is_told() -> None:
    machine = start(start_event=Named(name="Ada"))
    bodies = []
    bodies.append(json.loads(machine.request().content or b"")["start_event"])
    assert machine.answered(answer(400, {"detail": "first"})) == Again(0.0)
    bodies.append(json.loads(machine.request().content or b"")["start_event"])
    with pytest.raises(StatusError) as caught:
        machine.answered(answer(400, {"detail": "second"}))
    assert bodies == [{"type": "Named", "value": {"name": "Ada"}}, {"name": "Ada"}]
    assert caught.value.detail == "first"


# ------------------------------------------------------------------- the wait


def waiting(clock: Clock, **options: Any) -> Wait:
    return Wait(operations.get_handler("h1"), "h1", sources=clock.sources(), **options)


RUNNING = answer(202, run("running"))


def listening(wait: Wait) -> None:
    wait.timeout(httpx.Timeout(45))
    wait.listen()
    assert wait.opened(answer(200, content_type="text/event-stream"))


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_ended_run_ends_the_wait(status: str) -> None:
    http_status = 200 if status == "completed" else 500
    handler = waiting(Clock()).looked(answer(http_status, run(status)))
    assert isinstance(handler, HandlerData)
    assert handler.status == status


def test_run_that_goes_on_is_listened_to_at_once() -> None:
    assert waiting(Clock()).looked(RUNNING) == 0.0


def test_listening_begins_now() -> None:
    operation = waiting(Clock()).listen()
    assert operation.path == "/events/h1"
    assert (operation.params or {})["after_sequence"] == "now"


def test_terminal_event_brings_a_look_and_others_do_not() -> None:
    wait = waiting(Clock())
    listening(wait)
    assert not wait.heard(frame(1, text="a StopEvent in a text"))
    assert not wait.heard(frame(2)[:-1])
    assert not wait.heard(b'\n\ndata: "StopEvent"\n\n')
    assert wait.heard(frame(3, "StopEvent"))


def test_status_is_given_a_moment_to_follow_the_terminal_event() -> None:
    wait = waiting(Clock())
    listening(wait)
    wait.heard(frame(3, "StopEvent"))
    assert [wait.looked(RUNNING) for _ in range(3)] == [0.005, 0.01, 0.02]


def test_204_is_a_sign_of_the_end() -> None:
    wait = waiting(Clock())
    wait.listen()
    assert not wait.opened(answer(204))
    assert wait.fell_silent(None) == 0.0
    assert wait.looked(RUNNING) == 0.005


def test_heartbeats_alone_bring_a_look_now_and_then() -> None:
    """The server's subscription may have died: then they go on for ever."""
    clock = Clock()
    wait = waiting(clock)
    listening(wait)
    clock.now += LOOK_EVERY - 1
    assert not wait.heard(b": heartbeat\n\n")
    clock.now += 1
    assert wait.heard(b": heartbeat\n\n")


def test_silence_brings_a_look_at_once() -> None:
    wait = waiting(Clock())
    listening(wait)
    assert wait.fell_silent(httpx.ReadTimeout("quiet")) == 0.0


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        ("constant", [0.5, 0.5, 0.5]),
        ("linear", [0.5, 1.5, 2.0]),
        ("exponential", [0.5, 1.0, 2.0]),
    ],
)
def test_pauses_grow_while_there_is_no_stream(backoff: Any, pauses: list[float]) -> None:
    wait = waiting(Clock(), max_poll_interval=2.0, backoff=backoff)
    assert [wait.fell_silent(REFUSED) for _ in pauses] == pauses
    wait.listen()
    assert not wait.opened(answer(503))
    assert wait.fell_silent(None) == pauses[-1]


def test_failing_looks_are_repeated_and_a_good_one_starts_the_count_again() -> None:
    wait = waiting(Clock())
    assert wait.looked(answer(503)) == 0.0
    assert [wait.look_failed(REFUSED) for _ in range(3)] == [1.0, 2.0, 4.0]
    wait.looked(RUNNING)
    assert wait.look_failed(LOST) == 0.0


def test_looks_that_keep_failing_end_the_wait_with_the_id() -> None:
    wait = waiting(Clock())
    with pytest.raises(httpx.ConnectError, match="h1"):
        for _ in range(20):
            wait.look_failed(REFUSED)
    wait = waiting(Clock())
    with pytest.raises(ServerError, match="h1"):
        for _ in range(20):
            wait.looked(answer(503))
    with pytest.raises(NotFoundError, match="h1"):
        waiting(Clock()).looked(answer(404))


def test_wait_ends_at_its_bound() -> None:
    clock = Clock()
    wait = waiting(clock, timeout=2.0)
    assert wait.looked(RUNNING) == 0.0
    clock.now += 1.9
    assert wait.look_failed(LOST) == 0.0
    assert wait.look_failed(LOST) == pytest.approx(0.1)
    assert wait.fell_silent(None) == pytest.approx(0.1)
    clock.now += 0.1
    assert wait.fell_silent(None) == 0.0
    with pytest.raises(WaitTimeoutError):
        wait.looked(RUNNING)
    with pytest.raises(WaitTimeoutError) as caught:
        wait.look_failed(LOST)
    assert caught.value.__cause__ is LOST


def test_limits_of_a_request_shrink_towards_the_bound() -> None:
    clock = Clock()
    wait = waiting(clock, timeout=10.0)
    own = httpx.Timeout(connect=3, read=45, write=45, pool=None)
    assert wait.timeout(own) == httpx.Timeout(connect=3, read=5, write=5, pool=5)
    clock.now += 9.9
    assert wait.timeout(own) == httpx.Timeout(0.1)
    assert waiting(clock).timeout(own) == own


def test_stream_with_a_limit_beyond_the_bound_is_left_for_another() -> None:
    clock = Clock()
    wait = waiting(clock, timeout=10.0)
    listening(wait)  # with a limit of 5 s
    clock.now += 4.9
    assert not wait.heard(frame(1))
    clock.now += 0.2
    assert wait.heard(frame(2))


def test_stream_that_opens_too_late_for_its_limit_is_not_read() -> None:
    clock = Clock()
    wait = waiting(clock, timeout=10.0)
    wait.timeout(httpx.Timeout(45))  # 5 s for each phase
    wait.listen()
    clock.now += 4.9 + 4.9  # to connect, and until the head
    assert not wait.opened(answer(200, content_type="text/event-stream"))
    assert wait.fell_silent(None) == pytest.approx(0.2)


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
def test_bad_argument_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        waiting(Clock(), **options)
