"""Reading normalized schemas, those of `schema`. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

REF: Final = "#/$defs/"


def is_enum(model: Mapping[str, Any]) -> bool:
    """Return whether a normalized model is an enumeration."""
    return "enum" in model


def enum_type(model: Mapping[str, Any]) -> str | None:
    """Return the type of an enumeration's values; None if mixed."""
    types = {type(value) for value in model["enum"]}
    names = {str: "string", int: "integer", float: "number"}
    return names.get(types.pop()) if len(types) == 1 else None


def is_flag(model: Mapping[str, Any]) -> bool:
    """Return whether an enumeration is taken for an ``IntFlag``.

    An ``IntEnum`` with such values looks the same. One of the values 1 to n, or 0 to n, is more
    likely, and leaves out few combinations of flags, if any.
    """
    values = sorted(model["enum"]) if may_be_flag(model) else []
    is_range = len(values) > 2 and values == [*range(values[0], values[-1] + 1)]
    return bool(values) and (not is_range or values == [0, 1, 2])


def may_be_flag(model: Mapping[str, Any]) -> bool:
    """Return whether the values of an enumeration may be combined, as those of an ``IntFlag``.

    It has single flags, and may have names for none of them and for some together.
    """
    if enum_type(model) != "integer":
        return False
    single = sum(value for value in model["enum"] if value > 0 and value & (value - 1) == 0)
    return single > 1 and all(value >= 0 and value & ~single == 0 for value in model["enum"])


def ref_name(ref: str) -> str:
    """Return the name of the definition that a reference points to."""
    return ref.removeprefix(REF)


def rename_refs(schema: Mapping[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    """Return the normalized schema with each of its references renamed."""
    renamed = dict(schema)
    if "$ref" in renamed:
        renamed["$ref"] = REF + rename(ref_name(renamed["$ref"]))
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(renamed.get(key), dict):
            renamed[key] = rename_refs(renamed[key], rename)
    for key in ("anyOf", "prefixItems"):
        if key in renamed:
            renamed[key] = [rename_refs(member, rename) for member in renamed[key]]
    if "properties" in renamed:
        renamed["properties"] = {
            name: rename_refs(field, rename) for name, field in renamed["properties"].items()
        }
    return renamed
