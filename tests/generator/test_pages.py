"""Pages of the reference are written from the contract and from the parser of the command line."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from llama_agents.client.cli.arguments import make_parser

from generator import bindings, command_page, contract_page
from generator.__main__ import ROOT, main
from generator.drift import METHODS

SOURCES = [bindings.CONTRACT, command_page.SOURCE]
PAGES = [command_page.PAGE, contract_page.PAGE]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the pages are written from, and of the committed pages."""
    for name in (*SOURCES, *PAGES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_committed_pages_are_up_to_date(project: Path) -> None:
    assert main(["pages", "--check"], project) == 0


@pytest.mark.parametrize(
    ("source", "old", "new", "page"),
    [
        (bindings.CONTRACT, "List the runs", "List all runs", contract_page.PAGE),
        (command_page.SOURCE, '"--purge"', '"--delete"', command_page.PAGE),
    ],
)
def test_check_names_a_page_that_does_not_match_its_source(
    project: Path, capsys: pytest.CaptureFixture[str], source: str, old: str, new: str, page: str
) -> None:
    text = (project / source).read_text(encoding="utf-8")
    assert old in text
    (project / source).write_text(text.replace(old, new), encoding="utf-8")
    assert main(["pages", "--check"], project) == 1
    assert capsys.readouterr().out.endswith(f"{page}: changed\n")
    assert main(["pages"], project) == 0
    assert main(["pages", "--check"], project) == 0
    assert new.strip('"') in (project / page).read_text(encoding="utf-8")


def test_every_part_of_the_contract_is_on_its_page() -> None:
    document: dict[str, Any] = yaml.safe_load((ROOT / bindings.CONTRACT).read_text("utf-8"))
    page = (ROOT / contract_page.PAGE).read_text(encoding="utf-8")
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                _, _, section = page.partition(f"\n### `{method.upper()} {path}`\n")
                section = section.partition("\n### ")[0]
                for status in item[method]["responses"]:
                    assert f"\n| `{status}` | " in section
                for parameter in (*item.get("parameters", ()), *item[method].get("parameters", ())):
                    name = parameter.get("name") or parameter["$ref"].rpartition("/")[2]
                    shown = {"WorkflowName": "name", "HandlerId": "handler_id"}.get(name, name)
                    assert f"\n| `{shown}` | " in section
    for name, schema in document["components"]["schemas"].items():
        section = page.partition(f"\n### `{name}`\n")[2].partition("\n### ")[0]
        assert section
        for field in schema.get("properties", ()):
            assert f"\n| `{field}` | " in section


def test_every_option_of_every_command_is_on_its_page() -> None:
    page = (ROOT / command_page.PAGE).read_text(encoding="utf-8")
    (commands,) = (
        each for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction)
    )
    for name, command in commands.choices.items():
        section = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
        general = page.partition("\n## `")[0]
        for action in command._actions:
            for option in action.option_strings:
                assert f"{option}" in section + general, (name, option)
