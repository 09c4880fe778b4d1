"""Classes built from schemas: their types, their names, and what they share."""

from __future__ import annotations

import datetime
import enum
import tracemalloc
import uuid
from typing import Any, Final, Literal

import pytest
from llama_agents.client import EventEnvelopeWithMetadata, EventTypes, EventValidationError
from llama_agents.client._events import builder
from llama_agents.client._events.builder import check_start, event_types
from llama_agents.client._events.limits import MAX_PATTERN_COST, pattern_cost
from llama_agents.client._events.schema import EventDeclaration, SchemaError, declared_events
from llama_agents.client._events.source import write_source
from pydantic import ValidationError
from workflows.events import Event, InputRequiredEvent, StopEvent, WorkflowFailedEvent

DEFS: Final = {
    "Color": {"enum": ["red", "dark blue", "1", ""], "title": "Color", "type": "string"},
    "Number": {"enum": [1, 2], "title": "Number"},
    "Mixed": {"enum": ["a", 1, None]},
    "One": {"const": "only", "title": "One"},
    "Part": {"properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}}},
    "Id": {"type": "string", "minLength": 2},
    "Infinite": {"enum": [float("inf")]},
    "Names": {"type": "array", "items": {"type": "string"}},
    "Json": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/Json"}}]},
    "a~/b": {"properties": {}, "title": "no name"},
}
TEXT: Final = {"type": "string"}
INTEGER: Final = {"type": "integer"}


def build(*events: tuple[str, tuple[str, ...], Any]) -> EventTypes:
    return event_types([EventDeclaration(*event) for event in events])


def build_event(
    properties: dict[str, Any], defs: Any = DEFS, bases: tuple[str, ...] = (), **more: Any
) -> Any:
    """Build one event; its fields are required unless ``required`` says otherwise."""
    schema = {"$defs": defs, "properties": properties, "required": [*properties], **more}
    return build(("E", bases, schema))["E"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (TEXT, str),
        (INTEGER, int),
        ({"type": "number"}, float),
        ({"type": "boolean"}, bool),
        ({"type": "null"}, type(None)),
        ({**TEXT, "format": "date-time"}, datetime.datetime),
        ({**TEXT, "format": "date"}, datetime.date),
        ({**TEXT, "format": "time"}, datetime.time),
        ({**TEXT, "format": "duration"}, datetime.timedelta),
        ({**TEXT, "format": "uuid"}, uuid.UUID),
        ({**TEXT, "format": "binary"}, bytes),
        ({**TEXT, "format": "uri"}, str),
        ({**TEXT, "pattern": r"^(?!x)"}, str),  # pydantic's engine lacks look-ahead
        ({"type": "array", "items": INTEGER}, list[int]),
        ({"type": "array"}, list[Any]),
        ({"type": "array", "items": INTEGER, "uniqueItems": True}, set[int]),
        (
            {"type": "array", "prefixItems": [INTEGER, {}], "minItems": 2, "maxItems": 2},
            tuple[int, Any],
        ),
        ({"type": "array", "prefixItems": [INTEGER]}, list[Any]),
        (
            {"type": "array", "prefixItems": [INTEGER, TEXT], "minItems": 1, "maxItems": 2},
            tuple[int] | tuple[int, str],
        ),
        ({"type": "array", "prefixItems": [INTEGER], "maxItems": 1}, tuple[()] | tuple[int]),
        ({"type": "array", "prefixItems": [{}] * 11, "maxItems": 11}, list[Any]),
        ({"type": "object"}, dict[str, Any]),
        ({"type": "object", "additionalProperties": INTEGER}, dict[str, int]),
        ({"type": "object", "additionalProperties": True}, dict[str, Any]),
        (
            {"type": "object", "propertyNames": {"enum": ["a"]}, "additionalProperties": INTEGER},
            dict[Literal["a"], int],
        ),
        ({"type": "object", "propertyNames": {"format": "uuid"}}, dict[uuid.UUID, Any]),
        ({"type": "object", "propertyNames": {"type": "array"}}, dict[str, Any]),
        ({"type": "object", "propertyNames": {"$ref": "#/$defs/Id"}}, dict[str, Any]),
        ({"type": "object", "propertyNames": {"$ref": "#/$defs/Number"}}, dict[str, Any]),  # flags
        ({"type": "object", "patternProperties": {r"^(?!x)": INTEGER}}, dict[str, int]),
        ({"anyOf": [INTEGER, {"type": "null"}]}, int | None),
        ({"oneOf": [INTEGER, TEXT]}, int | str),
        ({"type": ["integer", "null"]}, int | None),
        ({"anyOf": [INTEGER, {**INTEGER, "title": "T"}]}, int),
        ({"anyOf": [INTEGER, {}]}, Any),
        ({"allOf": [INTEGER]}, int),
        ({"allOf": [INTEGER, {"minimum": 1}]}, Any),
        ({"const": "a"}, Literal["a"]),
        ({"enum": ["a", 1, None]}, Literal["a", 1, None]),
        ({"enum": [1.5]}, Any),
        ({"$ref": "#/$defs/Names"}, list[str]),
        ({"$ref": "#/$defs/Infinite"}, Any),  # JSON cannot represent it
        ({"$ref": "#/$defs/Json"}, str | list[Any]),
        ({}, Any),
        (True, Any),
        ({"description": "what it is"}, Any),
    ],
    ids=repr,
)
def test_schema_becomes_type(schema: Any, expected: Any) -> None:
    assert build_event({"field": schema}).model_fields["field"].annotation == expected


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({**INTEGER, "minimum": 1, "maximum": 3}, [1, 3], [0, 4]),
        ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, [1.5], [1, 2]),
        ({**INTEGER, "multipleOf": 5}, [10], [11]),
        ({**TEXT, "minLength": 1, "maxLength": 2}, ["a"], ["", "aaa"]),
        ({**TEXT, "pattern": "^a+$"}, ["aa"], ["b"]),
        ({"type": "array", "minItems": 1, "maxItems": 2}, [[1]], [[], [1, 2, 3]]),
        ({"type": "array", "items": {**INTEGER, "minimum": 1}}, [[1]], [[0]]),
        ({"type": "object", "patternProperties": {"a": {}}}, [{"xa": 1}], [{"xa": 1, "b": 1}]),
        (
            {"type": "object", "patternProperties": {"a": {}}, "additionalProperties": {}},
            [{"b": 1}],
            [],
        ),
        (
            {"type": "object", "patternProperties": {"a": {}}, "properties": {"b": {}}},
            [{"b": 1}],
            [],
        ),
        ({**INTEGER, "minimum": "broken", "multipleOf": 0}, [0, 7], []),
    ],
    ids=repr,
)
def test_constraints_are_enforced(schema: Any, valid: list[Any], invalid: list[Any]) -> None:
    event = build_event({"field": schema})
    for value in valid:
        assert event(field=value).field == value
    for value in invalid:
        with pytest.raises(ValidationError, match="field"):
            event(field=value)


