"""Every block of code on every page is tested somewhere."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import Final

import pytest
import yaml

from .pages import DOCS, PAGES, ROOT, blocks, name

# What tests the blocks of a language on some pages; the first line that fits counts.
TESTED: Final = [
    ("docs/recipes/*.md", ["python", "html"], "tests/recipes/test_types.py"),
    ("docs/reference/command-line.md", ["text"], "tests/generator/test_pages.py"),
    ("docs/start/five-minutes.md", ["python", "text"], "tests/docs/test_five_minutes.py"),
    ("docs/guides/testing.md", ["python", "json"], "tests/docs/test_snippets.py"),
    ("docs/guides/graphs.md", ["python", "text", "mermaid"], "tests/docs/test_snippets.py"),
    ("docs/guides/notebooks.md", ["python", "text"], "tests/docs/test_snippets.py"),
    ("docs/guides/tracing.md", ["python", "text"], "tests/docs/test_snippets.py"),
    ("docs/guides/mcp.md", ["json", "text"], "tests/mcp/test_page.py"),
    ("docs/guides/command-line.md", ["console"], "tests/cli/test_page.py"),
    ("docs/guides/mcp.md", ["json", "text"], "tests/mcp/test_page.py"),
    ("CONTRIBUTING.md", ["text"], "tests/docs/test_blocks.py"),
    ("docs/contributing/regenerating.md", ["text", "yaml"], "tests/docs/test_blocks.py"),
    ("*", ["python"], "tests/docs/test_snippets.py"),
    ("*", ["console", "sh", "bash"], "tests/docs/test_commands.py"),
    ("*", ["{eval-rst}", "{include}", "{toctree}"], "noxfile.py"),
]


def find_test(page: str, language: str) -> str | None:
    for pattern, languages, test in TESTED:
        if fnmatch(page, pattern) and language in languages:
            return test
    return None


def test_every_block_is_tested() -> None:
    untested = [
        (name(page), block.language, block.text)
        for page in PAGES
        for block in blocks(page)
        if find_test(name(page), block.language) is None
    ]
    assert untested == []


@pytest.mark.parametrize(("pattern", "languages", "test"), TESTED)
def test_what_tests_blocks_exists(pattern: str, languages: list[str], test: str) -> None:
    pages = [page for page in PAGES if fnmatch(name(page), pattern)]
    if pages:
        assert (ROOT / test).is_file()
        assert {block.language for page in pages for block in blocks(page)} & {*languages}


def test_yaml_is_valid() -> None:
    found = blocks(DOCS / "contributing" / "regenerating.md", "yaml")
    assert all(yaml.safe_load(block.text) for block in found)


def test_lines_of_differences_are_those_that_the_generator_prints() -> None:
    (block,) = blocks(DOCS / "contributing" / "regenerating.md", "text")
    for line in block.text.splitlines():
        assert re.fullmatch(r"  (document|model) .+: only (on the server|in the contract)", line)


def test_tree_of_the_source_exists() -> None:
    (block,) = blocks(ROOT / "CONTRIBUTING.md", "text")
    folders = {-1: ROOT}
    for line in block.text.splitlines():
        names, _, _ = line.strip().partition("  ")
        depth = len(line) - len(line.lstrip())
        parent = folders[max(each for each in folders if each < depth)]
        for entry in names.split():
            assert (parent / entry).exists(), parent / entry
            if entry.endswith("/"):
                folders[depth] = parent / entry
                folders = {each: path for each, path in folders.items() if each <= depth}
