"""The models that client and server exchange."""

from __future__ import annotations

import copy
import json
import operator
import pickle
import sys
import warnings
from typing import Any

import pytest
from llama_agents.client import EventEnvelopeWithMetadata, EventValidationError, HandlerData
from llama_agents.client.protocol import (
    CancelHandlerResponse,
    HandlersListResponse,
    HealthResponse,
    ResultEnvelope,
    SendEventResponse,
    is_status_completed,
)
from llama_agents.client.protocol.serializable_events import EventEnvelope
from pydantic import BaseModel, TypeAdapter
from workflows.context.serializers import JsonSerializer
from workflows.events import StartEvent, StopEvent

from ..support.workflows import GreetStart, OutEvent, Tick

ENVELOPE = EventEnvelopeWithMetadata.from_event(OutEvent(output="x"))


def handler(**fields: Any) -> HandlerData:
    given = {"handler_id": "h", "workflow_name": "w", "status": "completed", "started_at": "t"}
    return HandlerData.model_validate({**given, "result": ENVELOPE, **fields})


def result(**fields: Any) -> ResultEnvelope:
    found = handler(**fields).result
    assert found is not None
    return found


# ------------------------------------------------------------------- a result


def test_result_is_a_dict_of_the_fields() -> None:
    assert result() == {"output": "x"}
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


def test_result_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = result().nothing
    assert not hasattr(result(), "__deepcopy__")


def test_result_without_fields_is_true() -> None:
    assert result(result=EventEnvelopeWithMetadata.from_event(StopEvent()))


def test_result_equals_its_envelope_both_ways() -> None:
    assert result() == ENVELOPE
    assert result() == ENVELOPE
    assert result() == result()
    changed = ENVELOPE.model_copy(update={"type": "Other"})
    assert result() != changed
    assert changed != result()
    assert result() != {"output": "y"}


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_result_can_be_copied(duplicate: Any) -> None:
    again = duplicate(handler())
    assert again == handler()
    assert again.result.type == "OutEvent"
    assert duplicate(result()).type == "OutEvent"


def test_handler_survives_json() -> None:
    again = HandlerData.model_validate_json(handler().model_dump_json())
    assert again == handler()
    assert handler().model_dump()["result"] == ENVELOPE.model_dump()


def test_result_fits_where_an_envelope_is_asked_for() -> None:
    class Relay(BaseModel):
        envelope: EventEnvelopeWithMetadata

    relay = Relay(envelope=result())
    assert type(relay.envelope) is EventEnvelopeWithMetadata
    assert Relay.model_validate_json(relay.model_dump_json()) == relay


def test_schema_of_a_result_is_that_of_the_envelope() -> None:
    schema = HandlerData.model_json_schema()["properties"]["result"]["anyOf"][0]
    assert schema["title"] == "EventEnvelopeWithMetadata"
    assert set(schema["properties"]) == {"value", "type", "types", "qualified_name"}


# ------------------------------------------------------------------- other servers


