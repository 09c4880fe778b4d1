"""How a definition is found and changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from .patches import (
    Patch,
    PatchError,
    always,
    apply,
    constant,
    drop,
    never,
    prepend,
    replace,
    returns,
)

SOURCE = """
LIMIT: Final = 3  # s

class Budget:
    limit = 4

    @property
    def left(self) -> int:
        '''Count down.'''
        if self.limit > LIMIT:  # often
            self.limit -= 1
        return 0 if self.limit < 0 else max(
            self.limit,
            1,
        )

def left(): return 1
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "budget.py").write_text(SOURCE)
    (tmp_path / "other.py").write_text("def left(): return 2\n")
    (tmp_path / "_sync").mkdir()
    (tmp_path / "_sync" / "budget.py").write_text(SOURCE)
    return tmp_path


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        (replace("Budget.left", r"max\((self\.limit), 1\)", r"\1 - 1"), 2),
        (drop("Budget.left", "-= 1"), 4),
        (drop("Budget.left", "-= 1", "return 9"), 9),
        (always("Budget.left", "< 0"), 0),
        (never("Budget.left", "LIMIT"), 4),
        (returns("Budget.left", "7"), 7),
        (prepend("Budget.left", "self.limit = 9"), 8),
        (constant("LIMIT", "5"), 4),
    ],
)
def test_operation_changes_what_the_definition_does(
    package: Path, patch: Patch, result: int
) -> None:
    path, text = apply(patch, package)
    names = {"Final": int}
    exec("from __future__ import annotations\n" + text, names)
    assert path == package / "budget.py"
    assert names["Budget"]().left == result


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        (returns("Budget.right", "0"), r"Budget\.right: defined 0 times"),
        (returns("left", "0"), r"left: defined 3 times, .*other\.left"),
        (replace("Budget.left", r"self\.limit", "0"), "Budget.left: .* matches 4 times"),
        (drop("Budget.left", "absent"), "'absent' matches 0 times"),
        (never("Budget.left", "max"), "'max' matches 0 times"),
        (replace("Budget.left", "max", "("), "Budget.left: "),
        (constant("LIMIT", "3"), "LIMIT: nothing changes"),
    ],
)
def test_patch_that_does_not_apply_is_an_error(package: Path, patch: Patch, problem: str) -> None:
    with pytest.raises(PatchError, match=problem):
        apply(patch, package)


def test_module_name_disambiguates(package: Path) -> None:
    assert apply(returns("other.left", "0"), package)[0] == package / "other.py"
