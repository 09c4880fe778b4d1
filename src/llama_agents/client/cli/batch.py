"""The command ``map``: a workflow for each line of a file."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from .._core.batch_results import MapProgress, MapResult
from .._events.schema import start_declaration
from .._text import one_line
from ..errors import EventValidationError, WorkflowFailedError
from .failures import Exit, status_of_run
from .fields import EventChecks, EventFields, FieldError, read_object
from .files import reading
from .output import Output
from .runs import start_schema, warn_of_undeclared
from .session import Session


class Item(dict[str, Any]):
    """The fields of one start.

    Attributes:
        handler_id: ID of its run.
        where: Where it is from, for errors.
    """

    handler_id: str
    where: str


def map_file(session: Session) -> Exit:
    """Run a workflow for each line of a file."""
    options, output = session.options, session.output
    items = [*_items(session)]
    _validate(session, items)
    progress = Progress(output, len(items))
    rows: list[dict[str, Any]] = []  # for a document, which is printed as a whole
    failed = 0
    status = Exit.COMPLETED
    try:
        with session.client.map_workflow(
            options.workflow,
            items,
            limit=options.limit,
            key=lambda item: item.handler_id,
            rerun=options.rerun or ("cancelled",),
            on_progress=progress.show,
        ) as results:
            for result in results:
                if output.format == "json":
                    rows.append(_row(result))
                else:
                    progress.clear()
                    output.record(_row(result))
                    progress.show()
                if result.error is not None:
                    failed += 1
                    status = max(status, _status(result))
    except KeyboardInterrupt:
        progress.clear()
        output.note("stopped; its runs are cancelled. The same command continues where it left off")
        raise
    finally:
        progress.clear()
        if output.format == "json":
            output.document(rows)
    output.note(f"{len(items) - failed} completed, {failed} failed")
    return status


def _items(session: Session) -> Iterator[Item]:
    """Read the items; the same line again is another item, with an ID of its own."""
    options = session.options
    keys: Counter[str] = Counter()
    with reading(options.file) as (lines, name):
        for number, line in enumerate(lines, 1):
            if line.strip():
                where = f"{name}, line {number}"
                item = Item(read_object(line, where))
                item.where = where
                key = _key(item, options.key, where)
                keys[key] += 1
                if keys[key] > 1 and options.key is not None:
                    raise FieldError(f"{where}: another line has the same {options.key}")
                again = f"-{keys[key]}" if keys[key] > 1 else ""
                item.handler_id = f"{options.workflow}-{key}{again}"
                yield item


def _key(item: Item, field: str | None, where: str) -> str:
    if field is None:
        text = json.dumps(item, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
    value = item.get(field)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise FieldError(f"{where}: {field} must be text or an integer, to identify the item")
    return str(value)


def _validate(session: Session, items: Iterable[Item]) -> None:
    """Check each item against the workflow's schema, before anything is started."""
    schema = start_schema(session)
    checks = EventChecks(lambda: start_declaration(schema))
    fields = EventFields(schema)
    undeclared: dict[str, None] = {}
    for item in items:
        undeclared |= dict.fromkeys(fields.undeclared(item))
        try:
            checks.check(item)
        except EventValidationError as error:
            raise FieldError(f"{item.where}: {error}") from error
    warn_of_undeclared(
        session, fields, (name for name in undeclared if name != session.options.key)
    )


def _row(result: MapResult) -> dict[str, Any]:
    """Return the outcome of an item as it is printed."""
    handler = result.handler
    failed = result.error
    if handler is None and isinstance(failed, WorkflowFailedError):
        handler = failed.handler
    return {
        "index": result.index,
        "handler_id": result.handler_id,
        "status": None if handler is None else handler.status,
        "start": dict(result.start_event),
        "result": None if handler is None else handler.result,
        "error": None if failed is None else one_line(str(failed)),
    }


def _status(result: MapResult) -> Exit:
    if isinstance(result.error, WorkflowFailedError):
        return status_of_run(result.error.handler.status)
    return Exit.ERROR


class Progress:
    """A line on the terminal that is rewritten.

    Args:
        output: Where it is shown, if that is a terminal.
        total: The number of items.
    """

    def __init__(self, output: Output, total: int) -> None:
        self._output = output
        self._text = f"0/{total}"
        self._is_terminal = output.stderr.isatty()
        self._is_shown = False

    def show(self, progress: MapProgress | None = None) -> None:
        """Show how far the batch is."""
        if progress is not None:
            done = progress.completed + progress.failed
            self._text = f"{done}/{progress.total} done, {progress.running} running"
            self._text += f", {progress.failed} failed" * bool(progress.failed)
        if self._is_terminal:
            self._is_shown = True
            print(f"\r\x1b[K{self._text}", end="", file=self._output.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._is_shown:
            self._is_shown = False
            print("\r\x1b[K", end="", file=self._output.stderr, flush=True)
