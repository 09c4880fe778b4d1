"""The pictures in docs/guides/graphs are what the client draws; `--write-graphs` writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from llama_agents.client import SyncWorkflowClient

GUIDES: Final = Path(__file__).parents[2] / "docs" / "guides"
PICTURES: Final = GUIDES / "graphs"


@pytest.fixture(scope="module")
def pictures(url: str) -> dict[str, str]:
    """The pictures by file name, drawn from the graph and a run of the real server."""
    with SyncWorkflowClient(base_url=url) as client:
        graph = client.get_workflow_graph("human")
        run = client.start("human")
        events = []
        for event in run.events(include_internal_events=True):
            events.append(event)
            if event.type == "WorkflowIdleEvent":
                break
        run.cancel()
    return {
        "human.svg": graph.to_svg(),
        "human-events.svg": graph.to_svg(events=True),
        "human-run.svg": graph.to_svg(run=events),
    }


def test_pictures_are_those_that_the_client_draws(
    pictures: dict[str, str], pytestconfig: pytest.Config
) -> None:
    if pytestconfig.getoption("--write-graphs", default=False):
        PICTURES.mkdir(exist_ok=True)
        for name, picture in pictures.items():
            (PICTURES / name).write_text(picture, encoding="utf-8")
    found = {path.name: path.read_text(encoding="utf-8") for path in PICTURES.iterdir()}
    assert found == pictures


def test_page_shows_every_picture() -> None:
    page = (GUIDES / "graphs.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"!\[[^\]]+\]\(graphs/([^)]+)\)", page))
    assert shown == {path.name for path in PICTURES.iterdir()}
