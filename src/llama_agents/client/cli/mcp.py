"""The command that offers workflows as MCP tools."""

from __future__ import annotations

import logging
import secrets
import sys
from typing import Final

from ..client import WorkflowClient
from .failures import CommandError, Exit, failure_of
from .session import Session

MISSING: Final = "this command needs MCP: pip install 'llama-agents-client[mcp]'"
LOG: Final = logging.getLogger("llama_agents.client.mcp")


def serve(session: Session) -> Exit:
    """Offer the workflows as tools, over stdin and stdout, until the host closes them."""
    try:
        from .._mcp.server import WorkflowTools
    except ModuleNotFoundError as error:
        if error.name != "mcp":
            raise
        raise CommandError(MISSING) from error
    import anyio

    from .._mcp.tokens import Seal

    if sys.stdin is None or sys.stdout is None:
        raise CommandError("stdin and stdout are closed, through which an MCP host speaks")
    if sys.stdin.isatty():
        session.output.note("waiting for an MCP host to speak on stdin; Ctrl+C ends")
    seal = Seal(_key(), session.advice.url.rstrip("/"))

    def explain(error: Exception) -> str:
        return session.output.redacted(failure_of(error, session.advice).text)

    async def run() -> int:
        address, headers = session.options.url, dict(session.headers)
        async with WorkflowClient(base_url=address, headers=headers) as client:
            selected = session.options.workflows or ()
            return await WorkflowTools(client, seal, explain, selected).serve()

    return Exit(anyio.run(run))


def _key() -> bytes:
    from .._mcp.tokens import KEY_SIZE, key_path, load_key

    try:
        return load_key(key_path())
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        LOG.warning("questions can be answered until this process ends, not longer: %s", error)
        return secrets.token_bytes(KEY_SIZE)
