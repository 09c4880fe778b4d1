"""Generate code and pages, or check them: ``python -m generator --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from . import bindings, command_page, contract_page, drift, release, tree, unasync

ROOT: Final = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line.

    Args:
        arguments: Command-line arguments. Defaults to those of the process.
        root: Root of the project to work on.

    Returns:
        The exit status: 1 if a check found a difference or if generating failed, 2 if there was
        nothing to compare with.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.server is not None and options.target != "drift":
        parser.error("--server is an option of drift")
    if options.target == "drift":
        try:
            return drift.run(root, options.server)
        except release.ReleaseError as error:
            print(f"{release.SERVER} {options.server}: {error}", file=sys.stderr)
            return 2
    try:
        trees = _generate(root, options.target)
        pages = _pages(root) if options.target in (None, "pages") else {}
    except (bindings.GenerationError, unasync.UnusedRuleError) as error:
        print(error, file=sys.stderr)
        return 1
    if not options.check:
        for folder, files in trees.items():
            tree.swap(files, folder)
        for page, text in pages.items():
            page.write_bytes(text.encode())
        return 0
    lines = [
        f"{folder.relative_to(root).as_posix()}/{line}"
        for folder, files in trees.items()
        for line in tree.differences(files, folder)
    ]
    lines += [
        f"{page.relative_to(root).as_posix()}: changed"
        for page, text in pages.items()
        if not page.exists() or page.read_bytes() != text.encode()
    ]
    if lines:
        print("Out of date, run `python -m generator`:", *lines, sep="\n  ")
    return 1 if lines else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m generator", description=__doc__)
    parser.add_argument(
        "target",
        nargs="?",
        choices=["bindings", "sync", "pages", "drift"],
        help="bindings: generate from openapi.yaml; sync: generate from the async sources; "
        "pages: write the reference of the contract and of the command line; "
        "drift: compare openapi.yaml with a server (default: all but drift)",
    )
    parser.add_argument(
        "--server",
        metavar="VERSION",
        help="of drift: this version of llama-agents-server, installed from the package index into "
        "a temporary environment (default: the installed server)",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; list what differs and exit with 1"
    )
    return parser


def _generate(root: Path, target: str | None) -> dict[Path, dict[PurePosixPath, str]]:
    trees: dict[Path, dict[PurePosixPath, str]] = {}
    if target in (None, "bindings"):
        trees |= bindings.generate(root)
    if target in (None, "sync"):
        trees |= unasync.generate(root)
    return trees


def _pages(root: Path) -> dict[Path, str]:
    return {root / page.PAGE: page.render(root) for page in (command_page, contract_page)}


if __name__ == "__main__":
    sys.exit(main())
