"""Finding the class of an event: in a registry, among the framework's events, or in a module.

Names come from the other side of the wire. So nothing of the standard library is ever imported for
one (some of its modules act on import), and nothing at all for names inside an event.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.util
import operator
import sys
import sysconfig
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Final, cast, get_args, get_origin
from weakref import WeakKeyDictionary

import attrs
from pydantic import BaseModel
from workflows import events as framework
from workflows.context.serializers import JsonSerializer
from workflows.events import (
    Event,
    HumanResponseEvent,
    InputRequiredEvent,
    StartEvent,
    StopEvent,
)

from ..errors import EventValidationError

# Installed packages are in these folders, which may lie below the standard library's.
_PACKAGE_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})

# Whether an event is being loaded that the server wrote, rather than made by the caller.
reading: Final[ContextVar[bool]] = ContextVar("llama_agents_client_reading", default=False)

FRAMEWORK: Final[Mapping[str, type[Event]]] = {
    name: cls
    for name, cls in vars(framework).items()
    if isinstance(cls, type) and issubclass(cls, Event) and cls.__module__ == framework.__name__
}


FRAMEWORK_EVENT_TYPES: Final = (StartEvent, StopEvent, InputRequiredEvent, HumanResponseEvent)


def qualified_names(cls: type) -> tuple[str, str]:
    """Return the two spellings of a class's qualified name: the server's, and Python's."""
    return f"{cls.__module__}.{cls.__name__}", f"{cls.__module__}.{cls.__qualname__}"


@attrs.frozen
class RegistryIndex:
    """A registry's classes by name, and the decoder for names inside their events.

    Attributes:
        by_qualified_name: The classes that a qualified name identifies.
        by_name: The classes of each name.
        decoder: Resolves names inside an event.
    """

    by_qualified_name: Mapping[str, type[Event]]
    by_name: Mapping[str, tuple[type[Event], ...]]
    decoder: JsonSerializer

    @property
    def names(self) -> str:
        """The class names, for messages."""
        return ", ".join(self.by_name)

    def find(self, name: str, qualified_name: str | None) -> type[Event] | None:
        """Return the class of that qualified name, else the only class of that name, else None.

        Raises:
            EventValidationError: Several classes have that name.
        """
        event_class = self.by_qualified_name.get(qualified_name or "")
        if event_class is not None:
            return event_class
        candidates = self.by_name.get(name, ())
        if len(candidates) > 1:
            raise EventValidationError(
                f"Event type {name!r} is ambiguous: the registry has "
                f"{' and '.join(qualified_names(cls)[1] for cls in candidates)}, "
                f"and the envelope has the qualified name {qualified_name!r}"
            )
        return candidates[0] if candidates else None


@functools.lru_cache(maxsize=128)
def index_registry(registry: tuple[type[Event], ...]) -> RegistryIndex:
    """Index a registry by name; cached, as a registry is used for every event of a stream.

    Raises:
        EventValidationError: It has an element that is not an event class.
    """
    by_name: dict[str, tuple[type[Event], ...]] = {}
    by_qualified_name: dict[str, set[type[Event]]] = {}
    for cls in dict.fromkeys(registry):
        if not (isinstance(cls, type) and issubclass(cls, Event)):
            raise EventValidationError(f"Registry element {cls!r} is not an Event class")
        by_name[cls.__name__] = (*by_name.get(cls.__name__, ()), cls)
        for name in qualified_names(cls):
            by_qualified_name.setdefault(name, set()).add(cls)
    return RegistryIndex(
        by_qualified_name={
            name: cls
            for name, classes in by_qualified_name.items()
            if len(classes) == 1
            for cls in classes
        },
        by_name=by_name,
        decoder=strict_decoder(registry) if registry else _LoadedClasses(),
    )


