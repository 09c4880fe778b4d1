"""The sessions of docs/guides/command-line.md, typed at a terminal, show what the page says."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from ..support.terminal import terminal

PAGE: Final = Path(__file__).parents[2] / "docs" / "guides" / "command-line.md"
SCRIPT: Final = (
    f"#!{sys.executable}\nfrom llama_agents.client.cli import main\nraise SystemExit(main())\n"
)
SESSIONS: Final = re.findall(r"^```console\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")
def test_sessions_of_the_page_show_what_it_says(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llama-agents-client").write_text(SCRIPT)
    (tmp_path / "llama-agents-client").chmod(0o755)
    (tmp_path / "documents.jsonl").write_text('{"documents": 2}\n{"documents": 0}\n')
    monkeypatch.chdir(tmp_path)
    # Without measuring their coverage, which other tests do: it makes each command start slowly.
    environment = {n: v for n, v in os.environ.items() if not n.startswith("COVERAGE_")}
    environment |= {"LLAMA_AGENTS_URL": url, "NO_COLOR": "1"}
    environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
    commands = [part for session in SESSIONS for part in re.split(r"^\$ ", session, flags=re.M)]
    assert len(commands) > 15
    for command, _, expected in (part.partition("\n") for part in commands if part):
        if command.startswith("export "):
            continue
        with terminal(["sh", "-c", command], environment) as person:
            for answer in re.findall(r"^response: (.*)$", expected, re.M):
                person.wait_for("response: ")
                person.type(f"{answer}\n")
            person.wait()
        pattern = re.escape(expected).replace(r"\.\.\.", ".+")
        # What progress was shown is gone.
        shown = re.sub(r"^.*\r\x1b\[K", "", person.shown.replace("\r\n", "\n"), flags=re.M)
        assert re.fullmatch(pattern, shown), f"{command}: {shown}"
    assert (tmp_path / "human.svg").read_text("utf-8").startswith("<svg")
