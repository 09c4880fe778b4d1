"""The spans of the client's work, with OpenTelemetry.

Spans have names, counts, statuses and IDs, never payloads, headers, queries or the texts of errors.
The span of a stream is current only while a connection is opened, and not while the caller handles
an event: a generator would have to change the context of whoever iterates over it.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import attrs
from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from .._headers import checked_headers
from .._text import plain
from ..errors import StatusError, WorkflowFailedError
from . import Untraced, UntracedRun, UntracedStream, names

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from ..protocol import HandlerData
    from . import BaseURL

MAX_TEXT: Final = 1000  # characters of a name or an ID, which may be a server's

_PORTS: Final = {"http": 80, "https": 443}
_LOG: Final = logging.getLogger("llama_agents.client.tracing")


@attrs.define(eq=False)
class _Work:
    """What the requests that are being sent belong to.

    Attributes:
        span: The span.
        operation: Name of the operation.
        requests: How many requests of that operation have been sent.
        status_code: The status of the response to the last request, if it had one.
    """

    span: Span
    operation: str
    requests: int = 0
    status_code: int | None = None

    def end(self) -> None:
        """End the span of an operation."""
        if self.requests > 1:
            self.span.set_attribute(names.RESEND_COUNT, self.requests - 1)
        if self.status_code is not None:
            self.span.set_attribute(names.STATUS_CODE, self.status_code)
        self.span.end()


_current: Final[ContextVar[_Work | None]] = ContextVar("llama_agents.client.work", default=None)


class Tracing(Untraced):
    """Traces the work of one client.

    Args:
        provider: Where spans come from.
        base_url: Returns the URL of the server.

    Raises:
        TypeError: It is not a tracer provider.
    """

    def __init__(self, provider: trace.TracerProvider, base_url: BaseURL) -> None:
        if not isinstance(provider, trace.TracerProvider):
            raise TypeError(
                "tracer_provider must be an opentelemetry.trace.TracerProvider, "
                f"not {type(provider).__name__}"
            )
        self._tracer = provider.get_tracer("llama_agents.client", _version())
        self._base_url = base_url

    def __reduce__(self) -> Any:
        # A provider cannot be copied into another process, which has one of its own.
        return _of_process, (self._base_url,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracing:
        copied = object.__new__(type(self))
        copied._tracer, copied._base_url = self._tracer, copy.deepcopy(self._base_url, memo)
        return copied

    @contextmanager
    def call(
        self, operation: str, handler_id: str | None, workflow_name: str | None = None
    ) -> Iterator[None]:
        """Have a span for an operation, with all its requests."""
        method, template = names.OPERATIONS[operation]
        attributes = _about(handler_id, workflow_name) | self._http(operation)
        span = self._tracer.start_span(
            f"{method} {template}", kind=SpanKind.CLIENT, attributes=attributes
        )
        work = _Work(span, operation)
        try:
            with _attached(work):
                yield
        except Exception as error:
            _fail(span, _error_type(error))
            raise
        finally:
            work.end()

    @contextmanager
    def run(
        self, workflow_name: str | None, handler_id: str | None, run_id: str | None = None
    ) -> Iterator[UntracedRun]:
        """Have a span for a run until its end."""
        span = self._tracer.start_span(
            _named(names.INVOKE_WORKFLOW, workflow_name),
            attributes=_about(handler_id, workflow_name, run_id)
            | {names.OPERATION_NAME: names.INVOKE_WORKFLOW},
        )
        run = TracedRun(span)
        try:
            with _attached(_Work(span, names.INVOKE_WORKFLOW)):
                yield run
        except Exception as error:
            if isinstance(error, WorkflowFailedError):
                run.found(error.handler)
            _fail(span, type(error).__qualname__)  # a run has no status of HTTP
            raise
        finally:
            span.end()

    def stream(self, handler_id: str, workflow_name: str | None) -> UntracedStream:
        """Return what traces a stream, as a part of what is current now."""
        return TracedStream(
            self._tracer,
            _named(names.STREAM_EVENTS, workflow_name),
            _about(handler_id, workflow_name) | self._http("stream_events"),
        )

    def request(self, operation: str) -> Mapping[str, str]:
        """Note a request of an operation; return the headers that carry the trace's context."""
        work = _current.get()
        if work is not None:
            work.requests += work.operation == operation
            work.status_code = None
        headers: dict[str, str] = {}
        try:
            propagate.inject(headers)
            return checked_headers(headers)
        except Exception as error:  # a request without its context is better than none
            _LOG.warning("the propagator of OpenTelemetry failed (%s)", type(error).__name__)
            return {}

    def response(self, status_code: int) -> None:
        """Note the response to the last request."""
        work = _current.get()
        if work is not None:
            work.status_code = status_code

    def failed(self, cause: Exception | int) -> None:
        """Note that the operation has failed, and the caller goes on."""
        work = _current.get()
        if work is not None:
            _fail(work.span, _error_type(cause))

    def _http(self, operation: str) -> dict[str, Any]:
        method, template = names.OPERATIONS[operation]
        url = self._base_url()
        return {
            names.REQUEST_METHOD: method,
            names.URL_TEMPLATE: template,
            names.SERVER_ADDRESS: url.host,
            names.SERVER_PORT: url.port or _PORTS.get(url.scheme, 0),
        }


