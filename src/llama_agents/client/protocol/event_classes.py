"""Finding the class of an event: in a registry, among the framework's events, or in a module.

Names come from the other side of the wire. So nothing of the standard library is ever imported for
one (some of its modules act on import), and nothing at all for names inside an event.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import attrs
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
            module_name, _, name = qualified_name.rpartition(".")
            module = sys.modules.get(module_name)
            cls = None if module is None else vars(module).get(name)
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
    if _SCALARS.issuperset(map(type, value.values())):
        # Only nested objects name other classes: the decoder, which is slow, is not needed.
        return event_class.model_validate(value)
    return validate(event_class, value, index_registry(registry).decoder)


def find_by_name(qualified_name: str | None, allow_import: bool) -> type[Event] | None:
    """Return the event class of a qualified name; None without a name.

    Raises:
        EventValidationError: It does not exist, is not an event, or must not be imported.
    """
    if qualified_name is None:
        return None
    module_name, _, name = qualified_name.rpartition(".")
    module = sys.modules.get(module_name)
    if module is None:
        if not allow_import:
            raise EventValidationError(
                f"Event {qualified_name!r} is in a module that is not loaded, and allow_import is "
                "False: import it, or pass a registry"
            )
        module = _import(module_name)
    event_class = vars(module).get(name)  # not getattr: a module's __getattr__ may import
    if event_class is None:
        event_class = _single(_subclasses_named(module_name, name))
    if not (isinstance(event_class, type) and Event in event_class.__mro__):
        raise EventValidationError(f"{qualified_name!r} is not an Event class")
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


def _subclasses_named(module_name: str, name: str) -> Iterator[type[Event]]:
    """Find event classes that are not attributes of their module, as those in a class body."""
    pending: list[type[Event]] = [Event]
    seen: set[type[Event]] = set()
    while pending:
        cls = pending.pop()
        if cls in seen:
            continue
        seen.add(cls)
        pending += cls.__subclasses__()
        if cls.__name__ == name and cls.__module__ == module_name:
            yield cls


def _single(classes: Iterator[type[Event]]) -> type[Event] | None:
    found = list(classes)
    return found[0] if len(found) == 1 else None


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
        return event_class.model_validate(value)


def superclass_names(event_class: type[Event]) -> list[str] | None:
    """Return the names of the superclasses that are events, nearest first; None without any."""
    ancestors = event_class.mro()[1:]
    below_event = ancestors[: ancestors.index(Event)] if Event in ancestors else []
    return [cls.__name__ for cls in below_event if issubclass(cls, Event)] or None
