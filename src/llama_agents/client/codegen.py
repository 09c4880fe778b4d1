"""Write the event classes of a workflow as Python source.

.. code-block:: console

    python -m llama_agents.client.codegen http://127.0.0.1:8080 index -o events.py

It needs the extra ``codegen``: ``pip install llama-agents-client[codegen]``. The source that it
writes needs no more than this client.
"""

from __future__ import annotations

import argparse
import ast
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import BaseModel

from . import _schemas, _shapes
from ._schemas import BOUNDS
from ._shapes import Described
from .client import SyncWorkflowClient
from .errors import WorkflowClientError, safe_url

# What the source may call; nothing else in it runs when it is imported.
_CALLS: Final = frozenset({"Field", "ConfigDict", "set", "model_rebuild"})
_MODULES: Final = frozenset(
    "__future__ builtins datetime enum typing uuid pydantic workflows.events "  # noqa: SIM905
    "llama_agents.client.typed".split()
)
_NODES: Final = (
    *(ast.Module, ast.ImportFrom, ast.alias, ast.ClassDef, ast.Pass, ast.Expr, ast.Call),
    *(ast.Assign, ast.AnnAssign, ast.keyword, ast.Name, ast.Attribute, ast.Subscript, ast.Constant),
    *(ast.List, ast.Tuple, ast.Dict, ast.Set, ast.BinOp, ast.UnaryOp, ast.BitOr, ast.USub),
    *(ast.Load, ast.Store),
)
_MARK: Final = "named_as_it_is__"
_NULL: Final[Mapping[str, Any]] = {"type": "null"}
# An attribute of another type than the superclass has: Python does not mind.
_IGNORE: Final = "  # type: ignore[assignment, unused-ignore]"


