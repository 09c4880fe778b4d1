"""The commands about runs: start, list, follow, answer, cancel."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from .._core.actions import Retry
from .._core.interaction import INPUT
from .._events.schema import EventDeclaration, start_declaration
from .._statuses import status_after
from .._text import aligned, elapsed, fields_text, printable, time_of
from .._transport.read_ahead import read_ahead
from ..client import SyncEventStream, SyncWorkflowRun
from ..errors import (
    ConflictError,
    Cursor,
    NotFoundError,
    ServerError,
    UnsupportedServerError,
    WaitTimeoutError,
    WorkflowFailedError,
)
from ..protocol import EventEnvelopeWithMetadata, HandlerData
from .failures import CommandError, Exit, status_of_run
from .fields import EventChecks, EventFields, FieldError, read_object
from .files import reading
from .output import MAX_LINE, json_text, one_line
from .questions import Questions, QuestionTimeoutError, can_ask
from .session import Session

# The events that a run has had arrive at once, and nothing marks the last.
QUIET: Final = 0.5  # s without an event
QUIET_LIMIT: Final = 5.0  # s, for a run that is never still


def run(session: Session) -> Exit:
    """Run a workflow, and print its result."""
    options, output = session.options, session.output
    start = _start_fields(session)
    started = session.client.start(options.workflow, start or None, handler_id=options.id)
    if options.detach:
        if output.is_text:
            output.line(printable(started.handler_id))
        else:
            output.document({"handler_id": started.handler_id})
        return Exit.COMPLETED
    if not options.quiet:
        output.note(f"run {printable(started.handler_id)}")
    return _accompany(session, started, shows_events=not options.quiet)


def _start_fields(session: Session) -> dict[str, Any]:
    options = session.options
    start: dict[str, Any] = {}
    if options.json is not None:
        match options.json:
            case text if text == "-" or text.startswith("@"):
                with reading(text.removeprefix("@")) as (file, name):
                    start = read_object(file.read(), name)
            case text:
                start = read_object(text, "--json")
    schema = start_schema(session)
    fields = EventFields(schema)
    start |= fields.read(options.fields)
    warn_of_undeclared(session, fields, fields.undeclared(start))
    EventChecks(lambda: start_declaration(schema)).check(start)
    return start


def warn_of_undeclared(session: Session, fields: EventFields, names: Iterable[str]) -> None:
    """Say that an event has fields that its class does not declare; it may read them anyway."""
    for name in names:
        declared = ", ".join(map(one_line, fields.fields))
        session.output.warning(
            f"{one_line(fields.name)} declares no field {one_line(name)!r}; it has {declared}"
        )


def start_schema(session: Session) -> Mapping[str, Any]:
    """Return the schema of the workflow's start event; an empty one if the server has none."""
    try:
        return session.client.get_workflow_schema(session.options.workflow).start
    except ServerError as error:
        if error.status_code != 500:  # a gateway's; a server that cannot write a schema sends 500
            raise
        session.output.warning(f"the fields are not checked: {one_line(str(error))}")
        return {}


def answer(session: Session) -> Exit:
    """Answer what a run asks, at the terminal."""
    if not can_ask(session.output):
        command = session.advice.command("send", session.options.id)
        raise CommandError(f"there is no terminal to ask at; to answer: {command} TYPE FIELD=VALUE")
    return _accompany(session, session.client.get_run(session.options.id), shows_events=False)


def _accompany(session: Session, started: SyncWorkflowRun, *, shows_events: bool) -> Exit:
    """Show the events of a run, answer its requests, and print its result."""
    options, output = session.options, session.output
    printer = EventPrinter(session, include_internal=False)
    to_stdout = output.format == "jsonl"
    asks = can_ask(output) and not getattr(options, "no_input", False)
    position: Cursor = -1

    def on_event(sequence: int, event: EventEnvelopeWithMetadata) -> None:
        nonlocal position
        position = sequence
        if not (shows_events and printer.is_wanted(event)):
            return
        if to_stdout:
            printer.record(sequence, event)
        elif not (asks and INPUT in {event.type, *(event.types or ())}):  # it will be asked
            printer.note(sequence, event)

    def load_graph() -> Any:
        workflow = getattr(options, "workflow", None)
        if workflow is None:
            workflow = session.client.get_handler(started.handler_id).workflow_name
        return session.client.get_workflow_graph(workflow)

    def left_running() -> str:
        if questions.is_asking:
            command = session.advice.command("answer", started.handler_id)
            return f"\nthe run waits for an answer; to give it: {command}"
        command = session.advice.follow(started.handler_id, position)
        return f"the run continues; to follow it: {command}"

    timeout = getattr(options, "timeout", None)
    send = session.advice.command("send", started.handler_id)
    questions = Questions(output, load_graph, send, timeout)
    answers = {INPUT: questions} if asks else {}
    try:
        try:
            started.interact(answers, on_event=on_event, timeout=timeout)
        except UnsupportedServerError as error:  # it is old
            output.warning(f"events are not shown, and nothing is asked: {one_line(str(error))}")
            started.result(timeout=timeout)
    except WorkflowFailedError as error:
        if not output.is_text:
            output.document(error.handler.model_dump(mode="json"))
        raise
    except KeyboardInterrupt:
        output.note(f"\n{left_running().lstrip()}")
        raise
    except (WaitTimeoutError, QuestionTimeoutError) as error:
        output.note(left_running())
        raise WaitTimeoutError(started.handler_id, timeout or 0.0) from error
    _print_result(session, session.client.get_handler(started.handler_id))
    return Exit.COMPLETED


