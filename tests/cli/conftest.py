"""A server with the workflows of the examples, and the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from llama_agents.client import cli
from llama_agents.client.testing import serve

EXAMPLES: Final = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        from server import create_server

        with serve(create_server()) as url:
            yield url


@attrs.frozen
class Ran:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run a command on the server."""
    monkeypatch.setenv("LLAMA_AGENTS_URL", url)
    monkeypatch.delenv("LLAMA_AGENTS_TOKEN", raising=False)

    def run(*arguments: str) -> Ran:
        try:
            status = cli.main(arguments)
        except SystemExit as error:
            assert isinstance(error.code, int)
            status = error.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(status, captured.out, captured.err)

    return run
