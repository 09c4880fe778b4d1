"""Functions called in a forked child."""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from collections.abc import Callable
from typing import NoReturn, TypeVar

T = TypeVar("T")


def in_child(function: Callable[[], T], *, within: int = 20) -> T:
    """Call a function in a forked child, and return what it returns or raise what it raises.

    A child that takes longer than ``within`` seconds is killed.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: there are threads
        child = os.fork()
    if child == 0:
        signal.alarm(within)
        _report(function, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        report = pipe.read()
    os.waitpid(child, 0)
    if not report:
        raise AssertionError(f"the child hung for {within} s, or died")
    has_returned, outcome = pickle.loads(report)
    if has_returned:
        return outcome  # type: ignore[no-any-return]
    raise outcome


def _report(function: Callable[[], object], pipe: int) -> NoReturn:
    try:
        report = True, function()
    except BaseException as error:
        report = False, error
    os.write(pipe, pickle.dumps(report))
    os._exit(0)
