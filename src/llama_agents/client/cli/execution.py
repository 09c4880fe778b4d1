"""Runs a command, and turns whatever happens into an exit status and at most one line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

import attrs
import httpx

from ..client import SyncWorkflowClient
from . import batch, runs, workflows
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
}

SHORTEST_SECRET: Final = 4  # characters; a shorter value is part of many words
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"


def execute(options: argparse.Namespace) -> int:
    """Run the command that the options name; return its exit status."""
    settings, advice = _settings(options), Advice(options)
    output = Output.of_process(options.output, settings.secrets)
    try:
        _configure_log(output)
        with SyncWorkflowClient(base_url=options.url, headers=settings.headers) as client:
            status = COMMANDS[options.command](Session(options, output, client, advice))
        output.stdout.flush()
        return status
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()
    except Exception as error:
        logging.getLogger(__package__).debug("the command failed", exc_info=True)
        failure = failure_of(error, advice)
        try:
            output.error(failure.text)
        except BrokenPipeError:
            return _closed_pipe()
        return failure.status


@attrs.frozen
class Settings:
    """What goes with every request.

    Attributes:
        headers: The headers.
        secrets: Texts that no error may quote, the longest first.
    """

    headers: dict[str, str]
    secrets: tuple[str, ...]


def _settings(options: argparse.Namespace) -> Settings:
    headers = {}
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    secrets = {token}
    for name, value in options.headers:
        if name.lower() == "authorization":
            headers.pop("Authorization", None)
        headers[name] = value
        secrets |= {value, value.rpartition(" ")[2]}
    with suppress(httpx.InvalidURL):
        url = httpx.URL(options.url)
        secrets |= {url.password, unquote(url.password), url.query.decode()}
    long = (secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
    return Settings(headers, tuple(sorted(long, key=len, reverse=True)))


def _configure_log(output: Output) -> None:
    level = os.environ.get(LOG_VARIABLE, "")
    if not level:
        return
    if level.lower() not in ("info", "debug"):
        raise CommandError(f"{LOG_VARIABLE} must be info or debug, not {level!r}", Exit.USAGE)
    handler = logging.StreamHandler(output.stderr)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logger = logging.getLogger("llama_agents.client")
    logger.addHandler(handler)
    logger.setLevel(level.upper())


def _closed_pipe() -> Exit:
    """Leave nothing to be flushed at exit, which would fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            os.dup2(null, stream.fileno())
    return Exit.CLOSED_PIPE
