# PYTHON_ARGCOMPLETE_OK
"""The command line: ``llama-agents-client``, or ``python -m llama_agents.client``.

This module and ``arguments`` import nothing that is slow, neither httpx nor the client: help, usage
errors and completion come at once. ``execution`` has the rest.
"""

from __future__ import annotations

import os

from .arguments import make_parser, parse

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command-line arguments. Defaults to those of the process.

    Returns:
        The exit status.

    Raises:
        SystemExit: After help, or 2 after a usage error, which has been printed.
    """
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        from .completion import complete

        complete(parser)
    options = parse(parser, arguments)

    from .execution import execute

    return execute(options)
