"""What an exception means to a person: one line with what to do next, and an exit status."""

from __future__ import annotations

import enum
import re
from typing import Final

import attrs
import httpx

from .._text import one_line
from ..errors import (
    ConflictError,
    EventValidationError,
    InvalidResponseError,
    NotFoundError,
    ResponseTooLargeError,
    StatusError,
    StreamDisconnectedError,
    UnansweredRequestError,
    UnsupportedServerError,
    WaitTimeoutError,
    WorkflowClientError,
    WorkflowFailedError,
)
from .fields import FieldError
from .session import Advice

_API_NOT_FOUND: Final = re.compile("(Workflow|Handler).* not found")


class Exit(enum.IntEnum):
    """The exit statuses, with two in `main`; a table in `arguments` says the same."""

    COMPLETED = 0
    ERROR = 1
    USAGE = 2
    FAILED = 3
    CANCELLED = 4
    WAITS = 5
    TIMEOUT = 124


class CommandError(Exception):
    """An error of a command, whose text says what to do.

    Attributes:
        status: The exit status.
    """

    def __init__(self, text: str, status: Exit = Exit.ERROR) -> None:
        super().__init__(text)
        self.status = status


@attrs.frozen
class Failure:
    """How a command failed.

    Attributes:
        status: The exit status.
        text: Why, and what to do next.
    """

    status: Exit
    text: str


def status_of_run(status: str) -> Exit:
    """Return the exit status for the status of a run that has ended."""
    return {"completed": Exit.COMPLETED, "cancelled": Exit.CANCELLED}.get(status, Exit.FAILED)


def failure_of(error: Exception, advice: Advice) -> Failure:
    """Return what an exception means, and what to do next."""
    text = one_line(str(error)) or type(error).__name__
    match error:
        case CommandError():
            return Failure(error.status, text)
        case FieldError() | EventValidationError():
            return Failure(Exit.USAGE, text)
        case WorkflowFailedError():
            return Failure(status_of_run(error.handler.status), _run_failure(error))
        case WaitTimeoutError():
            return Failure(Exit.TIMEOUT, f"{text}; it is still running")
        case UnansweredRequestError():
            names = ", ".join(one_line(request.type, 80) for request in error.requests)
            text = f"run {one_line(error.handler_id)} waits for an answer to {names}"
            command = advice.command("answer", error.handler_id)
            return Failure(Exit.WAITS, f"{text}. To give it: {command}")
        case StreamDisconnectedError() | ResponseTooLargeError() | UnsupportedServerError():
            return Failure(Exit.ERROR, text)
        case InvalidResponseError():
            hint = "is this the URL of a workflow server, and does it need a token?"
            return Failure(Exit.ERROR, f"{text}; {hint}")
        case StatusError():
            if error.detail:
                text = f"{one_line(error.detail)} ({error.status_code})"
            if error.detail == "Handler not found":
                text = f"the server has no run {one_line(str(error.handler_id))} (404)"
            elif error.detail == "Workflow not found":
                text = f"the server has no workflow {one_line(str(advice.options.workflow))} (404)"
            return Failure(Exit.ERROR, f"{text}{_hint(error, advice)}")
        case WorkflowClientError() | ValueError():
            return Failure(Exit.ERROR, text)
        case httpx.ConnectError():
            text = f"cannot connect to {advice.url}: {text}. Is the server running?"
            return Failure(Exit.ERROR, text)
        case httpx.TransportError():
            reason = type(error).__name__ if not str(error) else f"{type(error).__name__}: {text}"
            text = f"no response from {advice.url} ({reason}){_run_in_doubt(error)}"
            return Failure(Exit.ERROR, text)
        case OSError():
            return Failure(Exit.ERROR, text)
    return Failure(Exit.ERROR, f"{type(error).__name__}: {text}")


def _run_failure(error: WorkflowFailedError) -> str:
    handler = error.handler
    if handler.status not in ("failed", "cancelled"):
        return one_line(str(error))
    reason = f": {one_line(handler.error)}" if handler.error else ""
    return f"run {one_line(handler.handler_id)} {handler.status}{reason}"


def _hint(error: StatusError, advice: Advice) -> str:
    match error:
        case StatusError(status_code=401 | 403):
            return ". Set LLAMA_AGENTS_TOKEN, or pass --header 'Authorization: ...'"
        case NotFoundError() if not _API_NOT_FOUND.search(error.detail or str(error)):
            return ". Is this the URL of a workflow server?"
        case NotFoundError(handler_id=None):
            return f". To list the workflows: {advice.command('workflows')}"
        case NotFoundError():
            return f". To list the runs: {advice.command('runs')}"
        case ConflictError():
            return f". To wait for that run: {advice.command('result', str(error.handler_id))}"
    return ""


def _run_in_doubt(error: Exception) -> str:
    """Return the notes that the client has added, which name the run."""
    return "".join(f". {one_line(note)}" for note in getattr(error, "__notes__", ()))
