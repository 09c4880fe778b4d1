"""The last check of generated source: importing it defines classes, and does nothing else.

It knows nothing of how the source was written. A module may consist of imports of known names, of
classes, other names for these, and the registry; a class of a docstring, a configuration, and
fields or members whose values are literals. No name is bound twice, and no field hides a name that
its class uses: each name means what its import says.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

REGISTRY: Final = "EVENTS"
_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "builtins": frozenset(
        "bool bytes dict float frozenset int list set str tuple type".split()  # noqa: SIM905
    ),
    "datetime": frozenset({"date", "datetime", "time", "timedelta"}),
    "enum": frozenset({"Enum", "Flag", "IntEnum", "IntFlag", "StrEnum"}),
    "llama_agents.client.typed": frozenset({"NestedModel", "OpenModel", "SparseModel"}),
    "typing": frozenset({"Annotated", "Any", "Literal"}),
    "uuid": frozenset({"UUID"}),
}
_IMPORTS: Final[Mapping[str, frozenset[str]]] = {
    **_TYPES,
    "builtins": _TYPES["builtins"] | {"UserWarning"},
    "pydantic": frozenset({"ConfigDict", "Field"}),
    "warnings": frozenset({"catch_warnings", "simplefilter"}),
}
_CLASS: Final = "class"  # the origin of a name that the module itself defines
_LITERALS: Final = (str, int, float, type(None))


class CodegenError(Exception):
    """The source cannot be generated; the message fits on one line."""


def reject_code(text: str) -> None:
    """Check the source of a module.

    Raises:
        CodegenError: It is invalid, or has anything but what generated source needs.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise CodegenError(f"the source is invalid: {error}") from error
    check = _Check(tree)
    for statement in tree.body:
        check.statement(statement)


def _require(condition: bool, node: ast.AST) -> None:
    if not condition:
        raise CodegenError(f"the source has a forbidden {type(node).__name__}: {_line(node)}")


def _line(node: ast.AST) -> str:
    return ast.unparse(node).partition("\n")[0][:80]


class _Check:
    """Checks one statement after the other; ``_origins`` has what each name means."""

    def __init__(self, tree: ast.Module) -> None:
        from ..protocol.event_classes import FRAMEWORK

        self._imports = {**_IMPORTS, "workflows.events": frozenset(FRAMEWORK)}
        self._types = {f"{module}.{name}" for module in _TYPES for name in _TYPES[module]}
        self._types |= {_CLASS, *(f"workflows.events.{name}" for name in FRAMEWORK)}
        self._bound: set[str] = set()
        self._origins = {name: f"builtins.{name}" for name in self._imports["builtins"]}
        # An annotation may mention a class that is defined further down.
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        self._origins |= {cls.name: _CLASS for cls in classes}
        for node in tree.body:  # as may another name of a class, which follows it
            if isinstance(node, ast.Assign) and self._is(node.value, _CLASS):
                self._origins |= {ast.unparse(name): _CLASS for name in node.targets}

    def statement(self, node: ast.stmt) -> None:
        """Check a statement of the module."""
        match node:
            case ast.ImportFrom("__future__", [ast.alias("annotations", None)], 0):
                pass  # the name that it binds, too, may be that of a class
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for alias in names:
                    _require(alias.name in self._imports.get(module, ()), node)
                    self._bind(alias.asname or alias.name, f"{module}.{alias.name}", node)
            case ast.ClassDef():
                self._class(node)
            case ast.With(
                items=[ast.withitem(ast.Call(catch, [], []), None)],
                body=[
                    ast.Expr(ast.Call(ignore, [ast.Constant("ignore"), category], [])),
                    ast.ClassDef() as cls,
                ],
            ):
                _require(self._is(catch, "warnings.catch_warnings"), node)
                _require(self._is(ignore, "warnings.simplefilter"), node)
                _require(self._is(category, "builtins.UserWarning"), node)
                self._class(cls)
            case ast.Assign([ast.Name(name)], value):
                _require(self._is(value, _CLASS), node)
                self._bind(name, _CLASS, node)
            case ast.AnnAssign(ast.Name(name), annotation, ast.Tuple(elements), 1):
                _require(name == REGISTRY, node)
                self._annotation(annotation)
                for element in elements:
                    _require(self._is(element, _CLASS), node)
                self._bind(name, REGISTRY, node)
            case _:
                _require(False, node)

    def _bind(self, name: str, origin: str, node: ast.AST) -> None:
        _require(name not in self._bound and not name.startswith("__"), node)
        self._bound.add(name)
        self._origins[name] = origin

    def _is(self, node: ast.AST | None, *origins: str) -> bool:
        return isinstance(node, ast.Name) and self._origins.get(node.id) in origins

    def _class(self, cls: ast.ClassDef) -> None:
        _require(not (cls.decorator_list or cls.keywords or getattr(cls, "type_params", [])), cls)
        _require(all(self._is(base, *self._types) for base in cls.bases), cls)
        self._bind(cls.name, _CLASS, cls)
        names = [n for part in cls.body for n in ast.walk(part) if isinstance(n, ast.Name)]
        used = {name.id for name in names if isinstance(name.ctx, ast.Load)}
        for index, node in enumerate(cls.body):
            match node:
                case ast.Pass():
                    pass
                case ast.Expr(ast.Constant(str())):
                    _require(index == 0, node)
                case ast.Assign([ast.Name("model_config")], ast.Call() as call):
                    self._call(call, "pydantic.ConfigDict")
                case ast.Assign([ast.Name(name)], value):
                    _require(not name.startswith("_") and name not in used, node)
                    self._literal(value)
                case ast.AnnAssign(ast.Name(name), annotation, value, 1):
                    _require(not name.startswith("_") and name not in used, node)
                    self._annotation(annotation)
                    self._default(value)
                case _:
                    _require(False, node)

    def _annotation(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value) if value is None or value is ...:
                pass
            case ast.Name():
                _require(self._is(node, *self._types), node)
            case ast.BinOp(left, ast.BitOr(), right):
                self._annotation(left)
                self._annotation(right)
            case ast.Tuple(elements):
                for element in elements:
                    self._annotation(element)
            case ast.Subscript(generic, argument) if self._is(generic, "typing.Literal"):
                for item in argument.elts if isinstance(argument, ast.Tuple) else [argument]:
                    self._literal(item)
            case ast.Subscript(generic, ast.Tuple([annotation, ast.Call() as call])):
                _require(self._is(generic, "typing.Annotated"), node)
                self._annotation(annotation)
                self._call(call, "pydantic.Field")
            case ast.Subscript(generic, argument):
                _require(self._is(generic, *self._types), node)
                self._annotation(argument)
            case _:
                # Not even a string: pydantic evaluates those in annotations.
                _require(False, node)

    def _default(self, node: ast.expr | None) -> None:
        if isinstance(node, ast.Call):
            self._call(node, "pydantic.Field")
        elif node is not None:
            self._literal(node)

    def _call(self, node: ast.Call, origin: str) -> None:
        _require(self._is(node.func, origin) and not node.args, node)
        for keyword in node.keywords:
            _require(keyword.arg is not None, node)
            self._literal(keyword.value)

    def _literal(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value):
                _require(isinstance(value, _LITERALS), node)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float())):
                pass
            case ast.List(items):
                for item in items:
                    self._literal(item)
            case ast.Dict(keys, values):
                _require(None not in keys, node)  # as in {**other}
                for item in filter(None, [*keys, *values]):
                    self._literal(item)
            case ast.Attribute(cls, name):
                _require(self._is(cls, _CLASS) and not name.startswith("_"), node)
            case _:
                _require(False, node)