class TracedRun(UntracedRun):
    """The span of a run.

    Args:
        span: The span.
    """

    def __init__(self, span: Span) -> None:
        self._span = span

    def found(self, handler: HandlerData) -> None:
        """Note what the server says of the run."""
        self._span.update_name(_named(names.INVOKE_WORKFLOW, handler.workflow_name))
        self._span.set_attributes(_about(handler.handler_id, handler.workflow_name, handler.run_id))


class TracedStream(UntracedStream):
    """The span of a stream, which begins with its first connection.

    Args:
        tracer: Where the span comes from.
        name: Its name.
        attributes: Its attributes.
    """

    def __init__(self, tracer: trace.Tracer, name: str, attributes: dict[str, Any]) -> None:
        self._tracer = tracer
        self._name = name
        self._attributes = attributes
        self._context: Context = context.get_current()
        self._work: _Work | None = None
        self._cause = "closed"
        self._has_ended = False

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Have a context in which the stream is connected, once or again."""
        work = self._work
        if work is None:
            span = self._tracer.start_span(
                self._name, self._context, SpanKind.CLIENT, self._attributes
            )
            work = self._work = _Work(span, "stream_events")
        elif not self._has_ended:
            work.span.add_event(names.RECONNECT, {names.ERROR_TYPE: self._cause})
        with _attached(work, self._context):
            yield

    def lost(self, cause: object) -> None:
        """Note that a connection has ended, or could not be opened."""
        if isinstance(cause, Exception):
            cause = _error_type(cause)
        self._cause = "closed" if cause is None else str(cause)

    def end(self, events: int, error: BaseException | None = None) -> None:
        """End the span, unless it has ended or not begun."""
        work, has_ended, self._has_ended = self._work, self._has_ended, True
        if work is None or has_ended:
            return
        counts = {names.EVENT_COUNT: events, names.RECONNECT_COUNT: max(work.requests - 1, 0)}
        work.span.set_attributes(counts)
        if isinstance(error, Exception):
            _fail(work.span, _error_type(error))
        work.end()

    def let_go(self) -> None:
        """Leave the span to the parent process; another connection begins one of its own."""
        self._work = None


@cache
def _version() -> str | None:
    try:
        return version("llama-agents-client")
    except PackageNotFoundError:  # in a program that was frozen into one file
        return None


def _of_process(base_url: BaseURL) -> Tracing:
    return Tracing(trace.get_tracer_provider(), base_url)


def _about(
    handler_id: str | None, workflow_name: str | None, run_id: str | None = None
) -> dict[str, Any]:
    known = {
        names.HANDLER_ID: handler_id,
        names.AGENT_NAME: workflow_name,
        names.RUN_ID: run_id,
    }
    return {name: _bounded(value) for name, value in known.items() if value is not None}


def _named(what: str, workflow_name: str | None) -> str:
    return what if workflow_name is None else f"{what} {_bounded(workflow_name)}"


def _bounded(text: object) -> str:
    return plain(str(text), MAX_TEXT)


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR))


def _error_type(error: Exception | int) -> str:
    if isinstance(error, StatusError):
        return str(error.status_code)
    return str(error) if isinstance(error, int) else type(error).__qualname__


@contextmanager
def _attached(work: _Work, parent: Context | None = None) -> Iterator[None]:
    """Make a span the one that requests belong to."""
    token = context.attach(trace.set_span_in_context(work.span, parent))
    outer = _current.set(work)
    try:
        yield
    finally:
        try:
            _current.reset(outer)
        except ValueError:  # a coroutine that was dropped ends in another context
            pass
        else:
            context.detach(token)
