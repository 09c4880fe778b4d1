"""The notebook runs from top to bottom, and each cell shows what the text above it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
NOTEBOOK: Final = EXAMPLES / "notebook.ipynb"
TIMEOUT: Final = 60  # s, for one cell

# The last line of each cell that shows something: what its text and its HTML contain.
SHOWN: Final = {
    "client.list_workflows().workflows": (r"\['greet', 'index', 'human'\]", None),
    'client.get_workflow_graph("human")': (r"(?s)step  .*\(person\) .*OutEvent \(stop\)\n?", None),
    "run": (r"SyncWorkflowRun\('\w+', status='running'\)", "● running.*as last known"),
    "run.watch()": (
        r"index  ✓ completed  watched for .* 21 events  \w+\n(  DocumentIndexed .*\n){7}"
        r"  IndexDone  indexed=20",
        "✓ completed .*21 events.*indexed=20",
    ),
    "run.result(IndexDone)": (r"IndexDone\(indexed=20\)", None),
    "last": (
        r"EventEnvelopeWithMetadata\(value={'indexed': 20}, .*",
        "<strong>IndexDone</strong>.*indexed.*20",
    ),
    'client.start("human").interact({RequestEvent: answer}, OutEvent)': (
        r"What is your name\?\nOutEvent\(output='Hello, Ada'\)",
        None,
    ),
    "failing.watch()": (
        r"(?s)index  ✗ failed .*documents must be at least 1, not 0.*",
        "✗ failed.*documents must be at least 1, not 0",
    ),
    "    display(error.handler)": (
        r"HandlerData\(.* status='failed'.*",
        "✗ failed.*error.*documents must be at least 1, not 0",
    ),
    "client.get_handlers()": (
        r"HandlersListResponse\(.*",
        "✓ completed.*IndexDone indexed=20.*OutEvent.*✗ failed",
    ),
    '[(row["start.documents"], row["status"], row.get("result.indexed")) for row in rows]': (
        r"\[\(0, 'failed', None\), \(1, 'completed', 1\), \(2, 'completed', 2\)\]",
        None,
    ),
    "    await run.watch()": (r"(?s)index  ✓ completed .*indexed=5", "✓ completed.*indexed=5"),
}


@pytest.fixture(scope="module")
def executed() -> Any:
    """The notebook as it is after it has run."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(EXAMPLES)}}
    NotebookClient(notebook, timeout=TIMEOUT, resources=resources).execute()
    return notebook


def shown(cell: Any) -> tuple[str, str | None]:
    """What a cell shows: as text, and as HTML if it has any."""
    texts, html = [], None
    for output in cell.outputs:
        data = output.get("data", {})
        texts.append(output.get("text") or data["text/plain"])
        html = data.get("text/html", html)
    return "".join(texts), html


def test_each_cell_shows_what_its_text_says(executed: Any) -> None:
    left = dict(SHOWN)
    for cell in executed.cells:
        if cell.cell_type == "code" and cell.outputs:
            text, html = shown(cell)
            expected_text, expected_html = left.pop(cell.source.splitlines()[-1])
            assert re.fullmatch(expected_text, text), text
            if expected_html is not None:
                assert re.search(expected_html, html or "", re.DOTALL), html
    assert not left


def test_a_graph_is_a_picture(executed: Any) -> None:
    (cell,) = (cell for cell in executed.cells if "get_workflow_graph" in cell.source)
    (output,) = cell.outputs
    assert output.data["image/svg+xml"].startswith("<svg")
    assert output.data["text/vnd.mermaid"].startswith("flowchart")


def test_a_watched_run_is_one_display(executed: Any) -> None:
    (cell,) = (cell for cell in executed.cells if cell.source == "run.watch()")
    (output,) = cell.outputs
    assert output.output_type == "display_data"


def test_notebook_is_committed_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    kinds = [cell["cell_type"] for cell in cells]
    assert kinds == ["markdown", "code"] * (len(cells) // 2)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
