"""One function for each endpoint: the operation that asks for it.

The only module that imports the generated bindings. Bad input raises here, before anything is sent.
What only calls need is imported with the first client: the bindings and pydantic take longer to
import than everything else.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast, get_args
from urllib.parse import quote

import attrs
import httpx

from .._headers import combined
from .._process import no_fork
from .._statuses import Status
from ..errors import Cursor, EventValidationError, InvalidResponseError
from .limits import Kind
from .responses import read_handler, read_handlers, read_successful_run, reads
from .server import ServerTraits, cursors_by_404, ensure_route, in_every_form

if TYPE_CHECKING:
    from .._events.schema import EventDeclaration
    from .._lazy_types import Context, Event, EventTypes
    from ..protocol import (
        CancelHandlerResponse,
        HandlerData,
        HandlersListResponse,
        HealthResponse,
        SendEventResponse,
        WorkflowEventsListResponse,
        WorkflowGraphResponse,
        WorkflowSchemaResponse,
        WorkflowsListResponse,
    )
    from .payloads import StartEncoding, StartPayload

T = TypeVar("T")
ReadT = TypeVar("ReadT")

MAX_SEGMENT: Final = 8000
"""Bytes of a name or ID in a URL: what servers and proxies have to accept (RFC 9110, 4.1)."""

NO_RUN: Final = "no-such-run"
"""The beginning of the IDs of runs that are asked for only to see the error."""

_CONTROL_OR_SURROGATE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@attrs.frozen
class Operation(Generic[T]):
    """One request, and how its response is read.

    Attributes:
        name: What it is called in logs.
        method: The HTTP method.
        path: The path below the base URL, quoted.
        parse: Parses a response whose body has been read; raises the errors of `errors`.
        handler_id: ID of the run that it is about, or None.
        params: The query.
        headers: Headers besides the client's own.
        content: The body.
        kind: Says how long it may take, and with that whether failures may be retried.
    """

    name: str
    method: str
    path: str
    parse: Callable[[httpx.Response], T] = attrs.field(repr=False)
    handler_id: str | None = None
    params: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    content: bytes | None = attrs.field(default=None, repr=False)
    kind: Kind = "plain call"

    @property
    def is_safe(self) -> bool:
        """Whether it only reads, so that it may be repeated (RFC 9110, 9.2.1)."""
        return self.method == "GET"

    def request(
        self,
        client: httpx.Client | httpx.AsyncClient,
        timeout: httpx.Timeout,
        headers: httpx.Headers | None = None,
    ) -> httpx.Request:
        """Return the request, with what the client adds to each.

        Args:
            client: The client that sends it.
            timeout: Its timeouts.
            headers: Headers that replace those of the client.

        Raises:
            ValueError: The client has no complete base URL, or one with a query; or the URL of the
                request is too long.
        """
        if not client.base_url.scheme:
            raise ValueError("httpx_client has no base_url: set it to the URL of the server")
        if client.base_url.query:
            # httpx appends paths to it.
            raise ValueError(
                "the base_url of httpx_client has a query: pass it to that client as params="
            )
        try:
            return client.build_request(
                self.method,
                self.path,
                params=self.params,
                headers=combined(headers, self.headers),
                content=self.content,
                timeout=timeout,
            )
        except httpx.InvalidURL as error:  # which is no ValueError
            raise ValueError(f"{self.name} has no usable URL: {error}") from None


def _operation(
    name: str,
    request: Mapping[str, Any],
    read: Callable[[httpx.Response, str | None], T],
    handler_id: str | None = None,
    kind: Kind = "plain call",
) -> Operation[T]:
    """Return an operation built from what the ``_get_kwargs`` of its binding returned."""
    from .payloads import encode

    body = request.get("json")
    return Operation(
        name=name,
        method=request["method"].upper(),
        path=request["url"],
        parse=lambda response: read(response, handler_id),
        handler_id=handler_id,
        params=request.get("params"),
        headers=request.get("headers"),
        content=None if body is None else encode(body),
        kind=kind,
    )


@functools.cache
def import_for_calls() -> None:
    """Import what calls need besides this module, while no other thread can fork."""
    with no_fork:
        import encodings.idna  # for connecting  # noqa: F401

        from .. import protocol  # noqa: F401
        from ..bindings.api.events import send_event, stream_events  # noqa: F401
        from ..bindings.api.handlers import (  # noqa: F401
            cancel_handler,
            get_handler,
            list_handlers,
        )
        from ..bindings.api.health import get_health  # noqa: F401
        from ..bindings.api.workflows import (  # noqa: F401
            get_workflow_events_schema,
            get_workflow_representation,
            get_workflow_schema,
            list_workflows,
            run_workflow,
            run_workflow_nowait,
        )
        from . import books, payloads  # noqa: F401


# ---------------------------------------------------------------------------- the server


def get_health() -> Operation[HealthResponse]:
    from ..bindings.api.health import get_health as binding
    from ..protocol import HealthResponse

    request = binding._get_kwargs()
    return _operation("get_health", request, reads(HealthResponse), kind="health check")


def list_workflows() -> Operation[WorkflowsListResponse]:
    from ..bindings.api.workflows import list_workflows as binding
    from ..protocol import WorkflowsListResponse

    return _operation("list_workflows", binding._get_kwargs(), reads(WorkflowsListResponse))


def identify() -> Operation[bool | None]:
    """Whether the streams of the server have cursors; None if that does not show.

    Asks for a run that does not exist, since the form of that error tells.
    """
    from ..bindings.api.handlers import get_handler as binding

    def read(response: httpx.Response, _: str | None) -> bool | None:
        return cursors_by_404(response)

    return _operation("identify", binding._get_kwargs(f"{NO_RUN}-{uuid.uuid4().hex}"), read)


def get_debugger_page(handler_id: str) -> Operation[None]:
    """The page of the server's debugger; the machine that asks for it for a run reads it."""
    return Operation("get_debugger_page", "GET", "/", lambda response: None, handler_id)


