"""The events of a workflow: which classes there are, what they derive from, what they share.

Decided here once, for the classes that `typed` makes at run time and for the source that `codegen`
writes. Pure.
"""

from __future__ import annotations

import graphlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from pydantic import BaseModel

from ._schemas import (
    Declared,
    Forms,
    SchemaError,
    is_class_name,
    is_field_name,
    unused,
    with_names,
)

EVENT: Final = "Event"
# Names that the source of the classes uses itself: no nested model is called so.
RESERVED: Final = frozenset(
    "Annotated Any BaseModel ConfigDict EVENTS Enum Event Field IntEnum Literal RootModel "  # noqa: SIM905
    "SparseModel StrEnum UUID bool bytes date datetime dict float int list set str time timedelta "
    "tuple type".split()
)


@attrs.frozen
class EventShape:
    """A class of events that is to be made.

    Attributes:
        name: Its name.
        bases: Its superclasses: classes of the framework, or events of the same workflow.
        schema: Its JSON schema in the form of this module, all of its fields included.
        inherited: The fields that a superclass has in the same way.
        overridden: The fields that a superclass has in another way.
    """

    name: str
    bases: tuple[str, ...]
    schema: Mapping[str, Any]
    inherited: frozenset[str] = frozenset()
    overridden: frozenset[str] = frozenset()

    @property
    def own(self) -> dict[str, Any]:
        """The fields that are not inherited; an event's fields go by their names alone."""
        return {
            name: field
            for name, field in self.schema["properties"].items()
            if name not in self.inherited and is_field_name(name)
        }


@attrs.frozen
class Described:
    """All events of a workflow.

    Attributes:
        names: The names of the events, those of the framework included, in the server's order.
        events: The classes that are to be made, each after what it derives from.
        models: The schemas of nested models and enumerations, by class name.
    """

    names: tuple[str, ...]
    events: tuple[EventShape, ...]
    models: Mapping[str, Mapping[str, Any]]


Fields = Callable[[str], frozenset[str]]


def describe(
    declared: Iterable[Declared], framework: Mapping[str, Sequence[str]], fields: Fields
) -> Described:
    """Say which classes the events of a workflow are.

    Args:
        declared: The events.
        framework: The framework's own classes, each with the names of its superclasses.
        fields: The names of the fields that a class of the framework has.

    Raises:
        SchemaError: A schema describes no event, or two events have one name.
    """
    by_name: dict[str, Declared] = {}
    for event in declared:
        if not is_class_name(event.name):
            raise SchemaError(f"{event.name!r} is not the name of a class")
        if event.name in by_name and event.name not in framework:
            raise SchemaError(f"two events are called {event.name}")
        by_name[event.name] = event
    own = {name: event for name, event in by_name.items() if name not in framework}
    superclasses = {**framework, **{name: event.ancestors for name, event in own.items()}}
    bases = {name: _bases(event.ancestors, superclasses) for name, event in own.items()}
    schemas, models = _share([Forms(event) for event in own.values()], {*framework, EVENT})
    shapes: dict[str, EventShape] = {}
    for name in _in_order(bases):
        if name in own:
            shapes[name] = _shape(name, bases[name], schemas[name], shapes, fields)
    return Described(tuple(by_name), tuple(shapes.values()), models)


def _bases(ancestors: Sequence[str], superclasses: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The nearest ancestors that are known; what one of them derives from comes with it."""
    known = [name for name in ancestors if name in superclasses]
    implied = {name for other in known for name in superclasses[other]}
    return tuple(name for name in known if name not in implied) or (EVENT,)


def _in_order(bases: Mapping[str, Sequence[str]]) -> list[str]:
    try:
        return [*graphlib.TopologicalSorter(bases).static_order()]
    except graphlib.CycleError as error:
        raise SchemaError(f"these events derive from each other: {error.args[1]}") from error


def _shape(
    name: str,
    bases: tuple[str, ...],
    schema: Mapping[str, Any],
    shapes: Mapping[str, EventShape],
    fields: Fields,
) -> EventShape:
    inherited: set[str] = set()
    overridden: set[str] = set()
    for base in bases:
        if base not in shapes:
            inherited |= fields(base) & schema["properties"].keys()
            continue
        for field in schema["properties"].keys() & shapes[base].schema["properties"].keys():
            same = _field(field, schema) == _field(field, shapes[base].schema)
            (inherited if same else overridden).add(field)
    return EventShape(name, bases, schema, frozenset(inherited - overridden), frozenset(overridden))


def _field(name: str, schema: Mapping[str, Any]) -> tuple[Any, bool]:
    return schema["properties"][name], name in schema["required"]


# ---------------------------------------------------------------------------- all of them


def _share(
    events: Sequence[Forms], taken: Iterable[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Give every class one name: what is the same in two events is one class.

    Returns:
        The schemas of the events, and those of the nested classes, by class name.
    """
    names = {_print(forms, forms.key): forms.event.name for forms in events}
    # Within a model, what every model has would stand for a class of its name.
    used = {*taken, *RESERVED, *dir(BaseModel), *(forms.event.name for forms in events)}
    renamed: list[dict[str, str]] = []
    for forms in events:
        local: dict[str, str] = {forms.key: forms.event.name}
        for key, schema in forms.models.items():
            if key == forms.key:
                continue
            known = names.get(_print(forms, key))
            if known is None:
                known = names[_print(forms, key)] = unused(schema["title"], used)
                used.add(known)
            local[key] = known
        renamed.append(local)
    shapes: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    for forms, local in zip(events, renamed, strict=True):
        for key, name in local.items():
            schema = {**with_names(forms.models[key], local.__getitem__), "title": name}
            (shapes if key == forms.key else models).setdefault(name, schema)
    return shapes, {name: schema for name, schema in models.items() if name not in shapes}


def _print(forms: Forms, key: str) -> str:
    """All that makes a class, what it refers to included; equal for equal classes."""
    keys = [key]
    parts = []
    for at in keys:  # it grows

        def number(other: str) -> str:
            if other not in keys:
                keys.append(other)
            return str(keys.index(other))

        parts.append(with_names(forms.models[at], number))
    return json.dumps(parts)
