"""What is sent: start events, events, contexts; and the encoding of every body."""

from __future__ import annotations

import enum
import functools
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs
from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic_core import SchemaSerializer, core_schema, to_jsonable_python

from .._lazy_types import Context, Event, StartEvent
from ..errors import EventValidationError
from ..protocol.serializable_events import EventEnvelope, is_envelope

StartPayload = StartEvent | dict[str, Any] | None

_ENVELOPE_KEYS: Final = frozenset({"value", "type", "types", "qualified_name"})
_MARKS: Final = frozenset({"__is_pydantic"})  # which the framework's JsonSerializer adds
_SECRETS: Final = (Secret, SecretBytes, SecretStr)
_MASK: Final = str(SecretStr("x"))
_SAFE: Final = frozenset({str, int, bool, type(None)})  # types whose values are written as they are
_PYTHON: Final = SchemaSerializer(core_schema.any_schema())


class Origin(enum.Enum):
    """What bare fields come from, which decides which start class may read them.

    - FIELDS: a dict or a plain ``StartEvent``. They are meant for the workflow's own start class,
      and one that declares no fields reads any.
    - ENVELOPE: a dict that may be an envelope, unless the start class has fields of those names.
    - EVENT: an event of its own class. Another class is only right for it if it has all its fields;
      a plain ``StartEvent`` reads any.
    """

    FIELDS = enum.auto()
    ENVELOPE = enum.auto()
    EVENT = enum.auto()