class CodegenError(Exception):
    """What can be told in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the source of a workflow's events.

    Args:
        arguments: As on the command line. Defaults to those of the process.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    try:
        headers = dict(_header(line) for line in options.header)
        client = SyncWorkflowClient(base_url=options.url, headers=headers)
        with client:
            types = client.get_event_types(options.workflow)
        text = source(types.described, _title(options.url, options.workflow))
        if options.output is None:
            sys.stdout.write(text)
        else:
            Path(options.output).write_text(text, encoding="utf-8")
    except (CodegenError, WorkflowClientError, httpx.HTTPError, ValueError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {reason}", file=sys.stderr)  # noqa: T201  # a program's own output
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m llama_agents.client.codegen",
        description="Write the event classes of a workflow as Python source.",
    )
    parser.add_argument("url", metavar="URL", help="where the server is")
    parser.add_argument("workflow", metavar="WORKFLOW", help="the name of the workflow")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    parser.add_argument(
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        default=[],
        help="a header of every request; may be given again",
    )
    return parser


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not (name.strip() and colon):
        raise CodegenError(f"the header {line!r} is not 'NAME: VALUE'")
    return name.strip(), value.strip()


def _title(url: str, workflow: str) -> str:
    words = ["python", "-m", "llama_agents.client.codegen", str(safe_url(httpx.URL(url))), workflow]
    return f"# The events of a workflow, generated: do not edit.\n#\n#     {shlex.join(words)}\n"


def source(described: Described, title: str) -> str:
    """Return the source of a workflow's event classes; the same for the same.

    Args:
        described: The events.
        title: The comment above it.

    Raises:
        CodegenError: datamodel-code-generator is not installed, or the source would not be what is
            expected of it.
    """
    names = [event.name for event in described.events]
    for name in names:
        if name in _shapes.RESERVED:
            raise CodegenError(f"the event {name} is called as something that its source needs")
    text = "from workflows.events import Event\n"
    if names:
        text = _verified(_classes(described), described)
    listed = "".join(f"\n    {name}," for name in names) + "\n" * bool(names)
    return f"{title}\n{text.strip()}\n\n\nEVENTS: tuple[type[Event], ...] = ({listed})\n"


def _classes(described: Described) -> str:
    try:
        from datamodel_code_generator import GenerateConfig, InputFileType, generate
        from datamodel_code_generator.enums import DataModelType, DefaultValueType
        from datamodel_code_generator.format import DatetimeClassType, Formatter, PythonVersion
    except ImportError as error:
        raise CodegenError(
            "datamodel-code-generator is not installed: pip install 'llama-agents-client[codegen]'"
        ) from error
    definitions, bases = _document(described)
    config = GenerateConfig(
        input_file_type=InputFileType.JsonSchema,
        output_model_type=DataModelType.PydanticV2BaseModel,
        target_python_version=PythonVersion.PY_311,
        base_class_map=bases,
        additional_imports=["workflows.events.Event"],
        custom_class_name_generator=str,
        custom_file_header="#",
        deserialize_default_values=[DefaultValueType.Enum],
        field_constraints=True,
        formatters=[Formatter.BUILTIN],
        output_datetime_class=DatetimeClassType.Datetime,
        skip_root_model=True,
        strict_nullable=True,
        use_annotated=True,
        use_double_quotes=True,
        use_schema_description=True,
        use_specialized_enum=True,
        use_standard_collections=True,
        use_tuple_for_fixed_items=True,
        use_union_operator=True,
        use_unique_items_as_set=True,
    )
    try:
        made = generate(json.dumps({"$defs": definitions}), config=config)
    except Exception as error:
        raise CodegenError(f"datamodel-code-generator makes nothing of it: {error}") from error
    if not isinstance(made, str):
        raise CodegenError("datamodel-code-generator made no source of one module")
    return made.removeprefix("#").replace(_MARK, "")


# ---------------------------------------------------------------------------- what goes in


def _document(described: Described) -> tuple[dict[str, Any], dict[str, str | list[str]]]:
    """The schemas as the generator reads them, and the superclasses from elsewhere."""
    definitions: dict[str, Any] = {}
    bases: dict[str, str | list[str]] = {}
    enums = {name for name, schema in described.models.items() if _schemas.is_enum(schema)}
    for name, schema in described.models.items():
        if name in enums:
            definitions[name] = _enumeration(schema)
            continue
        properties = schema["properties"]
        definitions[name] = _object(schema, properties, enums)
        if _is_sparse(schema, properties, enums) or not all(
            map(_schemas.is_field_name, properties)
        ):
            bases[name] = "llama_agents.client.typed.SparseModel"
    made = {event.name for event in described.events}
    sparse: set[str] = set()
    for event in described.events:
        own = event.own
        definitions[event.name] = _object(event.schema, own, enums)
        inner = [base for base in event.bases if base in made]
        outer = [f"workflows.events.{base}" for base in event.bases if base not in made]
        if not sparse.isdisjoint(inner):
            sparse.add(event.name)
        elif _is_sparse(event.schema, own, enums):
            sparse.add(event.name)
            outer.insert(0, "llama_agents.client.typed.SparseModel")
        if inner:
            fields = definitions[event.name]
            definitions[event.name] = {
                "allOf": [*({"$ref": f"#/$defs/{base}"} for base in inner), fields],
                **{key: fields[key] for key in ("title", "description") if key in fields},
            }
        if outer:
            bases[event.name] = outer
    return definitions, bases


def _enumeration(schema: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in schema.items() if key != "members"}
    kind = _schemas.enum_type(schema)
    if kind is not None:
        made["type"] = kind
    return {**made, "x-enum-varnames": schema["members"]}


def _object(
    schema: Mapping[str, Any], properties: Mapping[str, Any], enums: set[str]
) -> dict[str, Any]:
    made = {
        key: schema[key]
        for key in ("title", "type", "description", "additionalProperties")
        if key in schema
    }
    made["required"] = [_marked(name) for name in schema["required"] if name in properties]
    made["properties"] = {
        _marked(name): _field(field, _is_left_out(name, schema, enums))
        for name, field in properties.items()
    }
    return made


def _marked(name: str) -> str:
    """The name in a form that the generator leaves alone: it renames what a model has already."""
    return _MARK + name if name in dir(BaseModel) else name


def _is_sparse(schema: Mapping[str, Any], properties: Mapping[str, Any], enums: set[str]) -> bool:
    return any(_is_left_out(name, schema, enums) for name in properties)


def _is_left_out(name: str, schema: Mapping[str, Any], enums: set[str]) -> bool:
    """Whether the server fills it in: also where its default is nothing that source can say."""
    field = schema["properties"][name]
    return _schemas.is_left_to_server(name, schema) or (
        name not in schema["required"] and not _is_plain(field["default"], field, enums)
    )


def _is_plain(value: Any, schema: Mapping[str, Any], enums: set[str]) -> bool:
    """Whether a value of JSON is one of its type in Python too."""
    match schema:
        case {"$ref": ref}:
            return _schemas.class_of(ref) in enums
        case {"anyOf": kinds}:
            return any(_is_plain(value, kind, enums) for kind in kinds)
        case {"enum": values}:
            return value in values
        case {"format": _} | {"prefixItems": _}:
            return False
        case {"type": "array", "items": items}:
            return isinstance(value, list) and all(_is_plain(one, items, enums) for one in value)
        case {"type": "object"}:
            of = schema.get("additionalProperties", {})
            return isinstance(value, dict) and all(
                _is_plain(one, of, enums) for one in value.values()
            )
        case {"type": name}:
            return type(value) in _PYTHON[name]
    return True


_PYTHON: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _field(field: Mapping[str, Any], left_out: bool) -> dict[str, Any]:
    """The schema of a field, so put that the generator makes one type of it and no class."""
    described = {key: field[key] for key in ("description", "default") if key in field}
    kind = {key: value for key, value in field.items() if key not in described}
    if left_out:
        described["default"] = None
        kind = {"anyOf": [*kind.get("anyOf", [kind]), _NULL]} if kind else {}
    match kind:
        case {"anyOf": [{"type": str(name)} as one, {"type": "null"}]}:
            made = {**_parts(one), "type": [name, "null"]}
        case {"prefixItems": _}:
            made = _parts(kind)
        case _:
            made = _parts(kind) if "type" in kind else _inner(kind)
    return {**made, **described}


def _parts(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What stands inside a type."""
    made = dict(schema)
    if "enum" in made:
        made["x-enum-field-as-literal"] = True
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _inner(made[key])
    for key in ("anyOf", "prefixItems"):
        if key in made:
            made[key] = [_inner(one) for one in made[key]]
    if "prefixItems" in made:
        made |= {"minItems": len(made["prefixItems"]), "maxItems": len(made["prefixItems"])}
    return made


