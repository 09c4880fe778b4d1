"""The text of the site for language models: llms.txt and llms-full.txt.

``llms.txt`` lists the pages (https://llmstxt.org), ``llms-full.txt`` has the text of all of them as
Markdown. Where a page describes a part of the API, its text has the signatures and docstrings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pages import LINK, outside_code
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

DIRECTIVE = re.compile(r"^```\{(\S+)\}.*?^```\n", re.DOTALL | re.MULTILINE)
AUTODOC = re.compile(r"^\.\. auto\w+:: (\S+)$", re.MULTILINE)
ROW = re.compile(r"^\| \[.+?\]\(([\w-]+)\.md\) \| (.+) \|$", re.MULTILINE)
SUMMARY_LIMIT = 400  # characters


class Texts:
    """The text of each page, and of each part of the API that it describes."""

    def __init__(self) -> None:
        self._pages: dict[str, str] = {}
        self._described: dict[str, dict[str, str]] = {}

    def read(self, app: Sphinx, docname: str, source: list[str]) -> None:
        """Keep the text of a page, whose links are already those of the site."""
        self._pages[docname] = source[0]

    def describe(self, app: Sphinx, what: str, name: str, signature: str, docstring: str) -> None:
        """Keep the description of a part of the API."""
        described = self._described.setdefault(app.env.current_document.docname, {})
        described[name] = f"`{what} {name}{signature}`\n\n{docstring}\n"

    def write(self, app: Sphinx, error: Exception | None) -> None:
        """Write both files beside the pages."""
        if error is None and app.builder.format == "html":
            docnames = list(_in_order(app.env, app.config.root_doc))
            full = "\n\n".join(self._page(app.env, docname) for docname in docnames)
            index = "\n".join(self._index(app.env, docnames))
            (app.outdir / "llms.txt").write_text(f"{index}\n", encoding="utf-8")
            (app.outdir / "llms-full.txt").write_text(full, encoding="utf-8")

    def _index(self, env: BuildEnvironment, docnames: list[str]) -> Iterator[str]:
        summaries = dict(self._summaries())
        yield f"# {env.config.project}\n\n> {_prose(env, docnames[0])}\n"
        yield "The text of all pages is in [llms-full.txt](llms-full.txt)."
        section = ""
        for docname in docnames[1:]:
            folder = docname.partition("/")[0]
            if folder != section:
                section = folder
                yield f"\n## {section.capitalize()}\n"
            summary = summaries.get(docname) or _prose(env, docname)
            title = env.titles[docname].astext()
            yield f"- [{title}]({docname}.html)" + (f": {summary}" if summary else "")

    def _summaries(self) -> Iterator[tuple[str, str]]:
        """Return what the tables of the index pages say of other pages, by their names."""
        for docname, text in self._pages.items():
            if docname.endswith("/index"):
                for page, summary in ROW.findall(text):
                    yield f"{docname.removesuffix('index')}{page}", summary

    def _page(self, env: BuildEnvironment, docname: str) -> str:
        """Return the text of a page, with the parts of the API in place of their directives."""
        described = self._described.get(docname, {})

        def directive(match: re.Match[str]) -> str:
            if match[1] != "eval-rst":
                return ""  # a table of contents
            return "\n".join(_api(described, name) for name in AUTODOC.findall(match[0]))

        text = DIRECTIVE.sub(directive, self._pages[docname])
        return f"<!-- {docname}.html -->\n\n{_relink(env, text, docname).strip()}\n"


def _in_order(env: BuildEnvironment, docname: str) -> Iterator[str]:
    """Return the pages in the order of the tables of contents."""
    yield docname
    for child in env.toctree_includes.get(docname, ()):
        yield from _in_order(env, child)


def _prose(env: BuildEnvironment, docname: str) -> str:
    """Return the first paragraph of a page, or as many of its sentences as the limit allows."""
    section = next(iter(env.get_doctree(docname).findall(nodes.section)))
    paragraphs = [each for each in section.children if isinstance(each, nodes.paragraph)]
    text = " ".join(paragraphs[0].astext().split()) if paragraphs else ""
    if len(text) <= SUMMARY_LIMIT:
        return text
    return text[:SUMMARY_LIMIT].rpartition(". ")[0] + "."


def _api(described: dict[str, str], name: str) -> str:
    members = [text for each, text in described.items() if each.startswith(f"{name}.")]
    return "\n".join([f"### {described[name]}", *(f"#### {text}" for text in members)])


def _relink(env: BuildEnvironment, text: str, docname: str) -> str:
    """Make links relative to the root of the site."""

    def link(match: re.Match[str]) -> str:
        label, path, anchor = match.groups(default="")
        target = os.path.normpath(os.path.join(os.path.dirname(docname), path))
        if Path(target) in env.dlfiles:
            target = f"_downloads/{env.dlfiles[Path(target)][1]}"
        elif target in env.images:
            target = f"_images/{env.images[target][1]}"
        return f"[{label}]({re.sub(r'[.]md$', '.html', target)}{anchor})"

    return outside_code(text, lambda prose: LINK.sub(link, prose))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension; it reads pages after `pages` has rewritten their links."""
    texts = Texts()
    app.connect("source-read", texts.read, priority=900)
    app.connect("api-described", texts.describe)
    app.connect("build-finished", texts.write)
    return {"parallel_read_safe": False}
