"""The safe start: a run is started at most once per call, also when the answer is lost.

Pure: a machine in the manner of `_retry.Call`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import httpx

from . import _operations
from ._operations import Operation
from ._retry import (
    CALL_BUDGET,
    NEVER_SENT,
    RETRYABLE,
    Again,
    Budget,
    Returned,
    Sources,
    give_up,
    http_date,
    is_mistake,
)
from .errors import InvalidResponseError, WorkflowClientError, name_run
from .protocol import HandlerData, is_status_completed

LOST_BUDGET: Final = 5  # failures in a row while it is not known whether the run was started
LOST_ANSWERS: Final = frozenset({408, 429})  # and whatever is above 500
DATE_PRECISION: Final = 2.0  # s; a Date header has whole seconds


def new_handler_id() -> str:
    """Return an id that no run has."""
    return uuid.uuid4().hex


class Start:
    """A start of a run, by a handler id that is known before the first request.

    When an answer is lost, the run is looked for by its id: one that is found is adopted, and only
    when the server does not know it is the start sent again.

    Attributes:
        handler_id: The id of the run.
    """

    def __init__(
        self,
        forms: Sequence[Operation[HandlerData]],
        look: Operation[HandlerData],
        handler_id: str,
        *,
        made_here: bool,
        sources: Sources,
    ) -> None:
        self.handler_id = handler_id
        self._look = look
        self._made_here = made_here
        self._forms: Iterator[Operation[HandlerData]] = iter(forms)
        self._start = next(self._forms)
        self._refusal: Exception | None = None  # what the server said to the first form
        self._clock = sources.clock
        self._first_sent: float | None = None
        self._looking = False
        self._was_lost = False
        self._other_is_running = False
        self._budget = Budget(CALL_BUDGET, sources)

    def request(self) -> Operation[HandlerData]:
        """Return what to send next: the start, or a look at the run."""
        if self._looking:
            return self._look
        if self._first_sent is None:
            self._first_sent = self._clock()
        return self._start

    def answered(self, response: httpx.Response) -> Again | Returned[HandlerData]:
        """Take an answer, its body read.

        Raises:
            WorkflowClientError: It is an error, or not the API's. It names the run.
        """
        try:
            return self._looked(response) if self._looking else self._started(response)
        except WorkflowClientError as error:
            name_run(error, self.handler_id)
            raise

    def failed(self, cause: Exception) -> Again:
        """Take one of `DROPS`; raise it, with the id of the run, when there is no way on."""
        if not is_mistake(cause):
            if not isinstance(cause, NEVER_SENT):
                self._lost()
            pause = self._budget.spend()
            if pause is not None:
                return Again(pause)
        name_run(cause, self.handler_id)
        give_up(cause)

    def _started(self, response: httpx.Response) -> Again | Returned[HandlerData]:
        if response.status_code == 400:
            return self._refused(response)
        if response.status_code in LOST_ANSWERS or response.status_code > 500:
            # It comes from a proxy that gave up on a server that may have gone on.
            self._lost()
            pause = self._budget.spend(response)
            if pause is not None:
                return Again(pause)
        if response.status_code == 409 and self._was_lost and not self._other_is_running:
            # An attempt that seemed lost has arrived after all.
            pause = self._budget.spend()
            if pause is not None:
                self._looking = True
                return Again(pause)
        return Returned(self._start.parse(response))

    def _refused(self, response: httpx.Response) -> Again | Returned[HandlerData]:
        """Try the next way to write the start event; raise the first refusal when none is left."""
        try:
            return Returned(self._start.parse(response))
        except WorkflowClientError as error:
            self._refusal = self._refusal or error
        other = next(self._forms, None)
        if other is None:
            raise self._refusal
        self._start = other
        return Again(0.0)

    def _looked(self, response: httpx.Response) -> Again | Returned[HandlerData]:
        if response.status_code == 404:
            return self._send_again()
        if response.status_code in RETRYABLE:
            pause = self._budget.spend(response)
            if pause is not None:
                return Again(pause)
        handler = _operations.get_handler(self.handler_id).parse(response)
        if not self._made_here and self._is_another(handler, response):
            # Its name was used before, and this start has not arrived.
            self._other_is_running = not is_status_completed(handler.status)
            return self._send_again()
        return Returned(self._look.parse(response))

    def _send_again(self) -> Again:
        self._looking = False
        return Again(0.0)

    def _lost(self) -> None:
        self._looking = self._was_lost = True
        self._budget.limit = LOST_BUDGET

    def _is_another(self, handler: HandlerData, response: httpx.Response) -> bool:
        """Whether a run of this name was started by somebody else, or before.

        All times are the server's, but for the time that has passed since the first request.

        Raises:
            InvalidResponseError: It cannot be told.
        """
        assert self._first_sent is not None
        elapsed = self._clock() - self._first_sent
        now = http_date(response.headers.get("date", ""))
        started, ended = _time(handler.started_at), _time(handler.completed_at)
        if now is not None and started is not None:
            age = now - started
            if age > elapsed + DATE_PRECISION:
                return True
            if age <= elapsed:  # a Date is never ahead, so no run of this start seems older
                if not is_status_completed(handler.status):
                    return False
                if ended is not None and now - ended < elapsed - DATE_PRECISION:
                    return False
        raise InvalidResponseError(
            response, "The start's answer was lost, and the run found may be an earlier one"
        )


def _time(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
