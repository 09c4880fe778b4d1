"""The translation of the asynchronous face into the synchronous one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from generator import tree, unasync
from generator.__main__ import main
from generator.unasync import RULES, SOURCES, Rule, UnusedRuleError, translate

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("async def f(): await g()", "def f(): g()"),
        ("async with a as b:", "with a as b:"),
        ("async for a in b:", "for a in b:"),
        ("[x async for x in y]", "[x for x in y]"),
        ("asynchronous", "synchronous"),
        ("an asynchronous one", "a synchronous one"),
        ("x: AsyncIterator[int]", "x: Iterator[int]"),
        ("await stream.aclose()", "stream.close()"),
        ("await anyio.sleep(1)", "time.sleep(1)"),
        ("WorkflowClient, EventStream", "SyncWorkflowClient, SyncEventStream"),
        ("MyWorkflowClientError", "MyWorkflowClientError"),
        ("httpx.AsyncClient and httpx.Client", "httpx.Client and httpx.AsyncClient"),
        ("async def __aenter__(self)", "def __enter__(self)"),
    ],
)
def test_text_is_translated_in_one_pass(text: str, expected: str) -> None:
    assert translate(text, RULES, set()) == expected


def test_rules_that_were_used_are_noted() -> None:
    used: set[Rule] = set()
    rules = [Rule("a", "b"), Rule("c", "d")]
    assert translate("aa", rules, used) == "bb"
    assert used == {rules[0]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the sources of the translation."""
    for source in SOURCES:
        shutil.copytree(ROOT / source, tmp_path / source)
    return tmp_path


def test_rule_that_matches_nothing_is_an_error(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unasync, "RULES", (*RULES, Rule(r"\bnowhere_to_be_found\b", "")))
    with pytest.raises(UnusedRuleError, match="nowhere_to_be_found"):
        unasync.generate(project)


def test_repository_holds_the_translation() -> None:
    for folder, files in unasync.generate(ROOT).items():
        assert tree.differences(files, folder) == []
        assert len(files) >= 2


def test_stale_and_orphan_files_are_seen(project: Path) -> None:
    for folder, files in unasync.generate(project).items():
        tree.swap(files, folder)
    source = project / "src/llama_agents/client/_async/stream.py"
    source.write_text(source.read_text() + "\nNEW = 1\n")
    target = project / "src/llama_agents/client/_sync"
    (target / "orphan.py").write_text("")
    found = tree.differences(unasync.generate(project)[target], target)
    assert found == ["orphan.py: orphan", "stream.py: changed"]


def test_translation_holds_nothing_asynchronous() -> None:
    for files in unasync.generate(ROOT).values():
        for name, text in files.items():
            code = text.split("\n", 1)[1]  # below the note that names the source
            for word in ("await ", "async ", "anyio", "Async", "__a"):
                lines = [line for line in code.splitlines() if word in line]
                assert [line for line in lines if "httpx.AsyncClient" not in line] == [], name


def test_no_rule_has_a_group_of_its_own() -> None:
    """The number of the group that matched is the number of the rule."""
    assert [rule for rule in RULES if re.compile(rule.pattern).groups] == []


def test_hand_edited_translation_is_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sync"], project) == 0
    edited = project / "src/llama_agents/client/_sync/client.py"
    edited.write_text(edited.read_text().replace("import time", "import time  # by hand"))
    assert main(["sync", "--check"], project) == 1
    assert "src/llama_agents/client/_sync/client.py: changed" in capsys.readouterr().out
