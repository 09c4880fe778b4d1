"""What the machines make of servers before llama-agents-server 0.7.1: an error, never silence."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    ConflictError,
    EventValidationError,
    InvalidResponseError,
    NotFoundError,
    StatusError,
    SyncWorkflowClient,
    UnsupportedServerError,
)
from llama_agents.client._core import endpoints
from llama_agents.client._core.actions import Finished, Identify, Listen, Retry, Sleep
from llama_agents.client._core.server import (
    ServerTraits,
    in_every_form,
    page_proves_used_ids,
)
from llama_agents.client._core.start import Phase, Start
from llama_agents.client._core.stream import StreamMachine
from llama_agents.client._core.wait import Wait

from ..support.scripted import Turn, frame, scripted, stream
from ..support.workflows import GreetStart
from .machines import LOST, Clock, response, run

OLD_404 = response(404, b"Handler not found", content_type="text/plain; charset=utf-8")
NEW_404 = response(404, {"detail": "Handler not found"})
NO_ROUTE = response(404, b"Not Found", content_type="text/plain; charset=utf-8")
PAGE = b'<script src="https://cdn/npm/@llamaindex/workflow-debugger@%s/dist/app.js"></script>'


def page(version: str) -> httpx.Response:
    return response(200, PAGE % version.encode())


# ------------------------------------------------------------------- what is known


@pytest.mark.parametrize(
    ("answer", "known"),
    [(OLD_404, False), (NEW_404, True), (NO_ROUTE, None), (response(500), None)],
)
def test_form_of_an_error_tells_whether_there_are_cursors(
    answer: httpx.Response, known: bool | None
) -> None:
    assert endpoints.identify().parse(answer) is known


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (page("0.2.41"), False),
        (page("0.2.42"), True),
        (page("0.3.0"), True),
        (page("0.10.1"), True),
        (response(200, b"<html>"), False),
        (response(404, PAGE % b"0.2.42"), False),
        (response(200, b"\xff" * 99999), False),
    ],
)
def test_page_of_the_debugger_tells_whether_ids_in_use_are_refused(
    answer: httpx.Response, known: bool
) -> None:
    assert page_proves_used_ids(answer) is known


def test_events_are_sent_in_the_form_of_each_server_until_it_is_known() -> None:
    event = {"type": "T", "value": {"a": 1}}
    assert in_every_form(event, ServerTraits()) == {**event, "data": {"a": 1}}
    assert in_every_form(event, ServerTraits(has_cursors=False)) == {**event, "data": {"a": 1}}
    assert in_every_form(event, ServerTraits(has_cursors=True)) == event
    assert in_every_form({"type": "T", "data": {}}, ServerTraits()) == {"type": "T", "data": {}}


# ------------------------------------------------------------------- starts


def start(server: ServerTraits, *, id_is_needed: bool = False, event: Any = None) -> Start:
    return Start(
        endpoints.start_run("w", "h1", event, None, server=server, blocking=False),
        endpoints.get_handler("h1"),
        "h1",
        server=server,
        id_is_generated=not id_is_needed,
        id_is_needed=id_is_needed,
        time=Clock().source(),
    )


def sent(machine: Start) -> tuple[str, Any]:
    operation = machine.request()
    body = None if operation.content is None else json.loads(operation.content)
    return f"{operation.method} {operation.path}", body


def test_start_leaves_the_id_to_a_server_that_does_not_take_it() -> None:
    server = ServerTraits()
    machine = start(server)
    assert sent(machine)[1] == {"handler_id": "h1", "start_event": {}}
    assert machine.receive(OLD_404) == Retry(0.0)
    assert server.has_cursors is False
    assert sent(machine) == ("POST /workflows/w/run-nowait", {"start_event": {}})
    action = machine.receive(response(200, {**run("running"), "handler_id": "theirs"}))
    assert isinstance(action, Finished)
    assert action.value.handler_id == "theirs"


@pytest.mark.parametrize("lose", [lambda m: m.failed(LOST), lambda m: m.receive(response(502))])
def test_start_without_an_id_is_never_repeated_once_it_may_have_arrived(lose: Any) -> None:
    machine = start(ServerTraits())
    machine.request()
    machine.receive(OLD_404)
    machine.request()
    with pytest.raises(UnsupportedServerError, match="not known whether the run has"):
        lose(machine)


def test_start_without_an_id_that_was_not_sent_is_repeated() -> None:
    machine = start(ServerTraits())
    machine.request()
    machine.receive(OLD_404)
    assert machine.failed(httpx.ConnectError("refused"), not_sent=True) == Retry(0.0)
    assert machine.phase is Phase.UNNAMED


def test_id_of_the_caller_s_is_an_error_that_says_so() -> None:
    machine = start(ServerTraits(), id_is_needed=True)
    machine.request()
    with pytest.raises(UnsupportedServerError, match=r"'h1'.*chooses the IDs.*nothing was sta"):
        machine.receive(OLD_404)


def test_typed_start_event_is_sent_as_its_fields_to_a_server_that_names_runs() -> None:
    machine = start(ServerTraits(), event=GreetStart(name="Ada"))
    machine.request()
    machine.receive(OLD_404)
    assert machine.phase is Phase.REWRITING
    schema = {"title": "GreetStart", "type": "object", "properties": {"name": {"type": "string"}}}
    machine.receive(response(200, {"start": schema, "stop": {}}))
    assert sent(machine)[1] == {"start_event": {"name": "Ada"}}
    other = start(ServerTraits(), event=GreetStart(name="Ada"))
    other.request()
    other.receive(OLD_404)
    with pytest.raises(ValueError, match="starts with the event Other"):
        other.receive(response(200, {"start": {"title": "Other", "type": "object"}, "stop": {}}))


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ({"type": "Count", "value": {"ticks": 3}}, {"ticks": 3}),
        ({"value": 3, "name": "V"}, None),
        ({"type": "Count", "value": {"type": "x", "value": 1}}, None),
        ({"type": "Other", "value": {"ticks": 3}}, None),
    ],
)
def test_server_that_names_runs_gets_bare_fields_of_an_envelope(
    event: dict[str, Any], fields: dict[str, Any] | None
) -> None:
    schema = {"title": "Count", "type": "object", "properties": {"value": {}, "name": {}}}
    described = response(200, {"start": schema, "stop": {}})
    machine = start(ServerTraits(), event=event)
    if machine.phase is Phase.REWRITING:
        machine.receive(described)
    machine.request()
    machine.receive(OLD_404)
    if fields is None:
        with pytest.raises(EventValidationError, match="starts with the event Count"):
            machine.receive(described)
        return
    machine.receive(described)
    assert sent(machine)[1] == {"start_event": fields}


def test_run_under_another_id_is_an_error_that_has_it() -> None:
    for body in ({**run("running"), "handler_id": "x"}, {"handler_id": "x", "status": "started"}):
        machine = start(ServerTraits())
        machine.request()
        with pytest.raises(UnsupportedServerError, match="'x', not as 'h1'") as caught:
            machine.receive(response(200, body))
        assert caught.value.handler_id == "x"


def lost_start(server: ServerTraits) -> Start:
    machine = start(server)
    machine.request()
    machine.failed(LOST)
    return machine


def test_lost_start_is_repeated_only_if_the_page_says_that_ids_in_use_are_refused() -> None:
    server = ServerTraits()
    machine = lost_start(server)
    assert sent(machine)[0] == "GET /handlers/h1"
    machine.receive(NEW_404)
    assert sent(machine)[0] == "GET /"
    assert machine.receive(page("0.2.42")) == Retry(0.0)
    assert machine.phase is Phase.RESENDING


@pytest.mark.parametrize("answer", [page("0.2.41"), response(404), response(200, b"ours")])
def test_lost_start_on_another_server_is_polled_and_then_an_error(answer: httpx.Response) -> None:
    machine = lost_start(ServerTraits())
    machine.receive(NEW_404)
    machine.receive(answer)
    with pytest.raises(UnsupportedServerError, match="not known whether the run has") as caught:
        for _ in range(9):
            assert sent(machine)[0] == "GET /handlers/h1"
            machine.receive(NEW_404)
    assert caught.value.handler_id == "h1"


def test_lost_start_that_arrives_late_is_found() -> None:
    machine = lost_start(ServerTraits(refuses_used_ids=False))
    machine.receive(NEW_404)
    machine.receive(NEW_404)
    assert isinstance(machine.receive(response(200, run("running"))), Finished)


def test_failing_request_for_the_page_does_not_lose_that_the_start_was_lost() -> None:
    machine = lost_start(ServerTraits())
    machine.receive(NEW_404)
    assert isinstance(machine.failed(LOST), Retry)
    assert isinstance(machine.receive(response(503)), Retry)
    assert machine.phase is Phase.IDENTIFYING


def test_lost_start_is_not_repeated_without_its_id() -> None:
    """Of two replicas, only the one that was polled may be old."""
    server = ServerTraits()
    machine = lost_start(server)
    with pytest.raises(UnsupportedServerError, match="not known whether the run has") as caught:
        machine.receive(OLD_404)
    assert (caught.value.handler_id, caught.value.may_have_started) == ("h1", True)
    assert server.has_cursors is False


def test_repeated_start_that_an_older_replica_rejects_is_not_sent_without_its_id() -> None:
    machine = lost_start(ServerTraits(refuses_used_ids=True))
    machine.receive(NEW_404)
    assert sent(machine)[0] == "POST /workflows/w/run-nowait"
    with pytest.raises(NotFoundError):
        machine.receive(OLD_404)


def test_unknown_run_in_json_is_not_the_rejection_of_an_id() -> None:
    server = ServerTraits()
    machine = start(server)
    machine.request()
    with pytest.raises(NotFoundError):
        machine.receive(NEW_404)
    assert server.has_cursors is None


def test_start_that_keeps_its_id_proves_that_there_are_cursors() -> None:
    for id_is_needed, known in ((False, True), (True, None)):
        server = ServerTraits()
        machine = start(server, id_is_needed=id_is_needed)
        machine.request()
        machine.receive(response(200, {**run("running"), "handler_id": "h1"}))
        assert server.has_cursors is known


def test_page_that_is_temporarily_unavailable_proves_nothing() -> None:
    server = ServerTraits()
    machine = lost_start(server)
    machine.receive(NEW_404)
    with pytest.raises(UnsupportedServerError, match="not known whether the run has"):
        for _ in range(9):
            machine.receive(response(503))
    assert not server.refuses_used_ids


def test_lost_start_reads_the_page_anew() -> None:
    """An older release may serve the address by then."""
    server = ServerTraits()
    for version, phase in (("0.2.42", Phase.RESENDING), ("0.2.41", Phase.CHECKING)):
        machine = lost_start(server)
        machine.receive(NEW_404)
        machine.receive(page(version))
        assert machine.phase is phase


def test_missing_route_is_not_an_unknown_run() -> None:
    for status in (404, 405):
        machine = lost_start(ServerTraits(refuses_used_ids=True))
        with pytest.raises(UnsupportedServerError, match="not for an unknown run") as caught:
            machine.receive(response(status, b"Not Found"))
        assert isinstance(caught.value.__cause__, StatusError)


@pytest.mark.parametrize(
    ("body", "known"), [({"detail": "Handler is running"}, True), (b"<html>", False)]
)
def test_conflict_proves_that_ids_in_use_are_refused(body: Any, known: bool) -> None:
    server = ServerTraits()
    machine = start(server)
    machine.request()
    with pytest.raises(ConflictError):
        machine.receive(response(409, body))
    assert server.refuses_used_ids is known


# ------------------------------------------------------------------- streams


def stream_machine(
    after_sequence: Any = -1, server: ServerTraits | None = None, *, needs_numbers: bool = False
) -> StreamMachine:
    return StreamMachine(
        "h1",
        after_sequence=after_sequence,
        include_internal=False,
        max_reconnect_attempts=9,
        needs_numbers=needs_numbers,
        server=server or ServerTraits(),
        time=Clock().source(),
    )


def connect(machine: StreamMachine) -> None:
    machine.request()
    machine.opened(response(200, content_type="text/event-stream"))


def opened(after_sequence: Any = -1, server: ServerTraits | None = None) -> StreamMachine:
    machine = stream_machine(after_sequence, server)
    connect(machine)
    return machine


def test_events_without_numbers_are_delivered_from_the_first_one_on() -> None:
    server = ServerTraits()
    machine = opened(server=server)
    events = machine.receive(frame(None) + frame(None, "StopEvent"))
    assert [event.type for event in events] == ["Tick", "StopEvent"]
    assert server.has_cursors is False


@pytest.mark.parametrize("after", [0, "now"])
def test_event_without_a_number_is_an_error_after_a_cursor(after: Any) -> None:
    machine = opened(after)
    with pytest.raises(UnsupportedServerError, match="no sequence number"):
        [*machine.receive(frame(None))]


def test_event_without_a_number_is_an_error_of_a_server_with_cursors() -> None:
    """It is no longer the server that it was."""
    server = ServerTraits(has_cursors=True)
    with pytest.raises(UnsupportedServerError, match="no sequence number"):
        [*opened(server=server).receive(frame(None))]
    assert not server.streamed


def test_event_without_a_number_is_an_error_where_the_position_is_needed() -> None:
    machine = stream_machine(needs_numbers=True)
    connect(machine)
    with pytest.raises(UnsupportedServerError, match="no sequence number"):
        [*machine.receive(frame(None))]


def refused(machine: StreamMachine) -> None:
    machine.connection_ended(httpx.ConnectError("refused"), not_sent=True)


@pytest.mark.parametrize(
    "first",
    [
        lambda machine: machine.connection_ended(LOST),
        lambda machine: machine.opened(response(503)),
        lambda machine: machine.interrupted(),
    ],
    ids=["no response", "unavailable", "interrupted while connecting"],
)
def test_event_without_a_number_is_an_error_where_others_may_be_missing(first: Any) -> None:
    machine = stream_machine()
    machine.request()
    first(machine)
    machine.request()
    refused(machine)
    connect(machine)
    with pytest.raises(UnsupportedServerError, match=r"no sequence number.*0\.2\.0") as caught:
        [*machine.receive(frame(None))]
    assert caught.value.handler_id == "h1"
    assert isinstance(machine.action, Finished)


def test_event_without_a_number_is_delivered_after_requests_that_were_not_sent() -> None:
    machine = stream_machine()
    machine.interrupted()
    for _ in range(2):
        machine.request()
        refused(machine)
    connect(machine)
    assert len([*machine.receive(frame(None))]) == 1


def test_stream_that_others_have_read_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(UnsupportedServerError, match="have been read before"):
        opened().opened(response(204))
    machine = opened()
    machine.opened(response(204, content_type="application/json"))
    assert isinstance(machine.action, Finished)
    opened(7).opened(response(204))
    with pytest.raises(UnsupportedServerError, match="have been read before"):
        opened(7, ServerTraits(has_cursors=False)).opened(response(204))
    opened(server=ServerTraits(has_cursors=True)).opened(response(204))


def test_second_consumer_is_told_that_there_is_another_one() -> None:
    with pytest.raises(UnsupportedServerError, match="another consumer"):
        opened().opened(response(409, b"No lock available to acquire after 1s timeout"))


@pytest.mark.parametrize("cause", [None, LOST, httpx.ReadTimeout("quiet")])
def test_events_that_end_without_a_blank_line_are_an_error(cause: Exception | None) -> None:
    machine = opened()
    assert [*machine.receive(frame(None).rstrip(b"\n") + b"\n")] == []
    with pytest.raises(UnsupportedServerError, match="blank line"):
        machine.connection_ended(cause)


@pytest.mark.parametrize("torn", [b"id: 3\ndata: {}\n", b"data: {", b"data: x\n", b": {}\n"])
def test_torn_event_of_a_newer_server_is_not_taken_for_one(torn: bytes) -> None:
    machine = opened()
    assert [*machine.receive(torn)] == []
    machine.connection_ended(LOST)
    assert isinstance(machine.action, Retry)


def test_silence_of_a_server_without_cursors_is_waited_out() -> None:
    for has_cursors in (False, True, None):
        machine = opened(server=ServerTraits(has_cursors=has_cursors))
        assert machine.is_patient() is (has_cursors is False)
    [*machine.receive(frame(None))]
    assert machine.is_patient()
    [*machine.receive(frame(4))]
    assert not machine.is_patient()


def test_stream_that_was_left_is_not_begun_again() -> None:
    server = ServerTraits()
    [*opened(server=server).receive(frame(None))]
    with pytest.raises(UnsupportedServerError, match="no sequence number"):
        [*opened(server=server).receive(frame(None))]


def test_position_of_an_event_without_a_number_is_not_given_away() -> None:
    turn = Turn(stream(frame(None), end=b""), then="hold")
    with scripted([turn]) as script, SyncWorkflowClient(base_url=script.url) as client:
        run = client.get_run("h1")
        with run.events() as events:
            next(iter(events))
            client._driver.server.has_cursors = True  # what other responses say does not matter
            for use in (lambda: events.last_sequence, run.checkpoint, run.events):
                with pytest.raises(UnsupportedServerError, match="no sequence number"):
                    use()
            for copied in (copy.copy, pickle.dumps):
                with pytest.raises(UnsupportedServerError, match="no sequence number"):
                    copied(run)


def test_number_after_an_event_without_one_is_a_position_again() -> None:
    server = ServerTraits()
    machine = opened(server=server)
    assert len([*machine.receive(frame(None))]) == 1
    assert (machine.position_is_known, server.has_cursors) == (False, False)
    assert len([*machine.receive(frame(4))]) == 1
    assert (machine.position_is_known, server.has_cursors, machine.cursor) == (True, True, 4)


# ------------------------------------------------------------------- waits


def waiting(server: ServerTraits) -> Wait:
    return Wait(endpoints.get_handler("h1"), "h1", server=server, time=Clock().source())


def test_wait_listens_only_to_streams_with_cursors() -> None:
    running = response(202, run("running"))
    assert waiting(ServerTraits(has_cursors=True)).poll_response(running) == Listen()
    assert waiting(ServerTraits(has_cursors=False)).poll_response(running) == Sleep(0.5)
    server = ServerTraits()
    wait = waiting(server)
    assert wait.poll_response(running) == Identify()
    assert wait.identified() == Sleep(0.5)
    assert wait.poll_response(running) == Sleep(1.5)  # it is asked once
    server.has_cursors = True
    assert wait.identified() == Listen()


@pytest.mark.parametrize("status", [404, 405])
def test_poll_of_a_missing_route_is_an_error(status: int) -> None:
    with pytest.raises(UnsupportedServerError, match="whether the server has the run"):
        waiting(ServerTraits()).poll_response(response(status, b"Not Found"))


# ------------------------------------------------------------------- what is read


@pytest.mark.parametrize(("bare", "value"), [({"a": 1}, {"a": 1}), ("x", {"result": "x"})])
def test_result_without_an_envelope_is_read(bare: Any, value: dict[str, Any]) -> None:
    body = {**run("completed"), "result": bare}
    handler = endpoints.get_handler("h1").parse(response(200, body))
    (listed,) = (
        endpoints.get_handlers(None, None).parse(response(200, {"handlers": [body]})).handlers
    )
    assert handler.result == listed.result == value
    for unreadable in (b"[]", b"{", b'{"result": 1}'):
        with pytest.raises(InvalidResponseError):
            endpoints.get_handler("h1").parse(response(200, unreadable))


def test_graph_without_a_name_is_read() -> None:
    graph = {"nodes": [], "edges": []}
    parsed = endpoints.get_workflow_graph("w").parse(response(200, {"graph": graph}))
    assert parsed.graph.name == ""
