"""`openapi.yaml` is valid, complete, and in the form that the generator supports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_agents.client.bindings.models import RunWorkflowRequest, SendEventRequest
from openapi_spec_validator import OpenAPIV31SpecValidator

from generator.__main__ import ROOT
from generator.drift import METHODS

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text())
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": item[method]
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
}


def nodes(part: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a part of the document."""
    if isinstance(part, dict):
        yield part
    children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for child in children:
        yield from nodes(child)


def test_document_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_operation_has_one_declared_tag_and_a_description(operation: dict[str, Any]) -> None:
    declared = {tag["name"] for tag in DOCUMENT["tags"]}
    assert len(operation["tags"]) == 1
    assert declared.issuperset(operation["tags"])
    assert operation["summary"]
    assert operation["description"]


def test_every_object_schema_has_a_name() -> None:
    places = [
        DOCUMENT["paths"],
        *(DOCUMENT["components"][kind] for kind in ("parameters", "requestBodies", "responses")),
        *(schema.get("properties", {}) for schema in DOCUMENT["components"]["schemas"].values()),
    ]
    # A field may itself be named "type", so its value counts, not its presence.
    inline = [
        node for node in nodes(places) if node.get("type") == "object" or "properties" in node
    ]
    assert inline == []


def test_every_part_has_a_description() -> None:
    components = DOCUMENT["components"]
    described = {
        f"{name}.{field}": field_schema
        for name, schema in components["schemas"].items()
        for field, field_schema in schema.get("properties", {}).items()
        if set(field_schema) != {"$ref"}
    }
    for kind in ("schemas", "parameters", "requestBodies", "responses", "securitySchemes"):
        described |= components[kind]
    for operation in OPERATIONS.values():
        described |= {parameter["name"]: parameter for parameter in operation.get("parameters", ())}
    assert [name for name, part in described.items() if not part.get("description")] == []


def test_every_component_is_used() -> None:
    references = {node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)}
    declared = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "parameters", "requestBodies", "responses")
        for name in DOCUMENT["components"][kind]
    }
    assert references == declared


def test_bearer_token_is_optional() -> None:
    assert DOCUMENT["security"] == [{}, {"bearerAuth": []}]


# Keys with a meaning in the schemas, and "additional_properties", which has one in the generated
# classes. None of them may alter the body.
KEYS = st.sampled_from(
    ["type", "value", "data", "qualified_name", "types", "_data", "additional_properties", "self"]
) | st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=5)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "start_event": OBJECTS | JSON,
            "context": OBJECTS | st.none(),
            "handler_id": st.text() | st.none(),
            "kwargs": OBJECTS | st.none(),
            "unknown key": JSON,
        },
    )
)
def test_run_request_is_passed_through_unchanged(body: dict[str, Any]) -> None:
    assert RunWorkflowRequest.from_dict(body).to_dict() == body


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {"event": OBJECTS | JSON},
        optional={"step": st.text() | st.none(), "unknown key": JSON},
    )
)
def test_sent_event_is_passed_through_unchanged(body: dict[str, Any]) -> None:
    assert SendEventRequest.from_dict(body).to_dict() == body
