"""The safe start: each call starts a run at most once, even when responses are lost.

Theory of operation
===================

The handler ID is known before the first request, so the run can be polled whatever happens to the
response to its start. "Sending" stands for SENDING, RESENDING and ID_TAKEN::

    from        event                                            to
    sending     the request was provably not sent                the same phase
    SENDING     404, the server does not take the ID             UNNAMED, or raises
    sending     400, and the event may be written otherwise      REWRITING
    sending     the response is lost                             CHECKING
    sending     500 without a run                                CHECKING
    RESENDING   409                                              CHECKING
    sending     any other response                               Finished, or raises
    REWRITING   the schema is lost, or its status is retryable   REWRITING
    REWRITING   the schema of a class that reads the event       the phase before
    REWRITING   any other response                               raises, the 400 if there was one
    CHECKING    the poll is lost, or its status is retryable     CHECKING
    CHECKING    404 of a server that does not take IDs           raises
    CHECKING    404, or an earlier run that has ended            RESENDING; after a 500 raises it
    CHECKING    an earlier run that is still running             ID_TAKEN; after a 500 raises it
    CHECKING    the run of this start                            Finished, or raises if it failed
    CHECKING    any other response                               raises
    IDENTIFYING the debugger's page, or any other response       RESENDING, ID_TAKEN or CHECKING
    UNNAMED     the response is lost                             raises
    UNNAMED     any other response                               Finished, or raises

Each lost request and each lost response counts against one budget, which is never reset.

- SENDING: no response has been lost.
- REWRITING: the server has rejected how the event is written, or would have misread it, so nothing
  has been started. The schema of the workflow's start event tells whether its class reads every
  field; only then is the event sent as one of that class. This is the first phase of an event that
  the server would misread, and comes at most once.
- CHECKING: a start may have arrived. Nothing but polls is sent until the server says whether it
  has; this is what keeps a run from being started twice.
- RESENDING: the server does not have the run, so the start is sent again. A 409 now means that an
  earlier attempt arrived after all.
- ID_TAKEN: another run has the ID and is running. The start is sent again so that the server's own
  409 becomes the outcome.

- IDENTIFYING: the start may only be sent again to a server that refuses an ID in use, which are
  those since 0.7.1. Others would run it twice if the first one arrives after all. Unless the server
  has sent such a 409, RESENDING and ID_TAKEN come only after the page of its debugger, whose
  version tells. If it does not tell, polls are all that is sent. Each lost start asks anew, as
  another release may serve the address by then.
- UNNAMED: servers before 0.2.0 choose the ID, so the start is sent without one. Nothing finds its
  run if the response is lost, and it is never sent again.

A response counts as lost when the connection breaks, and when its status may come from a proxy that
timed out while the server was still working.

A 500 without a run says that the request ended, which is not the end of the run: a server that
releases an idle run from memory ends a blocking start so. But if the run is unknown, it was the end
of the start, and is raised. With a ``detail`` the server itself reports that it could not start the
run, or not read it at its end. It then may keep a record of a run that nothing executes, with the
status "running", so only a run that has ended is an outcome.

With an ID chosen by the caller, the run found may be an earlier one. It is identified by comparing
the server's timestamps; if they are inconclusive, the machine raises rather than guess.
"""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from .._statuses import is_status_completed
from ..errors import (
    EventValidationError,
    InvalidResponseError,
    StatusError,
    UnsupportedServerError,
    WorkflowClientError,
    WorkflowFailedError,
    status_error,
)
from . import endpoints
from .actions import Finished, Retry, TimeSource
from .endpoints import Operation, StartOperations
from .limits import Limits
from .logs import STARTS
from .policy import (
    CALL_RETRIES,
    LOST_START_RETRIES,
    RETRYABLE_STATUSES,
    RetryBudget,
    is_caller_error,
    may_have_arrived,
    parse_http_date,
    raise_final,
)
from .responses import handler_in_500, read_handler
from .server import (
    CURSORS,
    USED_IDS,
    ServerTraits,
    cursors_by_404,
    ensure_route,
    named_run,
    page_proves_used_ids,
)

