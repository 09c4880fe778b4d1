"""The source of event classes, written from the classes that `builder` built.

So the source defines what `EventTypes` has. What a server says reaches it in two ways only: as a
literal that `repr` wrote, and as a name that was checked. `source_check` then parses the finished
module, and rejects anything but the few forms that are written here. No library does this: what
datamodel-code-generator writes follows its own rules of names, and text of a server could end a
literal in it.
"""

from __future__ import annotations

import datetime
import enum
import inspect
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from types import EllipsisType, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .builder import MODULE, EventTypes
from .models import NestedModel, OpenModel, SparseModel
from .names import is_class_name, is_field_name, unique_name
from .source_check import REGISTRY, CodegenError, reject_code

if TYPE_CHECKING:
    from .._lazy_types import Event

# Python allows a field to have another type than its superclass's; type checkers do not.
_IGNORE: Final = "  # type: ignore[assignment, unused-ignore]"
_WIDTH: Final = 100
_CONSTRAINTS: Final = ("ge", "le", "gt", "lt", "multiple_of", "min_length", "max_length", "pattern")
_CLASSES: Final = frozenset(
    {bool, bytes, dict, float, frozenset, int, list, set, str, tuple, type, UserWarning}
    | {datetime.date, datetime.datetime, datetime.time, datetime.timedelta, uuid.UUID}
    | {enum.Enum, enum.Flag, enum.IntEnum, enum.IntFlag, enum.StrEnum}
)
_PROTECTED: Final = ("model_validate", "model_dump")  # pydantic warns of fields named like these


def write_source(types: EventTypes, header: str) -> str:
    """Return the source of a workflow's event classes; equal schemas give equal source.

    Args:
        types: The events.
        header: The comment at the top.

    Raises:
        CodegenError: A class cannot be written, or the source does more than define classes.
    """
    text = _Writer([cls for cls in types if _is_built(cls)]).module(header)
    reject_code(text)
    return text