def test_enumeration_members_have_valid_names() -> None:
    names = ("Color", "Number", "Mixed", "One")
    event = build_event({name: {"$ref": f"#/$defs/{name}"} for name in names})
    classes = {name: event.model_fields[name].annotation for name in names}
    assert [*classes["Color"].__members__] == ["RED", "DARK_BLUE", "VALUE_1", "VALUE"]
    assert issubclass(classes["Color"], enum.StrEnum)
    assert issubclass(classes["Number"], enum.IntFlag)  # it may be one: 3 is 1 and 2
    assert [member.value for member in classes["Mixed"]] == ["a", 1, None]
    assert classes["One"].ONLY == "only"


def test_defaults_are_converted_to_their_types() -> None:
    properties = {
        "color": {"$ref": "#/$defs/Color", "default": "red"},
        "at": {**TEXT, "format": "date", "default": "2026-01-02"},
        "part": {"$ref": "#/$defs/Part", "default": {"parts": []}},
    }
    event = build_event(properties, required=[])()
    assert event.color.name == "RED"
    assert event.at == datetime.date(2026, 1, 2)
    assert event.part.parts == []


def test_default_without_end_is_not_validated_and_not_sent() -> None:
    """As in ``next: Node = {}``, which the server does not validate either."""
    ref = {"$ref": "#/$defs/Node"}
    node = {"title": "Node", "properties": {"next": {**ref, "default": {}}, "n": INTEGER}}
    types = build(("Node", (), {"$defs": {"Node": node}, **ref}), ("B", (), {}))
    event: Any = types["Node"]
    assert (types.names, event().next, event(n=1).model_dump()) == (("Node", "B"), {}, {"n": 1})
    assert event(next={"n": 2}).next.n == 2


def test_default_that_has_itself_as_its_default_twice_is_left_to_the_server() -> None:
    """Validating it would take 2**255 steps."""
    ref = {"$ref": "#/$defs/Node"}
    fields = {name: {**ref, "default": {}} for name in ("left", "right")}
    node = {"title": "Node", "properties": {**fields, "n": INTEGER}}
    types = build(("Node", (), {"$defs": {"Node": node}, **ref}))
    event: Any = types["Node"](n=1)
    assert event.model_dump() == {"n": 1}
    assert types["Node"](left={"n": 2}).left.n == 2


