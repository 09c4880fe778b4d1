"""The translation of the async client into the sync one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from generator import tree, unasync
from generator.__main__ import ROOT, main
from generator.unasync import RULES, SOURCES, Rule, UnusedRuleError, translate

SYNC: Final = "src/llama_agents/client/_sync"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("async def f(): await g()", "def f(): g()"),
        ("async with a as b:", "with a as b:"),
        ("async for a in b:", "for a in b:"),
        ("[x async for x in y]", "[x for x in y]"),
        ("asynchronous", "synchronous"),
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


def test_translate_records_used_rules() -> None:
    used: set[Rule] = set()
    rules = [Rule("a", "b"), Rule("c", "d")]
    assert translate("aa", rules, used) == "bb"
    assert used == {rules[0]}


def test_rules_have_no_groups() -> None:
    """The number of the matching group is the index of the rule."""
    assert [rule for rule in RULES if re.compile(rule.pattern).groups] == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the async sources, with their translation."""
    for source in SOURCES:
        shutil.copytree(ROOT / source, tmp_path / source)
    assert main(["sync"], tmp_path) == 0
    return tmp_path


def test_committed_translation_is_current_and_has_nothing_async(project: Path) -> None:
    for target in SOURCES.values():
        files = tree.read(project / target)
        assert tree.differences(files, ROOT / target) == []
        assert len(files) >= 2
        for name, text in files.items():
            code = text.split("\n", 1)[1]  # without the header, which names the source
            for word in ("await ", "async ", "anyio", "Async", "__a"):
                lines = [line for line in code.splitlines() if word in line]
                lines = [line for line in lines if not re.search(r"httpx2?\.AsyncClient", line)]
                assert lines == [], name


def test_unused_rule_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unasync, "RULES", (*RULES, Rule(r"\bnowhere_to_be_found\b", "")))
    with pytest.raises(UnusedRuleError, match="nowhere_to_be_found"):
        unasync.generate(project)


def test_check_names_stale_edited_and_orphan_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (SYNC.replace("_sync", "_async") + "/stream.py", f"{SYNC}/client.py"):
        edited = project / path
        edited.write_text(edited.read_text() + "\nNEW = 1\n")
    (project / SYNC / "orphan.py").write_text("")
    assert main(["sync", "--check"], project) == 1
    stale = ["client.py: changed", "orphan.py: not generated", "stream.py: changed"]
    assert capsys.readouterr().out.splitlines()[1:] == [f"  {SYNC}/{line}" for line in stale]
