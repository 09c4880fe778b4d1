"""Exercise the client against servers of all ages: `nox -s servers`."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from llama_agents.client import InvalidResponseError, UnsupportedServerError
from llama_agents.client._core.server import CURSORS, FRAMES, ROUTES, USED_IDS

from .environments import SERVERS, TOGETHER, Server, install, install_together, running
from .exercise import OPERATIONS, Site
from .page import Cell, write

HANGS_AFTER: Final = 90.0  # s; no operation takes half as long
NAMES: Final = [server.name for server in SERVERS]
OLDEST: Final = {
    FRAMES: "workflows 2.8.3",
    ROUTES: "workflows 2.12.2",
    CURSORS: "0.2.3",
    USED_IDS: "0.7.1",
}
"""The oldest of the servers here that has what an `UnsupportedServerError` says is needed."""
TYPES: Final = "workflows 2.12.2"
"""The oldest of the servers here whose graphs describe events as today's do."""


def is_older(name: str, than: str) -> bool:
    """Return whether a server is older than another one."""
    return NAMES.index(name) < NAMES.index(than)


def exercise(operation: Callable[[Site], None], site: Site, name: str) -> Cell:
    """Perform an operation against the server of a name."""
    cells: list[Cell] = []

    def perform() -> None:
        try:
            operation(site)
        except UnsupportedServerError as error:
            text = f"`UnsupportedServerError`: {error.meaning}; requires {error.needed}"
            cells.append(Cell(text, is_older(name, OLDEST[error.needed])))
        except InvalidResponseError as error:
            text = f"`InvalidResponseError`: {error}".partition(": 200 ")[0]
            cells.append(Cell(text, is_older(name, TYPES)))
        except Exception as error:
            cells.append(Cell(f"{type(error).__name__}: {error}".partition("\n")[0], False))
        else:
            cells.append(Cell("", True))

    thread = threading.Thread(target=perform, daemon=True)
    thread.start()
    thread.join(HANGS_AFTER)
    return cells[0] if cells else Cell("hangs", False)


def known(name: str) -> str:
    """Return the name of a server, if it is one."""
    if name not in NAMES:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(NAMES)}")
    return name


def main(arguments: Iterable[str] | None = None) -> int:
    """Exercise servers; return 1 if a cell is wrong, else 0."""
    parser = argparse.ArgumentParser(prog="tests.servers", description=__doc__)
    parser.add_argument(
        "servers", nargs="*", help=f"default: all of {NAMES}", metavar="SERVER", type=known
    )
    parser.add_argument("--only", default="", help="operations whose names contain this")
    parser.add_argument(
        "--write", type=Path, help="the page to write, if all is right", metavar="FILE"
    )
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
    wrong = sum(not cell.is_right for cells in table.values() for cell in cells.values())
    print(f"{wrong} cells are wrong")
    if options.write and not (wrong or options.servers or options.only):
        options.write.write_text(write(table, together))
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
                cells[operation] = exercise(function, site, server.name)
                text = cells[operation].text or "works"
                print(f"{server.name:18}{operation:48}{text}", flush=True)
    return cells


if __name__ == "__main__":
    raise SystemExit(main())
