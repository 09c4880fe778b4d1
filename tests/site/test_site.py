"""The site is complete: it needs nothing from the network, and its links lead to what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urldefrag

import pytest
from sphinx.util.inventory import InventoryFile

ROOT: Final = Path(__file__).parents[2]
MODULES: Final = (
    "llama_agents.client",
    "llama_agents.client.protocol",
    "llama_agents.client.testing",
    "llama_agents.client.typed",
)
LOADED: Final = {  # attributes whose addresses a browser loads by itself
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("img", "srcset"),
    ("source", "src"),
    ("source", "srcset"),
    ("iframe", "src"),
    ("object", "data"),
    ("embed", "src"),
    ("use", "href"),
    ("image", "href"),
}
IN_STYLES: Final = re.compile(r"url\(\s*['\"]?(.*?)['\"]?\s*\)|@import\s+['\"](.*?)['\"]")


class Page(HTMLParser):
    """What a page loads, what it links to, and its anchors."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.loaded += [values[name] for loads, name in LOADED if loads == tag and name in values]
        self.loaded += addresses_in_style(values.get("style", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.anchors.update(values[name] for name in ("id", "name") if name in values)


def addresses_in_style(style: str) -> list[str]:
    return [first or second for first, second in IN_STYLES.findall(style)]


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def loaded(site: Path, pages: dict[Path, Page]) -> Iterator[tuple[Path, str]]:
    """Each file of the site with an address that a browser loads for it."""
    for file, page in pages.items():
        yield from ((file, address) for address in page.loaded)
    for file in site.rglob("*.css"):
        style = file.read_text(encoding="utf-8")
        yield from ((file, address) for address in addresses_in_style(style))


def test_everything_loaded_is_a_file_of_the_site(site: Path, pages: dict[Path, Page]) -> None:
    found = list(loaded(site, pages))
    assert len(found) > len(pages)
    for file, address in found:
        if not address.startswith(("data:", "#")):
            path = address.partition("?")[0].partition("#")[0]
            assert (file.parent / unquote(path)).is_file(), (file.name, address)


def test_scripts_load_nothing_from_elsewhere(site: Path) -> None:
    for file in site.rglob("*.js"):
        code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", file.read_text("utf-8"), flags=re.S | re.M)
        for call in re.findall(r"(?:fetch|import|importScripts)\(\s*['\"`]([^'\"`]*)", code):
            assert not re.match(r"(\w+:)?//", call), (file.name, call)


def test_links_lead_to_pages_and_anchors(site: Path, pages: dict[Path, Page]) -> None:
    for file, page in pages.items():
        for link in page.links:
            if not re.match(r"\w+:", link):
                path, anchor = urldefrag(link)
                target = (file.parent / unquote(path)).resolve() if path else file
                assert target.is_file(), (file.name, link)
                if anchor and target in pages:
                    assert unquote(anchor) in pages[target].anchors, (file.name, link)


@pytest.mark.parametrize(
    ("file", "page"),
    [
        ("CONTRIBUTING.md", "contributing/index.html"),
        ("CHANGELOG.md", "contributing/changelog.html"),
        ("SECURITY.md", "contributing/security.html"),
    ],
)
def test_files_beside_the_pages_are_on_the_site(file: str, page: str, site: Path) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    shown = re.findall(r"<h2>(.+?)<", (site / page).read_text(encoding="utf-8"))
    assert shown == headings


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_described(module: str, site: Path) -> None:
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    described = {
        name.rpartition(".")[2]
        for kind, entries in inventory.data.items()
        if kind.startswith("py:")
        for name in entries
    }
    assert described.issuperset(import_module(module).__all__)


def test_every_page_can_be_found(site: Path, pages: dict[Path, Page]) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for file in pages:
        docname = file.relative_to(site).with_suffix("").as_posix()
        if docname not in ("search",):
            assert f'"{docname}"' in index
    # A script, as a page that was opened from a disk may not fetch a file.
    assert "searchindex.js" in [Path(each).name for each in pages[site / "search.html"].loaded]
