"""What is sent: start events, events, contexts; and the encoding of every body."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from .._lazy_types import Context, Event, StartEvent
from ..protocol.serializable_events import EventEnvelope, is_envelope

StartPayload = StartEvent | dict[str, Any] | None


def start_event_encodings(start_event: StartPayload) -> list[dict[str, Any]]:
    """Return the ways to write a start event, to be tried in this order.

    The server reads bare fields as the workflow's own start class, and an envelope as the class
    that it names. A subclass is sent as an envelope, then as bare fields for a server that has no
    class of that name.

    Raises:
        ValueError: It cannot be written as JSON.
    """
    if start_event is None:
        return [{}]
    if isinstance(start_event, dict):
        fields = _jsonable("start event", start_event)
        # No server accepts an envelope that names no class: those are bare fields.
        names_class = not fields.keys().isdisjoint({"type", "qualified_name"})
        return [fields if names_class else _as_bare(fields)]
    envelope = event_payload("start event", start_event)
    from workflows.events import StartEvent

    if type(start_event) is StartEvent:
        # Under _data, a start class of the server's own would not see its fields.
        return [_as_bare(envelope["value"].get("_data", {}))]
    return [envelope, _as_bare(envelope["value"])]


def event_payload(what: str, event: Event | dict[str, Any]) -> dict[str, Any]:
    """Return an event as it is sent.

    Args:
        what: Names the event in errors.
        event: The event, or an envelope as a dict.

    Raises:
        ValueError: It is not an event, or cannot be written as JSON.
    """
    if isinstance(event, dict):
        return _jsonable(what, event)
    from workflows.events import Event  # slow to import, and most programs send none

    if not isinstance(event, Event):
        raise ValueError(f"{what} must be an Event or a dict, not {type(event).__name__}")
    try:
        envelope = EventEnvelope.from_event(event)
        fields = event.model_dump()
    except Exception as error:
        raise ValueError(f"{what} cannot be written as JSON: {error}") from error
    if _loses_a_number(fields, envelope.value):
        raise ValueError(f"{what} has a number that JSON cannot represent (NaN or infinity)")
    return envelope.model_dump(include={"type", "value"})


def context_payload(context: Context | dict[str, Any]) -> dict[str, Any]:
    """Return a context as it is sent.

    Raises:
        ValueError: It cannot be written as JSON.
    """
    if isinstance(context, dict):
        return _jsonable("context", context)
    try:
        return context.to_dict()
    except Exception as error:
        raise ValueError(f"context cannot be written as JSON: {error}") from error


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


def _as_bare(fields: dict[str, Any]) -> dict[str, Any]:
    """Return bare fields in a form that the server does not take for an envelope."""
    return {"_data": fields} if is_envelope(fields) else fields


def _loses_a_number(fields: Any, written: Any) -> bool:
    """Return whether pydantic wrote NaN or an infinity as null."""
    if isinstance(fields, float):
        return written is None and not math.isfinite(fields)
    if isinstance(fields, Mapping) and isinstance(written, Mapping):
        pairs = zip(fields.values(), written.values(), strict=False)
    elif isinstance(fields, (list, tuple, set, frozenset)) and isinstance(written, list):
        pairs = zip(fields, written, strict=False)
    else:
        return False
    return any(_loses_a_number(field, text) for field, text in pairs)


def _jsonable(what: str, value: dict[str, Any]) -> dict[str, Any]:
    try:
        written: dict[str, Any] = to_jsonable_python(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} cannot be written as JSON: {error}") from error
    return written
