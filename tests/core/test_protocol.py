"""The models that client and server exchange."""

from __future__ import annotations

import copy
import json
import operator
import pickle
import sys
from typing import Any, Final

import pytest
from llama_agents.client import EventEnvelopeWithMetadata, EventValidationError, HandlerData
from llama_agents.client.protocol import (
    CancelHandlerResponse,
    HandlersListResponse,
    HealthResponse,
    ResultEnvelope,
    SendEventResponse,
    is_status_completed,
    serializable_events,
)
from llama_agents.client.protocol.serializable_events import EventEnvelope, is_envelope
from pydantic import BaseModel, TypeAdapter
from workflows.context.serializers import JsonSerializer
from workflows.events import Event, StartEvent, StopEvent

from ..support.workflows import GreetStart, OutEvent, Tick

TICK: Final = f"{Tick.__module__}.Tick"
ENVELOPE: Final = EventEnvelopeWithMetadata.from_event(OutEvent(output="x"))
HANDLER: Final = {
    "handler_id": "h",
    "workflow_name": "w",
    "status": "completed",
    "started_at": "t",
    "result": ENVELOPE,
}


class Holder(BaseModel):
    envelope: EventEnvelopeWithMetadata


def handler(**fields: Any) -> HandlerData:
    return HandlerData.model_validate({**HANDLER, **fields})


def result(envelope: EventEnvelopeWithMetadata = ENVELOPE) -> ResultEnvelope:
    found = handler(result=envelope).result
    assert found is not None
    return found


# ------------------------------------------------------------------- a result


def test_result_is_a_dict_of_the_fields() -> None:
    assert result() == {"output": "x"}
    assert result() != {"output": "y"}
    assert result()["output"] == "x"
    assert isinstance(result(), dict)
    assert OutEvent.model_validate(result()).output == "x"


def test_result_is_the_envelope() -> None:
    found = result()
    assert (found.type, found.types) == ("OutEvent", ["StopEvent"])
    assert found.qualified_name == f"{OutEvent.__module__}.OutEvent"
    assert found.value == {"output": "x"}
    assert found.load_event() == OutEvent(output="x")
    assert found.model_dump() == ENVELOPE.model_dump()
    assert isinstance(found, EventEnvelopeWithMetadata)
    assert (repr(found), str(found)) == (repr(ENVELOPE), str(ENVELOPE))


def test_result_is_importable_from_the_module_of_envelopes() -> None:
    assert serializable_events.ResultEnvelope is ResultEnvelope


def test_result_lacks_other_attributes() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = result().nothing
    assert not hasattr(result(), "__deepcopy__")
    # As copiers create it, before its state is restored.
    assert not hasattr(ResultEnvelope.__new__(ResultEnvelope), "envelope")


def test_result_without_fields_is_true() -> None:
    assert result(EventEnvelopeWithMetadata.from_event(StopEvent()))


def test_result_equals_its_envelope_both_ways() -> None:
    changed = ENVELOPE.model_copy(update={"type": "Other"})
    for equal in (ENVELOPE, result()):
        assert result() == equal
        assert equal == result()
        assert not operator.ne(result(), equal)
    for different in (changed, result(changed)):
        assert result() != different
        assert different != result()
        assert not operator.eq(different, result())


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_result_can_be_copied(duplicate: Any) -> None:
    again = duplicate(handler())
    assert again == handler()
    assert again.result.type == "OutEvent"
    assert duplicate(result()).type == "OutEvent"


@pytest.mark.parametrize("strict", [None, True])
def test_handler_survives_json(strict: bool | None) -> None:
    again = HandlerData.model_validate_json(handler().model_dump_json(), strict=strict)
    assert again == handler()
    assert handler().model_dump()["result"] == ENVELOPE.model_dump()


def test_result_fits_envelope_field() -> None:
    holder = Holder(envelope=result())
    assert type(holder.envelope) is EventEnvelopeWithMetadata
    assert Holder.model_validate_json(holder.model_dump_json()) == holder


def test_result_is_serialized_as_envelope_where_one_is_expected() -> None:
    holder = Holder(envelope=ENVELOPE)
    holder.envelope = result()
    assert holder.model_dump() == {"envelope": ENVELOPE.model_dump()}
    assert json.loads(holder.model_dump_json()) == {"envelope": ENVELOPE.model_dump()}
    written = TypeAdapter(list[EventEnvelopeWithMetadata]).dump_python([result()])
    assert written == [ENVELOPE.model_dump()]


def test_result_dump_honours_include_and_exclude() -> None:
    kept = handler().model_dump(exclude={"result": {"qualified_name", "types"}})["result"]
    assert kept == {"value": {"output": "x"}, "type": "OutEvent"}
    assert handler().model_dump(include={"result": {"type"}}) == {"result": {"type": "OutEvent"}}


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_result_has_the_schema_of_the_envelope(mode: Any) -> None:
    envelope, null = HandlerData.model_json_schema(mode=mode)["properties"]["result"]["anyOf"]
    assert envelope["title"] == "EventEnvelopeWithMetadata"
    assert set(envelope["properties"]) == {"value", "type", "types", "qualified_name"}
    assert null == {"type": "null"}


# ------------------------------------------------------------------- newer and older servers


def test_unknown_status_of_a_run_is_passed_through() -> None:
    handlers = [handler(status="paused").model_dump(), handler().model_dump()]
    listed = HandlersListResponse.model_validate({"handlers": handlers})
    assert [found.status for found in listed.handlers] == ["paused", "completed"]
    assert '"paused"' in listed.model_dump_json()