if TYPE_CHECKING:
    from ..protocol import HandlerData

DATE_PRECISION: Final = 2.0  # s; a Date header has whole seconds, and may be cached for one


def new_handler_id() -> str:
    """Return a new random handler ID."""
    return uuid.uuid4().hex


class Phase(enum.Enum):
    """Where a start stands; see the theory of operation."""

    SENDING = enum.auto()
    REWRITING = enum.auto()
    CHECKING = enum.auto()
    IDENTIFYING = enum.auto()
    RESENDING = enum.auto()
    ID_TAKEN = enum.auto()
    UNNAMED = enum.auto()


_SENDING: Final = frozenset({Phase.SENDING, Phase.RESENDING, Phase.ID_TAKEN, Phase.UNNAMED})


class Start:
    """The machine of a start.

    Args:
        start: The start, in the ways to write it.
        poll: The operation that gets the run. How it treats a failed run applies to the run found.
        handler_id: ID of the run.
        server: What is known of the server.
        id_is_generated: Whether no other run can have that ID.
        id_is_needed: Whether the run must have that ID, not one that the server chooses.
        replaced: The server's ID of the earlier run with that ID, if it is known.
        time: The source of time and randomness.
        budget: The retry budget, if it is not that of a single start.

    Attributes:
        phase: Where the start stands.
    """

    def __init__(
        self,
        start: StartOperations,
        poll: Operation[HandlerData],
        handler_id: str,
        *,
        server: ServerTraits,
        id_is_generated: bool,
        id_is_needed: bool,
        replaced: str | None = None,
        time: TimeSource,
        budget: RetryBudget | None = None,
    ) -> None:
        self.phase = Phase.SENDING if start.given is not None else Phase.REWRITING
        self._handler_id = handler_id
        self._poll = poll
        self._server = server
        self._id_is_needed = id_is_needed
        self._id_is_generated = id_is_generated
        self._replaced = replaced
        self._kind = start.kind
        self._start = start.given
        self._rewritten = start.rewritten
        self._as_fields = start.as_fields
        # The phase that REWRITING returns to, None before it.
        self._rewriting_in = None if start.given is not None else Phase.SENDING
        self._rejection: httpx.Response | None = None
        self._server_error: StatusError | None = None  # a 500 without a run
        self._resending_in = Phase.RESENDING  # once IDENTIFYING has told
        self._page_proves_it: bool | None = None  # that IDs in use are refused; None if not asked
        self._clock = time.clock
        self._first_sent: float | None = None
        self._budget = budget or RetryBudget(
            CALL_RETRIES, time, logger=STARTS, subject=start.name, handler_id=handler_id
        )

    def request(self) -> Operation[Any]:
        """Return the operation to send next: the start, or what tells whether to send it."""
        if self.phase is Phase.CHECKING:
            return self._poll
        if self.phase is Phase.REWRITING:
            assert self._rewritten is not None
            return self._rewritten
        if self.phase is Phase.IDENTIFYING:
            return endpoints.get_debugger_page(self._handler_id)
        if self._first_sent is None:
            self._first_sent = self._clock()
        assert self._start is not None
        return endpoints.unnamed(self._start) if self.phase is Phase.UNNAMED else self._start

    def receive(self, response: httpx.Response) -> Retry | Finished[HandlerData]:
        """Handle a response whose body has been read.

        Raises:
            WorkflowClientError: It is an error, or not the API's.
        """
        match self.phase:
            case Phase.CHECKING:
                return self._poll_response(response)
            case Phase.REWRITING:
                return self._schema_response(response)
            case Phase.IDENTIFYING:
                return self._page_response(response)
            case _:
                return self._start_response(response)

    def limits(self, operation: Limits) -> Limits:
        """Return the limits of the next request: the operation's, within the total of the start.

        A blocking start has no total: it may be the run that takes long.
        """
        if self._kind != "blocking start":
            self._budget.limit_time(operation.total)
        elif self.phase in _SENDING:
            return operation.connecting_within(self._budget.remaining())
        return operation.within(self._budget.remaining())

    def failed(self, cause: Exception, *, not_sent: bool = False) -> Retry:
        """Handle a transport error; raise it, with a note naming the run, if no attempt is left."""
        if not is_caller_error(cause):
            if not not_sent:
                self._response_lost(cause)
            delay = self._budget.record_failure(cause)
            if delay is not None:
                return Retry(delay)
        raise_final(cause, self._handler_id)

    def _start_response(self, response: httpx.Response) -> Retry | Finished[HandlerData]:
        assert self._start is not None
        status = response.status_code
        if status == 400:
            return self._rejected(response)
        if status == 409:
            self._server.learn_from_409(response)
        if self.phase is Phase.UNNAMED:
            return self._unnamed_response(response)
        if self.phase is Phase.SENDING and cursors_by_404(response) is False:
            return self._start_without_id()
        is_crash = status == 500 and handler_in_500(response) is None
        is_repeated = status == 409 and self.phase is Phase.RESENDING
        if not (is_crash or is_repeated or may_have_arrived(status)):
            return self._started(response)
        error = status_error(response, handler_id=self._handler_id)
        if is_crash:
            self._server_error = error
        if is_repeated:
            self.phase = Phase.CHECKING
        else:
            self._response_lost(error)
        delay = self._budget.record_failure(error)
        if delay is None:
            raise error
        return Retry(delay)

    def _started(self, response: httpx.Response) -> Retry | Finished[HandlerData]:
        assert self._start is not None
        try:
            handler = self._start.parse(response)
        except InvalidResponseError as unreadable:
            self._check_name(named_run(response))
            if not self._budget.retries(unreadable):
                raise
            return self.failed(unreadable)
        self._check_name(handler.handler_id)
        if not self._id_is_needed:
            self._server.has_cursors = True  # others do not take an ID that they do not know
        return Finished(handler)

    def _check_name(self, name: str | None) -> None:
        if name not in (None, self._handler_id):
            raise UnsupportedServerError(
                f"the server started the run as {name!r}, not as {self._handler_id!r}",
                "it does not take the IDs of runs from their starts",
                CURSORS,
                handler_id=name,
            )

    def _start_without_id(self) -> Retry:
        """Let the server choose the ID, since it has rejected one that it does not know."""
        self._server.has_cursors = False
        if self._id_is_needed:
            raise UnsupportedServerError(
                f"the server rejects the new ID {self._handler_id!r} of a start",
                "the server chooses the IDs of its runs; nothing was started",
                CURSORS,
            )
        self._log("the server does not take the ID %r of a start: it chooses one")
        self.phase = Phase.UNNAMED
        if self._as_fields is not None:
            # Before 2.9 of llama-index-workflows, it would read the envelope as fields.
            self._rewritten, self._rewriting_in = self._as_fields(), Phase.UNNAMED
            self.phase = Phase.REWRITING
        return Retry(0.0)

    def _unnamed_response(self, response: httpx.Response) -> Finished[HandlerData]:
        assert self._start is not None
        if may_have_arrived(response.status_code):
            self._response_lost(status_error(response))
        return Finished(endpoints.unnamed(self._start).parse(response))

    def _rejected(self, response: httpx.Response) -> Retry:
        """Ask for the schema, unless that was done before or cannot help."""
        if self._rewritten is None or self._rewriting_in is not None:
            first = response if self._rejection is None else self._rejection
            raise status_error(first, handler_id=self._handler_id)
        self._rejection = response
        self._rewriting_in, self.phase = self.phase, Phase.REWRITING
        return Retry(0.0)

    def _schema_response(self, response: httpx.Response) -> Retry:
        assert self._rewritten is not None
        if response.status_code in RETRYABLE_STATUSES:
            delay = self._budget.record_failure(status_error(response))
            if delay is not None:
                return Retry(delay)
        try:
            self._start = self._rewritten.parse(response)
        except WorkflowClientError as error:
            if self._rejection is None:
                raise
            hint = str(error) if isinstance(error, EventValidationError) else None
            rejection = status_error(self._rejection, handler_id=self._handler_id, hint=hint)
            raise rejection from error
        assert self._rewriting_in is not None
        self.phase = self._rewriting_in
        return Retry(0.0)

    def _poll_response(self, response: httpx.Response) -> Retry | Finished[HandlerData]:
        has_cursors = cursors_by_404(response)
        if has_cursors is not None:
            self._server.has_cursors = has_cursors
            if not has_cursors:
                # It has probably rejected the start, but another replica may have taken it.
                raise self._lost_start("the server does not take the IDs of runs", CURSORS)
            return self._resend(Phase.RESENDING)
        ensure_route(response, self._handler_id)
        if response.status_code in RETRYABLE_STATUSES:
            delay = self._budget.record_failure(status_error(response))
            if delay is not None:
                return Retry(delay)
        error = self._server_error
        reported = None if error is None or error.detail is None else error
        try:
            handler = read_handler(response, self._handler_id)
            is_different = self._is_different_run(handler, response)
        except WorkflowFailedError:
            raise
        except WorkflowClientError as unreadable:
            if self._budget.retries(unreadable):
                return self.failed(unreadable)
            if reported is not None:
                raise reported from unreadable
            raise
        is_ended = is_status_completed(handler.status)
        if is_different:
            return self._resend(Phase.RESENDING if is_ended else Phase.ID_TAKEN)
        if reported is not None and not is_ended:
            raise reported
        self._log("the start of handler %r had arrived")
        return Finished(self._poll.parse(response))

    def _resend(self, phase: Phase) -> Retry:
        if self._server_error is not None:
            raise self._server_error
        if self._server.refuses_used_ids or self._page_proves_it:
            self._log("the start of handler %r had not arrived, sending it again")
            self.phase = phase
            return Retry(0.0)
        if self._page_proves_it is None:
            self._resending_in, self.phase = phase, Phase.IDENTIFYING
            return Retry(0.0)
        error = self._lost_start(
            "the server does not have its run, but may run a second start, too", USED_IDS
        )
        delay = self._budget.record_failure(error)
        if delay is None:
            raise error
        return Retry(delay)

    def _page_response(self, response: httpx.Response) -> Retry:
        if response.status_code in RETRYABLE_STATUSES:
            delay = self._budget.record_failure(status_error(response))
            if delay is None:
                raise self._lost_start("the server does not have its run", USED_IDS)
            return Retry(delay)
        self._page_proves_it = page_proves_used_ids(response)
        self.phase = Phase.CHECKING
        return self._resend(self._resending_in)

    def _lost_start(self, noticed: str, needed: str) -> UnsupportedServerError:
        return UnsupportedServerError(
            f"the response to the start was lost, and {noticed}",
            "it is not known whether the run has begun, or will when the start arrives late",
            needed,
            handler_id=None if self.phase is Phase.UNNAMED else self._handler_id,
            may_have_started=True,
        )

    def _response_lost(self, cause: Exception) -> None:
        if self.phase in (Phase.REWRITING, Phase.IDENTIFYING):
            return  # that was not the start
        if self.phase is Phase.UNNAMED:
            raise self._lost_start("the server chooses the IDs of its runs", CURSORS) from cause
        if self.phase is not Phase.CHECKING:
            self._budget.restart_patience()
            self._log("the response to the start of handler %r was lost, polling")
        self.phase = Phase.CHECKING
        self._budget.limit = max(self._budget.limit, LOST_START_RETRIES)

    def _log(self, message: str) -> None:
        STARTS.info(message, self._handler_id, extra={"handler_id": self._handler_id})

    def _is_different_run(self, handler: HandlerData, response: httpx.Response) -> bool:
        """Return whether the run found is an earlier one, or another client's.

        Without its run ID, times tell. All of them are the server's, except for the time that has
        passed since the first request.

        Raises:
            InvalidResponseError: The times do not tell.
        """
        if self._replaced is not None or self._id_is_generated:
            return self._replaced is not None and handler.run_id == self._replaced
        assert self._first_sent is not None
        elapsed = self._clock() - self._first_sent
        now = parse_http_date(response.headers.get("date", ""))
        started, ended = _timestamp(handler.started_at), _timestamp(handler.completed_at)
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
            response,
            "The response to the start was lost, and the run found may be an earlier one",
            handler_id=self._handler_id,
        )


def _timestamp(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
