"""Describe the installed server: its routes, its own document and the schemas of its models.

Also runs as a script, in an environment with another version of the server, and then prints the
description and the ``versions`` as JSON. That environment is without this package, so nothing of it
is imported here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

DISTRIBUTIONS: Final = ("llama-agents-server", "llama-agents-client", "llama-index-workflows")
"""The server, and what the modules with its models come from."""
MODULES: Final = (
    "workflows.representation",
    "llama_agents.client.protocol",
    "llama_agents.client.protocol.serializable_events",
)
"""Modules with the models that the server reads and writes."""
READ_BY_SERVER: Final = frozenset({"EventEnvelope"})
"""Models that the server reads. It writes all others, always with every field."""


def describe(names: Collection[str]) -> dict[str, Any]:
    """Describe the installed server.

    Args:
        names: Names of the contract's components. Types of these names are described even if they
            are not models.

    Returns:
        What can be written as JSON: its ``routes`` as ``METHOD /path``, its own OpenAPI
        ``document``, and the JSON schemas of its ``models`` and of its ``store``'s record of a run.
    """
    from llama_agents.server import PersistentHandler, WorkflowServer
    from starlette.routing import Route

    server = WorkflowServer()
    routes = [
        f"{method} {route.path}"
        for route in server.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    ]
    return {
        "routes": sorted(routes),
        "document": server.openapi_schema(),
        "models": _models(names),
        "store": as_written(PersistentHandler.model_json_schema(mode="serialization")),
    }


def as_written(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Mark every field of a model's JSON schema as required: writers include defaults too."""
    return {**schema, "required": list(schema.get("properties", ()))}


def _models(names: Collection[str]) -> dict[str, dict[str, Any]]:
    from pydantic import BaseModel, TypeAdapter

    found = {}
    for module in map(import_module, MODULES):
        for name in getattr(module, "__all__", vars(module)):
            member = getattr(module, name)
            is_model = isinstance(member, type) and issubclass(member, BaseModel)
            if is_model and not hasattr(module, "__all__"):
                is_model = member.__module__ == module.__name__  # rather than imported there
            if name in READ_BY_SERVER:
                found[name] = TypeAdapter(member).json_schema()
            elif is_model or name in names:
                schema = TypeAdapter(member).json_schema(mode="serialization")
                found[name] = as_written(schema)
    return found


if __name__ == "__main__":
    versions = {name: version(name) for name in DISTRIBUTIONS}
    print(json.dumps({"versions": versions, **describe(sys.argv[1:])}))
