"""Exercise the client against servers of all ages: `nox -s servers`."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from llama_agents.client import (
    InvalidResponseError,
    StreamDisconnectedError,
    UnsupportedServerError,
)

from .environments import SERVERS, TOGETHER, Server, install, install_together, running
from .exercise import OPERATIONS, Site
from .page import Cell, write

HANGS_AFTER: Final = 90.0  # s; no operation takes half as long
NO_POSITION: Final = "the position is unknown"


def exercise(operation: Callable[[Site], None], site: Site) -> Cell:
    """Perform an operation."""
    cells: list[Cell] = []

    def perform() -> None:
        try:
            operation(site)
        except UnsupportedServerError as error:
            cells.append(
                Cell(f"`UnsupportedServerError`: {error.meaning}; takes {error.needed}", True)
            )
        except StreamDisconnectedError as error:
            problem = str(error).partition(": ")[2]
            cells.append(Cell(f"`StreamDisconnectedError`: {problem}", NO_POSITION in problem))
        except InvalidResponseError as error:
            cells.append(Cell(f"`InvalidResponseError`: {error}".partition(": 200 ")[0], True))
        except Exception as error:
            cells.append(Cell(f"{type(error).__name__}: {error}".partition("\n")[0], False))
        else:
            cells.append(Cell("", True))

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
        together = {}
        for requirement in () if options.servers else TOGETHER:
            name = requirement.partition("==")[0]
            together[name] = install_together(requirement, folder / f"with-{name}")
            print(f"installed together: {together[name]}", flush=True)
    if options.write:
        options.write.write_text(write(table, together))
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
                text = cells[operation].text or "works"
                print(f"{server.name:18}{operation:48}{text}", flush=True)
    return cells


if __name__ == "__main__":
    raise SystemExit(main())
