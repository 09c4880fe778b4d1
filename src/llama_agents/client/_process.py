"""The life of the process: a fork, and the end of the interpreter.

A forked child has a copy of everything, but the connections stay the parent's: the child must not
use, shut down or even finalize them. So whatever holds one is watched here. In the child it lets go
of what it holds, which is then kept as it is until the process ends; at exit it is closed while
everything that closing needs is still there.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import attrs

T = TypeVar("T")

no_fork: Final = threading.RLock()
"""Held while modules are imported and connection pools created: a fork in another thread waits.

The child would otherwise inherit import locks that nobody ever releases, or half of a pool.
"""

_forks = 0


def generation() -> int:
    """Return a number that differs between this process and those it was forked from."""
    return _forks


@attrs.frozen
class _Watch:
    after_fork: Callable[[Any], None]
    at_exit: Callable[[Any], None]


_watched: Final[WeakKeyDictionary[Any, _Watch]] = WeakKeyDictionary()


def watch(holder: T, *, after_fork: Callable[[T], None], at_exit: Callable[[T], None]) -> None:
    """Watch what holds a connection, for as long as it exists.

    Args:
        holder: What to watch; it is not kept alive.
        after_fork: Called with it in a forked child, before anything else can happen there.
        at_exit: Called with it when the interpreter exits, the newest holder first.
    """
    _watched[holder] = _Watch(after_fork, at_exit)


def keep_forever(held: object) -> None:
    """Keep an object until the process ends; not even the interpreter's exit finalizes it."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


def _tell(event: str) -> None:
    # All are kept alive meanwhile: a batch that ends must not take its client along.
    for holder in [reference() for reference in reversed(_watched.keyrefs())]:
        if holder is not None:
            with suppress(Exception):  # such as a generator that a daemon thread is executing
                getattr(_watched[holder], event)(holder)


def _after_fork() -> None:
    global _forks
    _forks += 1
    _tell("after_fork")
    no_fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=_after_fork
    )
atexit.register(_tell, "at_exit")
