"""Translate the async client and its tests into the sync ones.

`RULES` lists each difference once; to support a new name, add a rule. A rule that matches nothing
is an error, because it means that the source no longer contains what the rule was written for.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import attrs

from . import tree

SOURCES: Final[Mapping[str, str]] = {
    "src/llama_agents/client/_async": "src/llama_agents/client/_sync",
    "tests/_async": "tests/_sync",
    "tests/faults/_async": "tests/faults/_sync",
}
LINE_LENGTH: Final = 100


@attrs.frozen
class Rule:
    """A regular expression without groups, and the replacement for its matches."""

    pattern: str
    replacement: str


RULES: Final[Sequence[Rule]] = (
    # syntax
    Rule(r"\bpytestmark = pytest\.mark\.anyio\n", ""),
    Rule(r"\basync (?=def\b|with\b|for\b)", ""),
    Rule(r"\bawait ", ""),
    Rule(r"\b__aenter__\b", "__enter__"),
    Rule(r"\b__aexit__\b", "__exit__"),
    Rule(r"\b__aiter__\b", "__iter__"),
    Rule(r"\b__anext__\b", "__next__"),
    Rule(r"\bStopAsyncIteration\b", "StopIteration"),
    # names
    Rule(r"\bAsyncIterator\b", "Iterator"),
    Rule(
        r"\bAsyncGenerator\[EventEnvelopeWithMetadata, None\]",
        "Generator[EventEnvelopeWithMetadata, None, None]",
    ),
    Rule(r"\bAsyncGenerator\b", "Generator"),
    Rule(r" \| AsyncIterable\[Any\]", ""),
    Rule(r" \| Awaitable\[Answer\]", ""),
    Rule(r"\bAsyncClients\b", "Clients"),
    Rule(r"\bAsyncFinalizer\b", "Finalizer"),
    Rule(r"\bAsyncWorkers\b", "Workers"),
    Rule(r"\bBatch\b", "SyncBatch"),
    Rule(r"\bAsyncEventIterator\b", "EventIterator"),
    Rule(r"\bEventStream\b", "SyncEventStream"),
    Rule(r"\bWorkflowClient\b", "SyncWorkflowClient"),
    Rule(r"\bWorkflowRun\b", "SyncWorkflowRun"),
    Rule(r"\baclose\b", "close"),
    Rule(r"\basend\b", "send"),
    Rule(r"\baread\b", "read"),
    Rule(r"\baclose_response\b", "close_response"),
    Rule(r"\balimit_body\b", "limit_body"),
    Rule(r"\bacall\b", "call"),
    Rule(r"\bacall_within\b", "call_within"),
    Rule(r"\bAsyncReadAhead\b", "ReadAhead"),
    Rule(r"\baread_ahead\b", "read_ahead"),
    Rule(r"\bafor_each\b", "for_each"),
    Rule(r"\barun_in_loop\b", "run_in_loop"),
    Rule(r"\baevent_loop\b", "event_loop"),
    Rule(r"\balock\b", "lock"),
    Rule(r"\baacquire\b", "acquire"),
    Rule(r"\bacancel_stream\b", "cancel_stream"),
    Rule(r"\bainterrupt\b", "interrupt"),
    Rule(r"\baclosing\b", "closing"),
    Rule(r"\bais_cancellation\b", "is_cancellation"),
    Rule(r"\baiterate\b", "iterate"),
    Rule(r"\banext\b", "next"),
    Rule(r"\baiter\b", "iter"),
    Rule(r"\basleep\b", "sleep"),
    Rule(r"\baiter_(?=(?:body|bytes)\b)", "iter_"),
    Rule(r"\bhttpx\.AsyncHTTPTransport\b", "httpx.HTTPTransport"),
    Rule(r"\bhttpx\.AsyncClient\b", "httpx.Client"),
    Rule(r"\bhttpx\.Client\b", "httpx.AsyncClient"),
    Rule(r"\bimport anyio\b", "import time"),
    Rule(r"\banyio\.sleep\b", "time.sleep"),
    Rule(r"\bwait_until_async\b", "wait_until"),
    Rule(r'"async"', '"sync"'),
    # what only the async client has
    Rule(r' *transport: Transport = "httpx",\n', ""),
    Rule(r" *transport=transport,\n", ""),
    Rule(r" *transport: What to send (?:.+\n){3}", ""),
    Rule(r"The transport, or OpenTelemetry, is", "OpenTelemetry is"),
    # words
    Rule(r"\basynchronous\b", "synchronous"),
    Rule(r"one pool for each event loop it is used in", "one pool for all threads"),
    Rule(r"or when the event loop ends", "or when the client is garbage-collected"),
)


class UnusedRuleError(Exception):
    """Some rules match nothing in the sources."""


def translate(text: str, rules: Sequence[Rule], used: set[Rule]) -> str:
    """Translate a text in a single pass, adding the rules that matched to ``used``."""
    any_rule = re.compile("|".join(f"({rule.pattern})" for rule in rules))

    def replace(match: re.Match[str]) -> str:
        assert match.lastindex is not None
        rule = rules[match.lastindex - 1]
        used.add(rule)
        return rule.replacement

    return any_rule.sub(replace, text)


def generate(root: Path) -> dict[Path, dict[PurePosixPath, str]]:
    """Translate all sources and return the text of each file of each output folder.

    Args:
        root: Root of the project.

    Raises:
        UnusedRuleError: If a rule matches nothing.
    """
    used: set[Rule] = set()
    trees: dict[Path, dict[PurePosixPath, str]] = {}
    for source, target in SOURCES.items():
        files = trees[root / target] = {}
        for path in sorted((root / source).rglob("*.py")):
            name = PurePosixPath(path.relative_to(root / source).as_posix())
            text = translate(path.read_text(encoding="utf-8"), RULES, used)
            note = f"# Generated from {source}/{name} by `python -m generator`: do not edit.\n"
            files[name] = note + text
    unused = [rule.pattern for rule in RULES if rule not in used]
    if unused:
        raise UnusedRuleError(
            "generator/unasync.py has rules that match nothing, remove or fix them: "
            + ", ".join(unused)
        )
    return {folder: _tidy(files) for folder, files in trees.items()}


def _tidy(files: Mapping[PurePosixPath, str]) -> dict[PurePosixPath, str]:
    """Sort the imports and reformat, since names have changed in length."""
    options = ["--isolated", "--no-cache", "--target-version=py311", f"--line-length={LINE_LENGTH}"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "sync")
        tree.swap(files, folder)
        for command in (["check", "--fix-only", "--select=F,I"], ["format"]):
            subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--quiet", *options, "."],
                cwd=folder,
                check=True,
            )
        return tree.read(folder)
