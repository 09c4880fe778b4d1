"""The arguments of the command line, and their help. Imports argparse alone: help is instant."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final, NoReturn

PROGRAM: Final = "llama-agents-client"
URL_VARIABLE: Final = "LLAMA_AGENTS_URL"
TOKEN_VARIABLE: Final = "LLAMA_AGENTS_TOKEN"  # its name
LOG_VARIABLE: Final = "LLAMA_AGENTS_LOG"
ENDED_STATUSES: Final = ("cancelled", "completed", "failed")  # those of `_statuses`

DESCRIPTION: Final = "Run workflows on a LlamaIndex workflow server: start, follow, answer, cancel."

EPILOG: Final = f"""\
environment:
  {URL_VARIABLE}    URL of the server, if --url is not given
  {TOKEN_VARIABLE}  sent as a bearer token, unless --header sets Authorization
  {LOG_VARIABLE}    info or debug: log requests, retries and reconnects to stderr
  NO_COLOR            if set, nothing is colored

exit status:
  0 completed   1 error   2 usage   3 the run failed   4 it was cancelled
  5 it waits for an answer   124 --timeout expired   130 interrupted

examples:
  export {URL_VARIABLE}=http://127.0.0.1:8080
  {PROGRAM} workflows
  {PROGRAM} run index documents=5 seconds_each=0.1
  {PROGRAM} run index --json '{{"documents": 5}}' --detach
  {PROGRAM} runs --status running
  {PROGRAM} events ID --follow
"""

FIELDS_HELP: Final = """\
FIELD=VALUE is read as the type that the workflow declares: text, a number, true or false, one of
several values, or JSON for lists and objects. FIELD:=JSON is sent as it is, whatever the type.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(
        prog=None if os.path.basename(sys.argv[0]) == PROGRAM else "python -m llama_agents.client",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version)
    _add_connection(parser, "headers", is_main=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    shared = _Parser(add_help=False, allow_abbrev=False)
    _add_connection(shared, "more_headers", is_main=False)

    def add(name: str, summary: str, **options: Any) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            parents=[shared],
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )

    _add_workflow_commands(add)
    _add_run_commands(add)
    return parser


def _add_workflow_commands(add: Any) -> None:
    add("workflows", "list the workflows, with the fields they start with")

    graph = add("graph", "show the steps of a workflow")
    _add_workflow(graph)
    graph.add_argument(
        "--format",
        choices=("text", "mermaid", "svg"),
        help="default: by the suffix of -O (.svg, .mmd, .txt), else text",
    )
    graph.add_argument("--events", action="store_true", help="draw events as nodes, too")
    graph.add_argument("--run", metavar="ID", help="color the steps by what this run did")
    _add_output_file(graph)

    codegen = add("codegen", "write the event classes of a workflow as Python source")
    _add_workflow(codegen)
    _add_output_file(codegen)


def _add_run_commands(add: Any) -> None:
    run = add("run", "run a workflow, and print its result", epilog=FIELDS_HELP)
    _add_workflow(run)
    _add_fields(run)
    run.add_argument("--json", metavar="JSON|@FILE|-", help="the fields as a JSON object")
    run.add_argument(
        "--id",
        metavar="ID",
        help="an ID for the run, which replaces one that has ended (default: a new ID)",
    )
    run.add_argument("--detach", action="store_true", help="print the run's ID, and do not wait")
    run.add_argument("--quiet", action="store_true", help="do not show events as they come")
    run.add_argument("--no-input", action="store_true", help="exit with 5 instead of asking")
    _add_timeout(run)

    runs = add("runs", "list the runs, the newest first")
    runs.add_argument(
        "--workflow", metavar="WORKFLOW", action="append", help="only its runs; repeatable"
    ).completer = "workflow"  # read by `completion`
    statuses = ("running", *ENDED_STATUSES)
    runs.add_argument("--status", choices=statuses, action="append", help="repeatable")
    runs.add_argument("--limit", metavar="N", type=_count, help="only the newest N")

    events = add("events", "print the events of a run")
    _add_id(events)
    events.add_argument("--follow", action="store_true", help="wait for more until the run ends")
    events.add_argument(
        "--after", metavar="N|now", type=_cursor, default=-1, help="only those after event N"
    )
    events.add_argument("--internal", action="store_true", help="also the framework's own")
    events.add_argument(
        "--type", metavar="TYPE", action="append", help="only of this class or a subclass"
    )

    result = add("result", "wait for a run, and print its result")
    _add_id(result)
    _add_timeout(result)

    answer = add("answer", "answer what a run asks, at the terminal, and print its result")
    _add_id(answer)

    send = add("send", "send an event to a run", epilog=FIELDS_HELP)
    _add_id(send)
    send.add_argument("type", metavar="TYPE", help="class of the event")
    _add_fields(send)

    cancel = add("cancel", "cancel runs")
    _add_id(cancel, "ids", nargs="+")
    cancel.add_argument("--purge", action="store_true", help="also delete them from the server")

    batch = add(
        "map",
        "run a workflow for each line of a file, and print the results as JSON lines",
        epilog="If it is interrupted, the same command continues: what has run is not run again.",
    )
    _add_workflow(batch)
    batch.add_argument(
        "file", metavar="FILE.jsonl", help="JSON lines: objects of fields; - = stdin"
    )
    batch.add_argument(
        "--limit", metavar="N", type=_count, default=8, help="runs at a time (default: 8)"
    )
    batch.add_argument(
        "--key",
        metavar="FIELD",
        help="field that identifies an item, for the run's ID (default: the whole line)",
    )
    batch.add_argument(
        "--rerun",
        choices=ENDED_STATUSES,
        action="append",
        help="run items again whose earlier run has this status; repeatable (default: cancelled)",
    )

    mcp = add(
        "mcp",
        "offer workflows as tools to an MCP host, over stdin and stdout",
        epilog="A host starts this command by itself: put it into the host's configuration.",
    )
    mcp.add_argument(
        "--workflow",
        dest="workflows",
        metavar="WORKFLOW",
        action="append",
        help="offer only this one; repeatable (default: all)",
    ).completer = "workflow"  # read by `completion`