@attrs.frozen
class StartEncoding:
    """How a start event is written.

    The server reads bare fields as the workflow's own start class, and an envelope as the class
    that it names. What it takes for an envelope but is not one can only be written with the
    workflow's schema, whose title is the name of that class.

    Attributes:
        given: As it was given; None if the server would misread that.
        fields: Its bare fields; None if there is no other way to write it.
        origin: What the fields come from.
    """

    given: dict[str, Any] | None
    fields: dict[str, Any] | None = None
    origin: Origin = Origin.FIELDS

    @property
    def is_bare(self) -> bool:
        """Whether it is written as bare fields, whatever the schema says."""
        return self.given is not None and not is_envelope(self.given)

    def as_fields(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of an event of the start class, for a server that takes only these.

        Raises:
            EventValidationError: It is of another class, or may be taken for an envelope.
            SchemaError: The schema is invalid.
        """
        from .._events.schema import declared_fields

        title, _ = declared_fields(schema)
        given = self.given or {}
        fields = given.get(_value_key(given))
        if not self._names(title) or not isinstance(fields, dict) or is_envelope(fields):
            raise EventValidationError(
                f"the workflow starts with the event {title}, of which this server takes only "
                "fields that are not named as those of an envelope"
            )
        return fields

    def rewritten(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the bare fields, written for the start class that a schema describes.

        Raises:
            EventValidationError: That class would not read them all.
            SchemaError: The schema is invalid.
        """
        from .._events.schema import declared_fields

        title, declared = declared_fields(schema)
        fields = self.fields or {}
        needed = {*fields} if self.origin is Origin.EVENT else _ENVELOPE_KEYS & fields.keys()
        match self.origin:
            case Origin.FIELDS:
                reads_any = not declared
            case Origin.ENVELOPE:
                reads_any = False
            case Origin.EVENT:
                reads_any = not declared and title == "StartEvent"
        missing = [] if self._names(title) else sorted(needed - declared)
        if self._names(title) or (not reads_any and (missing or not needed)):
            lacks = f", which has no field {', '.join(map(repr, missing))}" if missing else ""
            raise EventValidationError(f"the workflow starts with the event {title}{lacks}")
        return {"type": title, "value": fields} if is_envelope(fields) else fields

    def _names(self, title: str) -> bool:
        """Return whether it was given as an event of the class: there is nothing to rewrite."""
        given = {} if self.given is None else self.given
        qualified_name = str(given.get("qualified_name", ""))
        return title in (given.get("type"), qualified_name.rpartition(".")[2])


def start_encoding(start_event: StartPayload | StartEncoding) -> StartEncoding:
    """Return how a start event is written; one that has been read already is not read again.

    Raises:
        ValueError: It is not an event, or cannot be written as JSON.
    """
    if isinstance(start_event, StartEncoding):
        return start_event
    if start_event is None:
        return StartEncoding({})
    if isinstance(start_event, dict):
        fields = _jsonable("start event", start_event)
        if _may_be_envelope(fields):
            return StartEncoding(fields, fields, Origin.ENVELOPE)
        return _bare(fields)
    envelope = event_payload("start event", start_event)
    from workflows.events import StartEvent

    if type(start_event) is StartEvent:
        # Under _data, a start class of the server's own would not see its fields.
        return _bare(envelope["value"].get("_data", {}))
    is_start = isinstance(start_event, StartEvent)
    return StartEncoding(envelope, envelope["value"] if is_start else None, Origin.EVENT)


def _bare(fields: dict[str, Any]) -> StartEncoding:
    return StartEncoding(None, fields) if is_envelope(fields) else StartEncoding(fields)


def _may_be_envelope(fields: Mapping[str, Any]) -> bool:
    """Return whether an object can be meant as an envelope, and loses nothing if read as one."""
    return (
        is_envelope(fields)
        and isinstance(fields.get(_value_key(fields)), dict)
        and any(isinstance(fields.get(key), str) for key in ("type", "qualified_name"))
        and not _ignored_keys(fields)
    )


def _value_key(envelope: Mapping[str, Any]) -> str:
    return "value" if "value" in envelope else "data"  # the key of older clients


def _ignored_keys(envelope: Mapping[str, Any]) -> list[str]:
    """Return the keys that the server ignores in an envelope."""
    return sorted({*map(str, envelope)} - _ENVELOPE_KEYS - _MARKS - {_value_key(envelope)})


def event_payload(what: str, event: Event | dict[str, Any]) -> dict[str, Any]:
    """Return an event as it is sent.

    Args:
        what: Names the event in errors.
        event: The event, or an envelope as a dict.

    Raises:
        ValueError: It is not an event, or cannot be written as JSON.
    """
    if isinstance(event, dict):
        written = _jsonable(what, event)
        if _value_key(written) in written and (ignored := _ignored_keys(written)):
            beside = ", ".join(map(repr, ignored))
            raise ValueError(f"{what} has {beside} beside its value, which the server ignores")
        return written
    from workflows.events import Event  # slow to import, and most programs send none

    if not isinstance(event, Event):
        raise ValueError(f"{what} must be an Event or a dict, not {type(event).__name__}")
    try:
        envelope = EventEnvelope.from_event(event)
        fields = event.model_dump()
    except Exception as error:
        raise ValueError(f"{what} cannot be written as JSON: {error}") from error
    value: Any = envelope.value
    if _has_aliases(type(event)):
        value = _as_read(event, fields, value)
    _reject_lost_value(what, fields, value)
    return {"type": envelope.type, "value": value}


@functools.lru_cache(maxsize=256)
def _has_aliases(event_class: type[Event]) -> bool:
    return "_alias" in repr(event_class.__pydantic_core_schema__)


def _as_read(event: Event, fields: dict[str, Any], by_name: dict[str, Any]) -> dict[str, Any]:
    """Return an event in the form in which its class reads it without a loss.

    pydantic writes the fields of nested models by their names, but reads them by their aliases; a
    field with a default would lose its value in silence. Events themselves are read by name.

    Args:
        event: The event.
        fields: Its fields, as pydantic dumps them to Python.
        by_name: The same, as it dumps them to JSON.
    """

    def is_read(written: dict[str, Any]) -> bool:
        with suppress(Exception):  # a class may raise anything
            return bool(type(event).model_validate(written).model_dump() == fields)
        return False

    if is_read(by_name):
        return by_name
    with suppress(Exception):
        aliases = type(event).model_fields.items()
        names = {field.serialization_alias: name for name, field in aliases}
        dumped = event.model_dump(mode="json", by_alias=True).items()
        by_alias = {names.get(key, key): value for key, value in dumped}
        if is_read(by_alias):
            return by_alias
    return by_name


def context_payload(context: Context | dict[str, Any]) -> dict[str, Any]:
    """Return a context as it is sent.

    Raises:
        ValueError: It cannot be written as JSON.
    """
    if isinstance(context, dict):
        return _jsonable("context", context)
    from workflows.context.serializers import JsonSerializer

    class Inspecting(JsonSerializer):
        """Keeps why a model cannot be written; it cannot raise, as its base class hides that."""

        problem: ValueError | None = None

        def serialize_value(self, value: Any) -> Any:
            written = super().serialize_value(value)
            if isinstance(value, BaseModel) and "value" in written:
                try:
                    _reject_lost_value("context", value.model_dump(), written["value"])
                except ValueError as error:
                    self.problem = self.problem or error
            return written

    inspecting = Inspecting()
    try:
        written = context.to_dict()
        with suppress(Exception):  # another serializer can write more
            context.to_dict(inspecting)
    except Exception as error:
        raise ValueError(f"context cannot be written as JSON: {error}") from error
    if inspecting.problem is not None:
        raise inspecting.problem
    return written


def encode(body: Any) -> bytes:
    """Return a body as JSON.

    Raises:
        ValueError: It cannot be written as JSON.
    """
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"the request cannot be written as JSON: {error}") from error


