"""The errors of this library, as one tree.

.. code-block:: text

    WorkflowClientError
    ├── StatusError (also httpx.HTTPStatusError)        the server responded with an error status
    │   ├── NotFoundError                               404
    │   │   └── StreamNotFoundError (also ValueError)   404 on an event stream
    │   ├── ConflictError                               409
    │   ├── UnreadableResultError                       422
    │   ├── WorkflowFailedError                         a run failed, was cancelled or died
    │   └── ServerError                                 any other 5xx
    ├── InvalidResponseError (also ValueError)          a response that cannot be used
    │   └── ResponseTooLargeError                       ... because it exceeds the client's limit
    ├── StreamDisconnectedError (also ConnectionError)  a stream that could not be resumed
    │   └── StreamTimeoutError (also TimeoutError)      ... because its last attempt timed out
    ├── WaitTimeoutError (also TimeoutError)            a wait that reached its deadline
    ├── EventValidationError (also ValueError)          an event that does not fit its class
    ├── CheckpointError (also ValueError)               a checkpoint that no longer matches its run
    ├── UnansweredRequestError                          a run waits for input that nobody provides
    └── UnsupportedServerError                          the server cannot do what is needed

Transport failures of plain calls, such as a refused connection or a read timeout, stay httpx's own
exceptions; the run that they concern is named in a note. The second base classes are those that
callers of llama-agents-client 0.4.1 catch.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal, TypeAlias

import httpx

from ._lazy_types import EventEnvelopeWithMetadata, HandlerData

Cursor: TypeAlias = int | Literal["now"]  # defined in the lowest layer: errors carry one
"""A position in the events of a run.