def test_unknown_status_is_passed_on() -> None:
    listed = HandlersListResponse.model_validate(
        {"handlers": [handler(status="paused").model_dump(), handler().model_dump()]}
    )
    assert [found.status for found in listed.handlers] == ["paused", "completed"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert '"paused"' in listed.model_dump_json()


def test_status_that_is_no_word_is_refused() -> None:
    with pytest.raises(ValueError, match="status"):
        handler(status=5)


def test_unknown_fields_are_ignored_and_nullable_ones_may_be_missing() -> None:
    found = HandlerData.model_validate(
        {"handler_id": "h", "workflow_name": "w", "status": "running", "started_at": "t", "new": 1}
    )
    assert (found.result, found.error, found.result_unreadable) == (None, None, False)


@pytest.mark.parametrize(
    ("status", "expected"),
    [("running", False), ("completed", True), ("failed", True), ("cancelled", True), ("x", False)],
)
def test_status_tells_whether_the_run_has_ended(status: str, expected: bool) -> None:
    assert is_status_completed(status) is expected


# ------------------------------------------------------------------- what the server reads


REGISTRY = {"Tick": Tick, "GreetStart": GreetStart}


@pytest.mark.parametrize(
    "data",
    [
        {"type": "Tick", "value": {"n": 1}},
        {"type": "Tick", "data": {"n": 1}},
        {"type": "Tick", "value": {"n": 1}, "qualified_name": "gone.Tick"},
        {"qualified_name": f"{Tick.__module__}.Tick", "value": {"n": 1}},
        json.dumps({"type": "Tick", "value": {"n": 1}}),
    ],
)
def test_server_reads_every_form_of_an_event(data: Any) -> None:
    if "data" in data and isinstance(data, dict):
        assert EventEnvelope.model_validate(data).value == {"n": 1}
    assert EventEnvelope.parse(data, REGISTRY) == Tick(n=1)


@pytest.mark.parametrize("data", [{"name": "Ada"}, {"type": "T", "name": "Ada"}, '{"name": "Ada"}'])
def test_server_reads_bare_fields_of_an_explicit_event(data: Any) -> None:
    event = EventEnvelope.parse(data, explicit_event=GreetStart)
    assert isinstance(event, GreetStart)
    assert event.name == "Ada"


def test_server_reads_an_envelope_although_an_event_is_explicit() -> None:
    event = EventEnvelope.parse({"type": "Tick", "value": {"n": 1}}, REGISTRY, StartEvent)
    assert event == Tick(n=1)


@pytest.mark.parametrize(
    ("data", "registry", "words"),
    [
        ({"type": "No", "value": {}}, REGISTRY, r"type: No\. Expected one of Tick, GreetStart"),
        ({"type": "No", "value": {}}, {}, r"type: No\. No event types are registered"),
        ({"value": {}}, REGISTRY, "must name its type"),
        ({"type": "Tick"}, REGISTRY, "Failed to deserialize event"),
        ({"type": "Tick", "value": {"n": "x"}}, REGISTRY, "Failed to deserialize event"),
        ({"qualified_name": "os.system", "value": {}}, REGISTRY, "not declared by this workflow"),
        ({"qualified_name": "gone.X", "value": {}}, {}, "not declared by this workflow"),
        ({"qualified_name": "workflows.events.StopEvent", "value": {}}, REGISTRY, "not declared"),
        ([], REGISTRY, "JSON object"),
        ("{", REGISTRY, "JSON object"),
        ("5", REGISTRY, "JSON object"),
    ],
)
def test_server_refuses_what_is_not_declared(data: Any, registry: Any, words: str) -> None:
    with pytest.raises(EventValidationError, match=words):
        EventEnvelope.parse(data, registry)


def test_server_never_imports_what_a_client_names() -> None:
    with pytest.raises(EventValidationError):
        EventEnvelope.parse({"qualified_name": "this.X", "value": {}}, {})
    assert "this" not in sys.modules


def test_serializer_may_resolve_other_names() -> None:
    data = {"qualified_name": f"{Tick.__module__}.Tick", "value": {"n": 1}}
    assert EventEnvelope.parse(data, serializer=JsonSerializer()) == Tick(n=1)
    with pytest.raises(EventValidationError, match="not an Event subclass"):
        EventEnvelope.parse(
            {"qualified_name": "pathlib.Path", "value": {}}, serializer=JsonSerializer()
        )


def test_event_is_wrapped_for_sending_with_its_class_name() -> None:
    assert EventEnvelope.from_event(Tick(n=1)).model_dump(exclude_none=True) == {
        "type": "Tick",
        "value": {"n": 1, "text": ""},
    }


@pytest.mark.parametrize("registry", [None, {}])
def test_server_without_a_registry_resolves_only_the_frameworks_events(registry: Any) -> None:
    data = {"qualified_name": f"{Tick.__module__}.Tick", "value": {"n": 1}}
    with pytest.raises(EventValidationError, match="not declared by this workflow"):
        EventEnvelope.parse(data, registry)


# ------------------------------------------------------------------- a result in other hands


class Holder(BaseModel):
    envelope: EventEnvelopeWithMetadata


def test_result_that_was_assigned_to_an_envelope_field_is_written_whole() -> None:
    holder = Holder(envelope=ENVELOPE)
    holder.envelope = result()
    assert holder.model_dump() == {"envelope": ENVELOPE.model_dump()}
    assert json.loads(holder.model_dump_json()) == {"envelope": ENVELOPE.model_dump()}


def test_results_in_a_list_of_envelopes_are_written_whole() -> None:
    written = TypeAdapter(list[EventEnvelopeWithMetadata]).dump_python([result()])
    assert written == [ENVELOPE.model_dump()]


def test_parts_of_a_result_can_be_left_out_of_a_dump() -> None:
    kept = handler().model_dump(exclude={"result": {"qualified_name", "types"}})["result"]
    assert kept == {"value": {"output": "x"}, "type": "OutEvent"}


def test_only_parts_of_a_result_can_be_dumped() -> None:
    assert handler().model_dump(include={"result": {"type"}}) == {"result": {"type": "OutEvent"}}


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_schema_of_a_handler_is_the_same_in_both_directions(mode: Any) -> None:
    schema = HandlerData.model_json_schema(mode=mode)["properties"]["result"]["anyOf"]
    assert [part.get("title", part.get("type")) for part in schema] == [
        "EventEnvelopeWithMetadata",
        "null",
    ]


def test_handler_with_a_result_is_validated_strictly_from_json() -> None:
    text = handler().model_dump_json()
    assert HandlerData.model_validate_json(text, strict=True) == handler()


def test_results_with_the_same_fields_and_other_types_differ() -> None:
    changed = result(result=ENVELOPE.model_copy(update={"type": "Other"}))
    assert changed != result()
    assert not operator.eq(changed, result())
    assert not operator.ne(result(), ENVELOPE)


def test_half_made_result_has_no_envelope() -> None:
    """As a copier makes it, before its state is there."""
    assert not hasattr(ResultEnvelope.__new__(ResultEnvelope), "envelope")


@pytest.mark.parametrize("model", [HealthResponse, SendEventResponse, CancelHandlerResponse])
def test_unknown_word_of_a_newer_server_is_passed_on(model: type[BaseModel]) -> None:
    assert model.model_validate({"status": "paused"}).model_dump_json() == '{"status":"paused"}'


def test_qualified_name_can_be_left_out() -> None:
    written = EventEnvelopeWithMetadata.from_event(OutEvent(output="x"), False)
    assert written.qualified_name is None
    assert (written.type, written.types) == ("OutEvent", ["StopEvent"])


def test_envelope_is_validated_from_json_text() -> None:
    text = '{"type": "Tick", "data": {"n": 1}}'
    assert EventEnvelope.model_validate(text).value == {"n": 1}


def test_server_takes_two_names_without_a_value_for_an_envelope() -> None:
    data = {"type": "GreetStart", "qualified_name": "m.GreetStart"}
    with pytest.raises(EventValidationError, match="Failed to deserialize event"):
        EventEnvelope.parse(data, explicit_event=GreetStart)


def test_registry_goes_before_the_explicit_event_of_its_name() -> None:
    registered = type("GreetStart", (StartEvent,), {"__module__": "elsewhere"})
    event = EventEnvelope.parse({"name": "Ada"}, {"GreetStart": registered}, GreetStart)
    assert type(event) is registered
