"""What a batch hands to the caller: results and progress."""

from __future__ import annotations

from collections.abc import Mapping
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