# ---------------------------------------------------------------------------- a workflow


def get_workflow_schema(
    name: str, handler_id: str | None = None
) -> Operation[WorkflowSchemaResponse]:
    """The schemas of a workflow; ``handler_id`` names the run that they are needed for."""
    from ..bindings.api.workflows import get_workflow_schema as binding
    from ..protocol import WorkflowSchemaResponse

    request = binding._get_kwargs(_segment("workflow_name", name))
    return _operation("get_workflow_schema", request, reads(WorkflowSchemaResponse), handler_id)


def get_workflow_events_schema(name: str) -> Operation[WorkflowEventsListResponse]:
    from ..bindings.api.workflows import get_workflow_events_schema as binding
    from ..protocol import WorkflowEventsListResponse

    request = binding._get_kwargs(_segment("workflow_name", name))
    return _operation("get_workflow_events_schema", request, reads(WorkflowEventsListResponse))


def get_workflow_graph(name: str) -> Operation[WorkflowGraphResponse]:
    from ..bindings.api.workflows import get_workflow_representation as binding
    from ..protocol import WorkflowGraphResponse

    request = binding._get_kwargs(_segment("workflow_name", name))
    return _operation("get_workflow_graph", request, reads(WorkflowGraphResponse))


def list_events(name: str) -> Operation[list[EventDeclaration]]:
    """All events of a workflow, from their schemas, which do not name superclasses."""
    from .._events.schema import declared_events

    return _reading_further(
        name, get_workflow_events_schema(name), lambda response: declared_events(response.events)
    )


def get_event_types(name: str, listed: list[EventDeclaration]) -> Operation[EventTypes]:
    """The events of a workflow as classes, including those that no step's signature mentions."""
    from .._events import builder

    return _reading_further(
        name,
        get_workflow_graph(name),
        lambda response: builder.event_types(builder.declared_in(response.graph, listed)),
    )


def check_start(
    name: str, start_event: StartPayload | StartEncoding
) -> Operation[Mapping[str, Any]]:
    """Compare a start event with the workflow's schema of it; return the schema."""
    from .._events import builder
    from .payloads import start_encoding

    encoding = start_encoding(start_event)

    def check(response: WorkflowSchemaResponse) -> Mapping[str, Any]:
        encodings = [] if encoding.given is None else [encoding.given]
        if encoding.fields is not None:
            try:
                encodings.append(encoding.rewritten(response.start))
            except EventValidationError:
                if not encodings:
                    raise
        builder.check_start(response.start, encodings, name)
        return response.start

    return _reading_further(name, get_workflow_schema(name), check)


