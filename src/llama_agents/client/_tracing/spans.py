"""The spans of the client's work, with OpenTelemetry.

Spans have names, counts, statuses and IDs, never payloads, headers, queries or the texts of errors.
The span of a stream is current only while a connection is opened, and not while the caller handles
an event: a generator would have to change the context of whoever iterates over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import attrs
from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from . import Untraced, UntracedRun, UntracedStream, names

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from ..protocol import HandlerData
    from . import BaseURL

_PORTS: Final = {"http": 80, "https": 443}


@attrs.define(eq=False)
class _Work:
    """What the requests that are being sent belong to.

    Attributes:
        span: The span.
        operation: Name of the operation.
        requests: How many requests of that operation have been sent.
    """

    span: Span
    operation: str
    requests: int = 0


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
        try:
            with _attached(_Work(span, operation)):
                yield
        except Exception as error:
            _fail(span, _error_type(error))
            raise
        finally:
            span.end()

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
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield run
        except Exception as error:
            if (handler := getattr(error, "handler", None)) is not None:  # of a failed run
                run.found(handler)
            _fail(span, type(error).__qualname__)  # a run has no status of HTTP
            raise
        finally:
            context.detach(token)
            span.end()

    def stream(self, handler_id: str, workflow_name: str | None) -> UntracedStream:
        """Return what traces a stream, as a part of what is current now."""
        return TracedStream(
            self._tracer,
            _named(names.STREAM_EVENTS, workflow_name),
            _about(handler_id, workflow_name) | self._http("stream_events"),
        )

    def request(self, operation: str) -> dict[str, str]:
        """Note a request of an operation; return the headers that carry the trace's context."""
        work = _current.get()
        if work is not None and work.operation == operation:
            work.requests += 1
            if work.requests > 1:
                work.span.set_attribute(names.RESEND_COUNT, work.requests - 1)
        headers: dict[str, str] = {}
        propagate.inject(headers)
        return headers

    def response(self, status_code: int) -> None:
        """Note the response to the last request."""
        work = _current.get()
        if work is not None:
            work.span.set_attribute(names.STATUS_CODE, status_code)

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
        else:
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
        work.span.end()


@cache
def _version() -> str:
    return version("llama-agents-client")


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
    return {name: value for name, value in known.items() if value is not None}


def _named(what: str, workflow_name: str | None) -> str:
    return what if workflow_name is None else f"{what} {workflow_name}"


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR))


def _error_type(error: Exception) -> str:
    status_code = getattr(error, "status_code", None)
    return type(error).__qualname__ if status_code is None else str(status_code)


@contextmanager
def _attached(work: _Work, parent: Context | None = None) -> Iterator[None]:
    """Make a span the one that requests belong to."""
    token = context.attach(trace.set_span_in_context(work.span, parent))
    outer = _current.set(work)
    try:
        yield
    finally:
        _current.reset(outer)
        context.detach(token)