def test_server_defaults_are_omitted_from_dump() -> None:
    properties = {"tags": {"type": "array"}, "note": {**TEXT, "default": "n"}}
    event = build_event(properties, bases=("StopEvent",), required=[])
    assert (event().tags, event().note) == (None, "n")
    assert event().model_dump() == {"note": "n"}
    assert event(tags=[]).model_dump() == {"note": "n", "tags": []}
    assert event(result=5).model_dump() == {"note": "n", "result": 5}
    event = build_event(properties, bases=("StartEvent",), required=[])
    assert event(extra=1).model_dump() == {"note": "n", "_data": {"extra": 1}}


def test_server_defaults_are_omitted_through_inheritance() -> None:
    types = build(
        ("A", (), {"properties": {"x": INTEGER}}),
        ("B", ("A", "StopEvent"), {"properties": {"y": INTEGER}}),
        ("C", ("D", "A"), {"properties": {"z": INTEGER}}),
        ("D", (), {"properties": {}}),
    )
    for name in "ABC":
        assert types[name]().model_dump() == {}
    assert types["B"](result=1).model_dump() == {"result": 1}


def test_field_is_sent_under_the_name_under_which_it_was_set() -> None:
    """The server reads an event's field under its Python name, which may be that of the schema."""
    properties = {"a-b": INTEGER, "_c": {}, "class": {}, "model_dump": {}, "pageCount": INTEGER}
    event = build_event(properties, required=[])
    assert [*event.model_fields] == ["a_b", "c", "class_", "model_dump_", "pageCount"]
    for fields in (properties, ["a_b", "c", "class_", "model_dump_", "page_count"]):
        made = event(**dict.fromkeys(fields, 1))
        assert [made.a_b, made.c, made.class_, made.model_dump_, made.pageCount] == [1] * 5
        assert made.model_dump() == dict.fromkeys(fields, 1)
    assert event(dynamic=1).model_dump() == {"_data": {"dynamic": 1}}


def test_none_is_kept_apart_from_not_given() -> None:
    nested = {"properties": {"tags": {"type": "array"}}}
    properties = {"tags": {"type": "array"}, "nested": {"$ref": "#/$defs/Nested"}}
    event = build_event(properties, {"Nested": nested}, required=[])
    assert event(nested={}).model_dump() == {"nested": {}}
    nothing = {"tags": None, "nested": {"tags": None}}
    assert event(**nothing).model_dump() == nothing
    read = EventEnvelopeWithMetadata(value=nothing, type="E").load_event([event])
    assert read.model_dump() == nothing


def test_invalid_default_is_not_validated_and_not_sent() -> None:
    """The server does not validate its defaults either, and writes them as they are."""
    defaults = {"name": None, "count": 0, "color": "green"}
    properties = {
        "name": {**TEXT, "default": None},
        "count": {**INTEGER, "minimum": 1, "default": 0},
        "color": {"$ref": "#/$defs/Color", "default": "green"},
    }
    event = build_event(properties, required=[])
    read = EventEnvelopeWithMetadata(value=defaults, type="E").load_event([event])
    for one in (event(), read):
        assert {name: getattr(one, name) for name in defaults} == defaults
        assert one.model_dump() == {}
    with pytest.raises(ValidationError, match="name"):
        event(name=None)


def test_unknown_name_in_what_the_server_wrote_is_matched_by_position() -> None:
    nested = {"properties": {"q": TEXT, "fp": {**TEXT, "default": "?"}, "n": INTEGER}}
    event = build_event({"f": {"$ref": "#/$defs/N"}}, {"N": nested})

    def read(value: dict[str, Any]) -> dict[str, Any]:
        envelope = EventEnvelopeWithMetadata(value={"f": value}, type="E")
        return dict(envelope.load_event([event]).model_dump()["f"])

    assert read({"query": "a", "path": "b", "n": 1}) == {"q": "a", "fp": "b", "n": 1}
    assert read({"query": "a", "path": "b", "n": 1, "computed": 2}) == {"q": "a", "fp": "b", "n": 1}
    # In another order, nothing is known of the names.
    assert read({"n": 1, "query": "a", "path": "b"}) == {"fp": "?", "n": 1}


def test_computed_field_of_the_server_is_read_but_not_sent() -> None:
    event = build_event({"n": INTEGER})
    envelope = EventEnvelopeWithMetadata(value={"n": 2, "double": 4, "_data": {"x": 1}}, type="E")
    read: Any = envelope.load_event([event])
    assert (read.double, read.x) == (4, 1)
    assert read.model_dump() == {"n": 2, "_data": {"x": 1}}


