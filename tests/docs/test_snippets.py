"""Every Python snippet of the README and the docs runs, as a reader would run it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Final

import pytest
from llama_agents.client import codegen
from llama_agents.client.testing._recording import load

from .pages import DOCS, PAGES, ROOT, blocks, name

GUIDES: Final = DOCS / "guides"
EXAMPLES: Final = ROOT / "examples"
BASE_URL: Final = "http://127.0.0.1:8080"
NIGHTLY: Final = "nightly-1 1\nnightly-2 2\nnightly-3 3\n"

# What the fragments of a page print, in this order.
PRINTED: Final = {
    ROOT / "README.md": [
        "DocumentIndexed {'number': 5, 'total': 5}",
        "IndexDone {'indexed': 5}",
        "Hello, Ada",
        "0 Workflow 'index' failed",
        "1 1\n2 2\n3 3\n4 4\n5 5\n",
    ],
    GUIDES / "runs.md": [
        "3\n3 IndexDone\n",
        "failed ",
        "documents must be at least 1, not 0",
        "DocumentIndexed {'number': 4",
        "IndexDone {'indexed': 5}",
    ],
    GUIDES / "streaming.md": [
        "DocumentIndexed\n",
        "IndexDone\n",
        "OutEvent {'output': 'Hello, Ada'}\n",
        "1 of 2\n2 of 2\nindexed 2\n",
    ],
    GUIDES / "human-in-the-loop.md": ["Hello, Ada", " OutEvent\nHello, Ada"],
    GUIDES / "batch.md": [
        "0 failed: Workflow 'index' failed",
        "1 1\n2 2\n3 3\n4 failed",
        "0 failed Workflow 'index' failed",
        "1 completed None 1\n",
        NIGHTLY * 2,
    ],
    GUIDES / "typed-events.md": [
        "1 of 3\n2 of 3\n3 of 3\n",
        "documents: Input should be a valid integer",
    ],
    GUIDES / "graphs.md": [block.text for block in blocks(GUIDES / "graphs.md", "text", "mermaid")],
    GUIDES / "notebooks.md": [
        blocks(GUIDES / "notebooks.md", "text")[0].text.partition("0 s")[0],
        "status='completed')",
    ],
    DOCS / "start" / "moving.md": [
        "DocumentIndexed {'number': 1, 'total': 2}\nDocumentIndexed {'number': 2, 'total': 2}\n",
        "404\n",
    ],
    GUIDES / "connections.md": ["list_workflows 200 \n"],
    GUIDES / "tracing.md": [block.text for block in blocks(GUIDES / "tracing.md", "text")],
    GUIDES / "logging.md": [],
}

PROGRAM: Final = """
import asyncio, builtins
from llama_agents.client import WorkflowClient
from sample_workflows import *

builtins.input = lambda prompt: "Ada"

async def main() -> None:
    async with WorkflowClient(base_url={url!r}) as client:
{snippets}

asyncio.run(main())
"""


def run_python(folder: Path, program: str) -> str:
    """Run a program in a folder, with the examples' modules at hand; return what it prints."""
    (folder / "program.py").write_text(f"import sys\nsys.path.append({str(EXAMPLES)!r})\n{program}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_program(snippet: str) -> bool:
    """Whether a snippet is to be run on its own, rather than within an async client."""
    return "asyncio.run(" in snippet or "with SyncWorkflowClient(" in snippet


@pytest.mark.parametrize("page", PRINTED, ids=name)
def test_fragments_run_within_an_async_client(page: Path, url: str, tmp_path: Path) -> None:
    snippets = [block.text for block in blocks(page, "python")]
    fragments = "\n".join(snippet for snippet in snippets if not is_program(snippet))
    snippets_here = textwrap.indent(fragments.replace(BASE_URL, url), " " * 8)
    program = PROGRAM.format(url=url, snippets=snippets_here)
    printed = run_python(tmp_path, program)
    position = 0
    for text in PRINTED[page]:
        assert text in printed[position:]
        position = printed.index(text, position) + len(text)


@pytest.mark.parametrize("number", [0, 1], ids=["sync", "async"])
def test_quick_start_runs(number: int, url: str, tmp_path: Path) -> None:
    quick_start = blocks(ROOT / "README.md", "python")[number].text
    assert BASE_URL in quick_start
    printed = run_python(tmp_path, quick_start.replace(BASE_URL, url))
    assert printed.count("DocumentIndexed") == 5
    assert printed.endswith("5 documents indexed\n")


def test_generated_classes_are_used_as_documented(url: str, tmp_path: Path) -> None:
    snippets = [block.text for block in blocks(GUIDES / "typed-events.md", "python")]
    (program,) = filter(is_program, snippets)
    codegen.main([url, "index", "-o", str(tmp_path / "events.py")])
    assert run_python(tmp_path, program.replace(BASE_URL, url)) == "1 of 3\n2 of 3\n3 of 3\n3\n"


def test_tests_of_the_testing_page_pass(tmp_path: Path) -> None:
    for block in blocks(GUIDES / "testing.md", "python"):
        assert block.file is not None
        (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    filters = "\n".join(["filterwarnings=", *options["filterwarnings"]])
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", filters]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_recording_of_the_testing_page_is_valid(tmp_path: Path) -> None:
    (lines,) = blocks(GUIDES / "testing.md", "json")
    (tmp_path / "run.jsonl").write_text(lines.text, encoding="utf-8")
    assert len(load(tmp_path / "run.jsonl").events) == 2


def test_fragments_of_every_page_are_run() -> None:
    with_fragments = {page for page in PAGES if blocks(page, "python")}
    elsewhere = {GUIDES / "testing.md", DOCS / "start" / "five-minutes.md"}
    recipes = {page for page in with_fragments if page.parent == DOCS / "recipes"}
    assert with_fragments - recipes == {*PRINTED, *elsewhere}