def print_result(session: Session) -> Exit:
    """Wait for a run, and print its result."""
    handler_id = session.options.id
    try:
        session.client.get_run(handler_id).result(timeout=session.options.timeout)
    except WorkflowFailedError as error:
        if not session.output.is_text:
            session.output.document(error.handler.model_dump(mode="json"))
        raise
    _print_result(session, session.client.get_handler(handler_id))
    return Exit.COMPLETED


def _print_result(session: Session, handler: HandlerData) -> None:
    output = session.output
    if not output.is_text:
        output.document(handler.model_dump(mode="json"))
        return
    for name, value in (handler.result or {}).items():
        text = printable(value, keep="\n\t") if isinstance(value, str) else json_text(value)
        output.line(f"{one_line(str(name))}: {text}")


class EventPrinter:
    """Prints the events of a run.

    Args:
        session: The command.
        include_internal: Whether the framework's own events are wanted.
        types: The classes that are wanted, with their subclasses; none for all.
    """

    def __init__(
        self, session: Session, *, include_internal: bool, types: tuple[str, ...] = ()
    ) -> None:
        self._output = session.output
        self._include_internal = include_internal
        self._types = frozenset(types)

    def is_wanted(self, event: EventEnvelopeWithMetadata) -> bool:
        """Return whether an event is printed."""
        if event.is_internal and not self._include_internal:
            return False
        return not self._types or not self._types.isdisjoint((event.type, *(event.types or ())))

    def record(self, sequence: int | None, event: EventEnvelopeWithMetadata) -> None:
        """Print an event as a line of JSON."""
        self._output.record(event_document(sequence, event))

    def line(self, sequence: int | None, event: EventEnvelopeWithMetadata) -> None:
        """Print an event as a line of text."""
        self._output.line(self._text(sequence, event, is_note=False))

    def note(self, sequence: int | None, event: EventEnvelopeWithMetadata) -> None:
        """Print an event as a note."""
        self._output.note(self._text(sequence, event, is_note=True))

    def _text(
        self, sequence: int | None, event: EventEnvelopeWithMetadata, *, is_note: bool
    ) -> str:
        style = self._output.style
        number = style(f"{'' if sequence is None else sequence:>4}", "dim", is_note=is_note)
        name = style(one_line(event.type, 80), "bold", is_note=is_note)
        return f"{number} {name} {fields_text(event.value, MAX_LINE)}".rstrip()


def event_document(sequence: int | None, event: EventEnvelopeWithMetadata) -> dict[str, Any]:
    """Return an event as it is printed in JSON."""
    return {"sequence": sequence, **event.model_dump(mode="json")}


def print_events(session: Session) -> Exit:
    """Print the events of a run."""
    options, output = session.options, session.output
    printer = EventPrinter(
        session, include_internal=options.internal, types=tuple(options.type or ())
    )
    documents: list[dict[str, Any]] = []
    status: str | None = None
    source = _followed if options.follow else past_events
    try:
        for sequence, event in source(
            session, options.id, include_internal=options.internal, after=options.after
        ):
            if event.is_terminal:
                status = status_after(event.type)
            if not printer.is_wanted(event):
                continue
            if output.format == "json":
                documents.append(event_document(sequence, event))
            elif output.format == "jsonl":
                printer.record(sequence, event)
            else:
                printer.line(sequence, event)
    finally:
        if output.format == "json":
            output.document(documents)
    if not options.follow:
        return Exit.COMPLETED
    # Without its last event, which was before the position.
    return status_of_run(status or session.client.get_handler(options.id).status)


