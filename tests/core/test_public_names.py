"""The names that users import, and what importing them costs."""

from __future__ import annotations

import importlib
import inspect
import pickle
import subprocess
import sys
import typing
from collections.abc import Iterator
from typing import Any, Final

import llama_agents.client
import pytest
from llama_agents.client import SyncWorkflowClient

from ..support.processes import run_program

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


def public_callables() -> Iterator[Any]:
    """Every public function, class, and method of one."""
    modules = [*PUBLISHED, *(f"llama_agents.client.{name}" for name in ("testing", "typed"))]
    for module in modules:
        imported = importlib.import_module(module)
        for name in imported.__all__:
            value = getattr(imported, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                yield pytest.param(value, id=f"{module}.{name}")
            for method_name, method in vars(value).items() if inspect.isclass(value) else ():
                function = getattr(method, "fget", None) or getattr(method, "__func__", method)
                is_ours = getattr(function, "__module__", "").startswith("llama_agents")
                if is_ours and inspect.isfunction(function):
                    yield pytest.param(function, id=f"{module}.{name}.{method_name}")


@pytest.mark.parametrize("value", [*public_callables()])
def test_type_hints_of_public_names_resolve(value: Any) -> None:
    """For tools that read them: dependency injection, documentation, validation."""
    assert isinstance(typing.get_type_hints(value), dict)


@pytest.mark.parametrize(
    ("module", "name"), [("workflows.client", "WorkflowClient"), ("workflows.protocol", "Status")]
)
def test_old_import_paths_of_the_framework_work(module: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old = importlib.reload(importlib.import_module(module))
    new = "llama_agents.client" + module.removeprefix("workflows").removesuffix(".client")
    assert getattr(old, name) is getattr(importlib.import_module(new), name)


SLOW: Final = (
    "workflows",
    "llama_agents.client.bindings",
    "llama_agents.client.protocol",
    "llama_agents.client.testing",
    "llama_agents.client.typed",
    "anyio",
    "matplotlib",
    "pydantic",
    "pydantic_core",
    "pytest",
    "uvicorn",
)


def test_importing_the_client_imports_nothing_slow() -> None:
    """The framework and pydantic each take as long to import as everything else."""
    loaded = modules_after("from llama_agents.client import WorkflowClient")
    assert "httpx" in loaded
    assert not set(SLOW) & loaded


def test_importing_the_package_alone_imports_nothing() -> None:
    """For the command line, whose help and completion must not wait for the client."""
    loaded = modules_after("import llama_agents.client")
    assert not {"httpx", "attr", "logging", *SLOW} & loaded
    ours = {name for name in loaded if name.startswith("llama_agents.client")}
    assert ours == {"llama_agents.client"}


def modules_after(statement: str) -> set[str]:
    command = [sys.executable, "-c", f"{statement}\nimport sys; print(*sys.modules)"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return set(printed.split())


@pytest.mark.parametrize("restored", [False, True])
def test_calls_import_nothing_that_their_client_has_not_imported(
    server_url: str, restored: bool
) -> None:
    """The first call takes no longer than others, and a fork beside it waits for no import."""
    made = f"SyncWorkflowClient(base_url={server_url!r})"
    if restored:
        made = f"pickle.loads({pickle.dumps(SyncWorkflowClient(base_url=server_url))!r})"
    program = """
        import pickle, sys
        from llama_agents.client import SyncWorkflowClient
        client = eval(sys.argv[1])
        assert "pydantic" in sys.modules
        known = set(sys.modules)
        client.is_healthy()
        client.get_handlers()
        run = client.start("greet", start_event={"name": "Ada"})
        list(run.events())
        run.result()
        client.close()
        late = {name for name in sys.modules if name.startswith(("llama_agents", "pydantic"))}
        assert late <= known, late - known
    """
    assert run_program(program, made) == ("", "")


def test_names_that_are_imported_late_are_found_like_the_others() -> None:
    program = """
        import llama_agents.client as client
        assert {*client.__all__} <= {*dir(client)}
        assert client.protocol.HandlerData is client.HandlerData
        from llama_agents.client import *
        assert HandlerData is client.HandlerData
    """
    assert run_program(program) == ("", "")


def test_importing_the_test_kit_needs_neither_server_nor_pytest() -> None:
    loaded = modules_after("import llama_agents.client.testing")
    assert not {"workflows", "llama_agents.server", "pytest", "uvicorn"} & loaded


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    for module in PUBLISHED:
        with pytest.raises(AttributeError, match="Typo"):
            importlib.import_module(module).Typo  # noqa: B018
