"""What can go wrong, as one tree.

.. code-block:: text

    WorkflowClientError
    ├── StatusError (also httpx.HTTPStatusError)      the server answered with an error status
    │   ├── NotFoundError                             404
    │   │   └── StreamNotFoundError (also ValueError) 404 on an event stream
    │   ├── ConflictError                             409
    │   ├── UnreadableResultError                     422
    │   ├── WorkflowFailedError                       run_workflow of a run that failed
    │   └── ServerError                               every other 5xx
    ├── InvalidResponseError (also ValueError)        an answer that is not the API's
    ├── StreamDisconnectedError (also ConnectionError)  a stream that could not be resumed
    │   └── StreamTimeoutError (also TimeoutError)    ... because its last connection timed out
    ├── WaitTimeoutError (also TimeoutError)          wait_for_handler ran out of time
    ├── EventValidationError (also ValueError)        an envelope that is not an event
    ├── CheckpointError (also ValueError)             a checkpoint that leads nowhere
    └── UnansweredRequestError                        a run asks, and nothing here answers

Failures of the transport under a plain call (a refused connection, a read timeout) stay httpx's own
exceptions. The second bases are what callers of llama-agents-client 0.4.1 catch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

import httpx
from pydantic_core import from_json

if TYPE_CHECKING:
    from .protocol import HandlerData
    from .protocol.serializable_events import EventEnvelopeWithMetadata

BODY_PREVIEW: Final = 200  # characters of an answer's body in a message; .response has all of it


class WorkflowClientError(Exception):
    """Every error that this library raises of its own."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors below take evidence, not args: a copy is made from what they stored.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    cls: type[WorkflowClientError], args: tuple[Any, ...], state: dict[str, Any]
) -> WorkflowClientError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class StatusError(WorkflowClientError, httpx.HTTPStatusError):
    """The server answered with a status that is an error.

    Attributes:
        response: The whole answer.
        status_code: Its HTTP status.
        detail: The server's own words (the ``detail`` of its JSON body), or None.
    """

    def __init__(self, response: httpx.Response, detail: str | None = None) -> None:
        request = response.request
        reason = response.reason_phrase or _reason_phrase(response.status_code)
        body = body_preview(response)
        message = f"{response.status_code} {reason} for {request.method} {safe_url(request.url)}"
        super().__init__(
            f"{message}. Response: {body}" if body else message, request=request, response=response
        )
        self.status_code = response.status_code
        self.detail = detail


class NotFoundError(StatusError):
    """404: no such workflow, handler or run (or the run that was to be cancelled has ended)."""


class StreamNotFoundError(NotFoundError, ValueError):
    """404 on an event stream."""


class ConflictError(StatusError):
    """409: the handler id is in use by a run that goes on, or the run has already ended."""


class UnreadableResultError(StatusError):
    """422: the server cannot decode the stored result of this handler."""


class ServerError(StatusError):
    """A 5xx answer without a handler in it."""


class WorkflowFailedError(StatusError):
    """A run that ``run_workflow`` waited for has failed, timed out or was cancelled.

    Attributes:
        handler: The run as the server reports it; ``handler.error`` is the whole error text.
    """

    def __init__(self, response: httpx.Response, handler: HandlerData) -> None:
        super().__init__(response, handler.error)
        self.handler = handler
        self.args = (
            f"Workflow {handler.workflow_name!r} {handler.status} "
            f"(handler {handler.handler_id!r}): {handler.error}",
        )


class InvalidResponseError(WorkflowClientError, ValueError):
    """An answer that is not the API's: a proxy's login page, broken JSON, a missing field.

    Attributes:
        response: The answer.
        handler_id: On an event stream, the handler; else None.
        last_sequence: On an event stream, the position to resume from; else None.
    """

    def __init__(
        self,
        response: httpx.Response,
        problem: str,
        *,
        handler_id: str | None = None,
        last_sequence: int | Literal["now"] | None = None,
    ) -> None:
        self.response = response
        self.handler_id = handler_id
        self.last_sequence = last_sequence
        request = response.request
        where = "" if last_sequence is None else f" after sequence {last_sequence}"
        super().__init__(
            f"{problem}{where}: {response.status_code} with content type "
            f"{response.headers.get('content-type', 'none')!r} from {request.method} "
            f"{safe_url(request.url)}"
        )


