"""Typed events without the server's code, and the check of start events, on the real server."""

from __future__ import annotations

import json
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
    WorkflowClient,
)
from workflows.events import (
    Event,
    HumanResponseEvent,
    InputRequiredEvent,
    StartEvent,
    StopEvent,
)

from ..support import orders
from .replies import replies

pytestmark = pytest.mark.anyio

START = {"customer": "Ada", "address": {"street": "Here"}}


async def test_classes_have_the_bases_and_names_of_the_server(order_url: str) -> None:
    async with WorkflowClient(base_url=order_url) as client:
        types = await client.get_event_types("order")
    assert isinstance(types, EventTypes)
    for name in types.names:
        theirs = getattr(orders, name)
        ours = types[name]
        assert ours is not theirs
        assert ours.__name__ == name
        expected = [cls.__name__ for cls in theirs.__mro__]
        assert [cls.__name__ for cls in ours.__mro__ if cls.__name__ in expected] == expected
        assert [*ours.model_fields] == [*theirs.model_fields]
    assert issubclass(types["OrderStart"], StartEvent)
    assert issubclass(types["Approval"], InputRequiredEvent)
    assert issubclass(types["Decision"], HumanResponseEvent)
    assert issubclass(types["OrderDone"], StopEvent)
    assert issubclass(types["PaidPart"], types["PartDone"])
    assert "Extra" in types
    assert types["Extra"] in types


async def test_run_is_made_of_built_classes_alone(order_url: str) -> None:
    async with WorkflowClient(base_url=order_url) as client:
        types = await client.get_event_types("order")
        start: Any = types["OrderStart"]
        run = await client.start(
            "order", start(**START, strict={"kind-of": "a", "from": "b"}, tags=["x"])
        )
        seen = []
        async for envelope in run.events():
            event: Any = envelope.load_event(types)
            seen.append(event)
            assert type(event) is types[envelope.type]
            assert isinstance(event, Event)
            if isinstance(event, types["Approval"]):
                color = type(event.colors[1])
                # A nested object goes from one event into another, as its class is one.
                answer = {"approved": True, "color": color.DARK_BLUE, "address": event.address}
                await run.send(types["Decision"](**answer))
        done: Any = await run.result(types["OrderDone"])  # type: ignore[type-var]
    names = [type(event).__name__ for event in seen]
    assert names == ["Progress", "PartDone", "PaidPart", "Extra", "Approval", "OrderDone"]
    assert isinstance(seen[2], types["Progress"])
    assert seen[2].part.parts[0].name == "inner"
    assert type(seen[3].progress) is types["Progress"]
    assert done == seen[-1]
    assert done.color.value == "dark blue"
    order = orders.OrderStart.model_validate(done.order)
    assert order.customer == "Ada"
    assert order.strict == orders.Strict.model_validate({"kind-of": "a", "from": "b"})
    assert order.tags == ["x"]
    assert order.price == orders.Decimal("9.50")