@functools.lru_cache(maxsize=128)
def strict_decoder(classes: tuple[type[Event], ...]) -> JsonSerializer:
    """Return a decoder that resolves these classes and the framework's, and imports nothing."""
    # A name that two classes share identifies neither of them.
    counts = Counter(name for cls in set(classes) for name in set(qualified_names(cls)))
    unique = [cls for cls in classes if all(counts[name] == 1 for name in qualified_names(cls))]
    return JsonSerializer(allowed_types=unique)


class _LoadedClasses(JsonSerializer):
    """Resolves names inside an event to classes of loaded modules; imports nothing."""

    def __init__(self) -> None:
        super().__init__(allowed_types=())

    def resolve_class(self, qualified_name: str) -> type[Any]:
        try:
            return super().resolve_class(qualified_name)
        except ValueError:
            module_name, name = _split(qualified_name)
            module = sys.modules.get(module_name)
            cls = None if module is None else _class_of(module, module_name, name)
            if isinstance(cls, type) and issubclass(cls, (Event, Exception)):
                return cls
            raise


def load(
    name: str,
    qualified_name: str | None,
    value: Mapping[str, Any],
    registry: tuple[type[Event], ...],
    allow_import: bool,
) -> Event:
    """Load an event by the rules of `EventEnvelopeWithMetadata.load_event`.

    Raises:
        EventValidationError: Its class is not found, is ambiguous or is not an event.
    """
    event_class = index_registry(registry).find(name, qualified_name) if registry else None
    if (
        event_class is None
        and name in FRAMEWORK
        and qualified_name in (None, f"{framework.__name__}.{name}")
    ):
        event_class = FRAMEWORK[name]
    if event_class is None and not registry:
        event_class = find_by_name(qualified_name, allow_import)
    if event_class is None:
        allowed = index_registry(registry).names
        raise EventValidationError(
            f"Event {qualified_name or name!r} is not in the registry, which has: {allowed}"
            if registry
            else f"Event {name!r} has no qualified name: pass load_event a registry"
        )
    token = reading.set(True)
    try:
        if _SCALARS.issuperset(map(type, value.values())):
            # Only nested objects name other classes: the decoder, which is slow, is not needed.
            return event_class.model_validate(without_computed(event_class, value))
        return validate(event_class, value, index_registry(registry).decoder)
    finally:
        reading.reset(token)


def find_by_name(qualified_name: str | None, allow_import: bool) -> type[Event] | None:
    """Return the event class of a qualified name; None without a name.

    Raises:
        EventValidationError: It does not exist, is not an event, or must not be imported.
    """
    if qualified_name is None:
        return None
    module_name, name = _split(qualified_name)
    module = sys.modules.get(module_name)
    if module is None:
        if not allow_import:
            raise EventValidationError(
                f"Event {qualified_name!r} is in a module that is not loaded, and allow_import is "
                "False: import it, or pass a registry"
            )
        module = _import(module_name)
    event_class = _class_of(module, module_name, name)
    if not (isinstance(event_class, type) and Event in event_class.__mro__):
        advice = ", or not parametrized yet: pass load_event a registry with it"
        raise EventValidationError(
            f"{qualified_name!r} is not an Event class{advice if '[' in name else ''}"
        )
    return event_class


def _import(module_name: str) -> ModuleType:
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise EventValidationError(f"{module_name!r} is not a valid module name")
    top_level = module_name.partition(".")[0]
    if _is_standard_library(top_level):
        raise EventValidationError(
            f"{module_name!r} is in the standard library and is not imported"
        )
    return importlib.import_module(module_name)


def _is_standard_library(top_level: str) -> bool:
    if top_level in sys.stdlib_module_names:
        return True
    # The set lacks some of what ships with Python: CPython's own test package, frozen samples.
    spec = importlib.util.find_spec(top_level)
    origin = spec.origin if spec is not None else None
    if origin in ("frozen", "built-in"):
        return True
    if origin is None:
        return False
    paths = sysconfig.get_paths()
    for folder in {Path(paths["stdlib"]), Path(paths["platstdlib"])}:
        if Path(origin).is_relative_to(folder):
            return Path(origin).relative_to(folder).parts[0] not in _PACKAGE_FOLDERS
    return False


