"""Compare `openapi.yaml` with a server's routes, its own document and its models.

Known differences are listed and explained in `drift-baseline.yaml`. A difference is one line of
text that states both sides and is the same on every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

from . import release, server

CONTRACT: Final = "openapi.yaml"
BASELINE: Final = "generator/drift-baseline.yaml"
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
RENAMED: Final = {"Handler": "HandlerData", "HandlersList": "HandlersListResponse"}
"""Schemas that the server's own document names differently than its models and the contract do."""


@attrs.frozen
class Group:
    """Known differences with a common reason."""

    reason: str
    differences: Sequence[str]


@attrs.frozen
class Verdict:
    """The differences found, compared with the baseline.

    Attributes:
        unexplained: Differences that the baseline does not list.
        stale: Differences that the baseline lists but that no longer occur.
    """

    unexplained: Sequence[str]
    stale: Sequence[str]


@attrs.frozen
class Node:
    """A part of an OpenAPI document or of a model's JSON schema.

    Attributes:
        document: The whole document, in which references are resolved.
        value: The part. Defaults to the whole document.
        name: Name of the component, if the part was reached through a reference.
    """

    document: Mapping[str, Any]
    value: Mapping[str, Any] = attrs.Factory(lambda node: node.document, takes_self=True)
    name: str = ""

    def follow(self, value: Mapping[str, Any]) -> Node:
        """Return the node of a value of this document, with references resolved."""
        name = ""
        while "$ref" in value:
            path = value["$ref"].removeprefix("#/").split("/")
            name, value = RENAMED.get(path[-1], path[-1]), self.document
            for key in path:
                value = value[key]
        return Node(self.document, value, name)

    def get(self, key: str) -> Node:
        """Return the node under a key, empty if there is none."""
        return self.follow(self.value.get(key, {}))

    def children(self, key: str) -> dict[str, Node]:
        """Return the nodes of the mapping under a key."""
        return {str(name): self.follow(value) for name, value in self.get(key).value.items()}

    def operations(self) -> dict[str, Node]:
        """Return the operations by method and path, including path-level parameters."""
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
        """Return the component schemas under the contract's names."""
        found = self.get("components").children("schemas")
        return {RENAMED.get(name, name): schema for name, schema in found.items()}

    def fields(self) -> dict[str, str]:
        """Return for each field of an object schema whether it is required, and its type."""
        required = self.value.get("required", ())
        return {
            name: f"{'required' if name in required else 'optional'} {field.type_name()}"
            for name, field in self.children("properties").items()
        }

    def parameters(self) -> dict[str, str]:
        """Return the parameters of an operation as `fields` does, with defaults."""
        return {
            f"{parameter['in']} {parameter['name']}": (
                f"{'required' if parameter.get('required') else 'optional'} {schema.type_name()}"
                + (f", default {schema.value['default']}" if "default" in schema.value else "")
            )
            for parameter in (self.follow(value).value for value in self.value["parameters"])
            for schema in [self.follow(parameter["schema"])]
        }

    def type_name(self) -> str:
        """Return a schema's type as one line, with enum values in parentheses."""
        return " | ".join(
            f"{name}({', '.join(sorted(values))})" if values else name
            for name, values in sorted(self._types().items())
        )

    def _types(self) -> dict[str, set[str]]:
        """Return the types that a value may have, each with the enum values that are listed."""
        schema, found = self.value, dict[str, set[str]]()
        # A model that is inlined into another model's schema carries its name as the title.
        if "properties" in schema and (name := self.name or schema.get("title", "")):
            return {name: set()}
        for branch in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
            for name, values in self.follow(branch)._types().items():
                found.setdefault(name, set()).update(values)
        types = schema.get("type", ())
        for name in [types] if isinstance(types, str) else types:
            values = schema.get("enum", [schema["const"]] if "const" in schema else [])
            name = f"array of {self.get('items').type_name()}" if name == "array" else name
            found.setdefault(name, set()).update(values)
        if schema.get("nullable"):
            found["null"] = set()
        return {"any": set()} if not found or "any" in found else found


def compare(where: str, contract: Mapping[str, Any], server: Mapping[str, Any]) -> Iterator[str]:
    """Compare two mappings by key, and by value where the values are strings."""
    for name in sorted(contract.keys() | server.keys()):
        if name not in server:
            yield f"{where}{name}: only in the contract"
        elif name not in contract:
            yield f"{where}{name}: only on the server"
        elif isinstance(contract[name], str) and contract[name] != server[name]:
            yield f"{where}{name}: {contract[name]} in the contract, {server[name]} on the server"


