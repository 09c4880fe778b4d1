"""What every command works with."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping, Sequence

import attrs
import httpx

from .._text import printable
from ..client import SyncWorkflowClient
from ..errors import Cursor, safe_url
from .arguments import URL_VARIABLE
from .output import Output


@attrs.frozen
class Advice:
    """The texts of commands to run next, on the same server; headers are left out.

    Attributes:
        options: The options of this command.
    """

    options: argparse.Namespace

    @property
    def url(self) -> str:
        """URL of the server, without what may be secret."""
        return shown_url(self.options.url)

    def command(self, name: str, *values: str, options: Sequence[str] = ()) -> str:
        """Return the text of a command."""
        after = operands(*values)
        words = (name, *options, *after) if "--" in after else (name, *after, *options)
        is_given = self.options.url != os.environ.get(URL_VARIABLE)
        connection = ("--url", self.url) if is_given else ()
        return printable(f"{self.options.program} {shlex.join([*connection, *words])}")

    def follow(self, handler_id: str, after: Cursor | None) -> str:
        """Return the command that continues with a run's events."""
        position = () if after in (None, -1) else ("--after", str(after))
        return self.command("events", handler_id, options=("--follow", *position))


@attrs.frozen
class Session:
    """One command that is being run.

    Attributes:
        options: Its options.
        output: Where it prints.
        client: The client of the server.
        advice: What to run next.
        headers: Sent with every request; they may be secret.
    """

    options: argparse.Namespace
    output: Output
    client: SyncWorkflowClient
    advice: Advice
    headers: Mapping[str, str]


def operands(*values: str) -> tuple[str, ...]:
    """Return words that are taken for values, also if they begin as options do."""
    return ("--", *values) if any(each.startswith("-") for each in values) else values


def shown_url(url: str) -> str:
    """Return a URL without what may be secret."""
    try:
        return str(safe_url(httpx.URL(url)))
    except httpx.InvalidURL:
        return "the server"
