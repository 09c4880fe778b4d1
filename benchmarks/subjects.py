"""What the scripts measure: the installed client, and the libraries below it for comparison.

None has a limit of connections.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx
import llama_agents.client
from llama_agents.client import WorkflowClient

if TYPE_CHECKING:
    import aiohttp

IS_PUBLISHED: Final = not hasattr(llama_agents.client, "SyncWorkflowClient")
TIMEOUT: Final = 60.0  # s, more than any response takes


@asynccontextmanager
async def workflow_client(url: str, **options: Any) -> AsyncIterator[WorkflowClient]:
    """Open the installed client."""
    client = WorkflowClient(base_url=url, **options)
    yield client
    if not IS_PUBLISHED:  # whose client has nothing to close
        await client.aclose()


@asynccontextmanager
async def bare_httpx(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Open an httpx client."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=TIMEOUT) as session:
        yield session


@asynccontextmanager
async def bare_aiohttp(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session of aiohttp, which the published client's environment does not have."""
    import aiohttp

    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session