async def test_plain_events_are_the_frameworks_own(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        types = await client.get_event_types("greet")
    assert {*types} == {StartEvent, StopEvent}


async def test_workflow_without_schemas_is_an_error(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError):
            await client.get_event_types("nobody")
        with pytest.raises(ServerError):
            await client.get_event_types("opaque")


# ------------------------------------------------------------------- validate=True


WRONG = [
    ({"address": {"street": "Here"}}, "customer: Field required"),
    ({**START, "amount": 101}, "amount: Input should be less than or equal to 100"),
    ({**START, "address": {}}, r"address\.street: Field required"),
    ({**START, "color": "green"}, "color: Input should be 'red' or 'dark blue'"),
    ({**START, "tags": None}, "tags: Input should be a valid list"),
    ({**START, "payment": {"kind": "card", "digits": "12"}}, r"payment\.Card\.digits: String"),
    ({"type": "OrderStart", "value": {"customer": ""}}, "customer: String should have at least 1"),
    (None, "address: Field required"),
]


@pytest.mark.parametrize(("start_event", "problem"), WRONG)
async def test_start_event_that_does_not_fit_is_not_sent(
    order_url: str, start_event: Any, problem: str
) -> None:
    async with WorkflowClient(base_url=order_url) as client:
        before = await client.get_handlers()
        with pytest.raises(EventValidationError, match=f"not a valid OrderStart.*{problem}"):
            await client.start("order", start_event, validate=True)
        with pytest.raises(EventValidationError, match=problem):
            await client.run_workflow("order", None, start_event, validate=True)
        with pytest.raises(EventValidationError, match=problem):
            await client.run_workflow_nowait("order", None, start_event, validate=True)
        assert await client.get_handlers() == before
        # The server is of the same mind.
        with pytest.raises(StatusError, match="400"):
            await client.run_workflow_nowait("order", None, start_event)


RIGHT = [
    START,
    {"type": "OrderStart", "value": START},
    {**START, "price": "9.75", "amount": "3", "at": "2026-01-01T00:00:00"},
    {**START, "unknown": 5},
    StartEvent(**START),  # type: ignore[arg-type]
    orders.OrderStart.model_validate(START),
]


@pytest.mark.parametrize("start_event", RIGHT)
async def test_start_event_that_fits_is_sent(order_url: str, start_event: Any) -> None:
    async with WorkflowClient(base_url=order_url) as client:
        run = await client.start("order", start_event, validate=True)
        assert await run.status() == "running"
        await run.cancel(purge=True)


async def test_bare_start_is_checked_for_a_class_that_the_workflow_does_not_know(
    server_url: str,
) -> None:
    class Other(StartEvent):
        name: Any

    async with WorkflowClient(base_url=server_url) as client:
        handler = await client.run_workflow("typed", None, Other(name="Ada"), validate=True)
        assert handler.result is not None
        assert handler.result["output"] == "Hello, Ada!"
        with pytest.raises(EventValidationError, match="name: Input should be a valid string"):
            await client.run_workflow("typed", None, Other(name=5), validate=True)


async def test_envelope_of_another_class_is_left_to_the_server(order_url: str) -> None:
    async with WorkflowClient(base_url=order_url) as client:
        with pytest.raises(StatusError, match="Invalid event type: Nobody"):
            await client.start("order", {"type": "Nobody", "value": {}}, validate=True)


async def test_plain_start_event_takes_everything(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        for start_event in (None, {"value": 5}, {"name": "Ada"}, StartEvent()):
            await client.run_workflow("echo", None, start_event, validate=True)
        with pytest.raises(NotFoundError):
            await client.start("nobody", validate=True)


# ------------------------------------------------------------------- broken schemas


def serves(answers: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    """Answer each path's last part with a body."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = answers[request.url.path.rpartition("/")[2]]
        return httpx.Response(200, json=body, request=request)

    return answer


def graph(schema: Any, name: str = "Broken", types: Any = ("Broken", "StopEvent")) -> Any:
    node = {"id": name, "label": name, "node_type": "event", "event_type": name}
    node |= {"event_types": types, "event_schema": schema}
    return {"graph": {"name": "w", "nodes": [node], "edges": []}}


BROKEN = [
    {"properties": {"a": {"$ref": "#/$defs/Nowhere"}}},
    {"properties": {"a": {"$ref": "https://example.org/schema.json"}}},
    {"properties": {"a": {"$ref": {"not": "text"}}}},
    {"properties": {"a": {"type": "frobnicate"}}},
    {"properties": {"a": 5}},
    {"properties": {"a": {"anyOf": []}}},
    {"properties": {"model_dump": {"type": "string"}}},
    {"properties": []},
    {"properties": {"a": {}}, "required": 5},
    {"type": "array", "items": {}},
    {"enum": ["a"]},
    {"$defs": [], "properties": {}},
    {"$defs": {"A": 5}, "properties": {"a": {"$ref": "#/$defs/A"}}},
    "text",
    [],
]


@pytest.mark.parametrize("schema", BROKEN, ids=lambda schema: json.dumps(schema)[:60])
async def test_broken_schema_is_an_error_that_holds_the_answer(schema: Any) -> None:
    client = replies(serves({"events": {"events": []}, "representation": graph(schema)}))
    with pytest.raises(InvalidResponseError, match="'w' make no classes: Broken: ") as caught:
        await client.get_event_types("w")
    assert caught.value.response.url.path == "/workflows/w/representation"


@pytest.mark.parametrize(
    ("name", "types"),
    [("no name", []), ("class", []), ("Broken", ["Broken", "Other"]), ("Broken", ["StopEvent", 5])],
)
async def test_broken_class_is_an_error(name: str, types: Any) -> None:
    other = {"title": "Other", "properties": {}}
    node = graph({"title": "Other", "properties": {}}, "Other", ["Other", "Broken"])
    answer = graph({"properties": {}}, name, types)
    answer["graph"]["nodes"] += node["graph"]["nodes"]
    answers = {"events": {"events": [other]}, "representation": answer}
    client = replies(serves(answers))
    with pytest.raises(InvalidResponseError):
        await client.get_event_types("w")


async def test_schema_that_is_too_deep_is_an_error() -> None:
    schema: Any = {}
    for _ in range(190):
        schema = {"items": schema, "type": "array"}
    broken = graph({"properties": {"a": schema}})
    client = replies(serves({"events": {"events": []}, "representation": broken}))
    with pytest.raises(InvalidResponseError):
        await client.get_event_types("w")


async def test_broken_list_or_start_schema_is_an_error() -> None:
    answers = {"events": {"events": [{"properties": {}}]}, "schema": {"start": {}, "stop": {}}}
    client = replies(serves(answers))
    with pytest.raises(InvalidResponseError, match="an event schema has no title") as caught:
        await client.get_event_types("w")
    assert caught.value.response.url.path == "/workflows/w/events"
    with pytest.raises(InvalidResponseError, match="an event schema has no title") as caught:
        await client.start("w", validate=True)
    assert caught.value.response.url.path == "/workflows/w/schema"
