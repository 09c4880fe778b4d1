"""Stale bindings are detected and replaced, on a copy of the project."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from generator import bindings, tree
from generator.__main__ import ROOT, main

MODEL = "src/llama_agents/client/bindings/models/error_detail.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the generator's inputs and of the committed bindings."""
    for name in ("pyproject.toml", bindings.CONTRACT, bindings.CONFIGURATION):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / bindings.OUTPUT, tmp_path / bindings.OUTPUT, ignore=ignored)
    return tmp_path


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def change_contract(project: Path) -> None:
    rewrite(project / bindings.CONTRACT, "      required: [detail]\n", "")


def edit_by_hand(project: Path) -> None:
    rewrite(project / MODEL, "class ErrorDetail", "class  ErrorDetail")


def add_orphan(project: Path) -> None:
    (project / MODEL).with_name("stray.py").write_text("")


def remove_file(project: Path) -> None:
    (project / MODEL).unlink()


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (change_contract, f"{MODEL}: changed"),
        (edit_by_hand, f"{MODEL}: changed"),
        (add_orphan, f"{MODEL.replace('error_detail', 'stray')}: not generated"),
        (remove_file, f"{MODEL}: missing"),
    ],
)
def test_check_names_stale_files_and_writes_nothing(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    line: str,
) -> None:
    damage(project)
    before = tree.read(project)
    assert main(["bindings", "--check"], project) == 1
    assert line in capsys.readouterr().out
    assert tree.read(project) == before


def test_generating_repairs_the_folder(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The result equals the committed bindings, so these are up to date."""
    committed = tree.read(project)
    edit_by_hand(project)
    add_orphan(project)
    assert main(["bindings"], project) == 0
    assert tree.read(project) == committed
    assert main(["bindings", "--check"], project) == 0
    assert capsys.readouterr().out == ""


def test_inexpressible_contract_is_rejected(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(project / bindings.CONTRACT, "schemas/LegacyResult", "schemas/Absent")
    assert main(["bindings"], project) == 1
    assert "Absent" in capsys.readouterr().err


def test_unpinned_version_is_rejected(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(project / "pyproject.toml", "openapi-python-client==", "openapi-python-client==9.")
    assert main(["bindings"], project) == 1
    message = capsys.readouterr().err
    assert re.search(r"requires openapi-python-client 9\.\S+, installed: \d", message)


def test_package_without_exact_pin_is_rejected() -> None:
    with pytest.raises(bindings.GenerationError, match="ruff"):
        bindings.pins('[dependency-groups]\ngenerate = ["openapi-python-client==1", "ruff>=1"]')


def test_bytecode_caches_are_ignored(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    (cache / "module.pyc").write_bytes(b"\xff")
    assert tree.differences({}, tmp_path) == []


def test_swap_replaces_the_whole_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    tree.swap({PurePosixPath("old/a.py"): "1"}, folder)
    tree.swap({PurePosixPath("new/b.py"): "2"}, folder)
    assert tree.read(tmp_path) == {PurePosixPath("package/new/b.py"): "2"}