def _followed(
    session: Session, handler_id: str, *, include_internal: bool, after: Cursor
) -> Iterator[tuple[int | None, EventEnvelopeWithMetadata]]:
    """Yield events until the run ends."""
    stream = session.client.get_workflow_events(handler_id, include_internal, after)
    try:
        for event in stream:
            yield _sequence(stream), event
    except KeyboardInterrupt:
        command = session.advice.follow(handler_id, _sequence(stream))
        session.output.note(f"\nto continue: {command}")
        raise


def past_events(
    session: Session, handler_id: str, *, include_internal: bool, after: Cursor = -1
) -> Iterator[tuple[int | None, EventEnvelopeWithMetadata]]:
    """Yield the events that a run has had so far."""
    stream = session.client.get_workflow_events(handler_id, include_internal, after)
    machine = stream._machine
    ends_at = time.monotonic() + QUIET_LIMIT
    with stream, read_ahead(stream, lambda event: (_sequence(stream), event)) as new:
        while time.monotonic() < ends_at:
            connection = machine.action
            events = new.get(QUIET)
            if events is None:
                return
            yield from events
            # A stream that is being connected again is silent, too: that says nothing.
            if not (events or isinstance(connection, Retry)) and machine.action is connection:
                return
    session.output.warning("the run goes on, and there may be more events: --follow shows them")


def _sequence(stream: SyncEventStream) -> int | None:
    try:
        cursor = stream.last_sequence
    except UnsupportedServerError:
        return None
    return None if cursor == "now" else cursor


def list_runs(session: Session) -> Exit:
    """Print the runs, the newest first."""
    options, output = session.options, session.output
    found = session.client.get_handlers(status=options.status, workflow_name=options.workflow)
    handlers = sorted(found.handlers, key=lambda each: each.started_at, reverse=True)
    handlers = handlers[: options.limit]
    if not output.is_text:
        output.documents([handler.model_dump(mode="json") for handler in handlers])
        return Exit.COMPLETED
    rows = [_row(handler) for handler in handlers]
    head, *lines = aligned([("ID", "WORKFLOW", "STATUS", "STARTED", "TOOK"), *rows])
    output.line(output.style(head, "dim"))
    for line in lines:
        output.line(line)
    return Exit.COMPLETED


def _row(handler: HandlerData) -> tuple[str, ...]:
    took = elapsed(handler.started_at, handler.completed_at)
    names = (handler.workflow_name, handler.status, _local(handler.started_at), took)
    return (one_line(handler.handler_id), *(one_line(name, 80) for name in names))


def _local(text: str) -> str:
    """Return a time of the server in the local time zone."""
    time = time_of(text)
    try:
        return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else text
    except (ValueError, OverflowError):  # the first or the last day that there is
        return text


def send(session: Session) -> Exit:
    """Send an event to a run."""
    options, client = session.options, session.client
    handler = client.get_handler(options.id)
    schema = _event_schema(session, handler.workflow_name)
    value = EventFields(schema).read(options.fields)
    EventChecks(lambda: EventDeclaration(options.type, (), schema)).check(value)
    sent = client.send_event(options.id, {"type": options.type, "value": value})
    if session.output.is_text:
        session.output.note(f"sent {one_line(options.type)} to {one_line(options.id)}")
    else:
        session.output.document(sent.model_dump(mode="json"))
    return Exit.COMPLETED


def _event_schema(session: Session, workflow: str) -> Mapping[str, Any]:
    name = session.options.type
    try:
        listed = session.client.get_workflow_events_schema(workflow).events
    except ServerError as error:
        if error.status_code != 500:  # a gateway's; a server that cannot write a schema sends 500
            raise
        session.output.warning(f"the event is not checked: {one_line(str(error))}")
        return {}
    schemas = {str(schema.get("title")): schema for schema in listed}
    if name not in schemas:
        names = ", ".join(sorted(one_line(each, 80) for each in schemas))
        raise FieldError(f"the workflow has no event {name!r}; it has {names}")
    return schemas[name]


def cancel(session: Session) -> Exit:
    """Cancel runs, or delete them."""
    output, status = session.output, Exit.COMPLETED
    done = []
    try:
        for handler_id in session.options.ids:
            try:
                response = session.client.cancel_handler(handler_id, session.options.purge)
            except (NotFoundError, ConflictError):
                hint = "" if session.options.purge else ", or it has ended (--purge deletes it)"
                output.error(f"no run {one_line(handler_id)}{hint}")
                status = Exit.ERROR
                continue
            done.append({"handler_id": handler_id, "status": response.status})
            if output.is_text:
                output.line(f"{one_line(response.status, 40)} {printable(handler_id)}")
    finally:
        if not output.is_text:
            output.documents(done)
    return status
