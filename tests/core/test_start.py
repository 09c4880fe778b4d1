"""The machine of a start: at most one run, whatever is lost."""

from __future__ import annotations

import json
import math
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
    WorkflowFailedError,
)
from llama_agents.client._core import endpoints
from llama_agents.client._core.actions import Finished, Retry
from llama_agents.client._core.limits import limits_of
from llama_agents.client._core.start import Phase, Start, new_handler_id
from workflows.events import StartEvent, StopEvent

from ..support.server import newest_server
from ..support.workflows import GreetStart, Named, Tick
from .machines import DATE, LOST, REFUSED, Clock, response, run


class Begin(StartEvent):
    """A start event without fields."""


POST, POLL = "POST /workflows/w/run", "GET /handlers/h1"


def start(
    clock: Clock | None = None,
    *,
    id_is_generated: bool = True,
    wait: bool = True,
    start_event: Any = None,
) -> Start:
    return Start(
        endpoints.start_run("w", "h1", start_event, None, server=newest_server(), blocking=wait),
        endpoints.get_handler("h1", must_succeed=wait),
        "h1",
        server=newest_server(),
        id_is_generated=id_is_generated,
        id_is_needed=not id_is_generated,
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
    assert machine.receive(response(404, {"detail": "Handler not found"})) == Retry(0.0)
    assert (machine.phase, sent(machine)) == (Phase.RESENDING, POST)


def test_start_that_was_never_sent_is_repeated_without_a_poll() -> None:
    machine = start()
    sent(machine)
    assert machine.failed(REFUSED, not_sent=True) == Retry(0.0)
    assert (machine.phase, sent(machine)) == (Phase.SENDING, POST)


def test_conflict_of_a_repeated_start_leads_to_a_poll() -> None:
    machine = lost_start()
    machine.receive(response(404, {"detail": "Handler not found"}))
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
        machine.receive(response(404, {"detail": "Workflow not found"}))
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
            machine.receive(
                response(404 if sent(machine) == POLL else 409, {"detail": "Handler not found"})
            )


# ------------------------------------------------------------------- a 500 without a run

PLAIN, EMPTY, DETAIL = b"Internal Server Error", {}, {"detail": "Error running workflow: x"}


def crashed_start(body: object, **options: Any) -> Start:
    """A start that was answered with a 500, and which has asked for the run."""
    machine = start(**options)
    sent(machine)
    assert machine.receive(response(500, body)) == Retry(0.0)
    assert sent(machine) == POLL
    return machine


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("body", [PLAIN, EMPTY])
def test_run_that_goes_on_after_a_500_is_adopted(body: object, wait: bool) -> None:
    """The server ends a blocking start so when it releases an idle run from memory."""
    action = crashed_start(body, wait=wait).receive(response(202, run("running")))
    assert isinstance(action, Finished)
    assert action.value.status == "running"


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("body", [PLAIN, EMPTY, DETAIL])
def test_500_is_raised_if_run_is_unknown(body: object, wait: bool) -> None:
    machine = crashed_start(body, wait=wait)
    with pytest.raises(ServerError, match="h1") as caught:
        machine.receive(response(404, {"detail": "Handler not found"}))
    assert caught.value.status_code == 500


def test_start_that_server_reports_as_failed_is_raised_if_its_run_is_running() -> None:
    """The server keeps a record of a run that it could not start."""
    machine = crashed_start(DETAIL)
    with pytest.raises(ServerError, match="Error running workflow: x"):
        machine.receive(response(202, run("running")))


def test_run_that_has_ended_counts_more_than_a_500() -> None:
    action = crashed_start(DETAIL).receive(response(200, run("completed")))
    assert isinstance(action, Finished)
    with pytest.raises(WorkflowFailedError):
        crashed_start(PLAIN).receive(response(500, run("failed")))


@pytest.mark.parametrize("body", [PLAIN, DETAIL])
@pytest.mark.parametrize("status", [202, 200])
def test_500_is_raised_if_the_run_found_is_an_earlier_one(body: object, status: int) -> None:
    machine = crashed_start(body, id_is_generated=False)
    found = run("running" if status == 202 else "completed", OLD)
    with pytest.raises(ServerError) as caught:
        machine.receive(response(status, found, date=DATE))
    assert caught.value.status_code == 500


def test_unreadable_run_does_not_hide_what_the_server_reported() -> None:
    with pytest.raises(ServerError, match="Error running workflow: x"):
        crashed_start(DETAIL).receive(response(500, {"detail": "database is locked"}))


@pytest.mark.parametrize("wait", [True, False])
def test_run_whose_engine_died_is_an_error(wait: bool) -> None:
    machine = start(wait=wait)
    sent(machine)
    with pytest.raises(WorkflowFailedError, match="stopped without an outcome") as caught:
        machine.receive(response(500, run("running")))
    assert caught.value.handler.status == "running"
    with pytest.raises(WorkflowFailedError):
        lost_start(wait=wait).receive(response(500, run("running")))


# ------------------------------------------------------------------- how the event is written

SCHEMA = "GET /workflows/w/schema"


def schema(title: str, *fields: str) -> httpx.Response:
    """The schemas of a workflow whose start class has these fields."""
    start = {"title": title, "properties": {field: {} for field in fields}}
    return response(200, {"start": start, "stop": {}})


def written(machine: Start) -> Any:
    assert sent(machine) == POST
    return json.loads(machine.request().content or b"")["start_event"]


def test_event_of_another_class_is_sent_as_bare_fields_to_a_class_that_has_them_all() -> None:
    machine = start(start_event=Named(name="Ada"))
    assert written(machine) == {"type": "Named", "value": {"name": "Ada"}}
    assert machine.receive(response(400, {"detail": "first"})) == Retry(0.0)
    assert (machine.phase, sent(machine)) == (Phase.REWRITING, SCHEMA)
    assert machine.receive(schema("Greeting", "name", "tone")) == Retry(0.0)
    assert (machine.phase, written(machine)) == (Phase.SENDING, {"name": "Ada"})
    with pytest.raises(StatusError) as caught:
        machine.receive(response(400, {"detail": "second"}))
    assert caught.value.detail == "first"


@pytest.mark.parametrize(
    ("start_event", "described"),
    [
        (Named(name="Ada"), schema("Cleanup", "folder")),
        (Named(name="Ada"), schema("Nightly")),
        (GreetStart(), schema("Cleanup", "folder")),
        (Begin(), schema("Cleanup", "folder")),
        ({"type": "Named", "value": {"name": "Ada"}}, schema("StartEvent")),
        ({"type": "Named", "value": {"name": 5}}, schema("Named", "name")),
        ({"qualified_name": "m.Named", "value": {"name": 5}}, schema("Named", "name")),
        (Named(name="Ada"), schema("Named", "name")),
        ({"type": "x", "value": {}}, schema("Reading", "value")),
    ],
)
def test_event_that_start_class_does_not_read_is_rejected_with_what_the_server_said(
    start_event: Any, described: httpx.Response
) -> None:
    machine = start(start_event=start_event)
    sent(machine)
    machine.receive(response(400, {"detail": "Invalid event type"}))
    assert sent(machine) == SCHEMA
    title = described.json()["start"]["title"]
    words = f"Invalid event type.*h1.*starts with.* {title}"
    with pytest.raises(StatusError, match=words) as caught:
        machine.receive(described)
    assert caught.value.status_code == 400
    assert caught.value.handler_id == "h1"


@pytest.mark.parametrize("start_event", [Tick(n=1), StopEvent(result=1)])
def test_event_that_is_not_a_start_event_is_rejected_at_once(start_event: Any) -> None:
    machine = start(start_event=start_event)
    sent(machine)
    with pytest.raises(StatusError, match="no such event"):
        machine.receive(response(400, {"detail": "no such event"}))


@pytest.mark.parametrize(
    ("start_event", "described"),
    [
        ({"value": 3}, schema("Reading", "value", "unit")),
        ({"value": 3, "more": 1}, schema("Reading", "value")),
        ({"type": "t", "qualified_name": "q"}, schema("Typed", "type", "qualified_name")),
        ({"type": "Reading", "value": {}, "unit": "F"}, schema("Reading", "type", "value", "unit")),
        ({"type": "t", "value": 5}, schema("StartEvent")),
    ],
)
@pytest.mark.parametrize("is_event", [False, True])
def test_fields_named_as_in_an_envelope_are_sent_as_the_start_class(
    start_event: dict[str, Any], described: httpx.Response, is_event: bool
) -> None:
    machine = start(start_event=StartEvent(**start_event) if is_event else start_event)
    assert (machine.phase, sent(machine)) == (Phase.REWRITING, SCHEMA)
    assert machine.receive(described) == Retry(0.0)
    title = described.json()["start"]["title"]
    assert written(machine) == {"type": title, "value": start_event}


def test_dict_is_an_envelope_unless_start_class_has_fields_of_those_names() -> None:
    given = {"type": "x", "value": {"a": 1}}
    machine = start(start_event=given)
    assert written(machine) == given
    machine.receive(response(400))
    machine.receive(schema("Both", "type", "value"))
    assert written(machine) == {"type": "Both", "value": given}


@pytest.mark.parametrize(
    ("start_event", "missing"),
    [
        ({"value": {"folder": "/x"}}, "'value'"),
        (StartEvent(value=3), "'value'"),  # type: ignore[call-arg]
        ({"type": "Cleanup", "value": {"folder": "/x"}, "dry_run": True}, "'type', 'value'"),
    ],
)
def test_fields_that_start_class_does_not_read_are_not_sent(start_event: Any, missing: str) -> None:
    machine = start(start_event=start_event)
    assert sent(machine) == SCHEMA
    with pytest.raises(EventValidationError, match=f"Cleanup, which has no field {missing}"):
        machine.receive(schema("Cleanup", "folder", "dry_run"))


def test_schema_is_asked_for_again_when_its_response_is_lost() -> None:
    machine = start(start_event={"value": 3})
    assert sent(machine) == SCHEMA
    assert machine.failed(LOST) == Retry(0.0)
    assert sent(machine) == SCHEMA
    assert machine.receive(response(503, retry_after="3")) == Retry(3.0)
    assert sent(machine) == SCHEMA
    with pytest.raises(ServerError, match="h1"):
        machine.receive(response(503))


def test_schema_that_is_unavailable_leaves_the_rejection() -> None:
    machine = start(start_event=Named(name="Ada"))
    machine.receive(response(400, {"detail": "first"}))
    with pytest.raises(StatusError, match="first") as caught:
        machine.receive(response(500, {"detail": "no schema"}))
    assert isinstance(caught.value.__cause__, ServerError)


def test_unknown_workflow_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(NotFoundError, match="h1"):
        start(start_event={"value": 3}).receive(response(404, {"detail": "Workflow not found"}))


def test_schema_that_is_known_is_not_asked_for() -> None:
    known = schema("Reading", "value").json()["start"]
    start_event = {"value": 3}
    given = endpoints.start_run(
        "w", "h1", start_event, None, server=newest_server(), blocking=True, schema=known
    ).given
    assert given is not None
    assert json.loads(given.content or b"")["start_event"] == {
        "type": "Reading",
        "value": start_event,
    }


def test_rejection_of_a_repeated_start_does_not_lose_that_it_was_repeated() -> None:
    machine = lost_start(start_event=Named(name="Ada"))
    machine.receive(response(404, {"detail": "Handler not found"}))
    machine.receive(response(400))
    machine.receive(schema("Greeting", "name"))
    assert machine.phase is Phase.RESENDING


def test_lost_start_and_how_it_was_resolved_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    lost_start().receive(response(202, run("running")))
    records = [(r.levelname, r.name, r.__dict__["handler_id"]) for r in caplog.records]
    assert records == [("INFO", "llama_agents.client.starts", "h1")] * 3  # lost, retried, found


@pytest.mark.parametrize("wait", [True, False])
def test_only_a_start_without_waiting_has_a_total(wait: bool) -> None:
    clock = Clock()
    machine = start(clock, wait=wait)
    assert machine.limits(limits_of(machine.request().kind, None)).whole == (
        math.inf if wait else 15
    )
    clock.now += 40
    machine.failed(LOST)
    assert machine.limits(limits_of(machine.request().kind, None)).whole == (15 if wait else 5)
    clock.now += 4.5
    if wait:
        assert machine.failed(LOST) == Retry(1.0)
    else:
        with pytest.raises(httpx.ReadError, match="h1"):
            machine.failed(LOST)
