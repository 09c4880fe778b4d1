"""Compare whole folders of generated files with those on disk, or replace them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath


def differences(expected: Mapping[PurePosixPath, str], folder: Path) -> list[str]:
    """List how a folder differs from its expected contents.

    Args:
        expected: The text of each file, by its path within the folder.
        folder: The folder, which need not exist. Bytecode caches in it are ignored.

    Returns:
        One line per differing file, sorted by path: ``path: changed``, ``path: missing`` or
        ``path: not generated``.
    """
    found = {PurePosixPath(path.relative_to(folder)): path for path in _files(folder)}
    states = dict.fromkeys(found.keys() - expected.keys(), "not generated")
    for path, text in expected.items():
        if path not in found:
            states[path] = "missing"
        elif found[path].read_bytes() != text.encode():
            states[path] = "changed"
    return [f"{path}: {states[path]}" for path in sorted(states)]


def swap(expected: Mapping[PurePosixPath, str], folder: Path) -> None:
    """Replace the whole folder with the expected files.

    The new folder is first written next to the old one, so a failure leaves the old one intact.

    Args:
        expected: The text of each file, by its path within the folder.
        folder: The folder to replace or create.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        new = Path(beside, "new")
        for path, text in expected.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())
        if folder.exists():
            shutil.move(folder, Path(beside, "old"))
        shutil.move(new, folder)


def read(folder: Path) -> dict[PurePosixPath, str]:
    """Return the text of every file in a folder, by its path within the folder."""
    return {
        PurePosixPath(path.relative_to(folder)): path.read_bytes().decode()
        for path in _files(folder)
    }


def _files(folder: Path) -> list[Path]:
    paths = sorted(folder.rglob("*")) if folder.is_dir() else []
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