def compare_routes(contract: Node, routes: Iterable[str]) -> Iterator[str]:
    """Compare the operations with the server's routes, given as ``METHOD /path``."""
    yield from compare("route ", contract.operations(), dict.fromkeys(routes))


def compare_documents(contract: Node, server: Node) -> Iterator[str]:
    """Compare the contract with the server's own document.

    That document omits many bodies and components. Only those that it describes are compared.
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
        for status, response, other_response in _pairs(*statuses):
            yield from _compare_contents(f"{here} status {status}", response, other_response)
    known = {name: contract.schemas().get(name, Node({})) for name in server.schemas()}
    for name, mine, other in _pairs(known, server.schemas()):
        yield from compare(f"document {name}.", mine.fields(), other.fields())


def compare_models(contract: Node, models: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Compare the components with the models of the same names, given as JSON schemas."""
    theirs = {name: Node(schema) for name, schema in models.items()}
    known = {name: node for name, node in contract.schemas().items() if name in theirs}
    yield from compare("model ", known, theirs)
    for name, mine, other in _pairs(known, theirs):
        yield from _compare_schemas(f"model {name}", mine, other)


def compare_store(contract: Node, handler: Mapping[str, Any]) -> Iterator[str]:
    """Compare ``HandlerData`` with the JSON schema of the server's stored record of a run."""
    mine = contract.schemas()["HandlerData"]
    yield from compare("store HandlerData.", mine.fields(), Node(handler).fields())


def judge(found: Iterable[str], baseline: Iterable[Group]) -> Verdict:
    """Compare the differences found with those that the baseline lists."""
    occurring, explained = set(found), {line for group in baseline for line in group.differences}
    return Verdict(unexplained=sorted(occurring - explained), stale=sorted(explained - occurring))


def read_baseline(text: str) -> list[Group]:
    """Parse a baseline.

    Raises:
        ValueError: If a group has no reason, or if a difference is listed twice.
    """
    groups = [Group(**entry) for entry in yaml.safe_load(text) or ()]
    if empty := [group for group in groups if not (group.reason or "").strip()]:
        raise ValueError(f"missing reason for {', '.join(empty[0].differences)}")
    lines = [line for group in groups for line in group.differences]
    if repeated := {line for line in lines if lines.count(line) > 1}:
        raise ValueError(f"listed twice: {', '.join(sorted(repeated))}")
    return groups


def observe(contract: Node, described: Mapping[str, Any]) -> list[str]:
    """Return all differences between the contract and a server, as `server.describe` returns it."""
    return [
        *compare_routes(contract, described["routes"]),
        *compare_documents(contract, Node(described["document"])),
        *compare_models(contract, described["models"]),
        *compare_store(contract, described["store"]),
    ]


def run(root: Path, version: str | None = None) -> int:
    """Compare, print deviations from the baseline, and return the exit status.

    Args:
        root: Root of the project.
        version: Version of the server on the package index. Defaults to the installed server.

    Raises:
        release.ReleaseError: If there is no such version or if it could not be described.
    """
    contract = Node(yaml.safe_load((root / CONTRACT).read_text(encoding="utf-8")))
    if version is None:
        described = server.describe(contract.schemas())
    else:
        described = release.describe(root, version, contract.schemas())
        # The models come from other distributions, so their versions matter, too.
        print(", ".join(" ".join(entry) for entry in described["versions"].items()))
    found = observe(contract, described)
    verdict = judge(found, read_baseline((root / BASELINE).read_text(encoding="utf-8")))
    for title, lines in (
        ("Differences missing from the baseline:", verdict.unexplained),
        ("Differences in the baseline that no longer occur:", verdict.stale),
    ):
        if lines:
            print(title, *lines, sep="\n  ")
    print(f"{len(found)} differences, {len(verdict.unexplained)} unexplained.")
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
    """Compare unnamed objects field by field, and everything else by type."""
    if not other.name and mine.fields() and other.fields():
        yield from compare(f"{where}.", mine.fields(), other.fields())
    else:
        yield from compare(where, {"": mine.type_name()}, {"": other.type_name()})
