"""Runs a command, and turns whatever happens into an exit status and at most one line."""

from __future__ import annotations

import argparse
import logging
import os
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Final
from urllib.parse import unquote

import httpx

from .._text import one_line, printable
from ..client import SyncWorkflowClient
from . import batch, mcp, runs, workflows
from .arguments import LOG_VARIABLE, TOKEN_VARIABLE
from .failures import CommandError, Exit, failure_of
from .output import Output
from .session import Advice, Session

COMMANDS: Final[Mapping[str, Callable[[Session], Exit]]] = {
    "workflows": workflows.list_workflows,
    "graph": workflows.show_graph,
    "codegen": workflows.write_classes,
    "run": runs.run,
    "runs": runs.list_runs,
    "events": runs.print_events,
    "result": runs.print_result,
    "answer": runs.answer,
    "send": runs.send,
    "cancel": runs.cancel,
    "map": batch.map_file,
    "mcp": mcp.serve,
}

SHORTEST_SECRET: Final = 4  # characters; a shorter value is part of many words
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"


def execute(options: argparse.Namespace) -> int:
    """Run the command that the options name.

    Returns:
        The exit status.

    Raises:
        BrokenPipeError: Nobody reads the output any more.
        KeyboardInterrupt: The user has interrupted it; what that means has been printed.
    """
    output, advice = Output.of_process(options.output, _secrets(options)), Advice(options)
    log = ExitStack()
    try:
        log.enter_context(_logging(output, options.command))
        headers = _headers(options)
        with (
            warnings.catch_warnings(),
            SyncWorkflowClient(base_url=options.url, headers=headers) as client,
        ):
            warnings.showwarning = lambda message, *_: output.warning(one_line(str(message)))
            status = COMMANDS[options.command](Session(options, output, client, advice, headers))
        output.stdout.flush()
        return status
    except BrokenPipeError:
        raise
    except Exception as error:
        logging.getLogger(__package__).debug("the command failed", exc_info=True)
        failure = failure_of(error, advice)
        output.error(failure.text)
        return failure.status
    finally:
        log.close()


def _token() -> str:
    return os.environ.get(TOKEN_VARIABLE, "").strip()


def _headers(options: argparse.Namespace) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}"} if (token := _token()) else {}
    for name, value in options.headers:
        if name.lower() == "authorization":
            headers.pop("Authorization", None)
        headers[name] = value
    return headers


def _secrets(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the texts that no error may quote, the longest first."""
    secrets = {_token()}
    for _, value in options.headers:
        secrets |= {value, value.rpartition(" ")[2]}
    with suppress(httpx.InvalidURL, UnicodeError):
        url = httpx.URL(options.url)
        secrets |= {url.password, unquote(url.password), url.query.decode()}
        secrets |= {value for _, value in url.params.multi_items()}
        secrets.add(b64encode(f"{url.username}:{url.password}".encode()).decode())  # as it is sent
    return tuple(sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True))


@contextmanager
def _logging(output: Output, command: str) -> Iterator[None]:
    """Write log records to stderr until the command has ended, if the environment asks for it."""
    # What serves a host runs unattended, and has no other place for warnings.
    level = os.environ.get(LOG_VARIABLE) or ("warning" if command == "mcp" else "")
    if not level:
        yield
        return
    if level.lower() not in ("info", "debug", "warning"):
        raise CommandError(f"{LOG_VARIABLE} must be info or debug, not {level!r}", Exit.USAGE)
    handler = logging.StreamHandler(output.stderr)
    handler.setFormatter(SafeFormatter(output))
    logger = logging.getLogger("llama_agents.client")
    loggers = [logger, logging.getLogger("mcp")] if command == "mcp" else [logger]
    for each in loggers:
        each.addHandler(handler)
    earlier = logger.level
    logger.setLevel(level.upper())
    try:
        yield
    finally:
        logger.setLevel(earlier)
        for each in loggers:
            each.removeHandler(handler)


class SafeFormatter(logging.Formatter):
    """Writes log records, whose texts may be a server's, as errors are written.

    Args:
        output: Where they are written; it knows what must not be.
    """

    def __init__(self, output: Output) -> None:
        super().__init__(LOG_FORMAT)
        self._output = output

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return self._output.redacted(printable(super().format(record), keep="\n"))