class StreamDisconnectedError(WorkflowClientError, ConnectionError):
    """A stream broke and could not be resumed.

    Every event up to ``last_sequence`` has been delivered: pass it as ``after_sequence`` to a new
    stream to go on.

    Attributes:
        handler_id: The handler whose events were streamed.
        last_sequence: The sequence number of the last event that was delivered, or the
            ``after_sequence`` that the stream began with.
    """

    def __init__(self, handler_id: str, last_sequence: int | Literal["now"], problem: str) -> None:
        self.handler_id = handler_id
        self.last_sequence = last_sequence
        super().__init__(
            f"Event stream of handler {handler_id!r} disconnected after sequence "
            f"{last_sequence}: {problem}"
        )


class StreamTimeoutError(StreamDisconnectedError, TimeoutError):
    """A stream could not be resumed, and the last attempt timed out."""


class WaitTimeoutError(WorkflowClientError, TimeoutError):
    """``wait_for_handler`` ran out of time; the run itself goes on.

    Attributes:
        handler_id: The handler that was waited for.
        timeout: The bound that was given, in seconds.
    """

    def __init__(self, handler_id: str, timeout: float) -> None:
        self.handler_id = handler_id
        self.timeout = timeout
        super().__init__(f"Handler {handler_id!r} did not complete within {timeout} seconds")


class EventValidationError(WorkflowClientError, ValueError):
    """An envelope that does not describe an event that may be loaded here."""


class CheckpointError(WorkflowClientError, ValueError):
    """A checkpoint that cannot be made, is none, or is of a run that its handler no longer is."""


class UnansweredRequestError(WorkflowClientError):
    """A run waits for input that ``interact`` does not give; the run itself goes on.

    Attributes:
        handler_id: The run.
        requests: The events that wait for an answer.
    """

    def __init__(
        self, handler_id: str, requests: Sequence[EventEnvelopeWithMetadata], problem: str
    ) -> None:
        self.handler_id = handler_id
        self.requests = requests
        names = ", ".join(request.type for request in requests)
        super().__init__(f"Handler {handler_id!r} waits for an answer to {names}: {problem}")


class MissedEventsWarning(RuntimeWarning):
    """A stream that began at ``"now"`` was cut before its first event.

    The server never says which position "now" was: events that were produced between the cut and
    the reconnect are not delivered.
    """


def name_run(error: Exception, handler_id: str) -> None:
    """Put the id of the run that an error is about into it: its message, and ``.handler_id``."""
    if handler_id not in str(error):
        error.args = (f"{error} (handler {handler_id!r})", *error.args[1:])
    error.__dict__["handler_id"] = handler_id


_BY_STATUS: Final[Mapping[int, type[StatusError]]] = {
    404: NotFoundError,
    409: ConflictError,
    422: UnreadableResultError,
}


def status_error(response: httpx.Response, *, stream: bool = False) -> StatusError:
    """Build the error for an answer whose status is no success, its body read."""
    default = ServerError if response.status_code >= 500 else StatusError
    cls = _BY_STATUS.get(response.status_code, default)
    if stream and cls is NotFoundError:
        cls = StreamNotFoundError
    return cls(response, _detail(response))


def _detail(response: httpx.Response) -> str | None:
    try:
        body = from_json(response.content)
    except (ValueError, httpx.ResponseNotRead):
        return None
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail if isinstance(detail, str) else None


def body_preview(response: httpx.Response) -> str:
    """The beginning of an answer's body as text; empty when none was read."""
    try:
        body = response.content
    except httpx.ResponseNotRead:
        return ""
    # Not response.text: with some charsets that an answer may claim, it raises.
    return body[: 4 * BODY_PREVIEW].decode(errors="replace")[:BODY_PREVIEW]


def safe_url(url: httpx.URL) -> httpx.URL:
    """The URL without what may be a secret: user, password and query."""
    return url.copy_with(userinfo=b"", query=None)


def _reason_phrase(status_code: int) -> str:
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return "Unknown Status"
