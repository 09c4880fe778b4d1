# PYTHON_ARGCOMPLETE_OK
"""The command line: ``llama-agents-client``, or ``python -m llama_agents.client``.

This module and ``arguments`` import nothing that is slow, neither httpx nor the client: help, usage
errors and completion come at once. ``execution`` has the rest.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Final, TextIO

INTERRUPTED: Final = 130  # exit statuses; `failures` has the others
CLOSED_PIPE: Final = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command-line arguments. Defaults to those of the process.

    Returns:
        The exit status.

    Raises:
        SystemExit: After help, or 2 after a usage error, which has been printed.
    """
    try:  # before the imports, which take longer than many commands
        options = _parsed(arguments)
        from .execution import execute

        return execute(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _let_go_of(sys.stdout, sys.stderr)
        return CLOSED_PIPE
    except OSError as error:  # help cannot be written
        _let_go_of(sys.stdout)
        sys.stderr.write(f"error: {error}\n")
        return 1


def _parsed(words: Sequence[str] | None) -> argparse.Namespace:
    from .arguments import make_parser, parse

    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        from .completion import complete

        complete(parser)
    try:
        return parse(parser, words)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # help; at exit, a failure would not be handled


def _let_go_of(*streams: TextIO | None) -> None:
    """Leave nothing to be flushed at exit, which would fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        if stream is not None:
            os.dup2(null, stream.fileno())
