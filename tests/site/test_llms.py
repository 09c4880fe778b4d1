"""The text of the site for language models is complete and plain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import llama_agents.client
import pytest

LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def index(site: Path) -> str:
    return (site / "llms.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(site: Path) -> str:
    return (site / "llms-full.txt").read_text(encoding="utf-8")


def test_index_lists_every_page(index: str, site: Path) -> None:
    listed = re.findall(r"^- \[.+\]\((\S+)\)(?:: \S.+)?$", index, re.MULTILINE)
    pages = {file.relative_to(site).as_posix() for file in site.rglob("*.html")}
    assert sorted(listed) == sorted(pages - {"index.html", "search.html"})
    assert index.startswith("# llama-agents-client\n\n> A Python client")


def test_links_lead_to_files_of_the_site(index: str, full: str, site: Path) -> None:
    code = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
    for link in LINK.findall(index) + LINK.findall(code.sub("", full)):
        path = link.partition("#")[0]
        if path and not re.match(r"\w+:", link):
            assert (site / path).is_file(), link


def test_text_has_no_directives(full: str) -> None:
    assert re.findall(r"^```\{.*|^\.\. \w+::.*|:(?:ref|class|py:\w+):`", full, re.MULTILINE) == []


@pytest.mark.parametrize("name", llama_agents.client.__all__)
def test_text_describes_every_public_name(name: str, full: str) -> None:
    heading = re.compile(rf"^### `\w+ llama_agents\.client\.{name}\b.*`\n\n\S", re.MULTILINE)
    assert len(heading.findall(full)) == 1
