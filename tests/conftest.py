"""Fixtures that both faces share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_agents.client.testing import serve

from .support.workflows import sample_workflows


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with serve(sample_workflows()) as url:
        yield url
