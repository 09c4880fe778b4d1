"""Whatever a server sends as a schema: classes are built from it, or it is rejected."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_agents.client import EventValidationError
from llama_agents.client._events import builder
from llama_agents.client._events.schema import EventDeclaration, SchemaError

USABLE = ["A", "B", "n", "m", "items", "x1", "text", "kind"]
NAMES = st.sampled_from([*USABLE, "a-b", "class", "_x", "model_config", ""])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | NAMES | st.text()
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
TYPES = ["string", "integer", "number", "boolean", "null", "array", "object"]
FORMATS = ["date", "date-time", "uuid", "duration", "binary", "uri"]
REFS = st.sampled_from(["A", "B", "C"]).map(lambda name: f"#/$defs/{name}")


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas of the keywords that pydantic writes, some with invalid values."""
    some = st.lists(inner, max_size=3)
    values: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), max_size=2),
        "format": st.sampled_from(FORMATS),
        "$ref": REFS,
        "anyOf": some,
        "oneOf": some,
        "allOf": some,
        "prefixItems": some,
        "items": inner,
        "additionalProperties": inner | st.booleans(),
        "propertyNames": inner,
        "patternProperties": st.dictionaries(st.sampled_from(["a", "(?=x)"]), inner, max_size=2),
        "properties": st.dictionaries(NAMES, inner, max_size=4),
        "required": st.lists(NAMES, max_size=3),
        "enum": st.lists(SCALARS, max_size=3),
        "const": SCALARS,
        "default": ANYTHING,
        "title": NAMES,
        "description": st.text(max_size=5),
        "pattern": st.sampled_from(["a+", "(?=x)", "(", "[a-z]{2}"]),
        **dict.fromkeys(["minimum", "maxLength", "minItems", "maxItems", "multipleOf"], SCALARS),
        "uniqueItems": st.booleans(),
    }
    combining = {"$ref", "anyOf", "oneOf", "allOf", "enum", "const", "type"}
    bare = st.fixed_dictionaries(
        {}, optional={name: of for name, of in values.items() if name not in combining}
    )
    some_of = st.fixed_dictionaries({}, optional=values)
    odd = st.fixed_dictionaries({}, optional={name: of | ANYTHING for name, of in values.items()})
    of_a_type = st.builds(lambda name, rest: {**rest, "type": name}, st.sampled_from(TYPES), bare)
    reference = st.fixed_dictionaries({"$ref": REFS})
    return st.one_of(of_a_type, of_a_type, of_a_type, reference, some_of, odd)


SCHEMAS = st.recursive(st.builds(lambda name: {"type": name}, st.sampled_from(TYPES)), keywords)
MODELS = st.fixed_dictionaries(
    {"properties": st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=4)},
    optional={"required": st.lists(NAMES, max_size=3), "title": NAMES, "description": st.text()},
)
ROOTS = st.builds(
    lambda root, models: {**root, "$defs": models},
    MODELS,
    st.fixed_dictionaries(dict.fromkeys("ABC", MODELS | SCHEMAS)),
)
EVENTS = st.builds(
    EventDeclaration,
    name=st.sampled_from(["A", "B", "StopEvent", "Field"]),
    ancestors=st.lists(st.sampled_from(["A", "B", "StopEvent", "C"]), max_size=2).map(tuple),
    schema=st.one_of(ROOTS, ROOTS, ROOTS, keywords(SCHEMAS)),
)


@pytest.mark.filterwarnings("error")
@settings(max_examples=50, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.lists(EVENTS, min_size=1, max_size=3, unique_by=lambda event: event.name))
def test_any_schemas_become_classes_or_are_rejected(declared: list[EventDeclaration]) -> None:
    try:
        types = builder.event_types(declared)
    except SchemaError:
        return
    assert {*types.names, *types.omitted} == {event.name for event in declared}
    assert [cls.__name__ for cls in types] == [*types.names]


@settings(max_examples=50, deadline=None, suppress_health_check=[*HealthCheck])
@given(ROOTS, st.dictionaries(NAMES, ANYTHING, max_size=3))
def test_any_start_is_valid_or_rejected(schema: dict[str, Any], fields: dict[str, Any]) -> None:
    with suppress(SchemaError, EventValidationError):
        builder.check_start({**schema, "title": "A"}, [fields], "w")