def _add_connection(parser: argparse.ArgumentParser, headers: str, *, is_main: bool) -> None:
    """Add the options that may stand before or after the command."""
    unset = None if is_main else argparse.SUPPRESS
    group = parser.add_argument_group("server and output")
    group.add_argument("--url", default=unset, help=f"URL of the server (or {URL_VARIABLE})")
    group.add_argument(
        "--header",
        dest=headers,
        metavar="'NAME: VALUE'",
        type=_header,
        action="append",
        default=[],
        help="header to send with every request; repeatable",
    )
    group.add_argument(
        "-o",
        dest="output",
        choices=("text", "json", "jsonl"),
        default="text" if is_main else unset,
        help="format of the output (default: text)",
    )


def _add_workflow(parser: argparse.ArgumentParser) -> None:
    workflow = parser.add_argument("workflow", metavar="WORKFLOW", help="name of the workflow")
    workflow.completer = "workflow"  # type: ignore[attr-defined]  # read by `completion`


def _add_id(parser: argparse.ArgumentParser, name: str = "id", **options: Any) -> None:
    argument = parser.add_argument(name, metavar="ID", help="ID of a run", **options)
    argument.completer = "run"  # type: ignore[attr-defined]  # read by `completion`


def _add_fields(parser: argparse.ArgumentParser) -> None:
    fields = "FIELD=VALUE | FIELD:=JSON"
    parser.add_argument("fields", metavar=fields, nargs="*", help="fields of the event")


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout", metavar="S", type=_seconds, help="seconds to wait (default: no limit)"
    )


def _add_output_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-O", dest="file", metavar="FILE", help="default: standard output")


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    """Return the options; argparse exits with 2 if they are wrong."""
    options, more = parser.parse_known_args(arguments)
    # argparse takes the values of one argument from one place: fields may stand around options.
    values = getattr(options, "fields", getattr(options, "ids", None))
    unknown = [each for each in map(_option_name, more) if each]
    if more and (unknown or values is None):
        parser.error(f"unrecognized arguments: {' '.join(unknown or more)}")
    if values is not None:
        values += more
    options.headers = [*options.headers, *options.more_headers]
    options.url = options.url or os.environ.get(URL_VARIABLE)
    options.program = parser.prog
    if not options.url:
        parser.error(f"no server: pass --url, or set {URL_VARIABLE}")
    if options.command == "events" and options.after == "now" and not options.follow:
        parser.error("--after now has nothing to show without --follow")
    return options


def _option_name(text: str) -> str:
    """Return an option without its value, which may be a secret; nothing for other texts."""
    match = re.match(r"--[\w-]+|-\w", text)
    return "" if match is None else match[0]


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (name.strip() and colon and value.strip()):  # without a value, quotes are missing
        raise argparse.ArgumentTypeError("expected 'NAME: VALUE'")  # not the text: it is a secret
    return name.strip(), value.strip()


def _cursor(text: str) -> int | str:
    if text == "now":
        return text
    number = _number(text, int)
    if number < -1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than -1, which is the beginning")
    return int(number)


def _count(text: str) -> int:
    number = _number(text, int)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 1")
    return int(number)


def _seconds(text: str) -> float:
    number = _number(text, float)
    if not (0 <= number < math.inf):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def _number(text: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show no secret."""

    def error(self, message: str) -> NoReturn:
        """Print why the arguments are wrong, and exit."""
        if message.startswith("argument COMMAND: "):
            # What stands for the command may be the value of a misspelled --header.
            message = re.sub("invalid choice: .* (?=\\(choose)", "invalid choice ", message)
        super().error(message)


class _Version(argparse.Action):
    """Prints the version, which takes long to find out."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"{PROGRAM} {version(PROGRAM)}\n")
        parser.exit()
