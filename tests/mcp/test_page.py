"""The page shows what hosts see."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from llama_agents.client.testing import serve

from .hosts import host, read_question, text_of

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "guides" / "mcp.md").read_text("utf-8")
JSON: Final = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.S)]
(ASKED,) = re.findall(r"```text\n(.*?)\n```", PAGE, re.S)


def test_configuration_of_the_page_starts_a_host_that_asks_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration, called = JSON
    (server,) = configuration["mcpServers"].values()
    assert server["command"] == "llama-agents-client"
    monkeypatch.syspath_prepend(ROOT / "examples")
    from server import create_server

    with serve(create_server()) as url:
        variables = {**server["env"], "LLAMA_AGENTS_URL": url}
        command = ["-m", "llama_agents.client", *server["args"]]
        with host(None, tmp_path, variables=variables, command=command) as one:
            assert set(one.tools()) == {"greet", "index", "human", "answer"}
            asked = one.call("human")
            pattern = re.escape(ASKED).replace(r"\.\.\.", r"\S+")
            assert re.fullmatch(pattern, text_of(asked))
            arguments: dict[str, Any] = called["arguments"]
            arguments["token"] = read_question(asked)[1]
            done = one.call(called["name"], **arguments)
            assert done.structured_content == {"output": "Hello, Ada"}
