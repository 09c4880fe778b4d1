"""Completion by argcomplete, if that is installed: names of workflows and IDs of runs, too."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any, Final

from .arguments import TOKEN_VARIABLE, URL_VARIABLE

TIMEOUT: Final = 2.0  # s; who presses a key does not wait longer


def complete(parser: argparse.ArgumentParser) -> None:
    """Print the completions that the shell has asked for, and exit."""
    try:
        import argcomplete
    except ImportError:
        return
    completers = {"workflow": _workflows, "run": _runs}
    for action in _actions(parser):
        kind = getattr(action, "completer", None)
        if kind in completers:
            action.completer = completers[kind]  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = []
    for action in parser._actions:
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found += _actions(command)
    return found


def _workflows(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return _ask(parsed_args, lambda client: client.list_workflows().workflows)


def _runs(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return _ask(
        parsed_args, lambda client: [each.handler_id for each in client.get_handlers().handlers]
    )


def _ask(options: argparse.Namespace, question: Callable[[Any], list[str]]) -> list[str]:
    from ..client import SyncWorkflowClient

    url = options.url or os.environ.get(URL_VARIABLE, "")
    token = os.environ.get(TOKEN_VARIABLE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        headers |= dict([*options.headers, *getattr(options, "more_headers", ())])
        with SyncWorkflowClient(base_url=url, headers=headers, timeout=TIMEOUT) as client:
            return [name for name in question(client) if name.isprintable()]
    except Exception:  # a completion that fails is none
        return []
