"""Compare `openapi.yaml` with the installed server: its routes, its own document, its models.

What is known and explained stands in `drift-baseline.yaml`. Each difference is one line that stays
the same from run to run, and says what the contract has and what the server has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

CONTRACT: Final = "openapi.yaml"
BASELINE: Final = "generator/drift-baseline.yaml"
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
RENAMED: Final = {"Handler": "HandlerData", "HandlersList": "HandlersListResponse"}
"""Schemas that the server's own document calls otherwise than its models and the contract do."""
READ_BY_SERVER: Final = frozenset({"EventEnvelope"})
"""Models that the server reads. It writes the others, and writes every field of them."""


@attrs.frozen
class Group:
    """Differences of the baseline that one observation explains."""

    reason: str
    differences: Sequence[str]


@attrs.frozen
class Verdict:
    """What the baseline says about the differences that were found.

    Attributes:
        unexplained: Differences that it does not name.
        stale: Differences that it names and that no longer occur.
    """

    unexplained: Sequence[str]
    stale: Sequence[str]


@attrs.frozen
class Node:
    """A part of an OpenAPI document or of a model's JSON schema.

    Attributes:
        document: The whole, in which references are looked up.
        value: The part, or by default the whole.
        name: The component that it is, if a reference led to it.
    """

    document: Mapping[str, Any]
    value: Mapping[str, Any] = attrs.Factory(lambda node: node.document, takes_self=True)
    name: str = ""

    def follow(self, value: Mapping[str, Any]) -> Node:
        """Return a part of the same document, or what it refers to."""
        name = ""
        while "$ref" in value:
            path = value["$ref"].removeprefix("#/").split("/")
            name, value = RENAMED.get(path[-1], path[-1]), self.document
            for key in path:
                value = value[key]
        return Node(self.document, value, name)

    def get(self, key: str) -> Node:
        """Return what stands under a key, an empty part if there is nothing."""
        return self.follow(self.value.get(key, {}))

    def children(self, key: str) -> dict[str, Node]:
        """Return what stands under each key of the mapping under a key."""
        return {str(name): self.follow(value) for name, value in self.get(key).value.items()}

    def operations(self) -> dict[str, Node]:
        """Return the operations by method and path, with the parameters of their path."""
        return {
            f"{method.upper()} {path}": self.follow(
                {**item.value[method], "parameters": [*shared, *own]}
            )
            for path, item in self.children("paths").items()
            for method in METHODS
            if method in item.value
            for shared in [item.value.get("parameters", ())]
            for own in [item.value[method].get("parameters", ())]
        }

    def schemas(self) -> dict[str, Node]:
        """Return the components, under the names that the contract gives them."""
        found = self.get("components").children("schemas")
        return {RENAMED.get(name, name): schema for name, schema in found.items()}

    def fields(self) -> dict[str, str]:
        """Return each field of an object schema: whether it is required, and its type."""
        required = self.value.get("required", ())
        return {
            name: f"{'required' if name in required else 'optional'} {field.type_name()}"
            for name, field in self.children("properties").items()
        }

    def parameters(self) -> dict[str, str]:
        """Return each parameter of an operation, as `fields` does, with its default."""
        return {
            f"{parameter['in']} {parameter['name']}": (
                f"{'required' if parameter.get('required') else 'optional'} {schema.type_name()}"
                + (f", default {schema.value['default']}" if "default" in schema.value else "")
            )
            for parameter in (self.follow(value).value for value in self.value["parameters"])
            for schema in [self.follow(parameter["schema"])]
        }

    def type_name(self) -> str:
        """Write a schema's type in one line, with the words of an enum in brackets."""
        return " | ".join(
            f"{name}({', '.join(sorted(words))})" if words else name
            for name, words in sorted(self._words().items())
        )

    def _words(self) -> dict[str, set[str]]:
        """Return the types that a value may have, each with the words that the schema names."""
        schema, found = self.value, dict[str, set[str]]()
        # A model that stands in another one's schema without a reference has its name as its title.
        if "properties" in schema and (name := self.name or schema.get("title", "")):
            return {name: set()}
        for branch in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
            for name, words in self.follow(branch)._words().items():
                found.setdefault(name, set()).update(words)
        types = schema.get("type", ())
        for name in [types] if isinstance(types, str) else types:
            words = schema.get("enum", [schema["const"]] if "const" in schema else [])
            name = f"array of {self.get('items').type_name()}" if name == "array" else name
            found.setdefault(name, set()).update(words)
        if schema.get("nullable"):
            found["null"] = set()
        return {"any": set()} if not found or "any" in found else found


def compare(where: str, contract: Mapping[str, Any], server: Mapping[str, Any]) -> Iterator[str]:
    """Compare two sets of named facts; those that are no texts by their names alone."""
    for name in sorted(contract.keys() | server.keys()):
        if name not in server:
            yield f"{where}{name}: only in the contract"
        elif name not in contract:
            yield f"{where}{name}: only on the server"
        elif isinstance(contract[name], str) and contract[name] != server[name]:
            yield f"{where}{name}: {contract[name]} in the contract, {server[name]} on the server"


def compare_routes(contract: Node, routes: Iterable[str]) -> Iterator[str]:
    """Compare the operations with the routes of the server, each ``METHOD /path``."""
    yield from compare("route ", contract.operations(), dict.fromkeys(routes))


