"""The server that the scenarios share, and the record of what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_agents.client import WorkflowClient

from .measure import Ledger
from .server_process import ServerProcess, server_process

LEDGER = pytest.StashKey[Ledger]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-faults", type=Path, help="write the measured tables to this page")
    parser.addoption("--transport", help="what the async client sends requests through")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEDGER] = Ledger()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    page: Path | None = session.config.getoption("--write-faults")
    if page is not None and exitstatus == 0:
        page.write_text(session.config.stash[LEDGER].page(), encoding="utf-8")


@pytest.fixture(autouse=True)
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if transport := request.config.getoption("--transport"):
        defaults = WorkflowClient.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "transport", transport)


@pytest.fixture(scope="session")
def ledger(request: pytest.FixtureRequest) -> Ledger:
    return request.config.stash[LEDGER]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(tmp_path_factory.mktemp("server"), start=False) as process:
        yield process


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
