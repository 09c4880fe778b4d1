"""The server of the documentation, and the option that writes its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from llama_agents.client.testing import serve
from llama_agents.server import WorkflowServer

from .summaries import Summarize

EXAMPLES: Final = Path(__file__).parents[2] / "examples"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-graphs", action="store_true", help="write docs/guides/graphs/*.svg")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with the workflows of the examples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        from sample_workflows import STREAMED_EVENTS, sample_workflows

        server = WorkflowServer()
        for name, workflow in sample_workflows().items():
            events = list(STREAMED_EVENTS.get(name, ()))
            server.add_workflow(name, workflow, additional_events=events)
        server.add_workflow("summarize", Summarize())  # of an example in a docstring
        with serve(server) as url:
            yield url
