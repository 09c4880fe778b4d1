"""What every command works with."""

from __future__ import annotations

import argparse
import os
import shlex

import attrs
import httpx

from ..client import SyncWorkflowClient
from ..errors import Cursor, safe_url
from .arguments import URL_VARIABLE
from .output import Output


@attrs.frozen
class Session:
    """One command that is being run.

    Attributes:
        options: Its options.
        output: Where it prints.
        client: The client of the server.
    """

    options: argparse.Namespace
    output: Output
    client: SyncWorkflowClient

    @property
    def shown_url(self) -> str:
        """URL of the server, without what may be secret."""
        return str(safe_url(httpx.URL(self.options.url)))

    def command(self, *words: str) -> str:
        """Return the text of another command on the same server; headers are left out."""
        is_given = self.options.url != os.environ.get(URL_VARIABLE)
        parts = ["--url", self.shown_url] if is_given else []
        return f"{self.options.program} {shlex.join([*parts, *words])}"

    def follow_command(self, handler_id: str, after: Cursor | None) -> str:
        """Return the command that continues with a run's events."""
        position = () if after in (None, -1) else ("--after", str(after))
        return self.command("events", handler_id, "--follow", *position)
