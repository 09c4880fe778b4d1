"""The page of compatibility, from what was seen."""

# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

HEADER: Final = """\
# Compatibility

What a user sees of each operation with each server, as `nox -s servers` found it. The servers run in environments of their
own, with the newest versions of their dependencies on the day after their release; "workflows" is the server that was part
of `llama-index-workflows` then. The async client has the same code, and behaves alike.

Nothing is silently lost or done twice: what a server cannot do is an error, mostly an
`UnsupportedServerError`, which says what was noticed, what it means, and which server it requires.

| feature | oldest server |
|---|---|
| events that end with a blank line | workflows 2.3 |
| `get_handler`, and so `status`, `result` and `wait_for_handler` | workflows 2.10 |
| cursors: resuming, `"now"`, several readers, `interact`, checkpoints | 0.2.0 |
| IDs chosen by the caller: `handler_id`, `key` of `map_workflow` | 0.2.0 |
| heartbeats, so that a dead connection shows in 45 s | 0.3.0 |
| an ID in use is refused (`ConflictError`), so that a lost start can be repeated | 0.7.1 |

## Starts

A start is sent again if it cannot have been sent. If its response is lost, the run is looked up; once the server says that
it does not have it, the start is sent again only to a server that refuses the ID of a running run, which are those since
0.7.1. The client knows that from a 409, or from the version on the page of the debugger at the root of the server. With any
other server it looks for the run for about 30 s more, and then raises an `UnsupportedServerError` with the ID. Before 0.2.0
it raises at once, and without the ID if the start itself was left to the server to name.

So no two runs of one start are in progress at a time. With any server, a start that a proxy holds back for longer than the
whole run of its repetition begins that run once more.

With a server before 0.7.1, two starts of yours with one ID begin two runs.

## Before 0.2.0

- What the client does not know of a server, it learns from its responses: from a start, or from the first event. So the
  first event of a stream must come within 45 s if the client has not started a run there before.
- `run_workflow` and `map_workflow` wait on the connection of the start, which may be silent for 45 s. For a longer run, use
  `start` or `run_workflow_nowait`.
- A batch that is stopped cannot cancel the runs whose starts have not been answered, as it does not know their IDs.
- Events that another process has read are gone. If it has read them all, or reads them now, that is an error. If it has
  left its stream early, nothing shows that: your stream begins after the events that it got.

## Operations

"""


@attrs.frozen
class Cell:
    """What a user sees of an operation.

    Attributes:
        text: What it is, on one line; empty if it works.
        is_right: Whether it works, or says why it cannot.
    """

    text: str
    is_right: bool


def write(table: Mapping[str, Mapping[str, Cell]], together: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        table: The cells, by server and operation.
        together: The versions that were installed together, by package.
    """
    notes: dict[str, int] = {}
    lines = [f"| operation | {' | '.join(table)} |", "|---" * (len(table) + 1) + "|"]
    for operation in next(iter(table.values())):
        cells = (cells[operation] for cells in table.values())
        shown = [
            "✓" if not c.text else f"[{notes.setdefault(c.text, len(notes) + 1)}]" for c in cells
        ]
        lines.append(f"| {operation} | {' | '.join(shown)} |")
    lines += ["", *(f"{number}. {text}" for text, number in notes.items())]
    lines += ["", "## Installed together", ""]
    lines += [
        "Each of these resolves in one environment with this client, and all are imported:",
        "",
    ]
    lines += [f"- {versions}" for versions in together.values()]
    return HEADER + "\n".join(lines) + "\n"
