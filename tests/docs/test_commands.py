"""Commands on the pages name sessions, files, extras and options that exist.

The sessions of the command line's page are typed at a terminal, by tests/cli/test_page.py.
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import uvicorn
from llama_agents.client.cli.arguments import make_parser, parse

from .pages import DOCS, PAGES, ROOT, blocks, name

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS: Final = set(PROJECT["project"]["optional-dependencies"])
NOXFILE: Final = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
SESSIONS: Final = {
    node.name for node in NOXFILE.body if isinstance(node, ast.FunctionDef) and node.decorator_list
}
TYPED_ELSEWHERE: Final = {"docs/guides/command-line.md"}
PAGES_WITH_COMMANDS: Final = [
    page
    for page in PAGES
    if blocks(page, "console", "sh", "bash") and name(page) not in TYPED_ELSEWHERE
]


def commands(page: Path) -> list[list[str]]:
    """The commands of a page, as words; if some follow a prompt, the other lines are output."""
    found = []
    for block in blocks(page, "console", "sh", "bash"):
        lines = re.sub(r"\\\n", " ", block.text).splitlines()
        typed = [line[2:] for line in lines if line.startswith("$ ")] or lines
        for line in typed:
            words = shlex.split(line, comments=True)
            while "&&" in words:
                found.append(words[: words.index("&&")])
                words = words[words.index("&&") + 1 :]
            found.append(words)
    return [words for words in found if words]


def check_installation(words: list[str], page: Path) -> None:
    for word in words:
        match = re.fullmatch(r"(?:\.|llama-agents-client)\[(.+)\]", word)
        if match is not None:
            assert EXTRAS.issuperset(match[1].split(",")), word


def check_uv(words: list[str], page: Path) -> None:
    assert words[0] in ("venv", "pip"), words
    if "--group" in words:
        assert words[words.index("--group") + 1] in PROJECT["dependency-groups"]


def check_session(words: list[str], page: Path) -> None:
    if words:
        option, session, *_ = words
        assert option == "-s"
        assert session.partition("-")[0] in SESSIONS, session


def check_tests(words: list[str], page: Path) -> None:
    for path in words:
        assert path.startswith("-") or (ROOT / path).exists(), path


def check_program(words: list[str], page: Path) -> None:
    on_page = {block.file for block in blocks(page, "python")}
    assert words[0] in on_page or (ROOT / words[0]).exists(), words[0]


def check_client(words: list[str], page: Path) -> None:
    if words != ["--version"]:
        parse(make_parser(), words)


def check_web_server(words: list[str], page: Path) -> None:
    context = uvicorn.main.make_context("uvicorn", list(words))  # of click, which knows the options
    module, _, name = context.params["app"].partition(":")
    (program,) = (each for each in blocks(page, "python") if each.file == f"{module}.py")
    assert re.search(rf"^{name}\b.*=", program.text, re.MULTILINE), words


def check_request(words: list[str], page: Path) -> None:
    (url,) = (urlsplit(word) for word in words if word.startswith("http"))
    assert url.hostname == "127.0.0.1"
    route = url.path.strip("/").partition("/")[0]
    assert any(route in each.text for each in blocks(page, "python")), words


def check_nothing(words: list[str], page: Path) -> None:
    """For what is not ours to check."""


CHECKS: Final[dict[str, Callable[[list[str], Path], None]]] = {
    "python -m pip install": check_installation,
    "pip install": check_installation,
    "uv": check_uv,
    "python -m nox": check_session,
    "python -m pytest": check_tests,
    ".venv/bin/python -m pytest": check_tests,
    "python": check_program,
    "llama-agents-client": check_client,
    "uvicorn": check_web_server,
    "curl": check_request,
    "git": check_nothing,
    "export": check_nothing,
}


def is_run_by_its_test(program: str, page: Path) -> bool:
    """Whether a page is a recipe whose test runs a program."""
    test = ROOT / "tests" / "recipes" / f"test_{page.stem.replace('-', '_')}.py"
    return page.parent == DOCS / "recipes" and program in test.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=name)
def test_commands_name_what_exists(page: Path) -> None:
    for words in commands(page):
        line = " ".join(words)
        check = next((start for start in CHECKS if f"{line} ".startswith(f"{start} ")), None)
        if check is None:
            assert is_run_by_its_test(words[0], page), f"nothing checks {line!r}"
        else:
            CHECKS[check](words[len(check.split()) :], page)


def test_page_of_the_installation_names_every_extra() -> None:
    page = (DOCS / "start" / "install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == EXTRAS
