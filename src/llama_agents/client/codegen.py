"""Write the event classes of a workflow as Python source.

.. code-block:: console

    python -m llama_agents.client.codegen http://127.0.0.1:8080 index -o events.py

This is ``llama-agents-client codegen`` with the URL as an argument. The source needs only the
client. Importing it defines the classes, and runs nothing else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import cli


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command-line arguments. Defaults to those of the process.

    Returns:
        The exit status: 0, or another after an error was printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m llama_agents.client.codegen",
        description="Write the event classes of a workflow as Python source.",
    )
    parser.add_argument("url", metavar="URL", help="base URL of the server")
    parser.add_argument("workflow", metavar="WORKFLOW", help="name of the workflow")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    parser.add_argument(
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        default=[],
        help="header to send with every request; repeatable",
    )
    options = parser.parse_args(arguments)
    connection = [f"--url={options.url}", *(f"--header={line}" for line in options.header)]
    file = [] if options.output is None else [f"-O{options.output}"]
    return cli.main([*connection, "codegen", *file, "--", options.workflow])


if __name__ == "__main__":
    sys.exit(main())