@functools.lru_cache(maxsize=256)
def _split(qualified_name: str) -> tuple[str, str]:
    """Split off the module; the arguments of a generic class may contain dots, too."""
    generic, bracket, arguments = qualified_name.partition("[")
    module_name, _, name = generic.rpartition(".")
    return module_name, name + bracket + arguments


def _class_of(module: ModuleType, module_name: str, name: str) -> Any:
    """Return what a name stands for in a module, or the newest event class of that name."""
    # Not getattr: a module's __getattr__ may import. And pydantic makes a parametrized class an
    # attribute once, and leaves it when the generic class is defined anew.
    found = None if "[" in name else vars(module).get(name)
    return _newest_class(module_name, name) if found is None else found


def _newest_class(module_name: str, name: str) -> type[Event] | None:
    """Find an event class that is not an attribute of its module, as one in a function's body.

    In a notebook, running a cell again defines its classes again, and the older ones stay alive as
    long as any of their instances does.

    Raises:
        EventValidationError: Several such classes are defined at different places.
    """
    found = [*_subclasses_named(module_name, name)]
    if len({_path(cls) for cls in found}) > 1:
        del found
        gc.collect()  # those of an earlier run of the cell, unless they are in use
        found = [*_subclasses_named(module_name, name)]
    if len({_path(cls) for cls in found}) > 1:
        names = dict.fromkeys(qualified_names(cls)[1] for cls in found)
        raise EventValidationError(
            f"Event type {name!r} is ambiguous: {module_name} has {len(found)} classes of that "
            f"name ({', '.join(names)}); pass load_event a registry with the one to use"
        )
    if not found:
        return None
    generic = found[-1].__pydantic_generic_metadata__
    origin = generic["origin"]
    if origin is not None and issubclass(origin, Event):
        current = find_by_name(f"{module_name}.{origin.__name__}", allow_import=False)
        arguments = tuple(map(_current, generic["args"]))
        if current is not origin or not _are_same(arguments, generic["args"]):
            return cast(
                "type[Event]", cast("Any", current)[arguments]
            )  # perhaps for the first time
    return found[-1]


def _current(annotation: Any) -> Any:
    """Return an annotation with the classes that its names stand for now."""
    generic = getattr(annotation, "__pydantic_generic_metadata__", {"origin": None})
    if generic["origin"] is not None:
        origin, arguments = generic["origin"], generic["args"]
    else:
        origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is not None:
        current = (_current(origin), *map(_current, arguments))
        if _are_same(current, (origin, *arguments)):
            return annotation
        if origin is UnionType:
            return functools.reduce(operator.or_, current[1:])
        return current[0][current[1:]]
    if not isinstance(annotation, type):
        return annotation
    found: Any = sys.modules.get(annotation.__module__)
    for name in annotation.__qualname__.split("."):
        found = vars(found).get(name) if isinstance(found, (ModuleType, type)) else None
    same_name = isinstance(found, type) and qualified_names(found) == qualified_names(annotation)
    return found if same_name else annotation


def _are_same(one: Sequence[object], other: Sequence[object]) -> bool:
    return all(a is b for a, b in zip(one, other, strict=True))


def _path(cls: type[Event]) -> tuple[str, ...]:
    """Identify the place where a class is defined: its name and those of its superclasses."""
    return tuple(qualified_names(base)[1] for base in cls.__mro__)


def _subclasses_named(module_name: str, name: str) -> Iterator[type[Event]]:
    """Find event classes by name; of those with equal paths, the newest is last."""
    seen: set[type[Event]] = set()

    def walk(cls: type[Event]) -> Iterator[type[Event]]:
        for subclass in cls.__subclasses__():  # in the order of their definition
            if subclass not in seen:
                seen.add(subclass)
                if subclass.__name__ == name and subclass.__module__ == module_name:
                    yield subclass
                yield from walk(subclass)

    return walk(Event)


