"""Whatever text a server sends: the source of its event classes defines them and runs nothing."""

from __future__ import annotations

import builtins
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_agents.client._events import builder
from llama_agents.client._events.schema import EventDeclaration, SchemaError
from llama_agents.client._events.source import write_source

from .test_schemas import EVENTS

# Python reads two of these names as class and fi.
ODD_NAMES: Final = [
    *("copy", "json", "items", "list", "str", "dict", "tuple", "Field", "Any", "Literal", "Event"),
    *("EVENTS", "type", "match", "case", "_", "__class__", "__name__", "\uff43lass", "\ufb01"),
    *("model_config", "model_dump_x", "canary", "annotations", "catch_warnings", "_x", "mro", "E"),
    *("A2", "VALUE_1", "SparseModel", "Enum", "class", "named_as_it_is__", "True", "UUID"),
]
# Text that ends a literal, a line or an expression, and calls what must never be called.
FRAGMENTS: Final = [
    *('"', "'", '"""', "'''", "\\", "\n", "\r", "\f", "\u2028", "\x00", "\ud800", "#", ";", ":"),
    *("]", ")", "}", "[", "(", "{", ",", "=", " ", "    ", "x: int = ", "class X: ", "lambda: "),
    *("canary()", "__import__('builtins').canary()", "from builtins import canary as Field"),
]
TEXTS: Final = st.text() | st.lists(st.sampled_from(FRAGMENTS)).map("".join)
NAMES: Final = st.sampled_from(ODD_NAMES) | TEXTS


def replaced(value: Any, texts: dict[str, str]) -> Any:
    """Replace each name in a schema, and all text that is not a keyword or the value of one."""
    if isinstance(value, dict):
        return {texts.get(key, key): replaced(one, texts) for key, one in value.items()}
    if isinstance(value, list):
        return [replaced(one, texts) for one in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        name = value.removeprefix("#/$defs/")
        return "#/$defs/" + texts.get(name, name).replace("~", "~0").replace("/", "~1")
    return texts.get(value, value) if isinstance(value, str) else value


@st.composite
def hostile(draw: st.DrawFn) -> list[EventDeclaration]:
    """Events whose names are others in each example; a reference still finds its definition."""
    names = ["A", "B", "C", "n", "m", "items", "x1", "text", "kind", "a-b", "class", "_x", ""]
    drawn = draw(st.lists(NAMES, min_size=4, max_size=4))
    texts = {name: draw(st.sampled_from([name, *drawn])) for name in names}
    declared = draw(st.lists(EVENTS, min_size=1, max_size=3, unique_by=lambda event: event.name))
    return [
        EventDeclaration(
            draw(st.just(event.name) | NAMES.filter("EVENTS".__ne__)),
            event.ancestors,
            replaced(event.schema, texts) | {"description": draw(st.sampled_from(drawn))},
        )
        for event in declared
    ]


@pytest.fixture(scope="module")
def calls() -> Iterator[list[str]]:
    """The calls of a function that only code of a server can call."""
    made: list[str] = []
    builtins.canary = lambda *_: made.append("called")  # type: ignore[attr-defined]
    yield made
    del builtins.canary  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("error")
@settings(max_examples=25, deadline=None, suppress_health_check=[*HealthCheck])
@given(hostile())
def test_source_of_any_schemas_defines_their_classes_and_runs_nothing(
    calls: list[str], declared: list[EventDeclaration]
) -> None:
    try:
        types = builder.event_types(declared)
    except SchemaError:
        return
    text = write_source(types, "# generated\n")
    module = sys.modules["generated"] = ModuleType("generated")
    try:
        exec(compile(text, "generated", "exec", dont_inherit=True), vars(module))
        with warnings.catch_warnings(action="ignore"):  # of defaults that JSON cannot represent
            for cls in module.EVENTS:
                assert cls.model_json_schema() == types[cls.__name__].model_json_schema()
    finally:
        del sys.modules["generated"]
    assert [cls.__name__ for cls in module.EVENTS] == [
        cls.__name__ for cls in types if cls.__module__ == builder.MODULE
    ]
    assert calls == []
