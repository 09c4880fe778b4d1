"""The names that users import, and which part of the client imports which."""

from __future__ import annotations

import ast
import graphlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import llama_agents.client
import pytest

ROOT: Final = Path(llama_agents.client.__file__).parent

PUBLISHED: Final = {
    "llama_agents.client": [
        "CancelHandlerResponse",
        "EventEnvelopeWithMetadata",
        "EventStream",
        "HandlerData",
        "HandlersListResponse",
        "SendEventResponse",
        "WorkflowClient",
        "WorkflowEventsListResponse",
        "WorkflowGraphResponse",
        "WorkflowSchemaResponse",
    ],
    "llama_agents.client.client": ["EventStream", "WorkflowClient"],
    "llama_agents.client.protocol": [
        "CancelHandlerResponse",
        "HandlerData",
        "HandlersListResponse",
        "HealthResponse",
        "SendEventResponse",
        "Status",
        "WorkflowEventsListResponse",
        "WorkflowGraphResponse",
        "WorkflowSchemaResponse",
        "WorkflowsListResponse",
        "is_status_completed",
    ],
    "llama_agents.client.protocol.serializable_events": [
        "EventEnvelope",
        "EventEnvelopeWithMetadata",
        "EventValidationError",
        "FRAMEWORK_EVENT_TYPES",
    ],
}


@pytest.mark.parametrize("module", PUBLISHED)
def test_names_of_the_published_client_are_there(module: str) -> None:
    exported = set(importlib.import_module(module).__all__)
    assert exported >= set(PUBLISHED[module])


@pytest.mark.parametrize(
    "module", [*PUBLISHED, "llama_agents.client.errors", "llama_agents.client.testing"]
)
def test_every_exported_name_exists(module: str) -> None:
    imported = importlib.import_module(module)
    for name in getattr(imported, "__all__", ()):
        assert getattr(imported, name) is not None


def test_every_error_is_exported_at_the_top() -> None:
    from llama_agents.client import errors

    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert defined <= set(llama_agents.client.__all__)


@pytest.mark.parametrize(
    ("module", "name"), [("workflows.client", "WorkflowClient"), ("workflows.protocol", "Status")]
)
def test_old_paths_of_the_framework_lead_here(module: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old = importlib.reload(importlib.import_module(module))
    new = "llama_agents.client" + module.removeprefix("workflows").removesuffix(".client")
    assert getattr(old, name) is getattr(importlib.import_module(new), name)


SLOW: Final = (
    "workflows",
    "llama_agents.client.bindings",
    "llama_agents.client.testing",
    "llama_agents.client.typed",
    "anyio",
    "matplotlib",
    "pytest",
    "uvicorn",
)


def test_importing_the_client_imports_nothing_slow() -> None:
    """The framework takes as long to import as all the rest, and many programs need none of it."""
    program = "import llama_agents.client, sys; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert "llama_agents.client" in loaded
    assert not set(SLOW) & set(loaded)


def test_importing_the_test_kit_needs_neither_server_nor_pytest() -> None:
    program = "import llama_agents.client.testing, sys; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert not {"workflows", "llama_agents.server", "pytest", "uvicorn"} & set(loaded)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    for module in PUBLISHED:
        with pytest.raises(AttributeError, match="Typo"):
            importlib.import_module(module).Typo  # noqa: B018


MODELS: Final = {"protocol", "errors", "_lazy_types"}
MACHINES: Final = {
    *("_handle", "_interact", "_map", "_operations", "_resume", "_retry", "_start", "_wait"),
    *("_pool", "_connection", "_tasks"),
}
ALLOWED: Final = {
    "_lazy_types": set(),
    "errors": {"_lazy_types"},
    "protocol": {"_lazy_types", "errors"},
    "bindings": set(),
    "_sse": set(),
    "_tasks": set(),
    "_pool": {"_tasks"},
    "_connection": {"_tasks"},
    "_events": MODELS,
    "typed": {"_events"},
    "_operations": {"bindings", "_events"} | MODELS,
    "_retry": {"_operations"},
    "_resume": {"_sse", "_operations", "_retry"} | MODELS,
    "_handle": MODELS,
    "_start": {"_operations", "_retry"} | MODELS,
    "_wait": {"_sse", "_operations", "_retry"} | MODELS,
    "_interact": {"_events"} | MODELS,
    "_map": {"_events", "_wait"} | MODELS,
    "_async": MACHINES | MODELS | {"_events"},
    "_sync": MACHINES | MODELS | {"_events"},
    "client": {"_async", "_sync"},
    "testing": {"client", "protocol"},
    "codegen": {"client", "errors", "_events"},
    "__init__": {"client", "_handle", "_map", "errors", "protocol", "typed"},
}


def _without_types(tree: ast.Module) -> ast.Module:
    """The module as it runs: what stands under ``if TYPE_CHECKING:`` left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


def imports(path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports."""
    package = ["llama_agents", "client", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(_without_types(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def edges() -> Iterator[tuple[str, str]]:
    """Which part imports which."""
    for path in ROOT.rglob("*.py"):
        source = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for name in imports(path):
            if name.startswith("llama_agents.client."):
                target = name.split(".")[2]
                if target != source:
                    yield source, target


def test_imports_run_one_way() -> None:
    found: dict[str, set[str]] = {}
    for source, target in edges():
        found.setdefault(source, set()).add(target)
    leaves = {"_lazy_types", "errors", "bindings", "_sse", "_tasks"}
    assert set(found) | leaves == set(ALLOWED)
    for source, targets in found.items():
        assert targets <= ALLOWED[source], source


def test_allowed_imports_hold_no_circle() -> None:
    assert len([*graphlib.TopologicalSorter(ALLOWED).static_order()]) == len(ALLOWED)


FOREIGN: Final = ("llama_agents.server", "uvicorn", "pytest", "openapi_python_client", "generator")


def test_only_the_test_kit_imports_the_server_and_nothing_the_generator() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name.rpartition(".")[0] or name)
        for path in ROOT.rglob("*.py")
        for name in imports(path)
        if name.startswith(FOREIGN)
    }
    assert found == {("testing/_serve.py", "llama_agents.server"), ("testing/_serve.py", "uvicorn")}
