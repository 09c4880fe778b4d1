"""A server with workflows that ask, and hosts of both eras of the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_agents.client.testing import serve

from ..support.server import sample_server
from .hosts import Host, host
from .workflows import mcp_workflows


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    server = sample_server()
    for name, workflow in mcp_workflows().items():
        server.add_workflow(name, workflow)
    with serve(server) as url:
        yield url


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the key."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def model(url: str, state: Path) -> Iterator[Host]:
    """A host without forms."""
    with host(url, state, is_measured=True) as one:
        yield one


@pytest.fixture(scope="session", params=["auto", "legacy"])
def _person(url: str, state: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    with host(url, state, mode=request.param, has_forms=True, is_measured=True) as one:
        yield one


@pytest.fixture
def person(_person: Host) -> Host:
    """A host with forms."""
    _person.asked.clear()
    return _person