def test_enumeration_of_the_values_1_to_n_is_no_flag() -> None:
    def base_of(*values: int) -> type:
        event = build_event({"a": {"$ref": "#/$defs/X"}}, {"X": {"enum": [*values]}})
        return event.model_fields["a"].annotation.__base__  # type: ignore[no-any-return]

    for values in (1, 2), (0, 1, 2), (0, 1, 2, 4), (1, 2, 4, 7), (4, 2, 6), (2, 1, 3, 8):
        assert base_of(*values) is enum.IntFlag, values
    for values in (0, 1), (0,), (1,), (1, 2, 3), (0, 1, 2, 3), (3, 2, 1, 4), (1, 2, 12), (-1, 1, 2):
        assert base_of(*values) is enum.IntEnum, values


@pytest.mark.parametrize("values", [[1, 2, 3], [0, 1, 2], [1, 2, 4]])
def test_what_may_be_a_flag_is_checked_as_one(values: list[int]) -> None:
    """The server accepts 3.0 for a flag, too, and 0 for a flag whose values are 1, 2 and 3."""
    ref = {"$ref": "#/$defs/X"}
    schema = {"title": "E", "$defs": {"X": {"enum": values}}, "properties": {"a": ref}}
    for value in (0, 3, 3.0):
        check_start(schema, [{"a": value}], "w")
    with pytest.raises(EventValidationError):
        check_start(schema, [{"a": "x"}], "w")


def test_event_field_may_shadow_a_method() -> None:
    event = build_event({"items": INTEGER, "copy": INTEGER, "default": {}, "enum": {}})
    fields = {"items": 1, "copy": 2, "default": 3, "enum": 4}
    assert event(**fields).model_dump() == fields


def test_nested_model_maps_invalid_names_to_aliases() -> None:
    value = {"a-b": 1, "a_b": 2, "class": 3, "_c": 4, "9": 5}
    nested = {"type": "object", "properties": {name: {} for name in value}}
    event = build_event({"field": {"$ref": "#/$defs/Nested"}}, {"Nested": nested})
    read = event(field=value)
    assert read.model_dump(mode="json") == {"field": value}
    assert (read.field.a_b2, read.field.class_, read.field.c, read.field.field_9) == (1, 3, 4, 5)


@pytest.mark.parametrize(("extra", "kept"), [(True, True), (None, True), (False, None)])
def test_nested_model_treats_extra_fields_as_schema_says(extra: Any, kept: bool | None) -> None:
    nested = {"properties": {}} | ({} if extra is None else {"additionalProperties": extra})
    event = build_event({"f": {"$ref": "#/$defs/N"}}, {"N": nested})
    if kept is None:
        with pytest.raises(ValidationError, match="Extra inputs"):
            event(f={"x": 1})
    else:
        assert hasattr(event(f={"x": 1}).f, "x") is kept


# ------------------------------------------------------------------- names and bases


def holding(key: str, inner: Any = None, **properties: Any) -> dict[str, Any]:
    """The schema of an event that holds a model titled "Same"."""
    models = {key: {"title": "Same", "type": "object", "properties": properties}}
    if inner is not None:
        models["Inner"] = {"properties": {"y": inner}}
    return {"$defs": models, "properties": {"field": {"$ref": f"#/$defs/{key}"}}}


def test_equal_nested_models_are_one_class() -> None:
    ref = {"$ref": "#/$defs/Inner"}
    types = build(
        ("A", (), holding("Same", x=TEXT)),
        ("B", (), holding("other__Same", x=TEXT)),
        ("C", (), holding("Same", x=INTEGER)),
        ("D", (), holding("Same", TEXT, x=ref)),
        ("E", (), holding("Same", INTEGER, x=ref)),  # differs only further down
        ("F", (), holding("Same", TEXT, x=ref)),
    )
    annotations: Any = [cls.model_fields["field"].annotation for cls in types]
    a, b, c, d, e, f = (annotation.__args__[0] for annotation in annotations)  # of "... | None"
    assert a is b
    assert d is f
    assert [cls.__name__ for cls in (a, c, d, e)] == ["Same", "Same2", "Same3", "Same4"]


def test_nested_model_is_renamed_if_its_name_is_taken() -> None:
    """By an event, the framework, a type of the source, or an attribute of every model."""
    taken = ["E", "StopEvent", "Any", "copy", "dict"]
    models = {name: {"title": name, "properties": {}} for name in taken}
    event = build_event({f"of_{name}": {"$ref": f"#/$defs/{name}"} for name in taken}, models)
    names = [field.annotation.__name__ for field in event.model_fields.values()]
    assert names == [f"{name}2" for name in taken]


