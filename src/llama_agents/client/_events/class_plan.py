"""The plan of a workflow's event classes: which there are, what they inherit and what they share.

One plan serves both `builder`, which builds the classes at run time, and `codegen`, which writes
their source. Sans-I/O.
"""

from __future__ import annotations

import graphlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from pydantic import BaseModel

from .schema import (
    EventDeclaration,
    NormalizedSchema,
    SchemaError,
    is_class_name,
    is_field_name,
    rename_refs,
    unique_name,
)

EVENT: Final = "Event"
# Generated source uses these names itself: no nested model may shadow one.
RESERVED_NAMES: Final = frozenset(
    "Annotated Any BaseModel ConfigDict EVENTS Enum Event Field IntEnum Literal RootModel "  # noqa: SIM905
    "SparseModel StrEnum UUID bool bytes date datetime dict float int list set str time timedelta "
    "tuple type".split()
)


@attrs.frozen
class EventPlan:
    """An event class to be defined.

    Attributes:
        name: Its name.
        bases: Its direct superclasses: framework classes or events of the same workflow.
        schema: Its normalized schema, inherited fields included.
        inherited: The fields that a superclass defines identically.
        overridden: The fields that a superclass defines differently.
    """

    name: str
    bases: tuple[str, ...]
    schema: Mapping[str, Any]
    inherited: frozenset[str] = frozenset()
    overridden: frozenset[str] = frozenset()

    @property
    def own_fields(self) -> dict[str, Any]:
        """The fields that the class itself defines.

        A property whose name cannot be a field stays dynamic: events have no aliases.
        """
        return {
            name: field
            for name, field in self.schema["properties"].items()
            if name not in self.inherited and is_field_name(name)
        }


@attrs.frozen
class EventCatalog:
    """All events of a workflow.

    Attributes:
        names: The names of the events, the framework's included, in the server's order.
        events: The classes to be defined, superclasses first.
        models: The normalized schemas of nested models and enumerations, by class name.
    """

    names: tuple[str, ...]
    events: tuple[EventPlan, ...]
    models: Mapping[str, Mapping[str, Any]]


FieldNames = Callable[[str], frozenset[str]]


def plan_classes(
    declarations: Iterable[EventDeclaration],
    framework: Mapping[str, Sequence[str]],
    framework_fields: FieldNames,
) -> EventCatalog:
    """Plan the event classes of a workflow.

    Args:
        declarations: The events.
        framework: The framework's event classes, each with the names of its superclasses.
        framework_fields: Returns the field names of a framework class.

    Raises:
        SchemaError: A schema is invalid, or the declarations contradict each other.
    """
    by_name: dict[str, EventDeclaration] = {}
    for event in declarations:
        if not is_class_name(event.name):
            raise SchemaError(f"{event.name!r} is not a valid class name")
        if event.name in by_name and event.name not in framework:
            raise SchemaError(f"two events are named {event.name}")
        by_name[event.name] = event
    own = {name: event for name, event in by_name.items() if name not in framework}
    superclasses = {**framework, **{name: event.ancestors for name, event in own.items()}}
    bases = {name: _direct_bases(event.ancestors, superclasses) for name, event in own.items()}
    normalized = [NormalizedSchema(event) for event in own.values()]
    schemas, models = _merge_models(normalized, {*framework, EVENT})
    plans: dict[str, EventPlan] = {}
    for name in _superclasses_first(bases):
        if name in own:
            plans[name] = _plan(name, bases[name], schemas[name], plans, framework_fields)
    return EventCatalog(tuple(by_name), tuple(plans.values()), models)


def _direct_bases(
    ancestors: Sequence[str], superclasses: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Return the nearest known ancestors; those that another one derives from are implied."""
    known = [name for name in ancestors if name in superclasses]
    implied = {name for other in known for name in superclasses[other]}
    return tuple(name for name in known if name not in implied) or (EVENT,)


def _superclasses_first(bases: Mapping[str, Sequence[str]]) -> list[str]:
    try:
        return [*graphlib.TopologicalSorter(bases).static_order()]
    except graphlib.CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise SchemaError(f"events derive from each other: {cycle}") from error


def _plan(
    name: str,
    bases: tuple[str, ...],
    schema: Mapping[str, Any],
    plans: Mapping[str, EventPlan],
    framework_fields: FieldNames,
) -> EventPlan:
    inherited: set[str] = set()
    overridden: set[str] = set()
    for base in bases:
        if base not in plans:
            inherited |= framework_fields(base) & schema["properties"].keys()
            continue
        base_schema = plans[base].schema
        for field in schema["properties"].keys() & base_schema["properties"].keys():
            same = _field(field, schema) == _field(field, base_schema)
            (inherited if same else overridden).add(field)
    return EventPlan(name, bases, schema, frozenset(inherited - overridden), frozenset(overridden))


def _field(name: str, schema: Mapping[str, Any]) -> tuple[Any, bool]:
    return schema["properties"][name], name in schema["required"]


# ---------------------------------------------------------------------------- nested models


def _merge_models(
    events: Sequence[NormalizedSchema], taken: Iterable[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Name every class uniquely; models that are equal in several events become one class.

    Returns:
        The schemas of the events and those of the nested models, both by class name.
    """
    # A field annotation inside a model is resolved among the attributes of the model first: a class
    # named as one of these would be hidden.
    used = {*taken, *RESERVED_NAMES, *dir(BaseModel), *(event.declaration.name for event in events)}
    known = {_fingerprint(event, event.key): event.declaration.name for event in events}
    schemas: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    for event in events:
        names = {event.key: event.declaration.name}
        for key, model in event.models.items():
            if key != event.key:
                names[key] = _merged_name(_fingerprint(event, key), model["title"], known, used)
        for key, name in names.items():
            renamed = {**rename_refs(event.models[key], names.__getitem__), "title": name}
            (schemas if key == event.key else models).setdefault(name, renamed)
    return schemas, {name: model for name, model in models.items() if name not in schemas}


def _merged_name(fingerprint: str, title: str, known: dict[str, str], used: set[str]) -> str:
    """Return the class name of an equal model; else choose a new one and record it."""
    if fingerprint not in known:
        known[fingerprint] = unique_name(title, used)
        used.add(known[fingerprint])
    return known[fingerprint]


def _fingerprint(event: NormalizedSchema, key: str) -> str:
    """Return text that is equal for equal models, whatever their keys; references are followed."""
    keys = [key]
    schemas = []
    for current in keys:  # grows as references are found

        def position(other: str) -> str:
            if other not in keys:
                keys.append(other)
            return str(keys.index(other))

        schemas.append(rename_refs(event.models[current], position))
    return json.dumps(schemas)
