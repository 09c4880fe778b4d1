"""What a batch hands to the caller: results and progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, overload

import attrs

from .._events.results import result_of
from .._lazy_types import HandlerData, ResultEnvelope, StartEvent, StopEvent

StopT = TypeVar("StopT", bound=StopEvent)


@attrs.frozen
class MapResult:
    """The outcome of one item of ``map_workflow``.

    Attributes:
        index: The item's index in the input, from 0.
        start_event: The item.
        handler_id: ID of the run, even if it could not be started.
        handler: The run as it ended, or None if it was not started or could not be read.
        error: Why there is no result, or None if there is one.
    """

    index: int
    start_event: StartEvent | Mapping[str, Any]
    handler_id: str
    handler: HandlerData | None = None
    error: Exception | None = None

    @overload
    def result(self, result_type: None = None) -> ResultEnvelope: ...

    @overload
    def result(self, result_type: type[StopT]) -> StopT: ...

    def result(self, result_type: Any = None) -> Any:
        """Return the result, or raise the error in its place.

        Args:
            result_type: The class of stop event to return. Defaults to none: the result as a dict
                of its fields and its envelope.

        Returns:
            The result.

        Raises:
            Exception: ``error``, if there is one.
            EventValidationError: The result is of another class.
        """
        if self.error is not None:
            raise self.error
        assert self.handler is not None
        return result_of(self.handler, result_type)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as a flat row, for a data frame.

        Example:
            Make a data frame of a batch:

                frame = pandas.DataFrame(item.as_dict() for item in items)

        Returns:
            ``index``, ``handler_id``, ``status`` (None if the run was not started or could not be
            read) and ``error`` (its text, or None); then the fields of the start event as
            ``start.NAME``, and those of the result as ``result.NAME``, with their values as they
            are.
        """
        from .._text import fields

        row: dict[str, Any] = {
            "index": self.index,
            "handler_id": self.handler_id,
            "status": None if self.handler is None else self.handler.status,
            "error": None if self.error is None else str(self.error),
        }
        row.update((f"start.{name}", value) for name, value in _fields_of(self.start_event))
        result = None if self.handler is None or self.error is not None else self.handler.result
        if result is not None:
            row.update((f"result.{name}", value) for name, value in fields(result.value))
        return row


def _fields_of(start: StartEvent | Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    if isinstance(start, Mapping):
        return start.items()
    declared = ((name, getattr(start, name)) for name in type(start).model_fields)
    return (*declared, *start._data.items())  # not start.items(), which may be a field


@attrs.frozen
class MapProgress:
    """How far ``map_workflow`` is.

    Attributes:
        total: The number of items, or None if the input has no length.
        started: The number of items started so far, including those whose start was rejected.
        running: How many of them are running.
        completed: How many have a result.
        failed: How many have an error.
    """

    total: int | None
    started: int
    running: int
    completed: int
    failed: int