def test_event_that_refers_to_itself_is_one_class() -> None:
    ref = {"$ref": "#/$defs/Node"}
    node = {"title": "Node", "properties": {"next": {"anyOf": [ref, {"type": "null"}]}}}
    schema = {"$defs": {"Node": node}, **ref}
    event: Any = build(("Node", (), schema))["Node"]
    assert issubclass(event, Event)
    assert type(event(next={"next": None}).next) is event
    assert declared_events([schema])[0].name == "Node"


def test_bases_are_the_nearest_known_ancestors() -> None:
    types = build(
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


def test_only_differing_fields_are_overridden() -> None:
    types = build(
        ("A", ("B",), {"properties": {"kind": {"const": "a", "default": "a"}, "x": TEXT}}),
        ("B", (), {"properties": {"kind": TEXT, "x": TEXT}, "required": ["kind"]}),
    )
    event: Any = types["A"]
    assert event.__annotations__.keys() == {"kind"}
    assert event().kind == "a"


# ------------------------------------------------------------------- what is rejected


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([("A", ("B",), {}), ("B", ("A",), {})], "events derive from each other"),
        ([("A", (), {}), ("A", (), {})], "two events are named A"),
        ([("no name", (), {})], "not a valid class name"),
        ([("None", (), {})], "not a valid class name"),
    ],
    ids=repr,
)
def test_contradicting_declarations_are_rejected(events: Any, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        build(*events)


@pytest.mark.parametrize(
    "schema",
    [
        *(
            {"properties": {"a": field}}
            for field in (
                {"$ref": "#/$defs/Nowhere"},
                {"$ref": "https://example.org/schema.json"},
                {"$ref": {"not": "text"}},
                {"type": "frobnicate"},
                5,
                {"anyOf": []},
            )
        ),
        {"properties": []},
        {"properties": {"a": {}}, "required": 5},
        {"type": "array", "items": {}},
        {"enum": ["a"]},
        {"$defs": [], "properties": {}},
        {"$defs": {"A": 5}, "properties": {"a": {"$ref": "#/$defs/A"}}},
    ],
    ids=repr,
)
def test_invalid_schema_is_rejected_by_event_name(schema: Any) -> None:
    with pytest.raises(SchemaError, match=r"^E: "):
        build(("E", (), schema))


def test_event_without_a_class_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """Of any reason: an invalid schema, a contradiction, a type that pydantic rejects."""
    unbuildable = {"$defs": {"Nested": {"properties": {"a": {**INTEGER, "minimum": 0.5}}}}}
    ref = {"properties": {"nested": {"$ref": "#/$defs/Nested"}}}
    types = build(
        ("Good", ("Broken",), {"properties": {"n": INTEGER}}),
        ("Broken", (), {"properties": {"a": 5}}),
        ("no name", (), {}),
        ("Twice", (), {"properties": {"a": TEXT}}),
        ("Twice", (), {}),
        ("Cycle", ("Other",), {}),
        ("Other", ("Cycle",), {}),
        ("Nesting", (), {**unbuildable, **ref}),
        *(("A", (), {}), ("B", (), {}), ("X", ("A", "B"), {}), ("Y", ("B", "A"), {})),
        ("Z", ("X", "Y", "A", "B"), {}),
    )
    assert types.names == ("Good", "A", "B", "X", "Y")
    assert [cls.__name__ for cls in types] == [*types.names]
    assert types.omitted == {
        "Broken": "Broken: a: 5 is not a schema",
        "no name": "'no name' is not a valid class name",
        "Twice": "two events are named Twice",
        "Cycle": "events derive from each other: Cycle -> Other -> Cycle",
        "Other": "events derive from each other: Cycle -> Other -> Cycle",
        **{name: types.omitted[name] for name in ("Nesting", "Z")},
    }
    assert "Nested: no class can be built" in types.omitted["Nesting"]
    assert "Z: no class can be built" in types.omitted["Z"]
    with pytest.raises(KeyError, match="no class for the event 'Broken': Broken: a: 5 is not a"):
        types["Broken"]
    logged = {record.getMessage() for record in caplog.records}
    assert "no class for the event 'Broken': see EventTypes.omitted" in logged


def nested(depth: int, value: Any, wrap: Any) -> Any:
    for _ in range(depth):
        value = wrap(value)
    return value


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def doubling(levels: int, make: Any) -> dict[str, Any]:
    """Definitions of which each refers twice to the next: the last is reached by 2**levels ways."""
    refs = [{"$ref": f"#/$defs/A{at}"} for at in range(1, levels + 1)]
    return {f"A{at}": make(ref) for at, ref in enumerate(refs)} | {f"A{levels}": make({})}


def pair(item: Any) -> dict[str, Any]:
    return {"type": "array", "prefixItems": [item, item], "minItems": 2, "maxItems": 2}


A0: Final = {"$ref": "#/$defs/A0"}
MANY: Final = {f"M{at}": {"properties": {"k": {"const": at}}} for at in range(201)}


@pytest.mark.parametrize(
    ("field", "defs", "limit"),
    [
        (A0, doubling(30, pair), "more than 20000 types and values"),
        (A0, doubling(20, lambda to: {"properties": {"a": to, "b": to}}), "more than 200000 types"),
        ({"enum": [*range(20_001)]}, {}, "more than 20000 types and values"),
        ({"default": [0] * 20_001}, {}, "more than 20000 types and values"),
        (A0, {"A0": {"enum": [*range(20_001)]}}, "more than 20000 types and values"),
        (A0, {"A0": {"properties": {f"a{at}": {} for at in range(20_001)}}}, "more than 20000"),
        ({"anyOf": [{"const": at} for at in range(101)]}, {}, "more than 100 members"),
        (nested(65, TEXT, array), {}, "nested more than 64 deep"),
        (nested(20_000, TEXT, array), {}, "nested more than 64 deep"),
        (A0, doubling(65, array), "nested more than 64 deep"),
        (A0, doubling(65, lambda to: {"properties": {"a": to}}), "nested more than 64 deep"),
        ({"default": nested(65, 0, lambda value: [value])}, {}, "nested more than 64 deep"),
        ({"default": nested(20_000, 0, lambda value: {"k": value})}, {}, "more than 64 deep"),
        ({"anyOf": [{"$ref": f"#/$defs/{name}"} for name in MANY]}, MANY, "100 members|200 models"),
        ({"default": 10**5_000}, {}, "more than 4096 bits"),
        ({"enum": [1, 10**5_000]}, {}, "more than 4096 bits"),
        ({"const": "x" * 2_000_000}, {}, "more than 20000 types and values"),
        ({"description": "x" * 2_000_000}, {}, "more than 20000 types and values"),
        ({"default": {"k": "x" * 2_000_000}}, {}, "more than 20000 types and values"),
        (array({"$ref": "#/$defs/X"}), {"X": {"properties": {"x" * 2_000_000: {}}}}, "20000 types"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_schema_beyond_a_limit_is_rejected_by_that_limit(field: Any, defs: Any, limit: str) -> None:
    with pytest.raises(SchemaError, match=limit):
        build_event({"a": field}, defs)


def test_number_of_nested_models_is_limited() -> None:
    fields = {name: {"$ref": f"#/$defs/{name}"} for name in MANY}
    with pytest.raises(SchemaError, match="more than 200 models and enumerations"):
        build_event(fields, MANY)


def test_limits_hold_for_the_events_of_a_workflow_together() -> None:
    fields = {f"a{at}": {} for at in range(4_000)}
    types = build(*((f"E{at}", (), {"properties": fields}) for at in range(6)))
    assert types.names == ("E0", "E1", "E2", "E3")
    assert "more than 20000 types and values" in types.omitted["E4"]
    assert "more than 20000 types and values" in types.omitted["E5"]


def test_number_of_classes_is_limited() -> None:
    types = build(*((f"E{at}", (), {}) for at in range(2_100)))
    assert len(types) == 2_000
    assert "more than 20000 types and values" in types.omitted["E2000"]


def test_name_of_a_class_is_short() -> None:
    """It is repeated wherever the class is mentioned: of a megabyte, as often, gigabytes."""
    long = {"title": "A" * 201, "properties": {}}
    types = build(
        (
            "E",
            (),
            {"$defs": {"x" * 201: long}, "properties": {"a": {"$ref": "#/$defs/" + "x" * 201}}},
        )
    )
    assert len(types["E"].model_fields["a"].annotation.__args__[0].__name__) <= 200  # type: ignore[union-attr]
    assert "not a valid class name" in build(("E", (), {}), ("E" * 201, (), {})).omitted["E" * 201]


def test_text_of_models_that_refer_to_each_other_is_not_multiplied() -> None:
    """A schema of 400 kB took 425 MB: each model was compared with the text of all others."""
    hub = {"properties": {f"a{at}": {"$ref": f"#/$defs/M{at}"} for at in range(150)}}
    ref = {"properties": {"hub": {"$ref": "#/$defs/Hub"}}}
    models = {f"M{at}": {**ref, "description": "x" * 2_500} for at in range(150)}
    tracemalloc.start()
    try:
        build(("E", (), {"$defs": {"Hub": hub, **models}, **ref}))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_events_without_classes_are_left_out_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone, the time was quadratic: four minutes for eight hundred events."""
    built: list[str] = []
    build_class = builder._ClassBuilder.event

    def event(self: Any, plan: Any, bases: Any) -> Any:
        built.append(plan.name)
        return build_class(self, plan, bases)

    monkeypatch.setattr(builder._ClassBuilder, "event", event)
    bad = {"properties": {"a": {**INTEGER, "minimum": 0.5}}}
    chain = [(f"C{at}", tuple(f"C{on}" for on in range(at)), bad) for at in range(20)]
    types = build(("Good", (), {}), *((f"B{at}", (), bad) for at in range(20)), *chain)
    assert types.names == ("Good",)
    assert "C19: derives from C18, which has no class" in types.omitted.values()
    assert built.count("Good") <= builder.MAX_ATTEMPTS + 2
    assert built.count("B0") == 1


def test_defaults_that_would_take_exponential_time_are_left_to_the_server() -> None:
    ref = {"$ref": "#/$defs/N"}
    union = {"anyOf": [ref, {"type": "object", "additionalProperties": ref}]}
    defs = {"N": {"properties": {"a": union}}}
    deep = nested(60, 1, lambda value: {"a": value})
    event = build_event({"a": {**ref, "default": deep}, "b": {"default": [1]}}, defs, required=[])
    assert event().a is None
    assert event().model_dump() == {}


def test_defaults_of_defaults_that_would_take_exponential_time_are_left_to_the_server() -> None:
    """The models refer to each other, so that their copies are not counted."""
    refs = [{"$ref": f"#/$defs/M{at}"} for at in range(40)]
    with_default = [{**ref, "default": {}} for ref in refs]
    models = {
        f"M{at}": {"properties": {"a": field, "b": field, "first": {"anyOf": [refs[0], INTEGER]}}}
        for at, field in enumerate([*with_default[1:], {"type": "null"}])
    }
    event = build_event({"a": with_default[0], "small": with_default[39]}, models, required=[])
    assert event().a is None


def test_default_of_a_few_models_is_kept() -> None:
    ref = {"$ref": "#/$defs/N"}
    field = {"anyOf": [ref, {"type": "null"}], "default": {"a": {"a": {"n": 2}}}}
    defs = {
        "N": {
            "properties": {"a": {"anyOf": [ref, {"type": "null"}], "default": None}, "n": INTEGER}
        }
    }
    assert build_event({"f": field}, defs, required=[])().f.a.a.n == 2


@pytest.mark.parametrize("name", ["self", "\u017felf"])  # Python reads both as self
def test_event_may_have_a_field_named_self(name: str) -> None:
    types: Any = build(("A", (), {"properties": {name: INTEGER}}), ("B", (), {}))
    (field,) = types["A"].model_fields
    assert getattr(types["A"](**{name: 5}), field) == 5


def test_class_whose_defaults_cannot_be_compared_costs_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(cls: type) -> frozenset[str]:
        if cls.__name__ == "A":
            raise TypeError("odd")
        return frozenset()

    monkeypatch.setattr(builder, "invalid_defaults", fail)
    types = build(("A", (), {"properties": {"n": INTEGER}}), ("B", (), {"properties": {"n": {}}}))
    assert types.names == ("B",)
    assert "odd" in types.omitted["A"]


def test_superclass_that_is_named_twice_is_one() -> None:
    types = build(("E", ("StopEvent", "StopEvent"), {}))
    assert types["E"].__bases__ == (StopEvent,)


def test_number_that_json_does_not_have_is_neither_limit_nor_default() -> None:
    field = {"type": "number", "maximum": float("inf"), "default": float("inf")}
    event = build_event({"a": field, "b": {"default": [{"x": float("nan")}]}}, required=[])
    assert event().model_dump() == {}
    assert event(a=1e300).a == 1e300
    write_source(build(("E", (), {"properties": {"a": field}})), "")


def test_models_that_refer_to_each_other_are_within_the_limits() -> None:
    """They are not copied: pydantic refers to them, too."""
    refs = {f"n{at}": {"$ref": f"#/$defs/M{at}"} for at in range(15)}
    event = build_event({"a": refs["n0"]}, {f"M{at}": {"properties": refs} for at in range(15)})
    assert event(a={"n1": {"n14": {}}}).a.n1.n14.n0 is None


# ------------------------------------------------------------------- patterns


TOO_MUCH: Final = MAX_PATTERN_COST + 1


@pytest.mark.parametrize(
    ("pattern", "cost"),
    [
        ("abc", 3),
        ("a{5}", 6),
        ("a{2,5}b", 7),
        ("(ab{3}){10}", 66),
        (r"\d{4}-\d{2}", 97),
        (r"\w{90}", 9282),
        (r"[\w-]+@\p{L}", 212),
        (r"[^\]{9}]{2}", 54),
        (r"((a{999}){999}){999}", TOO_MUCH),
        (r"a{0000000000999999}", TOO_MUCH),
        (r"(?x) a { 9 #c\n 9}", TOO_MUCH),
        ("a{9}" + "{9}" * 10_000, TOO_MUCH),
        ("a" * TOO_MUCH, TOO_MUCH),
        (")" * 5 + "(" * 5, 5),
    ],
)
def test_cost_of_a_pattern_is_estimated_before_it_is_compiled(pattern: str, cost: int) -> None:
    assert min(pattern_cost(pattern), MAX_PATTERN_COST + 1) == cost


def test_patterns_are_compiled_only_up_to_a_limit() -> None:
    """Eight kilobytes of patterns took half a minute and two gigabytes."""
    fields = {f"a{at}": {**TEXT, "pattern": f"\\w{{90}}{at}"} for at in range(200)}
    event = build_event(fields)
    kept = [name for name, field in event.model_fields.items() if field.metadata]
    assert kept == [f"a{at}" for at in range(10)]
    with pytest.raises(ValidationError, match="a0"):
        event(**dict.fromkeys(fields, ""))


def test_pattern_takes_linear_time() -> None:
    """Python's own engine would not finish."""
    event = build_event({"a": {**TEXT, "pattern": "^(a+)+$"}})
    with pytest.raises(ValidationError, match="a"):
        event(a="a" * 100_000 + "b")


def test_many_names_that_differ_only_in_punctuation_stay_distinct() -> None:
    values = ["-" * length for length in range(1, 1_500)]
    event = build_event({"a": {"$ref": "#/$defs/E"}}, {"E": {"enum": values}})
    members = event.model_fields["a"].annotation.__members__
    assert [*members][:3] == ["VALUE", "VALUE2", "VALUE3"]
    assert len(members) == len(values)


# ------------------------------------------------------------------- the registry


def test_event_types_are_looked_up_by_position_and_name() -> None:
    types = build(("A", (), {}), ("StopEvent", (), {}), ("B", (), {}))
    assert [*types] == [types["A"], StopEvent, types["B"]]
    assert types[-1] is types["B"]
    assert types[1:] == (StopEvent, types["B"])
    assert len(types) == 3
    assert [other in types for other in ("A", StopEvent, "C", [])] == [True, True, False, False]
    assert repr(types) == "EventTypes(A, StopEvent, B)"
    assert types.names == ("A", "StopEvent", "B")
    with pytest.raises(KeyError, match="no event 'C'; the workflow has A, StopEvent, B"):
        types["C"]


def test_event_types_load_only_their_own_events() -> None:
    types = build(("A", (), {"properties": {"n": INTEGER}, "required": ["n"]}))
    envelope = EventEnvelopeWithMetadata(value={"n": 1}, type="A", qualified_name="theirs.A")
    assert type(envelope.load_event(types)) is types["A"]
    for other in ({"type": "B"}, {"value": {}}, {"value": {"n": "x"}}):
        with pytest.raises(EventValidationError):
            envelope.model_copy(update=other).load_event(types)


# ------------------------------------------------------------------- start events


@pytest.mark.parametrize(
    ("encodings", "problem"),
    [
        ([{"n": 1}], None),
        ([{}, {"n": 1}], None),
        ([{}], "'w' is not a valid Start: n: Field required"),
        ([{"n": "x"}, {}], "n: Input should be a valid integer"),
        ([{"value": 5, "type": "Start"}], "Input should be a valid dictionary"),
        ([{"type": "Start", "qualified_name": "m.Start"}], "value: Field required"),
        ([{"value": 5, "type": "Other"}], None),  # only the server knows it
        ([{"type": "Other", "qualified_name": "m.Other"}], None),
    ],
)
def test_start_event_is_valid_if_one_encoding_is(encodings: Any, problem: str | None) -> None:
    schema = {"title": "The start", "properties": {"n": INTEGER}, "required": ["n"]}
    if problem is None:
        check_start(schema, encodings, "w")
    else:
        with pytest.raises(EventValidationError, match=problem):
            check_start(schema, encodings, "w")
