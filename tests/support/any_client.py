"""One interface to both client variants, for programs that drive them side by side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import Any, Final, Literal

import attrs
from llama_agents.client import EventStream, SyncEventStream, SyncWorkflowClient, WorkflowClient

Variant = Literal["async", "sync"]
VARIANTS: Final[tuple[Variant, ...]] = ("async", "sync")
MAX_DESCRIPTION: Final = 80  # characters


def describe(sequence: object, value: Mapping[str, Any]) -> str:
    """Return a short text that is equal for equal events, and only for those."""
    text = json.dumps(value, sort_keys=True)
    if len(text) > MAX_DESCRIPTION:
        text = f"{text[:8]}... {sha256(text.encode()).hexdigest()[:16]}"
    return f"{sequence} {text}"


@attrs.frozen
class AnyClient:
    """A client of either variant, used from an event loop; the sync client runs in threads.

    Attributes:
        variant: Which variant it is.
        client: The client itself.
        threads: The threads of the sync client.
    """

    variant: Variant
    client: WorkflowClient | SyncWorkflowClient
    threads: ThreadPoolExecutor | None = None

    @classmethod
    def create(cls, variant: Variant, *, threads: int, **options: Any) -> AnyClient:
        """Create a client, and threads for that many concurrent calls if it is the sync one."""
        if variant == "async":
            return cls(variant, WorkflowClient(**options))
        return cls(variant, SyncWorkflowClient(**options), ThreadPoolExecutor(threads, "client"))

    async def call(self, operation: str, *args: Any, **options: Any) -> Any:
        """Call a method of the client."""
        method = partial(getattr(self.client, operation), *args, **options)
        return await (method() if self.threads is None else self._in_thread(method))

    def stream(self, handler_id: str, **options: Any) -> EventStream | SyncEventStream:
        """Return a stream of the events of a run."""
        return self.client.get_workflow_events(handler_id, **options)

    async def read(
        self, events: EventStream | SyncEventStream, into: list[str], limit: int | None = None
    ) -> None:
        """Append the events of a stream to a list, to its end or up to a length of the list."""
        if isinstance(events, SyncEventStream):
            return await self._in_thread(_read, events, into, limit)
        async for event in events:
            into.append(describe(events.last_sequence, event.value))
            if len(into) == limit:
                break

    async def aclose(self) -> None:
        """Close the client."""
        await self.call("aclose" if self.threads is None else "close")

    async def _in_thread(self, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)


def _read(events: SyncEventStream, into: list[str], limit: int | None) -> None:
    for event in events:
        into.append(describe(events.last_sequence, event.value))
        if len(into) == limit:
            break