def _inner(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A type inside of another; the generator makes a class of one that has bounds."""
    made = {key: value for key, value in schema.items() if key not in BOUNDS}
    if "prefixItems" in made:
        made["items"] = {"anyOf": made.pop("prefixItems")}
    return _parts(made)


# ---------------------------------------------------------------------------- what comes out


def _verified(text: str, described: Described) -> str:
    """Make sure that the source defines these classes and does nothing else.

    Raises:
        CodegenError: It does not.
    """
    from workflows.events import StopEvent  # has all that events have

    tree = ast.parse(text)
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            raise CodegenError(f"the source would have a {type(node).__name__}")
        if isinstance(node, ast.ImportFrom) and node.module not in _MODULES:
            raise CodegenError(f"the source would import {node.module}")
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] not in _CALLS:
            raise CodegenError(f"the source would call {ast.unparse(node.func)}")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    lines = text.split("\n")  # not splitlines: a text may have other ends of lines in it
    inherited = dict.fromkeys(classes, frozenset(dir(BaseModel)))
    for event in described.events:
        if event.name not in classes:
            raise CodegenError(f"the source would not have the event {event.name}")
        missing = event.own.keys() - _fields(classes[event.name]).keys()
        if missing:
            raise CodegenError(f"{event.name} would not have the field {min(missing)}")
        inherited[event.name] = event.overridden | {*dir(StopEvent)}
    for cls in classes.values():
        for name, line in _fields(cls).items():
            if name in inherited[cls.name]:
                lines[line - 1] += _IGNORE
    return "\n".join(lines)


def _fields(cls: ast.ClassDef) -> dict[str, int]:
    """The fields of a class, and the lines that they begin in."""
    return {
        node.target.id: node.lineno
        for node in cls.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


if __name__ == "__main__":
    sys.exit(main())
