"""The API as its docstrings describe it: public names, examples as code."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer

MODULES = (
    "llama_agents.client",
    "llama_agents.client.protocol",
    "llama_agents.client.testing",
    "llama_agents.client.typed",
)
# Classes that users get from others, and never create.
RETURNED = re.compile(
    r"(Sync)?(WorkflowRun|EventStream|Batch)|\w+(Response|Envelope\w*|Error|Warning)|EventTypes"
    r"|HandlerData|ReplayServer|ServeWorkflows"
)


def public_names() -> dict[str, str]:
    """Return the public name of each object by the names that annotations and docstrings use.

    Those are its name alone, and its name in the module that defines it.
    """
    names: dict[str, str] = {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            defined_in = getattr(getattr(module, name), "__module__", module.__name__)
            for used in (name, f"{defined_in}.{name}"):
                names.setdefault(used, f"{module.__name__}.{name}")
    return names


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Resolve a reference to the module where something is defined to its public name."""
    if node.get("refdomain") != "py":
        return None
    public = PUBLIC.get(node["reftarget"])
    if public is None:
        return None
    domain = env.domains.python_domain
    docname = node.get("refdoc", env.current_document.docname)
    return domain.resolve_xref(env, docname, app.builder, "obj", public, node, content)


def show_code(lines: list[str]) -> list[str]:
    """Return a docstring whose indented examples are blocks of Python.

    An example follows a line that ends with a colon and an empty line, and is indented further.
    """
    shown = []
    for number, line in enumerate(lines):
        shown.append(line)
        following = lines[number + 1 : number + 3]
        if line.endswith(":") and len(following) == 2 and not following[0].strip():
            indent = len(line) - len(line.lstrip())
            if len(following[1]) - len(following[1].lstrip()) > indent:
                shown += ["", f"{' ' * indent}.. code-block:: python"]
    return shown


def defined_docstring(name: str) -> list[str]:
    """Return the docstring of a value, from the module that defines it."""
    last = name.rpartition(".")[2]
    for module in [each for each in sys.modules if each.startswith("llama_agents.client.")]:
        docstring = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", last))
        if docstring:
            return docstring
    return []


def _process_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str | None] | None:
    if signature and inspect.isclass(obj) and RETURNED.fullmatch(name.rpartition(".")[2]):
        return ("", None)
    arrow = f" -> {returns}" if returns else ""
    SIGNATURES[name] = f"{signature or ''}{arrow}".replace("~", "")
    return None


def _process_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    if what == "data" and not any(lines):
        lines[:] = defined_docstring(name)
    app.emit("api-described", what, name, SIGNATURES.get(name, ""), "\n".join(lines).strip())
    lines[:] = show_code(lines)


SIGNATURES: dict[str, str] = {}
PUBLIC = public_names()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension; its handler of docstrings runs before napoleon's."""
    app.add_event("api-described")
    app.connect("autodoc-process-signature", _process_signature)
    app.connect("autodoc-process-docstring", _process_docstring, priority=100)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
