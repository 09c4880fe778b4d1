"""The contract describes what the real server returns, and bindings and protocol agree with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator
from llama_agents.client import protocol
from llama_agents.client._core.sse import SSEDecoder
from llama_agents.client.bindings import models
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from .provoked import PROVOKED, Servers, servers

CONTRACT: Final[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "openapi.yaml").read_text(encoding="utf-8")
)
OPERATIONS: Final = {
    operation["operationId"]: operation
    for methods in CONTRACT["paths"].values()
    for method, operation in methods.items()
    if method in ("get", "post")
}
REGISTRY: Final = Registry().with_resource(
    "contract", Resource.from_contents(CONTRACT, default_specification=DRAFT202012)
)
CASES: Final = [
    pytest.param(operation, status, provoke, id=f"{operation}-{status}-{number}")
    for (operation, status), provokes in PROVOKED.items()
    for number, provoke in enumerate(provokes)
]
# The models of the response bodies, in `bindings.models` and in `protocol`.
MODELS: Final = {
    "get_health": "HealthResponse",
    "list_workflows": "WorkflowsListResponse",
    "get_workflow_schema": "WorkflowSchemaResponse",
    "get_workflow_events_schema": "WorkflowEventsListResponse",
    "get_workflow_representation": "WorkflowGraphResponse",
    "run_workflow": "HandlerData",
    "run_workflow_nowait": "HandlerData",
    "stream_events": "EventEnvelopeWithMetadata",
    "send_event": "SendEventResponse",
    "list_handlers": "HandlersListResponse",
    "get_handler": "HandlerData",
    "cancel_handler": "CancelHandlerResponse",
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(tmp_path_factory.mktemp("contract")) as running:
        yield running


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Follow references within the contract."""
    while "$ref" in node:
        target: Any = CONTRACT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def violations(value: Any, schema: dict[str, Any]) -> list[str]:
    """How a value violates a schema of the contract."""
    absolute = json.loads(json.dumps(schema).replace('"#/', '"contract#/'))
    validator = Draft202012Validator(absolute, registry=REGISTRY)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def read(response: httpx.Response) -> tuple[str, list[Any]]:
    """The media type of a response, and the JSON values of its body."""
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if media_type == "text/event-stream":
        blocks = SSEDecoder().feed(response.content)
        return media_type, [json.loads(block.data) for block in blocks if block.data]
    return media_type, [response.json()] if response.content else []


def test_every_status_of_the_contract_is_provoked_and_no_other() -> None:
    documented = {
        (name, int(status))
        for name, operation in OPERATIONS.items()
        for status in operation["responses"]
    }
    # Only a failure within the server's store leads to the one that is missing.
    assert documented == {*PROVOKED, ("cancel_handler", 500)}


@pytest.mark.parametrize(("operation", "status", "provoke"), CASES)
def test_real_response_matches_contract_bindings_and_protocol(
    live: Servers, operation: str, status: int, provoke: Any
) -> None:
    response = provoke(live)
    assert response.status_code == status, response.text
    media_type, values = read(response)
    content = resolve(OPERATIONS[operation]["responses"][str(status)]).get("content", {})
    if not values:
        assert content == {}
        return
    schema = content[media_type]["schema"]
    if media_type == "text/event-stream":
        schema = {"$ref": "#/components/schemas/EventEnvelopeWithMetadata"}
    for value in values:
        assert violations(value, schema) == []
        if operation in MODELS and "detail" not in value:
            name = MODELS[operation]
            assert getattr(models, name).from_dict(value).to_dict() == value
            parsed = getattr(protocol, name).model_validate_json(json.dumps(value))
            assert parsed.model_dump(mode="json") == value


def test_violations_are_found() -> None:
    assert violations({"handler_id": 5}, {"$ref": "#/components/schemas/HandlerData"})


@pytest.mark.parametrize("name", sorted(set(MODELS.values())))
def test_bindings_and_protocol_have_the_same_fields(name: str) -> None:
    schema = CONTRACT["components"]["schemas"][name]
    fields = getattr(protocol, name).model_fields
    # The server writes every field. The client requires fewer, to accept other servers.
    assert set(schema["properties"]) == set(schema["required"]) == set(fields)
    own = {attribute.name for attribute in getattr(models, name).__attrs_attrs__}
    assert {name.removesuffix("_") for name in own - {"additional_properties"}} == set(fields)
