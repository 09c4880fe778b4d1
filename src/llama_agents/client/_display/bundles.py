"""What notebooks show for the objects of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._text import elapsed, fields, fields_text, time_of, value_text
from .html import MAX_CELL, Html, bundle, code, faint, line, stacked, strong, table, unbroken

if TYPE_CHECKING:
    from ..protocol import EventEnvelopeWithMetadata, HandlerData, HandlersListResponse

MARKS: Final = {"running": "●", "completed": "✓", "failed": "✗", "cancelled": "⊘"}
UNKNOWN: Final = "unknown"


def status_text(status: str | None) -> str:
    """Return a status with a mark; None is unknown."""
    return f"{MARKS.get(status or '', '○')} {status or UNKNOWN}"


def handlers_bundle(response: HandlersListResponse) -> dict[str, str]:
    """Return the runs of a list, as a table."""
    handlers = response.handlers
    rows = (
        (
            code(h.handler_id),
            h.workflow_name,
            unbroken(status_text(h.status)),
            unbroken(_when(h)),
            unbroken(_took(h)),
            _outcome(h),
        )
        for h in handlers
    )
    head = ("handler ID", "workflow", "status", "started", "took", "result or error")
    found = table(rows, head, total=len(handlers), what="runs")
    return bundle(found if handlers else line(faint("no runs")), response)


def handler_bundle(handler: HandlerData) -> dict[str, str]:
    """Return a run as the server reports it."""
    rows: list[tuple[str, str | Html]] = [
        ("handler ID", code(handler.handler_id)),
        ("workflow", handler.workflow_name),
        ("status", status_text(handler.status)),
        ("started", _when(handler)),
        ("took", _took(handler)),
    ]
    if handler.error is not None:
        rows.append(("error", handler.error))
    blocks = [table((name, value) for name, value in rows if value)]
    if handler.result is not None:
        blocks.append(_event(handler.result))
    elif handler.result_unreadable:
        blocks.append(line(faint("The server cannot read the result.")))
    return bundle(stacked(*blocks), handler)


def event_bundle(event: EventEnvelopeWithMetadata) -> dict[str, str]:
    """Return an event, or a result: its class and its fields."""
    return bundle(_event(event), event)


def run_bundle(
    run: object, handler_id: str, workflow_name: str | None, status: str | None
) -> dict[str, str]:
    """Return a handle on a run, with what it knows."""
    parts: list[str | Html] = [strong(workflow_name or "run"), code(handler_id)]
    return bundle(line(*parts, status_text(status), faint("as last known")), run)


def _event(event: EventEnvelopeWithMetadata) -> Html:
    title: list[str | Html] = [strong(event.type)]
    if event.types:
        title.append(faint(", ".join(event.types[:10])))
    rows = ((str(name), value_text(value, MAX_CELL)) for name, value in fields(event.value))
    count = sum(1 for _ in fields(event.value))
    if not count:
        return line(*title, faint("no fields"))
    return stacked(line(*title), table(rows, total=count, what="fields"))


def _outcome(handler: HandlerData) -> str:
    if handler.error is not None:
        return handler.error
    if handler.result is None:
        return ""
    return f"{handler.result.type} {fields_text(handler.result.value, MAX_CELL)}"


def _when(handler: HandlerData) -> str:
    started = time_of(handler.started_at)
    return handler.started_at if started is None else f"{started:%Y-%m-%d %H:%M:%S %Z}"


def _took(handler: HandlerData) -> str:
    return elapsed(handler.started_at, handler.completed_at)
