# Generated from tests/_async/test_typed.py by `python -m generator`: do not edit.
"""Typed events without the server's code, and validated start events, on a real server."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    EventTypes,
    EventValidationError,
    InvalidResponseError,
    NotFoundError,
    ServerError,
    StatusError,
    SyncWorkflowClient,
)
from workflows.events import (
    Event,
    StartEvent,
    StopEvent,
)

from ..support import orders
from .replies import replies

START = {"customer": "Ada", "address": {"street": "Here"}}


def test_event_types_mirror_the_server_classes(order_url: str) -> None:
    with SyncWorkflowClient(base_url=order_url) as client:
        types = client.get_event_types("order")
    assert isinstance(types, EventTypes)
    assert types["Extra"] in types  # which is in no step's signature
    for name in types.names:
        theirs, ours = getattr(orders, name), types[name]
        assert ours is not theirs
        expected = [cls.__name__ for cls in theirs.__mro__]
        assert [cls.__name__ for cls in ours.__mro__ if cls.__name__ in expected] == expected
        framework = [cls for cls in theirs.__mro__ if cls.__module__ == Event.__module__]
        assert all(issubclass(ours, cls) for cls in framework)
        assert [*ours.model_fields] == [*theirs.model_fields]
    assert issubclass(types["PaidPart"], types["PartDone"])


def test_run_needs_only_built_classes(order_url: str) -> None:
    with SyncWorkflowClient(base_url=order_url) as client:
        types = client.get_event_types("order")
        start: Any = types["OrderStart"]
        run = client.start(
            "order", start(**START, strict={"kind-of": "a", "from": "b"}, tags=["x"])
        )
        seen = []
        for envelope in run.events():
            event: Any = envelope.load_event(types)
            seen.append(event)
            assert type(event) is types[envelope.type]
            assert isinstance(event, Event)
            if isinstance(event, types["Approval"]):
                color = type(event.colors[1])
                # Both events share the class of the address.
                answer = {"approved": True, "color": color.DARK_BLUE, "address": event.address}
                run.send(types["Decision"](**answer))
        done: Any = run.result(types["OrderDone"])  # type: ignore[type-var]
    assert [type(event).__name__ for event in seen] == [
        *("Progress", "PartDone", "PaidPart", "Extra", "Approval", "OrderDone")
    ]
    assert seen[2].part.parts[0].name == "inner"
    assert type(seen[3].progress) is types["Progress"]
    assert done == seen[-1]
    assert done.color.value == "dark blue"
    order = orders.OrderStart.model_validate(done.order)
    assert order.strict == orders.Strict.model_validate({"kind-of": "a", "from": "b"})
    assert order.tags == ["x"]
    assert order.price == orders.Decimal("9.50")


def test_framework_events_are_the_installed_ones(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        types = client.get_event_types("greet")
    assert {*types} == {StartEvent, StopEvent}


def test_event_types_of_workflow_without_schemas_raise(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError):
            client.get_event_types("nobody")
        with pytest.raises(ServerError):
            client.get_event_types("opaque")


# ------------------------------------------------------------------- validate=True


INVALID = [
    ({"address": {"street": "Here"}}, "customer: Field required"),
    ({**START, "amount": 101}, "amount: Input should be less than or equal to 100"),
    ({**START, "address": {}}, r"address\.street: Field required"),
    ({**START, "color": "green"}, "color: Input should be 'red' or 'dark blue'"),
    ({**START, "tags": None}, "tags: Input should be a valid list"),
    ({**START, "payment": {"kind": "card", "digits": "12"}}, r"payment\.Card\.digits: String"),
    ({"type": "OrderStart", "value": {"customer": ""}}, "customer: String should have at least 1"),
    (None, "address: Field required"),
]


@pytest.mark.parametrize(("start_event", "problem"), INVALID)
def test_invalid_start_event_is_not_sent(order_url: str, start_event: Any, problem: str) -> None:
    with SyncWorkflowClient(base_url=order_url) as client:
        before = client.get_handlers()
        with pytest.raises(EventValidationError, match=f"not a valid OrderStart.*{problem}"):
            client.start("order", start_event, validate=True)
        with pytest.raises(EventValidationError, match=problem):
            client.run_workflow("order", None, start_event, validate=True)
        with pytest.raises(EventValidationError, match=problem):
            client.run_workflow_nowait("order", None, start_event, validate=True)
        assert client.get_handlers() == before
        # The server agrees.
        with pytest.raises(StatusError, match="400"):
            client.run_workflow_nowait("order", None, start_event)


VALID = [
    START,
    {"type": "OrderStart", "value": START},
    {**START, "price": "9.75", "amount": "3", "at": "2026-01-01T00:00:00"},
    {**START, "unknown": 5},
    StartEvent(**START),  # type: ignore[arg-type]
    orders.OrderStart.model_validate(START),
]


@pytest.mark.parametrize("start_event", VALID)
def test_valid_start_event_is_sent(order_url: str, start_event: Any) -> None:
    with SyncWorkflowClient(base_url=order_url) as client:
        run = client.start("order", start_event, validate=True)
        assert run.status() == "running"
        run.cancel(purge=True)


def test_start_event_of_unknown_class_is_validated_by_its_fields(
    server_url: str,
) -> None:
    class Other(StartEvent):
        name: Any

    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow("typed", None, Other(name="Ada"), validate=True)
        assert handler.result is not None
        assert handler.result["output"] == "Hello, Ada!"
        with pytest.raises(EventValidationError, match="name: Input should be a valid string"):
            client.run_workflow("typed", None, Other(name=5), validate=True)


def test_envelope_of_another_class_is_judged_by_the_server(order_url: str) -> None:
    with SyncWorkflowClient(base_url=order_url) as client:
        with pytest.raises(StatusError, match="Invalid event type: Nobody"):
            client.start("order", {"type": "Nobody", "value": {}}, validate=True)


def test_plain_start_event_accepts_anything(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        for start_event in (None, {"value": 5}, {"name": "Ada"}, StartEvent()):
            client.run_workflow("echo", None, start_event, validate=True)
        with pytest.raises(NotFoundError):
            client.start("nobody", validate=True)


# ------------------------------------------------------------------- broken schemas


def serves(bodies: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    """Respond with the body for the last part of the path."""

    def respond(request: httpx.Request) -> httpx.Response:
        body = bodies[request.url.path.rpartition("/")[2]]
        return httpx.Response(200, json=body, request=request)

    return respond


def node(schema: Any, name: str = "Broken", types: Any = ()) -> dict[str, Any]:
    names = {"id": name, "label": name, "node_type": "event", "event_type": name}
    return {**names, "event_types": types, "event_schema": schema}


DEEP: Any = functools.reduce(lambda items, _: {"type": "array", "items": items}, range(190), {})


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([node({"properties": {"a": 5}})], "'w' are invalid: Broken: a: 5 is not a schema"),
        ([node("text")], "Broken: malformed event node"),
        ([node([])], "Broken: malformed event node"),
        ([node({}, types=["StopEvent", 5])], "WorkflowGraphResponse"),
        ([node({}, "no name")], "not a valid class name"),
        ([node({}, types=["Other"]), node({}, "Other", ["Broken"])], "derive from each other"),
        ([node({"properties": {"a": DEEP}})], "nested more than 64 deep"),
    ],
)
def test_broken_graph_is_invalid_response(nodes: Any, problem: str) -> None:
    graph = {"graph": {"name": "w", "nodes": nodes, "edges": []}}
    client = replies(serves({"events": {"events": []}, "representation": graph}))
    with pytest.raises(InvalidResponseError, match=problem) as caught:
        client.get_event_types("w")
    assert caught.value.response.url.path == "/workflows/w/representation"


def test_broken_event_is_omitted_by_name() -> None:
    listed = {"events": [{"properties": {}}, {"title": "Listed", "properties": {}}]}
    good = node({"properties": {"n": {"type": "integer"}}}, "Good")
    graph = {"name": "w", "nodes": [node({"properties": {"a": 5}}), good], "edges": []}
    client = replies(serves({"events": listed, "representation": {"graph": graph}}))
    types = client.get_event_types("w")
    assert types.names == ("Good", "Listed")
    assert types.omitted == {
        "Broken": "Broken: a: 5 is not a schema",
        "event 1 without a title": "'event 1 without a title' is not a valid class name",
    }


def test_schema_without_title_is_invalid_response() -> None:
    bodies = {"events": {"events": [{"properties": {}}]}, "schema": {"start": {}, "stop": {}}}
    client = replies(serves(bodies))
    with pytest.raises(InvalidResponseError, match="an event schema has no title") as caught:
        client.get_event_types("w")
    assert caught.value.response.url.path == "/workflows/w/events"
    with pytest.raises(InvalidResponseError, match="an event schema has no title") as caught:
        client.start("w", validate=True)
    assert caught.value.response.url.path == "/workflows/w/schema"


def test_start_event_that_can_be_read_only_once_is_validated_and_sent(
    server_url: str,
) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow("echo", None, {"a": iter([1, 2])}, validate=True)
        assert handler.result is not None
        assert handler.result["result"] == {"a": [1, 2]}