def _reading_further(
    name: str, operation: Operation[ReadT], read: Callable[[ReadT], T]
) -> Operation[T]:
    """Return the operation with its result read further; an invalid schema is an error."""

    def parse(response: httpx.Response) -> T:
        from .._events.schema import SchemaError

        result = operation.parse(response)
        try:
            return read(result)
        except (SchemaError, RecursionError) as error:
            raise InvalidResponseError(
                response,
                f"The event schemas of workflow {name!r} are invalid: {error}",
                handler_id=operation.handler_id,
            ) from error

    unread: Operation[Any] = operation
    return attrs.evolve(unread, parse=parse)


# ---------------------------------------------------------------------------- starts


@attrs.frozen
class StartOperations:
    """A start, and how it is written once the workflow's schema is known.

    Attributes:
        name: What the start is called in logs.
        kind: Says how long the start may take.
        given: The start with its event as it was given, or None if the server would misread that.
        rewritten: Gets the schema, and returns the start with its event written for the start class
            of the workflow; None if there is no other way to write it.
        as_fields: Returns the same for a server that only takes the bare fields of an event; None
            if it is written so already.
    """

    name: str
    kind: Kind
    given: Operation[HandlerData] | None
    rewritten: Operation[Operation[HandlerData]] | None
    as_fields: Callable[[], Operation[Operation[HandlerData]]] | None


def start_run(
    workflow_name: str,
    handler_id: str,
    start_event: StartPayload | StartEncoding,
    context: Context | dict[str, Any] | None,
    *,
    server: ServerTraits,
    blocking: bool,
    schema: Mapping[str, Any] | None = None,
) -> StartOperations:
    """The start of a run.

    Args:
        workflow_name: Name of the workflow.
        handler_id: ID of the run.
        start_event: What the workflow starts with.
        context: The state of an earlier run to continue from.
        server: What is known of the server.
        blocking: Whether the response comes when the run has completed.
        schema: The schema of the workflow's start event, if it is known.
    """
    from ..bindings.models import RunWorkflowRequest
    from ..protocol.serializable_events import is_envelope
    from .payloads import context_payload, start_encoding

    name = _segment("workflow_name", workflow_name)
    body: dict[str, Any] = {"handler_id": _segment("handler_id", handler_id)}
    if "/" in handler_id:
        raise ValueError(f"handler_id {handler_id!r} has a '/': no other call could address it")
    if context is not None:
        body["context"] = context_payload(context)

    call = "run_workflow" if blocking else "run_workflow_nowait"
    kind: Kind = "blocking start" if blocking else "plain call"
    read = _start_reader(kind)

    def starting_with(written: dict[str, Any]) -> Operation[HandlerData]:
        if blocking:
            from ..bindings.api.workflows.run_workflow import _get_kwargs
        else:
            from ..bindings.api.workflows.run_workflow_nowait import _get_kwargs
        if is_envelope(written):
            written = in_every_form(written, server)
        request = RunWorkflowRequest.from_dict({"start_event": written, **body})
        return _operation(call, _get_kwargs(name, body=request), read, handler_id, kind)

    encoding = start_encoding(start_event)
    given = encoding.given
    if given is None and schema is not None:
        given = encoding.rewritten(schema)

    def rewriting(
        written: Callable[[Mapping[str, Any]], dict[str, Any]],
    ) -> Operation[Operation[HandlerData]]:
        return _reading_further(
            workflow_name,
            get_workflow_schema(workflow_name, handler_id),
            lambda response: starting_with(written(response.start)),
        )

    return StartOperations(
        call,
        kind,
        None if given is None else starting_with(given),
        None if encoding.fields is None else rewriting(encoding.rewritten),
        None if encoding.is_bare else lambda: rewriting(encoding.as_fields),
    )


def _start_reader(kind: Kind) -> Callable[[httpx.Response, str | None], HandlerData]:
    return read_successful_run if kind == "blocking start" else read_handler


def unnamed(start: Operation[HandlerData]) -> Operation[HandlerData]:
    """Return a start that leaves the ID of the run to the server."""
    from .payloads import encode

    assert start.content is not None
    body = json.loads(start.content)
    del body["handler_id"]
    read = _start_reader(start.kind)
    return attrs.evolve(
        start, content=encode(body), handler_id=None, parse=lambda response: read(response, None)
    )


