"""Python names for what a schema names: classes, fields and members of enumerations. Sans-I/O."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container, Iterable
from typing import Any, Final

from pydantic import BaseModel

# Attributes that pydantic does not let a field hide, and the parameter of `Event.__init__`.
_PROTECTED: Final = frozenset(
    {"custom_model_dump", "self", *(name for name in dir(BaseModel) if name.startswith("model_"))}
)


MAX_NAME_LENGTH: Final = 200


def is_class_name(name: str) -> bool:
    """Return whether a class can have this name.

    Python reads a name in its normal form, which may be a keyword or the name of something else,
    and names with two leading underscores mean something to Python or to a module.
    """
    # A class's name is repeated wherever the class is mentioned.
    return len(name) <= MAX_NAME_LENGTH and _is_name(name)


def _is_name(name: str) -> bool:
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("__")
        and unicodedata.normalize("NFKC", name) == name
    )


def is_field_name(name: str) -> bool:
    """Return whether a pydantic field can have this name."""
    if name.startswith("_") or name in _PROTECTED:
        return False
    return _is_name(name)


def field_names(names: Iterable[str]) -> dict[str, str]:
    """Return a Python name for each property name; valid names are kept."""
    chosen = {name: name for name in names if is_field_name(name)}
    taken = {*chosen}
    for name in names:
        if name not in chosen:
            chosen[name] = unique_name(_python_name(name), taken)
            taken.add(chosen[name])
    return {name: chosen[name] for name in names}


def unique_name(name: str, taken: Container[str]) -> str:
    """Return the name, with a number appended if it is taken; logarithmic in the number."""
    separator = "_" if name[-1].isdigit() else ""

    def is_taken(number: int) -> bool:
        return (name if number == 1 else f"{name}{separator}{number}") in taken

    low, high = 0, 1
    while is_taken(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_taken(middle) else (low, middle)
    return name if high == 1 else f"{name}{separator}{high}"


def _python_name(name: str) -> str:
    if keyword.iskeyword(name) or name in _PROTECTED:
        return f"{name}_"
    # One character may have a normal form of eighteen.
    normal = unicodedata.normalize("NFKC", name[:MAX_NAME_LENGTH])[: MAX_NAME_LENGTH - 20]
    replaced = re.sub(r"\W", "_", normal).strip("_") or "field"
    return replaced if is_field_name(replaced) else f"field_{replaced}"


def class_name(title: Any, key: str) -> str:
    """Return the class name of a model: its title, else a name like its key."""
    if isinstance(title, str) and is_class_name(title) and is_field_name(title):
        return title
    return _python_name(key)


def member_names(values: Iterable[Any]) -> list[str]:
    """Return names for the members of an enumeration, by their values."""
    names: dict[str, None] = {}
    for value in values:
        name = re.sub(r"\W", "_", str(value), flags=re.ASCII).strip("_").upper()
        name = name if name and not name[0].isdigit() else f"VALUE_{name}".rstrip("_")
        names[unique_name(name, names)] = None
    return [*names]
