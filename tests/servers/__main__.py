"""Exercise the client against servers of all ages: `nox -s servers`."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import attrs
from llama_agents.client import StreamDisconnectedError, UnsupportedServerError

from .environments import SERVERS, Server, install, running
from .exercise import OPERATIONS, Site

HANGS_AFTER: Final = 90.0  # s; no operation takes half as long


@attrs.frozen
class Cell:
    """What a user sees of an operation.

    Attributes:
        text: What it is, on one line.
        is_right: Whether it works, or says why it cannot.
    """

    text: str
    is_right: bool


def exercise(operation: Callable[[Site], None], site: Site) -> Cell:
    """Perform an operation."""
    cells: list[Cell] = []

    def perform() -> None:
        try:
            operation(site)
        except UnsupportedServerError as error:
            cells.append(Cell(f"{error.noticed}; {error.meaning}", True))
        except StreamDisconnectedError as error:
            cells.append(Cell(str(error), "position is unknown" in str(error)))
        except Exception as error:
            cells.append(Cell(f"{type(error).__name__}: {error}".partition("\n")[0], False))
        else:
            cells.append(Cell("works", True))

    thread = threading.Thread(target=perform, daemon=True)
    thread.start()
    thread.join(HANGS_AFTER)
    return cells[0] if cells else Cell("hangs", False)


def main(arguments: Iterable[str] | None = None) -> int:
    """Exercise servers; return how many cells are wrong."""
    parser = argparse.ArgumentParser(prog="tests.servers", description=__doc__)
    parser.add_argument("servers", nargs="*", help="default: all", metavar="SERVER")
    parser.add_argument("--only", default="", help="operations whose names contain this")
    parser.add_argument("--write", type=Path, help="the page to write", metavar="FILE")
    parser.add_argument("--environments", type=Path, help="where to keep the environments")
    options = parser.parse_args(None if arguments is None else [*arguments])
    chosen = [server for server in SERVERS if server.name in (options.servers or [server.name])]
    table: dict[str, Mapping[str, Cell]] = {}
    with contextlib.ExitStack() as stack:
        folder = options.environments or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for server in chosen:
            table[server.name] = column(server, folder, options.only)
    wrong = sum(not cell.is_right for cells in table.values() for cell in cells.values())
    print(f"{wrong} cells are wrong")
    return min(wrong, 1)


def column(server: Server, folder: Path, only: str) -> Mapping[str, Cell]:
    """Exercise one server."""
    name = server.name.replace(" ", "-")
    python = install(server, folder / name)
    cells: dict[str, Cell] = {}
    with running(python, folder / f"{name}.log") as url:
        site = Site(url)
        for operation, function in OPERATIONS.items():
            if only in operation:
                cells[operation] = exercise(function, site)
                print(f"{server.name:18}{operation:48}{cells[operation].text}", flush=True)
    return cells


if __name__ == "__main__":
    raise SystemExit(main())
