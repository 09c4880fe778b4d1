"""Compare `openapi.yaml` with the installed server: its routes, its own document, its models.

What is known and explained stands in `drift-baseline.yaml`. Each difference is one line that stays
the same from run to run, and says what the contract has and what the server has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import attrs
import yaml

CONTRACT: Final = "openapi.yaml"
BASELINE: Final = "generator/drift-baseline.yaml"
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
RENAMED: Final = {"Handler": "HandlerData", "HandlersList": "HandlersListResponse"}
"""Schemas that the server's own document calls otherwise than its models and the contract do."""
READ_BY_SERVER: Final = frozenset({"EventEnvelope"})
"""Models of what clients send: a field with a default is optional there, and always sent elsewhere."""


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
class Document:
    """An OpenAPI document, or the JSON schema of a model, and how to read it."""

    tree: Mapping[str, Any]

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Self:
        """Read a document under the contract's schema names."""
        return cls(tree)

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow a reference, if the node is one."""
        while "$ref" in node:
            target: Any = self.tree
            for key in node["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            node = target
        return node

    def operations(self) -> dict[str, Mapping[str, Any]]:
        """Return the operations by method and path, with the parameters of their path."""
        return {
            f"{method.upper()} {path}": {
                **item[method],
                "parameters": [*item.get("parameters", ()), *item[method].get("parameters", ())],
            }
            for path, item in self.tree.get("paths", {}).items()
            for method in METHODS
            if method in item
        }

    def schemas(self) -> dict[str, Mapping[str, Any]]:
        """Return the components, under the names that the contract gives them."""
        components = self.tree.get("components", {}).get("schemas", {})
        return {RENAMED.get(name, name): schema for name, schema in components.items()}

    def type(self, schema: Mapping[str, Any]) -> str:
        """Write a schema's type in one line; words of an enum in brackets."""
        words = self._words(schema)
        return " | ".join(
            sorted(f"{name}({', '.join(sorted(words[name]))})" if words[name] else name
                   for name in words)
        )

    def fields(self, schema: Mapping[str, Any]) -> dict[str, str]:
        """Return each field of an object: whether it is required, and its type."""
        schema = self.resolve(schema)
        required = schema.get("required", ())
        return {
            name: f"{'required' if name in required else 'optional'} {self.type(field)}"
            for name, field in schema.get("properties", {}).items()
        }

    def _words(self, schema: Mapping[str, Any]) -> dict[str, set[str]]:
        """Return the types a value may have, each with the words that the schema names for it."""
        if "$ref" in schema and self.resolve(schema).get("properties"):
            name = schema["$ref"].rpartition("/")[2]
            return {RENAMED.get(name, name): set()}
        schema = self.resolve(schema)
        found: dict[str, set[str]] = {}
        for branch in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
            for name, words in self._words(branch).items():
                found.setdefault(name, set()).update(words)
        types = schema.get("type", [])
        for name in [types] if isinstance(types, str) else types:
            named = schema.get("enum", [schema["const"]] if "const" in schema else [])
            if name == "array":
                name = f"array of {self.type(schema.get('items', {}))}"
            found.setdefault(name, set()).update(named)
        if schema.get("nullable"):
            found["null"] = set()
        return {"any": set()} if not found or "any" in found else found


def compare(
    where: str, contract: Mapping[str, str], server: Mapping[str, str], names: str = "{}"
) -> Iterator[str]:
    """Compare facts of both sides by their names."""
    for name in sorted(contract.keys() | server.keys()):
        here = f"{where}{names.format(name)}"
        if name not in server:
            yield f"{here}: only in the contract"
        elif name not in contract:
            yield f"{here}: only on the server"
        elif contract[name] != server[name]:
            yield f"{here}: {contract[name]} in the contract, {server[name]} on the server"


def compare_routes(contract: Document, routes: Iterable[str]) -> Iterator[str]:
    """Compare the operations with the routes of the server, each ``METHOD /path``."""
    yield from compare("route ", dict.fromkeys(contract.operations(), ""), dict.fromkeys(routes, ""))


def compare_documents(contract: Document, server: Document) -> Iterator[str]:
    """Compare the contract with the server's own document.

    Bodies are compared where that document describes one, and operations where it names them.
    """
    ours, theirs = contract.operations(), server.operations()
    yield from compare("document ", dict.fromkeys(ours, ""), dict.fromkeys(theirs, ""))
    for name in sorted(ours.keys() & theirs.keys()):
        here, mine, other = f"document {name}", ours[name], theirs[name]
        yield from compare(
            f"{here} parameter ", _parameters(contract, mine), _parameters(server, other)
        )
        yield from _compare_request_bodies(here, contract, mine, server, other)
        mine, other = mine.get("responses", {}), other.get("responses", {})
        mine, other = ({str(k): v for k, v in side.items()} for side in (mine, other))
        yield from compare(f"{here} status ", dict.fromkeys(mine, ""), dict.fromkeys(other, ""))
        for status in sorted(mine.keys() & other.keys()):
            yield from _compare_contents(
                f"{here} status {status}", contract, mine[status], server, other[status]
            )
    shared = contract.schemas().keys() & server.schemas().keys()
    for name in sorted(server.schemas().keys()):
        if name not in shared:
            yield f"document {name}: only on the server"
            continue
        yield from compare(
            f"document {name}.",
            contract.fields(contract.schemas()[name]),
            server.fields(server.schemas()[name]),
        )


