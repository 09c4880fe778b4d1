"""Pages of the repository that lie outside docs/, and links to them.

A page with an ``include`` of a Markdown file of the repository shows that file. Links in it, and
links to it in other pages, are those that work on GitHub; here they are rewritten to where the
pages are on the site. Links to other files of the repository become downloads, and links to folders
plain text. The index of a folder gets a table of contents.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INCLUDE = re.compile(r"```\{include\} (\S+)\n```\n")
LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")
FENCED = re.compile(r"^( *)(```+).*?^\1\2 *$", re.DOTALL | re.MULTILINE)


def included(page: Path) -> Path:
    """Return the file whose text a page has: another one if it includes that, else itself."""
    match = INCLUDE.search(page.read_text(encoding="utf-8"))
    return page if match is None else (page.parent / match[1]).resolve()


def page_text(page: Path, shown_as: dict[Path, Path]) -> str:
    """Return the text of a page with the links that it has on the site.

    Args:
        page: The page.
        shown_as: For each file outside docs/ that the site has, the page that shows it.
    """
    file, text = included(page), page.read_text(encoding="utf-8")

    def link(match: re.Match[str]) -> str:
        label, path, anchor = match.groups(default="")
        target = (file.parent / path).resolve()
        if target.is_dir():
            return label
        path = Path(os.path.relpath(shown_as.get(target, target), page.parent)).as_posix()
        return f"[{label}]({path}{anchor})"

    if file != page:
        text = INCLUDE.sub(lambda _: file.read_text(encoding="utf-8"), text)
    return outside_code(text, lambda prose: LINK.sub(link, prose))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return a page with its text changed, but for its fenced blocks."""
    parts, position = [], 0
    for block in FENCED.finditer(text):
        parts += [change(text[position : block.start()]), block[0]]
        position = block.end()
    return "".join([*parts, change(text[position:])])


def pages_that_include() -> dict[Path, Path]:
    """Return, for each file outside docs/ that the site has, the page that shows it."""
    pages = {included(page): page for page in DOCS.rglob("*.md")}
    return {file: page for file, page in pages.items() if file != page}


def contents(index: Path, text: str) -> str:
    """Return the table of contents for the index of a folder, which the side of the site shows.

    It has the pages of the folder in the order in which the index links to them, then all others.
    """
    linked = [path for _, path, _ in LINK.findall(text) if (index.parent / path).exists()]
    pages = [page.name for page in sorted(index.parent.glob("*.md")) if page != index]
    entries = dict.fromkeys([*(path for path in linked if path in pages), *pages])
    return "\n".join(["", "```{toctree}", ":hidden:", "", *entries, "```", ""]) if entries else ""


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    page = Path(app.env.doc2path(docname))
    source[0] = page_text(page, app.config.shown_as)
    if page.name == "index.md" and page.parent != DOCS:
        source[0] += contents(page, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension, and what highlights a Mermaid block."""
    app.add_config_value("shown_as", pages_that_include(), "env", [dict])
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