``-1`` is before the first event, ``N`` after the event with that sequence number, and ``"now"``
after every event produced by the time the server handles the request.
"""

_SECRET_HEADERS: Final = ("set-cookie", "location")  # a redirect may carry a token

BODY_PREVIEW: Final = 200  # characters of a response's body in a message; .response has all of it


class WorkflowClientError(Exception):
    """Base class of all errors of this library."""

    def __str__(self) -> str:
        text = super().__str__()
        if text.isprintable():
            return text
        from ._text import printable

        # Messages quote the server, and tracebacks and logs are shown in terminals.
        return printable(text, keep="\n\t")

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors below take evidence, not args: a copy is built from what they stored.
        # It may go to another machine or be kept, so it carries no credentials.
        state = {name: _without_credentials(value) for name, value in self.__dict__.items()}
        return _restore, (type(self), self.args, state)


def _without_credentials(value: Any) -> Any:
    if isinstance(value, httpx.Request):
        return safe_request(value)
    if isinstance(value, httpx.Response):
        response = copy.copy(value)
        response.request = safe_request(value.request)
        # Redirects have requests and responses of their own.
        response.history, response.next_request = [], None
        response.headers = value.headers.copy()
        for name in _SECRET_HEADERS:
            response.headers.pop(name, None)
        vars(response).pop("_cookies", None)  # httpx caches them there
        return response
    return value


def _restore(
    cls: type[WorkflowClientError], args: tuple[Any, ...], state: dict[str, Any]
) -> WorkflowClientError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class StatusError(WorkflowClientError, httpx.HTTPStatusError):
    """The server responded with an error status.

    Attributes:
        response: The whole response.
        status_code: Its HTTP status.
        detail: The server's own explanation (``detail`` of its JSON body), or None.
        handler_id: ID of the run that the request was about, or None.
    """

    def __init__(
        self,
        response: httpx.Response,
        detail: str | None = None,
        *,
        handler_id: str | None = None,
        message: str | None = None,
    ) -> None:
        super().__init__(
            _status_message(response, handler_id) if message is None else message,
            request=response.request,
            response=response,
        )
        self.status_code = response.status_code
        self.detail = detail
        self.handler_id = handler_id


class NotFoundError(StatusError):
    """404: there is no such workflow or run, or the run that was to be cancelled has ended."""


class StreamNotFoundError(NotFoundError, ValueError):
    """404 on an event stream."""


class ConflictError(StatusError):
    """409: a run with that handler ID is running, or the run has already ended."""


class UnreadableResultError(StatusError):
    """422: the server cannot decode the stored result of the run."""


class ServerError(StatusError):
    """A 5xx response that carries no run."""


class WorkflowFailedError(StatusError):
    """A run whose result was waited for has failed, timed out or was cancelled.

    Or its engine, the part of the server that executes it, stopped without an outcome, for example
    because an event could not be stored. The server then responds with an error, and keeps the
    status ``"running"`` forever.

    Attributes:
        handler: The run as the server reports it; ``handler.error`` is the whole error text.
    """

    def __init__(self, response: httpx.Response, handler: HandlerData) -> None:
        super().__init__(
            response,
            handler.error,
            handler_id=handler.handler_id,
            message=_failure_message(handler),
        )
        self.handler = handler


class InvalidResponseError(WorkflowClientError, ValueError):
    """A response that is not valid for the API, or does not tell what was asked.

    Examples are a proxy's login page, broken JSON and a missing field, and a run that may or may
    not be the one whose start was lost.

    Attributes:
        response: The response.
        handler_id: ID of the run that the request was about, or None.
        last_sequence: On an event stream, the position to resume from; else None.
    """

    def __init__(
        self,
        response: httpx.Response,
        problem: str,
        *,
        handler_id: str | None = None,
        last_sequence: Cursor | None = None,
    ) -> None:
        self.response = response
        self.handler_id = handler_id
        self.last_sequence = last_sequence
        request = response.request
        where = "" if last_sequence is None else f" after sequence {last_sequence}"
        url = str(safe_url(request.url))
        super().__init__(
            f"{problem}{where}: {response.status_code} with content type "
            f"{response.headers.get('content-type', 'none')!r} from {request.method} "
            f"{url}{_named(handler_id, url)}"
        )


class ResponseTooLargeError(InvalidResponseError):
    """A response, or an event of a stream, is larger than the client accepts.

    The limits are the client's ``max_response_size`` and ``max_event_size``. What was requested may
    have happened: the run of a start exists, and its ID is ``handler_id``.

    Attributes:
        limit: The limit in bytes, after decompression.
        response: The response; its body was not kept.
        handler_id: ID of the run that the request was about, or None.
        last_sequence: On an event stream, the position to resume from, after the last event that
            was delivered; else None.
    """

    def __init__(
        self,
        response: httpx.Response,
        limit: int,
        *,
        handler_id: str | None = None,
        last_sequence: Cursor | None = None,
    ) -> None:
        self.limit = limit
        what, name = "Response", "max_response_size"
        if last_sequence is not None:
            what, name = "Event", "max_event_size"
        problem = f"{what} is larger than {limit} bytes ({name})"
        super().__init__(response, problem, handler_id=handler_id, last_sequence=last_sequence)


class StreamDisconnectedError(WorkflowClientError, ConnectionError):
    """A stream broke and could not be resumed.

    Every event up to ``last_sequence`` has been delivered: pass it as ``after_sequence`` to a new
    stream to continue. If the last event had no sequence number, or the stream began at ``"now"``
    and had no event, that may repeat or miss events.

    Attributes:
        handler_id: ID of the run whose events were streamed.
        last_sequence: The sequence number of the last event that was delivered, or the
            ``after_sequence`` that the stream began with.
    """

    def __init__(self, handler_id: str, last_sequence: Cursor, problem: str) -> None:
        self.handler_id = handler_id
        self.last_sequence = last_sequence
        super().__init__(
            f"Event stream of handler {handler_id!r} disconnected after sequence "
            f"{last_sequence}: {problem}"
        )


class StreamTimeoutError(StreamDisconnectedError, TimeoutError):
    """A stream could not be resumed, and the last attempt timed out."""


class WaitTimeoutError(WorkflowClientError, TimeoutError):
    """A wait reached its deadline; the run itself is still running.

    Attributes:
        handler_id: ID of the run that was waited for.
        timeout: The timeout that was given, in seconds.
    """

    def __init__(self, handler_id: str, timeout: float) -> None:
        self.handler_id = handler_id
        self.timeout = timeout
        super().__init__(f"Handler {handler_id!r} did not complete within {timeout} seconds")


class EventValidationError(WorkflowClientError, ValueError):
    """An event is invalid: its class is unknown or not allowed, or its fields do not fit."""


class CheckpointError(WorkflowClientError, ValueError):
    """A checkpoint cannot be taken, is invalid, or no longer matches its run."""


class UnansweredRequestError(WorkflowClientError):
    """A run waits for input that ``interact`` does not provide; the run itself is still running.

    Attributes:
        handler_id: ID of the run.
        requests: The events that wait for an answer.
    """

    def __init__(
        self, handler_id: str, requests: Sequence[EventEnvelopeWithMetadata], problem: str
    ) -> None:
        self.handler_id = handler_id
        self.requests = requests
        names = ", ".join(request.type for request in requests)
        super().__init__(f"Handler {handler_id!r} waits for an answer to {names}: {problem}")


class UnsupportedServerError(WorkflowClientError):
    """The server cannot do what is needed: it is too old, or not a workflow server.

    Raised instead of silently losing events or starting a run twice.

    Attributes:
        noticed: What the client noticed.
        meaning: What that means for the caller.
        needed: The server that is needed.
        handler_id: ID of the run, or None.
        may_have_started: Whether the response to a start was lost, so that its run may have begun;
            ``handler_id`` is then None if the server chooses the IDs.
    """

    def __init__(
        self,
        noticed: str,
        meaning: str,
        needed: str,
        *,
        handler_id: str | None = None,
        may_have_started: bool = False,
    ) -> None:
        self.noticed = noticed
        self.meaning = meaning
        self.needed = needed
        self.handler_id = handler_id
        self.may_have_started = may_have_started
        message = f"{noticed}: {meaning}. This requires {needed}"
        super().__init__(f"{message}{_named(handler_id, message)}")


class MissedEventsWarning(RuntimeWarning):
    """A stream that began at ``"now"`` was interrupted before its first event.

    The server never says which position "now" was: events that were produced between the
    interruption and the reconnect are not delivered.
    """


_BY_STATUS: Final[Mapping[int, type[StatusError]]] = {
    404: NotFoundError,
    409: ConflictError,
    422: UnreadableResultError,
}


def status_error(
    response: httpx.Response,
    *,
    handler_id: str | None = None,
    is_stream: bool = False,
    hint: str | None = None,
) -> StatusError:
    """Return the error for an unsuccessful response whose body has been read.

    Args:
        response: The response.
        handler_id: ID of the run that the request was about, if any.
        is_stream: Whether an event stream was asked for.
        hint: What the client knows about the reason, for the message.
    """
    default = ServerError if response.status_code >= 500 else StatusError
    cls = _BY_STATUS.get(response.status_code, default)
    if is_stream and cls is NotFoundError:
        cls = StreamNotFoundError
    message = None if hint is None else f"{_status_message(response, handler_id)}: {hint}"
    return cls(response, detail_of(response), handler_id=handler_id, message=message)


def _status_message(response: httpx.Response, handler_id: str | None) -> str:
    request = response.request
    reason = response.reason_phrase or _reason_phrase(response.status_code)
    message = f"{response.status_code} {reason} for {request.method} {safe_url(request.url)}"
    if response.has_redirect_location:
        message = f"{message}. {_redirect_advice(response)}"
    body = body_preview(response)
    if body:
        message = f"{message}. Response: {body}"
    return f"{message}{_named(handler_id, message)}"


def _failure_message(handler: HandlerData) -> str:
    workflow = f"Workflow {handler.workflow_name!r}"
    run = f"(handler {handler.handler_id!r})"
    if handler.status in ("failed", "cancelled"):
        return f"{workflow} {handler.status} {run}: {handler.error}"
    message = (
        f"{workflow} stopped without an outcome {run}: the server responded with an error although "
        f"the status is {handler.status!r}. What executes the run has stopped, and the status will "
        "not change; the server's log says why"
    )
    return message if handler.error is None else f"{message}: {handler.error}"


def _redirect_advice(response: httpx.Response) -> str:
    target = safe_url(response.request.url.join(response.headers["location"]))
    advice = f"It redirects to {target}: pass the server's own URL as base_url"
    method = response.request.method
    if method == "GET" or response.status_code in (307, 308):
        return f"{advice}, or an httpx client with follow_redirects=True"
    # httpx, as browsers do, follows these with a GET.
    return f"{advice}; a {method} cannot follow a {response.status_code}"


def _named(handler_id: str | None, message: str) -> str:
    """Return what names the run in a message that does not name it yet."""
    return "" if handler_id is None or handler_id in message else f" (handler {handler_id!r})"


def detail_of(response: httpx.Response) -> str | None:
    """Return the server's own explanation of an error; None if there is none."""
    from pydantic_core import from_json

    try:
        body = from_json(response.content)
    except (ValueError, httpx.ResponseNotRead):
        return None
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail if isinstance(detail, str) else None


def body_preview(response: httpx.Response) -> str:
    """Return the beginning of a response's body as text; empty if none was read."""
    try:
        body = response.content
    except httpx.ResponseNotRead:
        return ""
    # Not response.text: it raises for some charsets that a response may claim.
    return body[: 4 * BODY_PREVIEW].decode(errors="replace")[:BODY_PREVIEW]


def safe_request(request: httpx.Request) -> httpx.Request:
    """Return a request with its method and URL only: no headers, credentials, query or body."""
    safe = httpx.Request(request.method, safe_url(request.url))
    safe.headers.clear()
    return safe


def safe_url(url: httpx.URL) -> httpx.URL:
    """Return a URL without the parts that may be secret: user, password and query."""
    return url.copy_with(userinfo=b"", query=None, fragment=None)


def _reason_phrase(status_code: int) -> str:
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return "Unknown Status"