def compare_models(contract: Document, models: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Compare the components with models that bear their names, given as JSON schemas."""
    for name, schema in sorted(models.items()):
        if name not in contract.schemas():
            yield f"model {name}: only on the server"
            continue
        yield from _compare_schemas(
            f"model {name}", contract, contract.schemas()[name], Document.of(schema), schema
        )


def compare_store(contract: Document, handler: Mapping[str, Any]) -> Iterator[str]:
    """Compare ``HandlerData`` with the JSON schema of the record that the server keeps of a run."""
    yield from compare(
        "store HandlerData.",
        contract.fields(contract.schemas()["HandlerData"]),
        Document.of(handler).fields(handler),
    )


def judge(found: Iterable[str], baseline: Iterable[Group]) -> Verdict:
    """Set the differences that were found against those that are explained."""
    found, explained = set(found), {line for group in baseline for line in group.differences}
    return Verdict(unexplained=sorted(found - explained), stale=sorted(explained - found))


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


def observe(contract: Document) -> list[str]:
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
        name: TypeAdapter(member).json_schema(
            mode="validation" if name in READ_BY_SERVER else "serialization"
        )
        for name, member in members.items()
        if name in contract.schemas() or isinstance(member, type) and issubclass(member, BaseModel)
    }
    return [
        *compare_routes(contract, routes),
        *compare_documents(contract, Document.of(server.openapi_schema())),
        *compare_models(contract, models),
        *compare_store(contract, PersistentHandler.model_json_schema(mode="serialization")),
    ]


def run(root: Path) -> int:
    """Compare, print what is not explained and what no longer occurs, and return the exit status."""
    contract = Document.of(yaml.safe_load((root / CONTRACT).read_text()))
    found = observe(contract)
    verdict = judge(found, read_baseline((root / BASELINE).read_text()))
    for title, lines in (
        ("Differences that the baseline does not explain:", verdict.unexplained),
        ("Differences of the baseline that no longer occur:", verdict.stale),
    ):
        if lines:
            print(title, *lines, sep="\n  ")
    print(f"{len(found)} differences, {len(verdict.unexplained)} of them unexplained.")
    return 1 if verdict.unexplained or verdict.stale else 0


def _parameters(document: Document, operation: Mapping[str, Any]) -> dict[str, str]:
    facts = {}
    for parameter in map(document.resolve, operation["parameters"]):
        fact = f"{'required' if parameter.get('required') else 'optional'} "
        fact += document.type(parameter["schema"])
        if "default" in parameter["schema"]:
            fact += f" = {str(parameter['schema']['default']).lower()}"
        facts[f"{parameter['in']} {parameter['name']}"] = fact
    return facts


def _compare_request_bodies(
    where: str,
    contract: Document,
    mine: Mapping[str, Any],
    server: Document,
    other: Mapping[str, Any],
) -> Iterator[str]:
    bodies = [
        document.resolve(operation["requestBody"]) if "requestBody" in operation else None
        for document, operation in ((contract, mine), (server, other))
    ]
    facts = [
        {} if body is None else {"request body": "required" if body.get("required") else "optional"}
        for body in bodies
    ]
    yield from compare(f"{where} ", facts[0], facts[1])
    if bodies[0] is not None and bodies[1] is not None:
        yield from _compare_contents(f"{where} request body", contract, bodies[0], server, bodies[1])


def _compare_contents(
    where: str,
    contract: Document,
    mine: Mapping[str, Any],
    server: Document,
    other: Mapping[str, Any],
) -> Iterator[str]:
    mine, other = contract.resolve(mine).get("content", {}), server.resolve(other).get("content")
    if other is None:
        return
    yield from compare(f"{where} ", dict.fromkeys(mine, ""), dict.fromkeys(other, ""))
    for media_type in sorted(mine.keys() & other.keys()):
        yield from _compare_schemas(
            where, contract, mine[media_type]["schema"], server, other[media_type]["schema"]
        )


def _compare_schemas(
    where: str,
    contract: Document,
    mine: Mapping[str, Any],
    server: Document,
    other: Mapping[str, Any],
) -> Iterator[str]:
    """Compare objects field by field, and all else by their types."""
    fields = contract.fields(mine), server.fields(other)
    if all(fields) and "$ref" not in other:
        yield from compare(f"{where}.", *fields)
    else:
        yield from compare(where, {"": contract.type(mine)}, {"": server.type(other)})