def declared_class(
    name: str | None,
    qualified_name: str | None,
    allowed: Mapping[str, type[Event]],
    decoder: JsonSerializer,
) -> type[Event]:
    """Return the class of an event that a client sent, as the server determines it.

    Raises:
        EventValidationError: The workflow does not declare it.
    """
    if name and name in allowed:
        return allowed[name]
    if qualified_name:
        try:
            event_class = decoder.resolve_class(qualified_name)
        except ValueError as error:
            raise _undeclared(qualified_name) from error
        if not issubclass(event_class, Event):
            raise EventValidationError(f"{qualified_name} is not an Event subclass")
        if allowed and event_class not in allowed.values():
            raise _undeclared(qualified_name)
        return event_class
    if not name:
        raise EventValidationError("Invalid event: it must name its type or its qualified_name")
    expected = (
        f"Expected one of {', '.join(allowed)}" if allowed else "No event types are registered"
    )
    raise EventValidationError(f"Invalid event type: {name}. {expected}.")


def _undeclared(qualified_name: str) -> EventValidationError:
    return EventValidationError(
        f"Event type {qualified_name} is not declared by this workflow: "
        "add it to add_workflow(..., additional_events=[...])."
    )


def validate(event_class: type[Event], value: Any, decoder: JsonSerializer) -> Event:
    """Validate an event's fields; the decoder resolves names inside them."""
    context: AbstractContextManager[None] = decoder.validation_context()
    with context:
        event = event_class.model_validate(without_computed(event_class, value))
    if _holds_events(event_class):
        _strip_computed(event)
    return event


def without_computed(event_class: type[Event], value: Any) -> Any:
    """Return an event's fields without those that the class computes.

    They are written with the others, and would be read as dynamic fields and written twice.
    """
    computed = _computed_names(event_class)
    if not computed or not isinstance(value, Mapping):
        return value
    stripped = {key: field for key, field in value.items() if key not in computed}
    if isinstance(stripped.get("_data"), Mapping):
        stripped["_data"] = {k: v for k, v in stripped["_data"].items() if k not in computed}
    return stripped


def _computed_names(event_class: type[Event]) -> Collection[str]:
    """Return the names under which computed fields are written."""
    computed = event_class.__pydantic_decorators__.computed_fields
    if not computed or not event_class.model_config.get("serialize_by_alias"):
        return computed
    return {*computed, *(field.info.alias or name for name, field in computed.items())}


_HOLDS_EVENTS: Final[WeakKeyDictionary[type[Event], bool]] = WeakKeyDictionary()


def _holds_events(event_class: type[Event]) -> bool:
    """Return whether a field, or one of a model in it, may be an event: a walk is slow."""
    known = _HOLDS_EVENTS.get(event_class)
    if known is None:
        fields = event_class.model_fields.values()
        known = any(_mentions_event(field.annotation, set()) for field in fields)
        _HOLDS_EVENTS[event_class] = known
    return known


def _mentions_event(annotation: Any, seen: set[type]) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in seen:
            return False
        seen.add(annotation)
        fields = annotation.model_fields.values()
        return issubclass(annotation, Event) or any(
            _mentions_event(field.annotation, seen) for field in fields
        )
    return any(_mentions_event(argument, seen) for argument in get_args(annotation))


def _strip_computed(value: Any) -> None:
    """Remove the computed fields of nested events from their dynamic fields."""
    if isinstance(value, BaseModel):
        if isinstance(value, Event):
            for name in _computed_names(type(value)):
                value._data.pop(name, None)
        values: Collection[Any] = vars(value).values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        values = value
    elif isinstance(value, dict):
        values = value.values()
    else:
        return
    if not _SCALARS.issuperset(map(type, values)):
        for nested in values:
            _strip_computed(nested)


def superclass_names(event_class: type[Event]) -> list[str] | None:
    """Return the names of the superclasses that are events, nearest first; None without any."""
    ancestors = event_class.mro()[1:]
    below_event = ancestors[: ancestors.index(Event)] if Event in ancestors else []
    return [cls.__name__ for cls in below_event if issubclass(cls, Event)] or None
