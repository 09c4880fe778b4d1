"""Every Python snippet of the README and the docs runs, as a reader would run it."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Final

import pytest
from llama_agents.client import codegen
from llama_agents.client.testing._recording import load

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
GUIDES: Final = DOCS / "guides"
EXAMPLES: Final = ROOT / "examples"
BASE_URL: Final = "http://127.0.0.1:8080"
PYTHON: Final = re.compile(r"```python\n(.*?)```", re.DOTALL)

OUTPUT: Final = re.compile(r"```(?:text|mermaid)\n(.*?)```", re.DOTALL)

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
    GUIDES / "graphs.md": OUTPUT.findall((GUIDES / "graphs.md").read_text(encoding="utf-8")),
    GUIDES / "notebooks.md": [
        "DocumentIndexed  number=1 total=2\nDocumentIndexed  number=2 total=2\n",
        "IndexDone  indexed=2\nindex  ✓ completed  watched for ",
        "status='completed')",
    ],
    GUIDES / "connections.md": ["list_workflows 200 \n"],
    GUIDES / "tracing.md": OUTPUT.findall((GUIDES / "tracing.md").read_text(encoding="utf-8")),
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


@pytest.mark.parametrize("page", PRINTED, ids=lambda page: page.name)
def test_fragments_run_within_an_async_client(page: Path, url: str, tmp_path: Path) -> None:
    snippets = PYTHON.findall(page.read_text(encoding="utf-8"))
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
    quick_start = PYTHON.findall((ROOT / "README.md").read_text(encoding="utf-8"))[number]
    assert BASE_URL in quick_start
    printed = run_python(tmp_path, quick_start.replace(BASE_URL, url))
    assert printed.count("DocumentIndexed") == 5
    assert printed.endswith("5 documents indexed\n")


def test_generated_classes_are_used_as_documented(url: str, tmp_path: Path) -> None:
    page = (GUIDES / "typed-events.md").read_text(encoding="utf-8")
    (program,) = filter(is_program, PYTHON.findall(page))
    codegen.main([url, "index", "-o", str(tmp_path / "events.py")])
    assert run_python(tmp_path, program.replace(BASE_URL, url)) == "1 of 3\n2 of 3\n3 of 3\n3\n"


def test_tests_of_the_testing_page_pass(tmp_path: Path) -> None:
    page = (GUIDES / "testing.md").read_text(encoding="utf-8")
    programs = re.findall(r"```python\n# (\S+)\n(.*?)```", page, re.DOTALL)
    assert len(programs) == page.count("```python")
    for name, program in programs:
        (tmp_path / name).write_text(program, encoding="utf-8")
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    filters = "\n".join(["filterwarnings=", *options["filterwarnings"]])
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", filters]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_recording_of_the_testing_page_is_valid(tmp_path: Path) -> None:
    page = (GUIDES / "testing.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (tmp_path / "run.jsonl").write_text(lines, encoding="utf-8")
    assert len(load(tmp_path / "run.jsonl").events) == 2


PAGES: Final = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def test_every_page_with_snippets_is_tested() -> None:
    with_snippets = {page for page in PAGES if "```python" in page.read_text(encoding="utf-8")}
    assert with_snippets == {*PRINTED, GUIDES / "testing.md"}


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link
