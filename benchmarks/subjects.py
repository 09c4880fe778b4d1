"""What the scripts measure: the installed client, and the libraries below it for comparison."""

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
STOCK_LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=20)
TIMEOUT: Final = 60.0  # s, more than any response takes


@asynccontextmanager
async def workflow_client(url: str, **options: Any) -> AsyncIterator[WorkflowClient]:
    """Open the installed client."""
    client = WorkflowClient(base_url=url, **options)
    yield client
    if not IS_PUBLISHED:  # whose client has nothing to close
        await client.aclose()


@asynccontextmanager
async def bare_httpx(url: str, *, is_limited: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """Open an httpx client, with or without its stock limit of 100 connections."""
    limits = STOCK_LIMITS if is_limited else httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits) as session:
        yield session


@asynccontextmanager
async def bare_aiohttp(
    url: str, *, is_limited: bool = True
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session of aiohttp, with or without its stock limit of 100 connections.

    The published client's environment has no aiohttp.
    """
    import aiohttp

    connector = aiohttp.TCPConnector() if is_limited else aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        yield session
