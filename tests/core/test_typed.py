"""Classes of schemas: which types, which names, and what is shared."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any, Literal

import pytest
from llama_agents.client import EventEnvelopeWithMetadata, EventTypes, EventValidationError
from llama_agents.client._events import builder
from llama_agents.client._events.schema import EventDeclaration, SchemaError, declared_events
from llama_agents.client.typed import SparseModel
from pydantic import BaseModel, ValidationError
from workflows.events import Event, InputRequiredEvent, StopEvent, WorkflowFailedEvent

DEFS = {
    "Color": {"enum": ["red", "dark blue", "1", ""], "title": "Color", "type": "string"},
    "Number": {"enum": [1, 2], "title": "Number"},
    "Mixed": {"enum": ["a", 1, None]},
    "One": {"const": "only", "title": "One"},
    "Part": {"properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}}},
    "Names": {"type": "array", "items": {"type": "string"}},
    "Json": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/Json"}}]},
    "a~/b": {"properties": {}, "title": "no name"},
}


def schema(**properties: Any) -> dict[str, Any]:
    return {"$defs": DEFS, "properties": properties, "title": "E", "type": "object"}


def made(*events: tuple[str, tuple[str, ...], Any]) -> EventTypes:
    return builder.event_types([EventDeclaration(*event) for event in events])


def made_of(**properties: Any) -> Any:
    body = schema(**properties)
    return made(("E", (), {**body, "required": [*properties]}))["E"]


TYPES: list[tuple[Any, Any]] = [
    ({"type": "string"}, str),
    ({"type": "integer"}, int),
    ({"type": "number"}, float),
    ({"type": "boolean"}, bool),
    ({"type": "null"}, type(None)),
    ({"type": "string", "format": "date-time"}, datetime.datetime),
    ({"type": "string", "format": "date"}, datetime.date),
    ({"type": "string", "format": "time"}, datetime.time),
    ({"type": "string", "format": "duration"}, datetime.timedelta),
    ({"type": "string", "format": "uuid"}, uuid.UUID),
    ({"type": "string", "format": "binary"}, bytes),
    ({"type": "string", "format": "uri"}, str),
    ({"type": "string", "pattern": r"^(?!x)"}, str),  # which pydantic's engine cannot match
    ({"type": "array", "items": {"type": "integer"}}, list[int]),
    ({"type": "array"}, list[Any]),
    ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, set[int]),
    (
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {}],
            "minItems": 2,
            "maxItems": 2,
        },
        tuple[int, Any],
    ),
    ({"type": "array", "prefixItems": [{"type": "integer"}]}, list[Any]),
    ({"type": "object"}, dict[str, Any]),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, dict[str, int]),
    ({"type": "object", "additionalProperties": True}, dict[str, Any]),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, int | None),
    ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, int | str),
    ({"type": ["integer", "null"]}, int | None),
    ({"anyOf": [{"type": "integer"}, {"type": "integer", "title": "T"}]}, int),
    ({"anyOf": [{"type": "integer"}, {}]}, Any),
    ({"allOf": [{"type": "integer"}]}, int),
    ({"allOf": [{"type": "integer"}, {"minimum": 1}]}, Any),
    ({"const": "a"}, Literal["a"]),
    ({"enum": ["a", 1, None]}, Literal["a", 1, None]),
    ({"enum": [1.5]}, Any),
    ({"$ref": "#/$defs/Names"}, list[str]),
    ({"$ref": "#/$defs/Json"}, str | list[Any]),
    ({}, Any),
    (True, Any),
    ({"description": "what it is"}, Any),
]


@pytest.mark.parametrize(("of", "expected"), TYPES, ids=repr)
def test_schema_makes_type(of: Any, expected: Any) -> None:
    assert made_of(field=of).model_fields["field"].annotation == expected


BOUNDS = [
    ({"type": "integer", "minimum": 1, "maximum": 3}, [1, 3], [0, 4]),
    ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, [1.5], [1, 2]),
    ({"type": "integer", "multipleOf": 5}, [10], [11]),
    ({"type": "string", "minLength": 1, "maxLength": 2}, ["a"], ["", "aaa"]),
    ({"type": "string", "pattern": "^a+$"}, ["aa"], ["b"]),
    ({"type": "array", "minItems": 1, "maxItems": 2}, [[1]], [[], [1, 2, 3]]),
    ({"type": "array", "items": {"type": "integer", "minimum": 1}}, [[1]], [[0]]),
    ({"type": "integer", "minimum": "broken", "multipleOf": 0}, [0, 7], []),
]


@pytest.mark.parametrize(("of", "right", "wrong"), BOUNDS, ids=repr)
def test_bounds_hold(of: Any, right: list[Any], wrong: list[Any]) -> None:
    event = made_of(field=of)
    for value in right:
        assert event(field=value).field == value
    for value in wrong:
        with pytest.raises(ValidationError, match="field"):
            event(field=value)


def test_enumerations_have_members_that_can_be_named() -> None:
    names = ("Color", "Number", "Mixed", "One")
    event = made_of(**{name: {"$ref": f"#/$defs/{name}"} for name in names})
    classes = {name: event.model_fields[name].annotation for name in names}
    assert [*classes["Color"].__members__] == ["RED", "DARK_BLUE", "VALUE_1", "VALUE"]
    assert issubclass(classes["Color"], enum.StrEnum)
    assert issubclass(classes["Number"], enum.IntEnum)
    assert [member.value for member in classes["Mixed"]] == ["a", 1, None]
    assert classes["One"].ONLY == "only"


def test_defaults_are_of_their_types() -> None:
    properties = {
        "color": {"$ref": "#/$defs/Color", "default": "red"},
        "at": {"type": "string", "format": "date", "default": "2026-01-02"},
        "part": {"$ref": "#/$defs/Part", "default": {"parts": []}},
    }
    event: Any = made(("E", (), schema(**properties)))["E"]()
    assert event.color.name == "RED"
    assert event.at == datetime.date(2026, 1, 2)
    assert event.part.parts == []


def test_what_only_the_server_knows_is_left_out() -> None:
    properties = {"tags": {"type": "array"}, "note": {"type": "string", "default": "n"}}
    event: Any = made(("E", ("StopEvent",), schema(**properties)))["E"]
    assert (event().tags, event().note) == (None, "n")
    assert event().model_dump() == {"note": "n"}
    assert event(tags=[]).model_dump() == {"note": "n", "tags": []}
    assert event(result=5).model_dump() == {"note": "n", "result": 5}
    event = made(("E", ("StartEvent",), schema(**properties)))["E"]
    assert event(extra=1).model_dump() == {"note": "n", "_data": {"extra": 1}}


def test_field_that_cannot_be_named_stays_dynamic() -> None:
    event = made_of(**{"a-b": {"type": "integer"}, "_c": {}, "class": {}, "d": {}})
    assert [*event.model_fields] == ["d"]


def test_field_named_as_a_method_is_a_field() -> None:
    event = made_of(items={"type": "integer"}, copy={"type": "integer"}, default={}, enum={})
    made_event = event(items=1, copy=2, default=3, enum=4)
    assert made_event.model_dump() == {"items": 1, "copy": 2, "default": 3, "enum": 4}


def test_nested_model_keeps_the_names_of_the_wire() -> None:
    nested = {
        "type": "object",
        "properties": {"a-b": {}, "a_b": {}, "class": {}, "_c": {}, "9": {}},
    }
    body = schema(field={"$ref": "#/$defs/Nested"})
    event: Any = made(("E", (), {**body, "$defs": {"Nested": nested}}))["E"]
    value = {"a-b": 1, "a_b": 2, "class": 3, "_c": 4, "9": 5}
    read = event(field=value)
    assert read.model_dump(mode="json") == {"field": value}
    assert (read.field.a_b2, read.field.class_, read.field.c, read.field.field_9) == (1, 3, 4, 5)


@pytest.mark.parametrize(("extra", "kept"), [(True, True), (None, False)])
def test_nested_model_takes_what_its_schema_allows(extra: bool | None, kept: bool) -> None:
    nested: dict[str, Any] = {"properties": {}}
    if extra is not None:
        nested["additionalProperties"] = extra
    event: Any = made(
        ("E", (), {"$defs": {"N": nested}, "properties": {"f": {"$ref": "#/$defs/N"}}})
    )["E"]
    assert hasattr(event(f={"x": 1}).f, "x") is kept
    nested["additionalProperties"] = False
    event = made(("E", (), {"$defs": {"N": nested}, "properties": {"f": {"$ref": "#/$defs/N"}}}))[
        "E"
    ]
    with pytest.raises(ValidationError, match="Extra inputs"):
        event(f={"x": 1})


# ------------------------------------------------------------------- names and bases


def nested(key: str, **properties: Any) -> dict[str, Any]:
    return {
        "$defs": {key: {"title": "Same", "type": "object", "properties": properties}},
        "properties": {"field": {"$ref": f"#/$defs/{key}"}},
    }


def field_class(types: EventTypes, name: str) -> Any:
    annotation = types[name].model_fields["field"].annotation
    return annotation.__args__[0] if annotation is not None else None  # of "... | None"


def test_same_nested_model_is_one_class() -> None:
    text, number = {"type": "string"}, {"type": "integer"}
    types = made(
        ("A", (), nested("Same", x=text)),
        ("B", (), nested("other__Same", x=text)),
        ("C", (), nested("Same", x=number)),
    )
    one, same, other = (field_class(types, name) for name in "ABC")
    assert one is same
    assert one is not other
    assert (one.__name__, other.__name__) == ("Same", "Same2")


def test_nested_models_that_differ_further_down_are_two() -> None:
    def body(inner: str) -> dict[str, Any]:
        made_body = nested("Same", x={"$ref": "#/$defs/Inner"})
        made_body["$defs"]["Inner"] = {"properties": {"y": {"type": inner}}}
        return made_body

    types = made(("A", (), body("string")), ("B", (), body("integer")), ("C", (), body("string")))
    assert field_class(types, "A") is field_class(types, "C")
    assert field_class(types, "A") is not field_class(types, "B")


UNFIT = ["E", "StopEvent", "Any", "copy", "model_config"]


def test_nested_model_is_named_as_no_event_and_no_type() -> None:
    body = {
        "$defs": {name: {"title": name, "properties": {}} for name in UNFIT},
        "properties": {f"of_{name}": {"$ref": f"#/$defs/{name}"} for name in UNFIT},
        "required": [f"of_{name}" for name in UNFIT],
    }
    event = made(("E", (), body))["E"]
    names = [field.annotation.__name__ for field in event.model_fields.values() if field.annotation]
    assert names == [f"{name}2" for name in UNFIT]


def test_event_that_refers_to_itself_is_one_class() -> None:
    body = {"properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}
    body |= {"title": "Node", "type": "object"}
    event: Any = made(("Node", (), {"$defs": {"Node": body}, "$ref": "#/$defs/Node"}))["Node"]
    assert issubclass(event, Event)
    assert type(event(next={"next": None}).next) is event
    assert declared_events([{"$defs": {"Node": body}, "$ref": "#/$defs/Node"}])[0].name == "Node"


def test_bases_are_the_nearest_that_are_known() -> None:
    types = made(
        ("Both", ("A", "Unknown", "B", "InputRequiredEvent"), {"properties": {}}),
        ("A", ("B", "InputRequiredEvent"), {"properties": {}}),
        ("B", ("InputRequiredEvent",), {"properties": {}}),
        ("Failed", ("WorkflowFailedEvent", "StopEvent"), WorkflowFailedEvent.model_json_schema()),
    )
    assert types["Both"].__bases__ == (types["A"],)
    assert types["A"].__bases__ == (types["B"],)
    assert types["B"].__bases__ == (InputRequiredEvent,)
    assert types["Failed"].__bases__ == (WorkflowFailedEvent,)
    exception = types["Failed"].model_fields["exception"].annotation
    assert exception is WorkflowFailedEvent.model_fields["exception"].annotation


def test_field_is_overridden_as_the_schema_says() -> None:
    text = {"type": "string"}
    types = made(
        ("A", ("B",), {"properties": {"kind": {"const": "a", "default": "a"}, "x": text}}),
        ("B", (), {"properties": {"kind": text, "x": text}, "required": ["kind"]}),
    )
    event: Any = types["A"]
    assert event.__annotations__.keys() == {"kind"}
    assert event().kind == "a"


@pytest.mark.parametrize(
    "events",
    [
        [("A", ("B",), {}), ("B", ("A",), {})],
        [("A", (), {}), ("A", (), {})],
        [("no name", (), {})],
        [("None", (), {})],
        [
            ("A", (), {}),
            ("B", (), {}),
            ("X", ("A", "B"), {}),
            ("Y", ("B", "A"), {}),
            ("Z", ("X", "Y", "A", "B"), {}),
        ],
    ],
    ids=repr,
)
def test_events_that_cannot_be_classes_are_an_error(events: Any) -> None:
    with pytest.raises(SchemaError):
        made(*events)


def test_schema_that_grows_without_end_is_refused() -> None:
    twice = {
        f"A{at}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/A{at + 1}"}] * 2}
        | {"minItems": 2, "maxItems": 2}
        for at in range(60)
    }
    body = {"$defs": {**twice, "A60": {}}, "properties": {"a": {"$ref": "#/$defs/A0"}}}
    with pytest.raises(SchemaError, match="more than 20000 types"):
        made(("E", (), body))


# ------------------------------------------------------------------- the registry


def test_registry_gives_classes_by_place_and_name() -> None:
    types = made(("A", (), {}), ("StopEvent", (), {}), ("B", (), {}))
    assert [*types] == [types["A"], StopEvent, types["B"]]
    assert types[-1] is types["B"]
    assert types[1:] == (StopEvent, types["B"])
    assert len(types) == 3
    assert "A" in types
    assert StopEvent in types
    assert "C" not in types
    assert [] not in types
    assert repr(types) == "EventTypes(A, StopEvent, B)"
    assert types.names == ("A", "StopEvent", "B")
    with pytest.raises(KeyError, match="no event 'C'; the workflow has A, StopEvent, B"):
        types["C"]


def test_registry_loads_what_is_in_it_alone() -> None:
    types = made(("A", (), {"properties": {"n": {"type": "integer"}}, "required": ["n"]}))
    envelope = EventEnvelopeWithMetadata(value={"n": 1}, type="A", qualified_name="theirs.A")
    assert type(envelope.load_event(types)) is types["A"]
    for other in ({"type": "B"}, {"value": {}}, {"value": {"n": "x"}}):
        with pytest.raises(EventValidationError):
            envelope.model_copy(update=other).load_event(types)


def test_sparse_model_is_written_by_its_aliases() -> None:
    assert issubclass(SparseModel, BaseModel)
    assert SparseModel().model_dump() == {}


def test_start_event_without_a_class_name_is_checked() -> None:
    body = {"title": "The start", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    builder.check_start(body, [{"n": 1}], "w")
    with pytest.raises(EventValidationError, match="'w' is not a valid Start: n: Field required"):
        builder.check_start(body, [{}], "w")
    with pytest.raises(EventValidationError, match="Input should be a valid dictionary"):
        builder.check_start(body, [{"value": 5, "type": "Start"}], "w")


def test_sparse_events_derive_from_each_other() -> None:
    left_out = {"properties": {"x": {"type": "integer"}}}
    types = made(
        ("A", (), left_out),
        ("B", ("A", "StopEvent"), {"properties": {"y": {"type": "integer"}}}),
        ("C", ("D", "A"), {"properties": {"z": {"type": "integer"}}}),
        ("D", (), {"properties": {}}),
    )
    for name in "ABC":
        assert types[name]().model_dump() == {}
    assert types["B"](result=1).model_dump() == {"result": 1}
