"""The machine of a start: at most one run, whatever is lost."""

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
    StatusError,
    WorkflowFailedError,
)
from llama_agents.client._core import endpoints
from llama_agents.client._core.actions import Finished, Retry
from llama_agents.client._core.start import Phase, Start, new_handler_id

from ..support.workflows import Named
from .machines import DATE, LOST, REFUSED, Clock, response, run

POST, POLL = "POST /workflows/w/run", "GET /handlers/h1"


def start(
    clock: Clock | None = None,
    *,
    id_is_generated: bool = True,
    wait: bool = True,
    start_event: Any = None,
) -> Start:
    build: Callable[..., Any] = endpoints.run_workflow if wait else endpoints.run_workflow_nowait
    return Start(
        build("w", "h1", start_event, None),
        endpoints.get_handler("h1", must_succeed=wait),
        "h1",
        id_is_generated=id_is_generated,
        time=(clock or Clock()).source(),
    )


def sent(machine: Start) -> str:
    operation = machine.request()
    return f"{operation.method} {operation.path}"


def lost_start(clock: Clock | None = None, **options: Any) -> Start:
    """A start whose response was lost, and which has asked for the run."""
    machine = start(clock, **options)
    sent(machine)
    assert machine.failed(LOST) == Retry(0.0)
    assert sent(machine) == POLL
    return machine


def test_id_is_sent_with_the_first_request() -> None:
    operation = start().request()
    assert json.loads(operation.content or b"")["handler_id"] == "h1"


def test_generated_ids_are_unique() -> None:
    assert len({new_handler_id() for _ in range(100)}) == 100


def test_start_finishes_with_its_response() -> None:
    machine = start()
    assert sent(machine) == POST
    action = machine.receive(response(200, run("completed")))
    assert isinstance(action, Finished)
    assert action.value.status == "completed"


@pytest.mark.parametrize("failure", [LOST, httpx.ReadTimeout("silent")])
def test_lost_response_leads_to_a_poll(failure: Exception) -> None:
    machine = start()
    sent(machine)
    assert machine.failed(failure) == Retry(0.0)
    assert (machine.phase, sent(machine)) == (Phase.CHECKING, POLL)


@pytest.mark.parametrize("status", [408, 429, 501, 502, 503, 504, 520, 524, 599])
def test_response_of_a_proxy_counts_as_lost(status: int) -> None:
    machine = start()
    sent(machine)
    assert machine.receive(response(status, retry_after="3")) == Retry(3.0)
    assert sent(machine) == POLL


def test_run_that_is_found_is_adopted() -> None:
    action = lost_start().receive(response(202, run("running")))
    assert isinstance(action, Finished)
    assert action.value.status == "running"


def test_unknown_run_is_started_again() -> None:
    machine = lost_start()
    assert machine.receive(response(404)) == Retry(0.0)
    assert (machine.phase, sent(machine)) == (Phase.RESENDING, POST)


def test_start_that_was_never_sent_is_repeated_without_a_poll() -> None:
    machine = start()
    sent(machine)
    assert machine.failed(REFUSED, not_sent=True) == Retry(0.0)
    assert (machine.phase, sent(machine)) == (Phase.SENDING, POST)


def test_conflict_of_a_repeated_start_leads_to_a_poll() -> None:
    machine = lost_start()
    machine.receive(response(404))
    sent(machine)
    assert machine.receive(response(409)) == Retry(1.0)
    assert sent(machine) == POLL


def test_conflict_of_the_first_start_is_an_error() -> None:
    machine = start(id_is_generated=False)
    sent(machine)
    with pytest.raises(ConflictError) as caught:
        machine.receive(response(409))
    assert caught.value.handler_id == "h1"


def test_every_error_names_the_run() -> None:
    machine = start()
    sent(machine)
    with pytest.raises(NotFoundError, match="h1"):
        machine.receive(response(404))
    machine = start()
    for _ in range(2):
        machine.failed(httpx.ConnectError("refused"), not_sent=True)
    cause = httpx.ConnectError("refused")
    with pytest.raises(httpx.ConnectError) as caught:
        machine.failed(cause, not_sent=True)
    assert caught.value.__notes__ == ["handler 'h1'"]
    assert cause.args == ("refused",)