def _jsonable(what: str, value: dict[str, Any]) -> dict[str, Any]:
    try:
        written: dict[str, Any] = to_jsonable_python(value)
        fields = _PYTHON.to_python(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} cannot be written as JSON: {error}") from error
    _reject_lost_value(what, fields, written)
    return written


def _reject_lost_value(what: str, fields: Any, written: Any) -> None:
    """Raise for a value that pydantic writes as something else: NaN as null, a secret as a mask.

    Args:
        what: Names the fields in the error.
        fields: The values, as pydantic dumps them to Python.
        written: The same, as it dumps them to JSON.
    """
    with suppress(Exception):  # what == of anything may raise
        if fields == written:
            return  # most payloads, without the cost of a walk; a NaN is left to `encode`
    loss = _find_loss(fields, written)
    if loss is not None:
        why, *path = loss
        # Dynamic fields are written under _data.
        where = ".".join(key for key in reversed(path) if key != "_data") or "it"
        raise ValueError(f"{what} cannot be written as JSON: {where} {why}")


def _find_loss(fields: Any, written: Any) -> list[str] | None:
    """Return why the first value that is lost is lost, and its path from the inside out."""
    if _is_not_finite(fields):
        is_lost = written is None or _is_not_finite(written)
        return ["is NaN or infinite"] if is_lost else None
    if isinstance(fields, _SECRETS):
        # A serializer of the field's own may write the secret itself.
        is_mask = isinstance(written, str) and written in (_MASK, str(fields))
        is_lost = is_mask and written != fields.get_secret_value()
        hint = "which is written as a mask: use its get_secret_value()"
        return [f"is a {type(fields).__name__}, {hint}"] if is_lost else None
    pairs: Iterable[tuple[Any, Any, Any]]
    if isinstance(fields, Mapping) and isinstance(written, Mapping):
        masked = [key for key in fields if isinstance(key, _SECRETS)]
        if masked:
            return [f"has a key that is a {type(masked[0]).__name__}"]
        # A key may be written otherwise (5 as "5"), or not at all (a value that was lost).
        is_whole = len(fields) == len(written)
        texts = written.values() if is_whole else map(written.get, fields)
        pairs = zip(fields, fields.values(), texts, strict=False)
    elif isinstance(fields, Sequence) and isinstance(written, list):
        pairs = zip(itertools.count(), fields, written, strict=False)
    elif isinstance(fields, (set, frozenset)) and isinstance(written, list):
        # Not in the same order: dumped to Python, a set is a new set.
        at_risk = [f for f in fields if isinstance(f, _SECRETS) or _is_not_finite(f)]
        pairs = (("*", field, text) for field in at_risk for text in written)
    else:
        return None
    for key, field, text in pairs:
        if type(field) not in _SAFE and (loss := _find_loss(field, text)) is not None:
            loss.append(str(key))
            return loss
    return None


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
