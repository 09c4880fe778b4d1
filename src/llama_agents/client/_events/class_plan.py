"""The plan of a workflow's event classes: which there are, what they inherit and what they share.

One plan serves both `builder`, which builds the classes at run time, and `codegen`, which writes
their source. Sans-I/O.
"""

from __future__ import annotations

import graphlib
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from pydantic import BaseModel

from .limits import SchemaBudget
from .names import field_names, is_class_name, unique_name
from .normalized import rename_refs
from .schema import EventDeclaration, NormalizedSchema, SchemaError

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
        """The fields that the class itself defines."""
        return {
            name: field
            for name, field in self.schema["properties"].items()
            if name not in self.inherited
        }


@attrs.frozen
class EventCatalog:
    """All events of a workflow.

    Attributes:
        names: The names of the events, the framework's included, in the server's order.
        events: The classes to be defined, superclasses first.
        models: The normalized schemas of nested models and enumerations, by class name.
        omitted: The names of the events for which no class can be built, each with the reason.
    """

    names: tuple[str, ...]
    events: tuple[EventPlan, ...]
    models: Mapping[str, Mapping[str, Any]]
    omitted: Mapping[str, str]

    def events_with(self, reasons: Mapping[str, str]) -> dict[str, str]:
        """Return the events that need a class: the event itself, or those that mention a model.

        Args:
            reasons: The classes, each with the reason for which its events cannot be built.

        Returns:
            The events, each with the reason of a class that it needs.
        """
        schemas = {**self.models, **{event.name: event.schema for event in self.events}}
        users: dict[str, list[str]] = {}
        for name, schema in schemas.items():
            for mentioned in _mentioned(schema):
                users.setdefault(mentioned, []).append(name)
        found = {**reasons}
        pending = [*reasons]
        for needed in pending:  # grows
            for name in users.get(needed, ()):
                if name not in found:
                    found[name] = found[needed]
                    pending.append(name)
        return {event.name: found[event.name] for event in self.events if event.name in found}

    def with_invalid_defaults(self, fields: Mapping[str, Collection[str]]) -> EventCatalog:
        """Return the catalog with some defaults marked as no values of their types.

        Args:
            fields: The Python names of the fields, by class name.
        """

        def mark(name: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
            if not fields.get(name):
                return schema
            names = field_names(schema["properties"])
            properties = {
                key: {**field, "x-invalid-default": True}
                if "default" in field and names[key] in fields[name]
                else field
                for key, field in schema["properties"].items()
            }
            return {**schema, "properties": properties}

        events = [attrs.evolve(e, schema=mark(e.name, e.schema)) for e in self.events]
        models = {name: mark(name, model) for name, model in self.models.items()}
        return attrs.evolve(self, events=tuple(events), models=models)


def _mentioned(schema: Mapping[str, Any]) -> set[str]:
    """Return the names of the classes that a schema refers to."""
    names: set[str] = set()

    def note(name: str) -> str:
        names.add(name)
        return name

    rename_refs(schema, note)
    return names


FieldNames = Callable[[str], frozenset[str]]


def plan_classes(
    declarations: Iterable[EventDeclaration],
    framework: Mapping[str, Sequence[str]],
    framework_fields: FieldNames,
    omitted: Mapping[str, str],
) -> EventCatalog:
    """Plan the event classes of a workflow.

    One whose schema is invalid, or that contradicts others, is omitted.

    Args:
        declarations: The events.
        framework: The framework's event classes, each with the names of its superclasses.
        framework_fields: Returns the field names of a framework class.
        omitted: Events to omit, each with the reason.
    """
    omitted = {**omitted}
    by_name: dict[str, EventDeclaration] = {}
    for event in declarations:
        if event.name in omitted:
            continue
        if not is_class_name(event.name):
            omitted[event.name] = f"{event.name!r} is not a valid class name"
        elif event.name in by_name and event.name not in framework:
            omitted[event.name] = f"two events are named {event.name}"
        else:
            by_name[event.name] = event
    budget = SchemaBudget()
    normalized: dict[str, NormalizedSchema] = {}
    for name, event in by_name.items():
        if name not in framework and name not in omitted:
            try:
                normalized[name] = NormalizedSchema(event, budget)
            except SchemaError as error:
                omitted[name] = str(error)
    bases = _all_bases(normalized, framework, omitted)
    own = [normalized[name] for name in normalized if name in bases]
    schemas, models = _merge_models(own, {*framework, EVENT})
    plans: dict[str, EventPlan] = {}
    for name in graphlib.TopologicalSorter(bases).static_order():
        if name in bases:
            plans[name] = _plan(name, bases[name], schemas[name], plans, framework_fields)
    names = tuple(name for name in by_name if name not in omitted)
    return EventCatalog(names, tuple(plans.values()), models, omitted)


def _all_bases(
    events: Mapping[str, NormalizedSchema],
    framework: Mapping[str, Sequence[str]],
    omitted: dict[str, str],
) -> dict[str, tuple[str, ...]]:
    """Return the direct superclasses of events; those that derive from each other are omitted."""
    own = {name: event.declaration.ancestors for name, event in events.items()}
    while True:
        superclasses = {**framework, **own}
        bases = {name: _direct_bases(own[name], superclasses) for name in own}
        try:
            graphlib.TopologicalSorter(bases).prepare()
        except graphlib.CycleError as error:
            cycle = error.args[1]
            for name in {*cycle}:
                omitted[name] = f"events derive from each other: {' -> '.join(cycle)}"
                del own[name]
        else:
            return bases


def _direct_bases(
    ancestors: Sequence[str], superclasses: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Return the nearest known ancestors; those that another one derives from are implied."""
    known = [name for name in dict.fromkeys(ancestors) if name in superclasses]
    implied = {name for other in known for name in superclasses[other]}
    return tuple(name for name in known if name not in implied) or (EVENT,)


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
    outlines = [_outlines(event) for event in events]
    known = {
        _fingerprint(outline, event.key): event.declaration.name
        for event, outline in zip(events, outlines, strict=True)
    }
    schemas: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    for event, outline in zip(events, outlines, strict=True):
        names = {event.key: event.declaration.name}
        for key, model in event.models.items():
            if key != event.key:
                names[key] = _merged_name(_fingerprint(outline, key), model["title"], known, used)
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


def _outlines(event: NormalizedSchema) -> dict[str, tuple[str, list[str]]]:
    """Return a digest of each model, and the models that it refers to, in order."""
    return {key: _outline(model) for key, model in event.models.items()}


def _outline(model: Mapping[str, Any]) -> tuple[str, list[str]]:
    refs: dict[str, int] = {}
    renamed = rename_refs(model, lambda other: str(refs.setdefault(other, len(refs))))
    return _digest(renamed), [*refs]


def _fingerprint(outlines: Mapping[str, tuple[str, Sequence[str]]], key: str) -> str:
    """Return text that is equal for equal models, whatever their keys; references are followed."""
    positions = {key: 0}
    keys = [key]
    parts = []
    for current in keys:  # grows as references are found
        digest, refs = outlines[current]
        keys += [other for other in refs if other not in positions]
        for other in refs:
            positions.setdefault(other, len(positions))
        parts.append([digest, *(positions[other] for other in refs)])
    return _digest(parts)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