def compare_documents(contract: Node, server: Node) -> Iterator[str]:
    """Compare the contract with the server's own document.

    That document is silent about many bodies and components: those that it describes are compared.
    """
    yield from compare("document ", contract.operations(), server.operations())
    for name, mine, other in _pairs(contract.operations(), server.operations()):
        here = f"document {name}"
        yield from compare(f"{here} parameter ", mine.parameters(), other.parameters())
        yield from compare(f"{here} ", _body_facts(mine), _body_facts(other))
        yield from _compare_contents(
            f"{here} request body", mine.get("requestBody"), other.get("requestBody")
        )
        statuses = mine.children("responses"), other.children("responses")
        yield from compare(f"{here} status ", *statuses)
        for status, answer, other_answer in _pairs(*statuses):
            yield from _compare_contents(f"{here} status {status}", answer, other_answer)
    known = {name: contract.schemas().get(name, Node({})) for name in server.schemas()}
    for name, mine, other in _pairs(known, server.schemas()):
        yield from compare(f"document {name}.", mine.fields(), other.fields())


def compare_models(contract: Node, models: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Compare the components with models that bear their names, given as JSON schemas."""
    theirs = {name: Node(schema) for name, schema in models.items()}
    known = {name: node for name, node in contract.schemas().items() if name in theirs}
    yield from compare("model ", known, theirs)
    for name, mine, other in _pairs(known, theirs):
        yield from _compare_schemas(f"model {name}", mine, other)


def compare_store(contract: Node, handler: Mapping[str, Any]) -> Iterator[str]:
    """Compare ``HandlerData`` with the JSON schema of the record that the server keeps of a run."""
    mine = contract.schemas()["HandlerData"]
    yield from compare("store HandlerData.", mine.fields(), Node(handler).fields())


def judge(found: Iterable[str], baseline: Iterable[Group]) -> Verdict:
    """Set the differences that were found against those that are explained."""
    occurring, explained = set(found), {line for group in baseline for line in group.differences}
    return Verdict(unexplained=sorted(occurring - explained), stale=sorted(explained - occurring))


def read_baseline(text: str) -> list[Group]:
    """Read a baseline.

    Raises:
        ValueError: A group gives no reason, or a difference is named twice.
    """
    groups = [Group(**entry) for entry in yaml.safe_load(text) or ()]
    if empty := [group for group in groups if not (group.reason or "").strip()]:
        raise ValueError(f"no reason is given for {', '.join(empty[0].differences)}")
    lines = [line for group in groups for line in group.differences]
    if repeated := {line for line in lines if lines.count(line) > 1}:
        raise ValueError(f"named twice: {', '.join(sorted(repeated))}")
    return groups


def as_written(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of a model whose every field is written, also a field's default."""
    return {**schema, "required": list(schema.get("properties", ()))}


def observe(contract: Node) -> list[str]:
    """Return all differences between the contract and the installed server."""
    import workflows.representation as representation
    from llama_agents.client import protocol
    from llama_agents.client.protocol import serializable_events
    from llama_agents.server import PersistentHandler, WorkflowServer
    from pydantic import BaseModel, TypeAdapter
    from starlette.routing import Route

    server = WorkflowServer()
    routes = {
        f"{method} {route.path}"
        for route in server.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    members = {
        name: getattr(module, name)
        for module in (representation, protocol, serializable_events)
        for name in module.__all__
    }
    models = {
        name: TypeAdapter(member).json_schema()
        if name in READ_BY_SERVER
        else as_written(TypeAdapter(member).json_schema(mode="serialization"))
        for name, member in members.items()
        if name in contract.schemas()
        or (isinstance(member, type) and issubclass(member, BaseModel))
    }
    handler = as_written(PersistentHandler.model_json_schema(mode="serialization"))
    return [
        *compare_routes(contract, routes),
        *compare_documents(contract, Node(server.openapi_schema())),
        *compare_models(contract, models),
        *compare_store(contract, handler),
    ]


def run(root: Path) -> int:
    """Compare, print where the baseline is not what was found, and return the exit status."""
    found = observe(Node(yaml.safe_load((root / CONTRACT).read_text(encoding="utf-8"))))
    verdict = judge(found, read_baseline((root / BASELINE).read_text(encoding="utf-8")))
    for title, lines in (
        ("Differences that the baseline does not explain:", verdict.unexplained),
        ("Differences of the baseline that no longer occur:", verdict.stale),
    ):
        if lines:
            print(title, *lines, sep="\n  ")
    print(f"{len(found)} differences, {len(verdict.unexplained)} of them unexplained.")
    return 1 if verdict.unexplained or verdict.stale else 0


def _pairs(
    ours: Mapping[str, Node], theirs: Mapping[str, Node]
) -> Iterator[tuple[str, Node, Node]]:
    for name in sorted(ours.keys() & theirs.keys()):
        yield name, ours[name], theirs[name]


def _body_facts(operation: Node) -> dict[str, str]:
    if "requestBody" not in operation.value:
        return {}
    required = operation.get("requestBody").value.get("required")
    return {"request body": "required" if required else "optional"}


def _compare_contents(where: str, mine: Node, other: Node) -> Iterator[str]:
    if "content" not in other.value:
        return
    contents = mine.children("content"), other.children("content")
    yield from compare(f"{where} ", *contents)
    for _, content, other_content in _pairs(*contents):
        yield from _compare_schemas(where, content.get("schema"), other_content.get("schema"))


def _compare_schemas(where: str, mine: Node, other: Node) -> Iterator[str]:
    """Compare objects that have no name of their own field by field, and all else by type."""
    if not other.name and mine.fields() and other.fields():
        yield from compare(f"{where}.", mine.fields(), other.fields())
    else:
        yield from compare(where, {"": mine.type_name()}, {"": other.type_name()})
