"""Patches of the client's source: a definition found by name, and a change of it.

A definition is named by the shortest suffix that is unambiguous: ``backoff``,
``RetryBudget.record_failure``, ``_serve._listen``. Patterns are regular expressions that match
exactly once in the code as `ast.unparse` writes it, so that neither formatting, comments nor quotes
matter.
"""

from __future__ import annotations

import ast
import copy
import functools
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

GENERATED: Final = frozenset({"bindings", "_sync"})

T = TypeVar("T")


class PatchError(Exception):
    """A patch does not apply to the source."""


@attrs.frozen
class Patch:
    """A change of one definition.

    Attributes:
        target: The dotted name of a function, class or module-level constant.
        edit: Takes a copy of its syntax tree, and returns the new tree or the new source.
    """

    target: str
    edit: Callable[[Any], ast.stmt | str]


def replace(target: str, pattern: str, replacement: str) -> Patch:
    r"""Replace the text that matches; the replacement may refer to groups (``\g<0>``)."""

    def edit(node: ast.stmt) -> str:
        text = ast.unparse(node)
        match = _one(re.finditer(pattern, text), pattern)
        return text[: match.start()] + match.expand(replacement) + text[match.end() :]

    return Patch(target, edit)


def drop(target: str, pattern: str, instead: str = "pass") -> Patch:
    """Replace the innermost statement that matches."""

    def edit(node: ast.stmt) -> ast.stmt:
        found = [s for s in ast.walk(node) if isinstance(s, ast.stmt) and _matches(pattern, s)]
        outer = {s for s in found for inner in ast.walk(s) if inner is not s and inner in found}
        statement = _one((s for s in found if s not in outer), pattern)

        class Replacing(ast.NodeTransformer):
            def visit(self, node: ast.AST) -> Any:
                return ast.parse(instead).body if node is statement else self.generic_visit(node)

        edited: ast.stmt = Replacing().visit(node)
        return edited

    return Patch(target, edit)


def always(target: str, pattern: str) -> Patch:
    """Make the matching ``if`` condition true."""
    return _condition(target, pattern, True)


def never(target: str, pattern: str) -> Patch:
    """Make the matching ``if`` condition false."""
    return _condition(target, pattern, False)


def _condition(target: str, pattern: str, value: bool) -> Patch:
    def edit(node: ast.stmt) -> ast.stmt:
        branches = (b for b in ast.walk(node) if isinstance(b, ast.If | ast.IfExp))
        _one((b for b in branches if _matches(pattern, b.test)), pattern).test = ast.Constant(value)
        return node

    return Patch(target, edit)


def returns(target: str, expression: str) -> Patch:
    """Replace the body of a function by ``return expression``."""

    def edit(node: Any) -> Any:
        node.body = ast.parse(f"return {expression}").body
        return node

    return Patch(target, edit)


def prepend(target: str, code: str) -> Patch:
    """Run code before the body of a function."""

    def edit(node: Any) -> Any:
        node.body[:0] = ast.parse(code).body
        return node

    return Patch(target, edit)


def constant(target: str, expression: str) -> Patch:
    """Replace the value of a module-level constant."""

    def edit(node: Any) -> Any:
        node.value = ast.parse(expression, mode="eval").body
        return node

    return Patch(target, edit)


def apply(patch: Patch, package: Path) -> tuple[Path, str]:
    """Return the file that a patch changes, and its new text.

    Raises:
        PatchError: The target or the pattern is not found exactly once, the result is not valid
            Python, or nothing changes.
    """
    path, node = _find(patch.target, package)
    lines = path.read_text(encoding="utf-8").split("\n")
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    try:
        edited = patch.edit(copy.deepcopy(node))
        text = edited if isinstance(edited, str) else ast.unparse(edited)
        lines[first - 1 : node.end_lineno] = [textwrap.indent(text, " " * node.col_offset)]
        compile("\n".join(lines), path, "exec")
    except (PatchError, SyntaxError) as error:
        raise PatchError(f"{patch.target}: {error}") from error
    if ast.dump(ast.parse(text)) == ast.dump(ast.parse(ast.unparse(node))):
        raise PatchError(f"{patch.target}: nothing changes")
    return path, "\n".join(lines)


def _find(target: str, package: Path) -> tuple[Path, ast.stmt]:
    definitions = _definitions(package)
    found = [name for name in definitions if f".{name}".endswith(f".{target}")]
    if len(found) != 1:
        raise PatchError(f"{target}: defined {len(found)} times, not once: {', '.join(found)}")
    return definitions[found[0]]


@functools.cache
def _definitions(package: Path) -> Mapping[str, tuple[Path, ast.stmt]]:
    """The hand-written definitions of a package; of an overloaded function, its implementation."""
    definitions = {}
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).with_suffix("").parts
        if not GENERATED.intersection(module):
            for name, node in _within(ast.parse(path.read_bytes()).body, ".".join(module)):
                definitions[name] = path, node
    return definitions


def _within(body: Sequence[ast.stmt], qualifier: str) -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{qualifier}.{name}", node
            case ast.ClassDef(name=name):
                methods = [n for n in node.body if not isinstance(n, ast.Assign | ast.AnnAssign)]
                yield from _within(methods, f"{qualifier}.{name}")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield f"{qualifier}.{name}", node


def _matches(pattern: str, node: ast.AST) -> bool:
    return re.search(pattern, ast.unparse(node)) is not None


def _one(matches: Iterable[T], pattern: str) -> T:
    found = [*matches]
    if len(found) != 1:
        raise PatchError(f"{pattern!r} matches {len(found)} times, not once")
    return found[0]
