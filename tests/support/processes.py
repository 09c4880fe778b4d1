"""Forked children, and programs that run in a process of their own."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform cannot fork")

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


def run_program(program: str, *arguments: str) -> tuple[str, str]:
    """Run a program with all warnings; return what it prints to stdout and to stderr."""
    forks = "ignore:This process:DeprecationWarning"  # since 3.12, of a fork beside other threads
    command = [sys.executable, "-X", "dev", "-W", forks, "-c", textwrap.dedent(program)]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
    slow = "Executing <"  # a message of asyncio's debug mode, on a loaded machine
    errors = [line for line in run.stderr.splitlines() if not line.startswith(slow)]
    return run.stdout, "\n".join(errors)