class _Writer:
    """Writes one module, and collects what it imports."""

    def __init__(self, events: Iterable[type[Event]]) -> None:
        self._events = [*events]
        added: dict[type, None] = {}
        for event in self._events:
            _add(event, added, set())
        self._classes = sorted(added, key=lambda cls: not issubclass(cls, enum.Enum))
        names = [cls.__name__ for cls in self._classes]
        fields = {name for cls in self._classes for name in _own_fields(cls)}
        defined = [*names, REGISTRY]
        for name in defined:
            if not is_class_name(name) or defined.count(name) > 1:
                raise CodegenError(f"the source cannot define a class named {name!r}")
        # In the body of a class, a field hides what has its name outside.
        self._taken = {*fields, *defined}
        self._aliases = {name: self._alias(name) for name in names if name in fields}
        self._imports: dict[str, dict[str, str]] = {}

    def module(self, header: str) -> str:
        """Return the whole module."""
        definitions = [self._definition(cls) for cls in self._classes]
        classes = f"{self._type(type)}[{self._import('workflows.events', 'Event')}]"
        listed = "".join(f"    {cls.__name__},\n" for cls in self._events)
        registry = f"(\n{listed})" if listed else "()"
        definitions.append(f"{REGISTRY}: {self._type(tuple)}[{classes}, ...] = {registry}")
        return "\n\n\n".join([f"{header}\n{self._import_lines()}", *definitions]) + "\n"

    # ------------------------------------------------------------------------ names

    def _alias(self, name: str) -> str:
        alias = unique_name(f"_{name}", self._taken)
        self._taken.add(alias)
        return alias

    def _import(self, module: str, name: str) -> str:
        names = self._imports.setdefault(module, {})
        if name not in names:
            names[name] = self._alias(name) if name in self._taken else name
        return names[name]

    def _import_lines(self) -> str:
        groups: tuple[list[str], list[str]] = ([], [])  # the standard library's, and others
        for module, imported in sorted(self._imports.items()):
            names = [
                name if name == alias else f"{name} as {alias}"
                for name, alias in sorted(imported.items())
                if module != "builtins" or name != alias
            ]
            line = f"from {module} import {', '.join(names)}"
            if len(line) > _WIDTH:
                listed = "".join(f"    {name},\n" for name in names)
                line = f"from {module} import (\n{listed})"
            is_other = module.startswith(("llama_agents.", "pydantic", "workflows."))
            groups[is_other].extend([line] * bool(names))
        blocks = ["from __future__ import annotations", *map("\n".join, groups)]
        return "\n\n".join(filter(None, blocks))

    # ------------------------------------------------------------------------ classes

    def _definition(self, cls: type) -> str:
        bases = ", ".join(dict.fromkeys(map(self._base, cls.__bases__)))
        doc = cls.__dict__.get("__doc__")
        lines = [*_docstring(doc)] if isinstance(doc, str) else []
        body = self._body(cls)
        lines += [""] * bool(lines and body) + body
        lines = [f"class {cls.__name__}({bases}):", *_indented(lines or ["pass"])]
        if any(_warns(cls, name) for name in _own_fields(cls)):
            catch = self._import("warnings", "catch_warnings")
            ignore = self._import("warnings", "simplefilter")
            lines = [
                f"with {catch}():  # of fields that are named as methods",
                *_indented([f'{ignore}("ignore", {self._type(UserWarning)})', "", *lines]),
            ]
        if cls.__name__ in self._aliases:
            lines += ["", "", f"{self._aliases[cls.__name__]} = {cls.__name__}"]
        return "\n".join(lines)

    def _base(self, base: type) -> str:
        if _is_built(base):
            return base.__name__
        for ours in (SparseModel, OpenModel, NestedModel):
            if issubclass(base, ours):
                return self._import(MODULE, ours.__name__)
        if issubclass(base, BaseModel):
            return self._import(base.__module__, base.__name__)
        return self._type(base)

    def _body(self, cls: type) -> list[str]:
        if issubclass(cls, enum.Enum):
            members = cls.__members__.items()
            return [f"{name} = {_literal(member.value)}" for name, member in members]
        assert issubclass(cls, BaseModel)
        inherited: dict[str, Any] = {}
        for base in cls.__bases__:
            inherited |= _written_config(base)
        config = {
            key: value
            for key, value in sorted(cls.model_config.items())
            if inherited.get(key) != value
        }
        lines = [f"model_config = {self._call('ConfigDict', config)}"] if config else []
        return lines + [self._field(cls, name, cls.model_fields[name]) for name in _own_fields(cls)]

    def _field(self, cls: type[BaseModel], name: str, field: FieldInfo) -> str:
        value: str | None
        is_override = any(
            hasattr(base, name) or name in getattr(base, "model_fields", ())
            for base in cls.__bases__
        )
        if field.is_required():
            # Without it, an attribute of that name that a superclass has would be the default.
            value = self._call("Field", {}) if is_override else None
        else:
            value = self._default(field.default, field.annotation)
            if value is None and field.validate_default:
                value = self._call("Field", {"default": field.default, "validate_default": True})
            elif value is None:
                value, is_override = _literal(field.default), True
        line = f"{name}: {self._annotated(field)}" + (f" = {value}" if value else "")
        return line + _IGNORE * is_override

    def _call(self, function: str, options: Mapping[str, Any]) -> str:
        written = ", ".join(f"{key}={_literal(value)}" for key, value in options.items())
        return f"{self._import('pydantic', function)}({written})"

    # ------------------------------------------------------------------------ types and defaults

    def _annotated(self, field: FieldInfo, annotation: Any = None) -> str:
        options: dict[str, Any] = {}
        if field.alias is not None:
            options["alias"] = field.alias
        if field.description is not None:
            options["description"] = field.description
        for metadata in field.metadata:
            for name in _CONSTRAINTS:
                if getattr(metadata, name, None) is not None:
                    options[name] = getattr(metadata, name)
        written = self._type(field.annotation if annotation is None else annotation)
        if not options:
            return written
        return f"{self._import('typing', 'Annotated')}[{written}, {self._call('Field', options)}]"

    def _type(self, annotation: Any) -> str:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if annotation in (None, NoneType):
            return "None"
        if annotation is Any:
            return self._import("typing", "Any")
        if isinstance(annotation, EllipsisType):
            return "..."
        if origin in (Union, UnionType):
            return " | ".join(map(self._type, arguments))
        if origin is Literal:
            written = ", ".join(map(_literal, arguments))
            return f"{self._import('typing', 'Literal')}[{written}]"
        if origin is Annotated:
            (field,) = [other for other in arguments[1:] if isinstance(other, FieldInfo)]
            return self._annotated(field, arguments[0])
        if origin is not None:
            return f"{self._type(origin)}[{', '.join(map(self._type, arguments)) or '()'}]"
        if isinstance(annotation, type) and _is_built(annotation):
            return self._aliases.get(annotation.__name__, annotation.__name__)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self._base(annotation)
        if annotation in _CLASSES:
            return self._import(annotation.__module__, annotation.__name__)
        raise CodegenError(f"the type {annotation!r} cannot be written")

    def _default(self, value: Any, annotation: Any) -> str | None:
        """Return a default that type checkers accept for the type; None if there is none."""
        arguments = get_args(annotation)
        match get_origin(annotation) or annotation:
            case origin if origin in (Union, UnionType):
                written = (self._default(value, argument) for argument in arguments)
                return next((text for text in written if text is not None), None)
            case origin if origin is Annotated:
                return self._default(value, arguments[0])
            case origin if origin is Literal:
                is_one = any(type(value) is type(one) and value == one for one in arguments)
                return _literal(value) if is_one else None
            case origin if origin is Any:
                return _literal(value)
            case origin if origin is list and type(value) is list:
                items = [self._default(item, arguments[0]) for item in value]
                return None if None in items else f"[{', '.join(map(str, items))}]"
            case origin if origin is dict and type(value) is dict:
                pairs = [(*map(self._default, pair, arguments),) for pair in value.items()]
                texts = [f"{key}: {item}" for key, item in pairs]
                return None if any(None in pair for pair in pairs) else f"{{{', '.join(texts)}}}"
            case origin if isinstance(origin, type) and issubclass(origin, enum.Enum):
                for name, member in origin.__members__.items():
                    if type(member.value) is type(value) and member.value == value:
                        return f"{self._type(origin)}.{name}"
            case origin if origin in (str, bool, int, float, NoneType):
                is_one = type(value) is origin or (origin is float and type(value) is int)
                return _literal(value) if is_one else None
        return None