# ---------------------------------------------------------------------------- a run


def stream_events(
    handler_id: str, after_sequence: Cursor, include_internal: bool
) -> Operation[None]:
    """The event stream of a run; a machine parses its response."""
    from ..bindings.api.events import stream_events as binding

    request = binding._get_kwargs(
        _segment("handler_id", handler_id),
        sse=True,
        include_internal=bool(include_internal),
        after_sequence=after_sequence,
    )
    operation = _operation("stream_events", request, _read_nothing, handler_id)
    # llama-agents-server 0.8.0 writes a body after a 204; on a connection that is kept, that body
    # would be taken for the beginning of the next response.
    headers = {
        "Accept": "text/event-stream",
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    return attrs.evolve(operation, headers=headers, kind="stream")


def _read_nothing(response: httpx.Response, handler_id: str | None) -> None:
    pass


def send_event(
    handler_id: str, event: Event | dict[str, Any], step: str | None, server: ServerTraits
) -> Operation[SendEventResponse]:
    from ..bindings.api.events import send_event as binding
    from ..bindings.models import SendEventRequest
    from ..protocol import SendEventResponse
    from .payloads import event_payload

    body: dict[str, Any] = {"event": in_every_form(event_payload("event", event), server)}
    if step:
        body["step"] = step
    request = binding._get_kwargs(
        _segment("handler_id", handler_id), body=SendEventRequest.from_dict(body)
    )
    return _operation("send_event", request, reads(SendEventResponse), handler_id)


def get_handlers(
    status: Sequence[str] | None, workflow_name: Sequence[str] | None
) -> Operation[HandlersListResponse]:
    from ..bindings.api.handlers import list_handlers as binding

    statuses = _words("status", status)
    for word in statuses:
        if word not in get_args(Status):
            # The server would respond with an empty list.
            raise ValueError(f"unknown status {word!r}: use one of {', '.join(get_args(Status))}")
    request = binding._get_kwargs(
        status=cast("list[Status]", statuses),
        workflow_name=_words("workflow_name", workflow_name),
    )
    return _operation("get_handlers", request, read_handlers)


def get_handler(handler_id: str, *, must_succeed: bool = False) -> Operation[HandlerData]:
    """A run; with ``must_succeed``, one that ended without completing is an error."""
    from ..bindings.api.handlers import get_handler as binding

    request = binding._get_kwargs(_segment("handler_id", handler_id))

    def read(response: httpx.Response, handler_id: str | None) -> HandlerData:
        ensure_route(response, handler_id)
        return (read_successful_run if must_succeed else read_handler)(response, handler_id)

    return _operation("get_handler", request, read, handler_id)


def cancel_handler(handler_id: str, purge: bool) -> Operation[CancelHandlerResponse]:
    from ..bindings.api.handlers import cancel_handler as binding
    from ..protocol import CancelHandlerResponse

    request = binding._get_kwargs(_segment("handler_id", handler_id), purge=bool(purge))
    return _operation("cancel_handler", request, reads(CancelHandlerResponse), handler_id)


# ---------------------------------------------------------------------------- arguments


def _segment(what: str, value: str) -> str:
    """Return a value that can be one segment of a path (the bindings quote it); reject others."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {type(value).__name__}")
    # Quoting leaves "." and ".." as they are, and httpx resolves them.
    if value in ("", ".", "..") or _CONTROL_OR_SURROGATE.search(value):
        raise ValueError(f"{what} {value!r} cannot be part of a URL")
    if len(quote(value, safe="")) > MAX_SEGMENT:
        raise ValueError(
            f"{what} {value[:40]!r}... is too long for a URL: {len(value)} characters, "
            f"more than {MAX_SEGMENT} bytes once quoted"
        )
    return value


def _words(what: str, value: Iterable[str] | None) -> list[str]:
    words = [value] if isinstance(value, str) else list(value or ())
    if not all(isinstance(word, str) and word.strip() for word in words):
        # The server drops empty filters, and would list everything.
        raise ValueError(f"{what} must be non-empty strings, not {words!r}")
    return words
