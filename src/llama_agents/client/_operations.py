"""One function per endpoint: what to send, and how to read the answer.

Pure, and the only module that knows the generated bindings. Bad input raises here, before anything
is sent. Each function imports its own binding: the models of the bindings take as long to import as
httpx does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, cast, get_args

import attrs
import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from .errors import InvalidResponseError, WorkflowFailedError, status_error
from .protocol import (
    CancelHandlerResponse,
    HandlerData,
    HandlersListResponse,
    HealthResponse,
    SendEventResponse,
    Status,
    WorkflowEventsListResponse,
    WorkflowSchemaResponse,
    WorkflowsListResponse,
    is_status_completed,
)
from .protocol.serializable_events import EventEnvelope

if TYPE_CHECKING:
    from workflows import Context
    from workflows.events import Event, StartEvent

    from ._events.schema import EventDeclaration
    from .bindings.models import RunWorkflowRequest
    from .protocol import WorkflowGraphResponse
    from .typed import EventTypes

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)

_UNUSABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@attrs.frozen
class Operation(Generic[T]):
    """One request, and how its answer is read.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL, quoted.
        parse: Reads an answer whose body is there: returns the result or raises from ``errors``.
        params: The query.
        headers: Headers besides the client's own.
        content: The body.
        retried: Whether it may be sent again after a failure that allows it.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], T] = attrs.field(repr=False)
    params: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    content: bytes | None = attrs.field(default=None, repr=False)
    retried: bool = True

    @property
    def idempotent(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.method == "GET"

    def request(
        self, client: httpx.Client | httpx.AsyncClient, timeout: httpx.Timeout | None = None
    ) -> httpx.Request:
        """Build the request, with what the client adds to each.

        Args:
            client: The client that sends it.
            timeout: Limits in place of the client's own.
        """
        return client.build_request(
            self.method,
            self.path,
            params=self.params,
            headers=self.headers,
            content=self.content,
            timeout=client.timeout if timeout is None else timeout,
        )


def _operation(request: Mapping[str, Any], parse: Callable[[httpx.Response], T]) -> Operation[T]:
    """Make an operation of what the bindings' ``_get_kwargs`` returned."""
    body = request.get("json")
    return Operation(
        method=request["method"].upper(),
        path=request["url"],
        parse=parse,
        params=request.get("params"),
        headers=request.get("headers"),
        content=None if body is None else _encode(body),
    )


# ---------------------------------------------------------------------------- the operations


def get_health() -> Operation[HealthResponse]:
    from .bindings.api.health import get_health as binding

    operation = _operation(binding._get_kwargs(), _reads(HealthResponse))
    return attrs.evolve(operation, retried=False)  # who asks wants to know about this moment


def list_workflows() -> Operation[WorkflowsListResponse]:
    from .bindings.api.workflows import list_workflows as binding

    return _operation(binding._get_kwargs(), _reads(WorkflowsListResponse))


def get_workflow_schema(name: str) -> Operation[WorkflowSchemaResponse]:
    from .bindings.api.workflows import get_workflow_schema as binding

    name = _segment("workflow name", name)
    return _operation(binding._get_kwargs(name), _reads(WorkflowSchemaResponse))


def get_workflow_events_schema(name: str) -> Operation[WorkflowEventsListResponse]:
    from .bindings.api.workflows import get_workflow_events_schema as binding

    name = _segment("workflow name", name)
    return _operation(binding._get_kwargs(name), _reads(WorkflowEventsListResponse))


def get_workflow_graph(name: str) -> Operation[WorkflowGraphResponse]:
    from .bindings.api.workflows import get_workflow_representation as binding
    from .protocol import WorkflowGraphResponse

    name = _segment("workflow name", name)
    return _operation(binding._get_kwargs(name), _reads(WorkflowGraphResponse))


def list_events(name: str) -> Operation[list[EventDeclaration]]:
    """The events of a workflow by their schemas: all of them, but not what they derive from."""
    from ._events.schema import declared_events

    def read(answer: WorkflowEventsListResponse) -> list[EventDeclaration]:
        return declared_events(answer.events)

    return _described(name, get_workflow_events_schema(name), read)


def get_event_types(name: str, listed: list[EventDeclaration]) -> Operation[EventTypes]:
    """The events of a workflow as classes, those that are only listed included."""
    from ._events import builder

    def read(answer: WorkflowGraphResponse) -> EventTypes:
        return builder.event_types(builder.declared_in(answer.graph, listed))

    return _described(name, get_workflow_graph(name), read)


def check_start(name: str, start_event: StartEvent | dict[str, Any] | None) -> Operation[None]:
    """Compare a start event with the workflow's schema of it."""
    from ._events import builder

    forms = _start_event_forms(start_event)

    def read(answer: WorkflowSchemaResponse) -> None:
        builder.check_start(answer.start, forms, name)

    return _described(name, get_workflow_schema(name), read)


def _described(
    name: str, operation: Operation[ModelT], read: Callable[[ModelT], T]
) -> Operation[T]:
    """The operation with its answer read further; a schema that makes no sense is named."""
    from ._events.schema import SchemaError

    def parse(response: httpx.Response) -> T:
        answer = operation.parse(response)
        try:
            return read(answer)
        except (SchemaError, RecursionError) as error:
            raise InvalidResponseError(
                response, f"The events of workflow {name!r} make no classes: {error}"
            ) from error

    undescribed: Operation[Any] = operation
    return attrs.evolve(undescribed, parse=parse)


def run_workflow(
    workflow_name: str,
    handler_id: str,
    start_event: StartEvent | dict[str, Any] | None,
    context: Context | dict[str, Any] | None,
) -> list[Operation[HandlerData]]:
    """Return the ways to say it, to be tried in this order."""
    from .bindings.api.workflows import run_workflow as binding

    bodies = _start_bodies(handler_id, start_event, context)
    name = _segment("workflow name", workflow_name)
    return [_operation(binding._get_kwargs(name, body=body), _read_run) for body in bodies]


def run_workflow_nowait(
    workflow_name: str,
    handler_id: str,
    start_event: StartEvent | dict[str, Any] | None,
    context: Context | dict[str, Any] | None,
) -> list[Operation[HandlerData]]:
    """Return the ways to say it, to be tried in this order."""
    from .bindings.api.workflows import run_workflow_nowait as binding

    bodies = _start_bodies(handler_id, start_event, context)
    name = _segment("workflow name", workflow_name)
    return [
        _operation(binding._get_kwargs(name, body=body), _reads(HandlerData)) for body in bodies
    ]


def stream_events(
    handler_id: str, after_sequence: int | Literal["now"], include_internal: bool
) -> Operation[None]:
    from .bindings.api.events import stream_events as binding

    request = binding._get_kwargs(
        _segment("handler id", handler_id),
        sse=True,
        include_internal=bool(include_internal),
        after_sequence=after_sequence,
    )
    operation: Operation[None] = _operation(request, _read_nothing)
    # The server writes a body after a 204, and that body would be taken for the beginning of the
    # next answer on a connection that is kept.
    headers = {
        "Accept": "text/event-stream",
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    return attrs.evolve(operation, headers=headers)


def send_event(
    handler_id: str, event: Event | dict[str, Any], step: str | None
) -> Operation[SendEventResponse]:
    from .bindings.api.events import send_event as binding
    from .bindings.models import SendEventRequest

    body: dict[str, Any] = {"event": _event_payload("event", event)}
    if step:
        body["step"] = step
    request = binding._get_kwargs(
        _segment("handler id", handler_id), body=SendEventRequest.from_dict(body)
    )
    return _operation(request, _reads(SendEventResponse))


def get_handlers(
    status: Sequence[str] | None, workflow_name: Sequence[str] | None
) -> Operation[HandlersListResponse]:
    from .bindings.api.handlers import list_handlers as binding

    statuses = _words("status", status)
    for word in statuses:
        if word not in get_args(Status):
            # The server would answer with an empty list.
            raise ValueError(f"unknown status {word!r}: one of {', '.join(get_args(Status))}")
    request = binding._get_kwargs(
        status=cast("list[Status]", statuses),
        workflow_name=_words("workflow_name", workflow_name),
    )
    return _operation(request, _reads(HandlersListResponse))


def get_handler(handler_id: str) -> Operation[HandlerData]:
    from .bindings.api.handlers import get_handler as binding

    request = binding._get_kwargs(_segment("handler id", handler_id))
    return _operation(request, _read_handler)


def get_run(handler_id: str) -> Operation[HandlerData]:
    """As ``get_handler``, but a run that ended without completing is an error."""
    return attrs.evolve(get_handler(handler_id), parse=_read_run)


def cancel_handler(handler_id: str, purge: bool) -> Operation[CancelHandlerResponse]:
    from .bindings.api.handlers import cancel_handler as binding

    request = binding._get_kwargs(_segment("handler id", handler_id), purge=bool(purge))
    return _operation(request, _reads(CancelHandlerResponse))


# ---------------------------------------------------------------------------- what is sent


def _start_bodies(
    handler_id: str,
    start_event: StartEvent | dict[str, Any] | None,
    context: Context | dict[str, Any] | None,
) -> list[RunWorkflowRequest]:
    from .bindings.models import RunWorkflowRequest

    body: dict[str, Any] = {"handler_id": _segment("handler id", handler_id)}
    if "/" in handler_id:
        raise ValueError(f"handler id {handler_id!r} has a '/': no call could name it")
    if context is not None:
        body["context"] = _context_payload(context)
    return [
        RunWorkflowRequest.from_dict({"start_event": form, **body})
        for form in _start_event_forms(start_event)
    ]


def _start_event_forms(start_event: StartEvent | dict[str, Any] | None) -> list[dict[str, Any]]:
    """The ways to write a start event, to be tried in this order.

    Bare fields are read as the workflow's own start class, an envelope as the class that it names.
    A subclass goes as an envelope; as bare fields where the server has no class of that name.
    """
    if start_event is None:
        return [{}]
    if isinstance(start_event, dict):
        fields = _jsonable("start event", start_event)
        is_envelope = "type" in fields or "qualified_name" in fields
        return [fields if is_envelope else _bare(fields)]
    envelope = _event_payload("start event", start_event)
    from workflows.events import StartEvent

    if type(start_event) is StartEvent:
        # Under _data, a start class of the server's own would not see its fields.
        return [_bare(envelope["value"].get("_data", {}))]
    return [envelope, _bare(envelope["value"])]


def _bare(fields: dict[str, Any]) -> dict[str, Any]:
    """Bare fields in a form that the server does not take for an envelope."""
    taken_for_envelope = "value" in fields or {"type", "qualified_name"} <= fields.keys()
    return {"_data": fields} if taken_for_envelope else fields


def _event_payload(what: str, event: Event | dict[str, Any]) -> dict[str, Any]:
    if isinstance(event, dict):
        return _jsonable(what, event)
    from workflows.events import Event  # slow to import, and most programs send none

    if not isinstance(event, Event):
        raise ValueError(f"{what} must be an Event or a dict, not {type(event).__name__}")
    try:
        envelope = EventEnvelope.from_event(event)
        fields = event.model_dump()
    except Exception as error:
        raise ValueError(f"{what} cannot be written as JSON: {error}") from error
    if _loses_a_number(fields, envelope.value):
        raise ValueError(f"{what} has a number that JSON cannot carry (NaN or infinity)")
    return envelope.model_dump(include={"type", "value"})


def _loses_a_number(fields: Any, written: Any) -> bool:
    """Whether pydantic wrote NaN or an infinity as null."""
    if isinstance(fields, float):
        return written is None and not math.isfinite(fields)
    if isinstance(fields, Mapping) and isinstance(written, Mapping):
        pairs = zip(fields.values(), written.values(), strict=False)
    elif isinstance(fields, (list, tuple, set, frozenset)) and isinstance(written, list):
        pairs = zip(fields, written, strict=False)
    else:
        return False
    return any(_loses_a_number(field, text) for field, text in pairs)


def _context_payload(context: Context | dict[str, Any]) -> dict[str, Any]:
    if isinstance(context, dict):
        return _jsonable("context", context)
    try:
        return context.to_dict()
    except Exception as error:
        raise ValueError(f"context cannot be written as JSON: {error}") from error


def _jsonable(what: str, value: dict[str, Any]) -> dict[str, Any]:
    try:
        written: dict[str, Any] = to_jsonable_python(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} cannot be written as JSON: {error}") from error
    return written


def _encode(body: Any) -> bytes:
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"the request cannot be written as JSON: {error}") from error


def _segment(what: str, value: str) -> str:
    """Refuse what cannot be one segment of a path; the bindings quote the rest."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {type(value).__name__}")
    # "." and ".." are the only segments that quoting leaves their power: httpx resolves them.
    if value in ("", ".", "..") or _UNUSABLE.search(value):
        raise ValueError(f"{what} {value!r} cannot be part of a URL")
    return value


def _words(what: str, value: Iterable[str] | None) -> list[str]:
    words = [value] if isinstance(value, str) else list(value or ())
    if not all(isinstance(word, str) and word.strip() for word in words):
        # The server drops empty filters, and would list everything.
        raise ValueError(f"{what} must be non-empty strings, not {words!r}")
    return words


# ---------------------------------------------------------------------------- what is read


def _reads(model: type[ModelT]) -> Callable[[httpx.Response], ModelT]:
    def read(response: httpx.Response) -> ModelT:
        if not response.is_success:
            raise status_error(response)
        return _validate(model, response)

    return read


def _read_handler(response: httpx.Response) -> HandlerData:
    """A handler, also where it comes with a 500: that is how failed and cancelled runs are sent."""
    handler = _handler_in_500(response)
    return handler if handler is not None else _reads(HandlerData)(response)


def _read_run(response: httpx.Response) -> HandlerData:
    """A run that goes on or has completed; one that ended otherwise is an error."""
    handler = _read_handler(response)
    if is_status_completed(handler.status) and handler.status != "completed":
        raise WorkflowFailedError(response, handler)
    return handler


def _handler_in_500(response: httpx.Response) -> HandlerData | None:
    if response.status_code != 500:
        return None
    try:
        return HandlerData.model_validate_json(response.content)
    except ValidationError:
        return None


def _read_nothing(response: httpx.Response) -> None:
    """Streams are read by their state machine."""


def _validate(model: type[ModelT], response: httpx.Response) -> ModelT:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the body"
        raise InvalidResponseError(
            response, f"The answer is no {model.__name__} ({where}: {problem['msg']})"
        ) from error
