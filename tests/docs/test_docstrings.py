"""Examples in docstrings run, with the workflows of the examples."""

from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import attrs
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from llama_agents.client.testing import record

from .summaries import Summary, SummaryStart

MODULES: Final = [
    import_module(f"llama_agents.client{module}") for module in ("", ".testing", ".typed")
]
BASE_URL: Final = "http://127.0.0.1:8080"


@attrs.frozen
class Example:
    """A block of code in a docstring."""

    name: str
    code: str

    @property
    def is_async(self) -> bool:
        return "await " in self.code or "async " in self.code

    @property
    def workflow(self) -> str:
        """The workflow of the run that the example uses."""
        return "human" if "RequestEvent" in self.code or "send_event" in self.code else "index"


def described() -> Iterator[tuple[str, Any]]:
    """The public objects and their public members, by name."""
    for module in MODULES:
        for name in module.__all__:
            value = getattr(module, name)
            yield name, value
            for member, function in vars(value).items() if inspect.isclass(value) else ():
                if not member.startswith("_"):
                    yield f"{name}.{member}", function


def examples() -> Iterator[Example]:
    for name, value in described():
        _, _, section = (inspect.getdoc(value) or "").partition("\nExample:\n")
        lines = section.split("\n")
        ends = [number for number, line in enumerate(lines) if line and not line.startswith(" ")]
        block: list[str] = []
        for line in [*lines[: ends[0] if ends else None], "    end"]:
            if line.startswith(" " * 8) or not line:
                block.append(line)
            elif "".join(block):
                yield Example(name, textwrap.dedent("\n".join(block)).strip())
                block = []


EXAMPLES: Final = {(each.name, each.code): each for each in examples()}


@pytest.fixture
def names(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What examples take for granted."""
    import sample_workflows

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "input", lambda prompt: "Ada")
    with SyncWorkflowClient(base_url=url) as client:
        for _ in record(client.start("index", {"documents": 3}).events(), "run.jsonl"):
            pass
        with client.map_workflow("index", [{"documents": 1}, {"documents": 0}]) as batch:
            items = list(batch)
    return {
        **{name: getattr(module, name) for module in MODULES for name in module.__all__},
        **vars(sample_workflows),
        "GreetWorkflow": sample_workflows.Greet,
        "Summary": Summary,
        "SummaryStart": SummaryStart,
        "event": sample_workflows.ResponseEvent(response="Ada"),
        "items": items,
        "pandas": SimpleNamespace(DataFrame=list),
        "paths": ["a.txt", "b.txt"],
        "token": "secret",
    }


@pytest.mark.parametrize(
    "example", EXAMPLES.values(), ids=lambda example: f"{example.name}-{len(example.code)}"
)
def test_example_runs(example: Example, names: dict[str, Any], url: str) -> None:
    code = compile(
        example.code.replace(BASE_URL, url),
        example.name,
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )
    start = {"documents": 3, "seconds_each": 0} if example.workflow == "index" else None

    async def run() -> None:
        async with WorkflowClient(base_url=url) as client:
            run = await client.start(example.workflow, start)
            await eval(code, {**names, "client": client, "run": run, "handler_id": run.handler_id})

    if example.is_async:
        asyncio.run(run())
    else:
        with SyncWorkflowClient(base_url=url) as client:
            handle = client.start(example.workflow, start)
            exec(code, {**names, "client": client, "run": handle, "handler_id": handle.handler_id})


def test_examples_are_found() -> None:
    found = {example.name for example in EXAMPLES.values()}
    assert {"WorkflowClient", "SyncWorkflowRun.interact", "EventTypes", "serve"} <= found
