"""The command that offers workflows as MCP tools."""

from __future__ import annotations

import logging
import secrets
import sys
from typing import Final

import anyio

from .._mcp.tokens import KEY_SIZE, Seal, key_path, load_key
from ..client import WorkflowClient
from .failures import CommandError, Exit, failure_of
from .session import Session

MISSING: Final = "this command needs MCP: pip install 'llama-agents-client[mcp]'"
LOG: Final = logging.getLogger("llama_agents.client.mcp")


def serve(session: Session) -> Exit:
    """Offer the workflows as tools, over stdin and stdout, until the host ends."""
    try:
        from .._mcp.server import WorkflowTools
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "jsonschema"):
            raise
        raise CommandError(MISSING) from error
    if sys.stdin is None or sys.stdout is None:
        raise CommandError("stdin and stdout are closed: they are what an MCP host speaks through")
    if sys.stdin.isatty():
        session.output.note("waiting for an MCP host to speak on stdin; Ctrl+C ends")

    async def run() -> int:
        client = WorkflowClient(base_url=session.options.url, headers=dict(session.headers))
        async with client:
            tools = WorkflowTools(
                client,
                Seal(_key(), session.advice.url.rstrip("/")),
                lambda error: session.output.redacted(failure_of(error, session.advice).text),
                session.options.workflows or (),
            )
            return await tools.serve()

    return Exit(anyio.run(run))


def _key() -> bytes:
    path = key_path()
    try:
        return load_key(path)
    except OSError as error:
        LOG.warning("questions can be answered until this process ends, not longer: %s", error)
        return secrets.token_bytes(KEY_SIZE)