@pytest.mark.parametrize("model", [HealthResponse, SendEventResponse, CancelHandlerResponse])
def test_unknown_status_of_a_response_is_passed_through(model: type[BaseModel]) -> None:
    assert model.model_validate({"status": "paused"}).model_dump_json() == '{"status":"paused"}'


def test_status_must_be_a_string() -> None:
    with pytest.raises(ValueError, match="status"):
        handler(status=5)


def test_unknown_fields_are_ignored_and_nullable_ones_may_be_missing() -> None:
    body = {name: value for name, value in HANDLER.items() if name != "result"}
    found = HandlerData.model_validate({**body, "new": 1})
    assert (found.result, found.error, found.result_unreadable) == (None, None, False)


@pytest.mark.parametrize(
    ("status", "expected"),
    [("running", False), ("completed", True), ("failed", True), ("cancelled", True), ("x", False)],
)
def test_status_tells_whether_run_has_ended(status: str, expected: bool) -> None:
    assert is_status_completed(status) is expected


# ------------------------------------------------------------------- what the server reads


REGISTRY: Final[dict[str, type[Event]]] = {"Tick": Tick, "GreetStart": GreetStart}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, False),
        ({"type": "T"}, False),
        ({"qualified_name": "m.T"}, False),
        ({"type": "T", "data": {}}, False),
        ({"value": 5}, True),
        ({"type": "T", "qualified_name": "m.T"}, True),
    ],
)
def test_object_is_envelope_by_its_keys(data: dict[str, Any], expected: bool) -> None:
    assert is_envelope(data) is expected


@pytest.mark.parametrize(
    "data",
    [
        {"type": "Tick", "value": {"n": 1}},
        {"type": "Tick", "data": {"n": 1}},
        {"type": "Tick", "value": {"n": 1}, "qualified_name": "gone.Tick"},
        {"qualified_name": TICK, "value": {"n": 1}},
        '{"type": "Tick", "data": {"n": 1}}',
    ],
)
@pytest.mark.parametrize("explicit", [None, StartEvent])
def test_server_reads_every_form_of_an_envelope(data: Any, explicit: type[Event] | None) -> None:
    assert EventEnvelope.model_validate(data).value == {"n": 1}
    if explicit is None or "data" not in data:  # else these are bare fields
        assert EventEnvelope.parse(data, REGISTRY, explicit) == Tick(n=1)


@pytest.mark.parametrize("data", [{"name": "Ada"}, {"type": "T", "name": "Ada"}, '{"name": "Ada"}'])
def test_server_reads_bare_fields_as_the_explicit_event(data: Any) -> None:
    event = EventEnvelope.parse(data, explicit_event=GreetStart)
    assert isinstance(event, GreetStart)
    assert event.name == "Ada"


def test_server_prefers_registered_class_to_explicit_event() -> None:
    registered = type("GreetStart", (StartEvent,), {"__module__": "elsewhere"})
    event = EventEnvelope.parse({"name": "Ada"}, {"GreetStart": registered}, GreetStart)
    assert type(event) is registered


@pytest.mark.parametrize(
    ("data", "registry", "words"),
    [
        ({"type": "No", "value": {}}, REGISTRY, r"type: No\. Expected one of Tick, GreetStart"),
        ({"type": "No", "value": {}}, {}, r"type: No\. No event types are registered"),
        ({"value": {}}, REGISTRY, "must name its type"),
        ({"type": "Tick"}, REGISTRY, "Failed to deserialize event"),
        ({"type": "Tick", "value": {"n": "x"}}, REGISTRY, "Failed to deserialize event"),
        ({"qualified_name": "os.system", "value": {}}, REGISTRY, "not declared by this workflow"),
        ({"qualified_name": "this.X", "value": {}}, {}, "not declared by this workflow"),
        ({"qualified_name": TICK, "value": {"n": 1}}, {}, "not declared by this workflow"),
        ({"qualified_name": TICK, "value": {"n": 1}}, None, "not declared by this workflow"),
        ({"qualified_name": "workflows.events.StopEvent", "value": {}}, REGISTRY, "not declared"),
        ([], REGISTRY, "JSON object"),
        ("{", REGISTRY, "JSON object"),
        ("5", REGISTRY, "JSON object"),
    ],
)
def test_server_rejects_what_is_not_declared(data: Any, registry: Any, words: str) -> None:
    with pytest.raises(EventValidationError, match=words):
        EventEnvelope.parse(data, registry)
    assert "this" not in sys.modules


def test_server_rejects_envelope_without_value() -> None:
    data = {"type": "GreetStart", "qualified_name": "m.GreetStart"}
    with pytest.raises(EventValidationError, match="Failed to deserialize event"):
        EventEnvelope.parse(data, explicit_event=GreetStart)


def test_serializer_resolves_names_beyond_the_registry() -> None:
    data = {"qualified_name": TICK, "value": {"n": 1}}
    assert EventEnvelope.parse(data, serializer=JsonSerializer()) == Tick(n=1)
    data = {"qualified_name": "pathlib.Path", "value": {}}
    with pytest.raises(EventValidationError, match="not an Event subclass"):
        EventEnvelope.parse(data, serializer=JsonSerializer())


def test_envelope_from_event_has_its_class_name() -> None:
    sent = EventEnvelope.from_event(Tick(n=1)).model_dump(exclude_none=True)
    assert sent == {"type": "Tick", "value": {"n": 1, "text": ""}}


def test_envelope_from_event_can_omit_qualified_name() -> None:
    written = EventEnvelopeWithMetadata.from_event(OutEvent(output="x"), False)
    assert written.qualified_name is None
    assert (written.type, written.types) == ("OutEvent", ["StopEvent"])
