"""The generated bindings: what makes them stale is seen, on a copy of the project."""

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
    """A copy of all that the bindings are made of, with the bindings as they are committed."""
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


def test_committed_bindings_are_current(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bindings", "--check"], project) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (change_contract, f"{MODEL}: changed"),
        (edit_by_hand, f"{MODEL}: changed"),
        (add_orphan, f"{MODEL.replace('error_detail', 'stray')}: orphan"),
        (remove_file, f"{MODEL}: missing"),
    ],
)
def test_check_names_the_file_that_is_not_current(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    line: str,
) -> None:
    spoil(project)
    assert main(["bindings", "--check"], project) == 1
    assert line in capsys.readouterr().out


def test_check_writes_nothing(project: Path) -> None:
    change_contract(project)
    before = tree.read(project)
    main(["bindings", "--check"], project)
    assert tree.read(project) == before


def test_generating_again_mends_the_folder(project: Path) -> None:
    edit_by_hand(project)
    add_orphan(project)
    assert main(["bindings"], project) == 0
    assert main(["bindings", "--check"], project) == 0


def test_contract_that_cannot_be_expressed_fails(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(project / bindings.CONTRACT, "schemas/LegacyResult", "schemas/Absent")
    assert main(["bindings"], project) == 1
    assert "Absent" in capsys.readouterr().err


def test_other_version_than_the_pinned_one_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(project / "pyproject.toml", "openapi-python-client==", "openapi-python-client==9.")
    assert main(["bindings"], project) == 1
    message = capsys.readouterr().err
    assert re.search(r"openapi-python-client 9\.\S+ is needed and \S+ is installed", message)


def test_package_without_an_exact_pin_is_refused() -> None:
    with pytest.raises(bindings.GenerationError, match="ruff"):
        bindings.pins('[dependency-groups]\ngenerate = ["openapi-python-client==1", "ruff>=1"]')


def test_byte_code_caches_are_no_difference(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    (cache / "module.pyc").write_bytes(b"\xff")
    assert tree.differences({}, tmp_path) == []


def test_swap_replaces_the_whole_folder_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    tree.swap({PurePosixPath("old/a.py"): "1"}, folder)
    tree.swap({PurePosixPath("new/b.py"): "2"}, folder)
    assert tree.read(tmp_path) == {PurePosixPath("package/new/b.py"): "2"}