# ---------------------------------------------------------------------------- the classes


def _is_built(cls: type) -> bool:
    return cls.__module__ == MODULE


def _own_fields(cls: type) -> list[str]:
    """Return the names of the fields that a class itself defines."""
    if not issubclass(cls, BaseModel):
        return []
    own = [name for name in inspect.get_annotations(cls) if name in cls.model_fields]
    for name in own:
        if not is_field_name(name):
            raise CodegenError(f"{cls.__name__} cannot have a field named {name!r} in the source")
    return own


def _add(cls: type, added: dict[type, None], pending: set[type]) -> None:
    """Add a class after its superclasses and, as far as possible, after those that it mentions."""
    if cls in added or not _is_built(cls):
        return
    for base in cls.__bases__:
        _add(base, added, pending)
    pending.add(cls)
    for name in _own_fields(cls):
        for mentioned in _mentioned(cls.__dict__["__pydantic_fields__"][name].annotation):
            if pending.isdisjoint(mentioned.__mro__):
                _add(mentioned, added, pending)
    pending.discard(cls)
    added[cls] = None


def _mentioned(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and _is_built(annotation):
        yield annotation
    for argument in get_args(annotation):
        yield from _mentioned(argument)


def _written_config(base: type) -> Mapping[str, Any]:
    """Return the configuration that a superclass has in the source."""
    if issubclass(base, NestedModel) and not _is_built(base):
        return NestedModel.model_config
    return getattr(base, "model_config", {})


def _warns(cls: type, name: str) -> bool:
    """Whether pydantic warns of the name of a field, as it did on the server."""
    return name.startswith(_PROTECTED) or any(hasattr(base, name) for base in cls.__bases__)


# ---------------------------------------------------------------------------- text


def _literal(value: Any) -> str:
    """Write a JSON value; nothing else."""
    if type(value) is list:
        return f"[{', '.join(map(_literal, value))}]"
    if type(value) is dict:
        return f"{{{', '.join(f'{_literal(key)}: {_literal(one)}' for key, one in value.items())}}}"
    is_number = type(value) is float and math.isfinite(value)
    if not (is_number or type(value) in (str, int, bool, NoneType)):
        raise CodegenError(f"{value!r} cannot be written as a literal")
    text = repr(value)
    if type(value) is str and not {'"', "'"} & {*value}:
        return f'"{text[1:-1]}"'
    return text


def _docstring(text: str) -> Iterator[str]:
    is_plain = all(char.isprintable() or char == "\n" for char in text)
    is_plain = is_plain and (inspect.cleandoc(text) == text or "\n" not in text)
    if not is_plain or "\\" in text or '"""' in text or text[-1:] in ('"', ""):
        yield _literal(text)
    elif "\n" not in text:
        yield f'"""{text}"""'
    else:
        first, *others = text.split("\n")
        yield from [f'"""{first}', *others, '"""']


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]
