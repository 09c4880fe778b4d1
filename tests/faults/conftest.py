"""The server that the scenarios share, and the record of what was measured."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.transports import SYNC_TRANSPORTS, TRANSPORTS, use_transport
from .measure import Ledger
from .server_process import ServerProcess, server_process

LEDGER = pytest.StashKey[Ledger]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-faults", type=Path, help="write the measured tables to this page")
    parser.addoption(
        "--transport",
        action="append",
        choices=TRANSPORTS,
        help="what clients send requests through (repeatable; default: httpx)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEDGER] = Ledger()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    page: Path | None = session.config.getoption("--write-faults")
    if page is not None and exitstatus == 0:
        page.write_text(session.config.stash[LEDGER].page(), encoding="utf-8")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Tests over httpx keep the names that they have without the option.
    chosen = metafunc.config.getoption("--transport") or []
    if not inspect.iscoroutinefunction(metafunc.function):
        chosen = [name for name in chosen if name in SYNC_TRANSPORTS]
    ids = {"httpx": pytest.HIDDEN_PARAM}
    transports = [pytest.param(name, id=ids.get(name, name)) for name in chosen or ["httpx"]]
    metafunc.parametrize("transport", transports, indirect=True)


@pytest.fixture(autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What clients send requests through, unless a test says otherwise."""
    name: str = request.param
    use_transport(name, monkeypatch)
    return name


@pytest.fixture
def ledger(request: pytest.FixtureRequest, transport: str) -> Ledger:
    shared = request.config.stash[LEDGER]
    shared.transport = transport
    return shared


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(tmp_path_factory.mktemp("server"), start=False) as process:
        yield process


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
