"""What only an asynchronous program needs, on asyncio and trio alike, and its synchronous likeness.

anyio is imported by the first of these, and not with the client: that takes long, and programs with
the synchronous client never need it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from time import sleep
from typing import Any

__all__ = ["asleep", "current_loop", "shielded", "sleep"]


async def asleep(seconds: float) -> None:
    """Let others run for so many seconds."""
    import anyio

    await anyio.sleep(seconds)


def shielded() -> AbstractContextManager[Any]:
    """Return a context in which the cancellation of the task waits."""
    import anyio

    return anyio.CancelScope(shield=True)


def current_loop() -> Any:
    """Return the event loop that runs: of asyncio the loop, of trio its token."""
    from anyio.lowlevel import current_token

    return current_token().native_token