def test_polls_for_a_lost_start_end_with_its_budget() -> None:
    machine = start()
    sent(machine)
    delays = []
    with pytest.raises(httpx.ReadError, match="h1"):
        while True:
            delays.append(machine.failed(httpx.ReadError("reset")).delay)
    assert delays == [0.0, 1.0, 2.0, 4.0, 8.0]


def test_poll_of_an_unavailable_server_is_retried() -> None:
    machine = lost_start()
    assert machine.receive(response(503)) == Retry(1.0)
    assert sent(machine) == POLL


@pytest.mark.parametrize(("wait", "error"), [(True, WorkflowFailedError), (False, None)])
def test_run_that_is_found_failed_is_an_error_only_for_a_start_that_waits(
    wait: bool, error: type[Exception] | None
) -> None:
    machine = lost_start(wait=wait)
    if error is not None:
        with pytest.raises(error):
            machine.receive(response(500, run("failed")))
    else:
        action = machine.receive(response(500, run("failed")))
        assert isinstance(action, Finished)
        assert action.value.status == "failed"


def found_after(
    elapsed: float, started_at: str, ended_at: str | None = None, **headers: str
) -> Any:
    """Lose a start with an ID that the caller chose; return what becomes of a run that is found."""
    clock = Clock()
    machine = start(clock, id_is_generated=False)
    sent(machine)
    clock.now += elapsed
    machine.failed(LOST)
    sent(machine)
    status = "running" if ended_at == "not yet" else "completed"
    body = {**run(status, started_at), "completed_at": None if ended_at == "not yet" else ended_at}
    action = machine.receive(response(200, body, **headers))
    return sent(machine) if isinstance(action, Retry) else action.value.status


OLD, AT_START, LATER = "2023-11-14T20:00:00Z", "2023-11-14T22:12:20Z", "2023-11-14T22:12:50Z"
JUST_BEFORE = "2023-11-14T22:12:19Z"


@pytest.mark.parametrize("ended_at", ["2023-11-14T21:00:00Z", LATER, "not yet"])
def test_run_of_that_id_that_started_earlier_is_a_different_run(ended_at: str) -> None:
    assert found_after(60, OLD, ended_at, date=DATE) == POST


@pytest.mark.parametrize(("ended_at", "status"), [(LATER, "completed"), ("not yet", "running")])
def test_run_of_that_id_that_started_with_the_request_is_adopted(
    ended_at: str, status: str
) -> None:
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
def test_run_of_that_id_that_may_be_either_is_neither_adopted_nor_repeated(
    started_at: str, ended_at: str | None, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidResponseError, match="earlier one") as caught:
        found_after(60, started_at, ended_at, **headers)
    assert caught.value.handler_id == "h1"


def test_different_run_that_is_still_running_is_a_conflict() -> None:
    machine = lost_start(id_is_generated=False)
    machine.receive(response(202, run("running", OLD), date=DATE))
    assert (machine.phase, sent(machine)) == (Phase.ID_TAKEN, POST)
    with pytest.raises(ConflictError):
        machine.receive(response(409))


def test_contradicting_servers_are_not_asked_forever() -> None:
    machine = lost_start()
    requests = 0
    with pytest.raises(ConflictError):
        while True:
            requests += 1
            assert requests < 50
            machine.receive(response(404 if sent(machine) == POLL else 409))


def test_rejected_envelope_is_repeated_as_bare_fields_and_the_first_rejection_raised() -> None:
    machine = start(start_event=Named(name="Ada"))
    bodies = []
    bodies.append(json.loads(machine.request().content or b"")["start_event"])
    assert machine.receive(response(400, {"detail": "first"})) == Retry(0.0)
    bodies.append(json.loads(machine.request().content or b"")["start_event"])
    with pytest.raises(StatusError) as caught:
        machine.receive(response(400, {"detail": "second"}))
    assert bodies == [{"type": "Named", "value": {"name": "Ada"}}, {"name": "Ada"}]
    assert caught.value.detail == "first"


def test_lost_start_and_how_it_was_resolved_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    lost_start().receive(response(202, run("running")))
    records = [(r.levelname, r.name, r.__dict__["handler_id"]) for r in caplog.records]
    assert records == [("INFO", "llama_agents.client.starts", "h1")] * 3  # lost, retried, found
