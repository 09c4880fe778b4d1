"""Plant each defect in a copy of the project and run the test that must notice it.

``python -m tests.mutants [WORDS]``: only the defects whose promise has these words in it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from .defects import DEFECTS, Defect

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = Path("src/llama_agents/client")
COPIED: Final = ("src", "tests", "generator", "examples", "openapi.yaml", "pyproject.toml")
FACES: Final = ("async", "sync")
HANG: Final = 20  # s; a test that takes longer has noticed
LONGEST_TEST: Final = 180  # s, without a defect
LONGEST: Final = 900  # s, for all tests of a run together

# pytest's exit status when tests ran and some failed. Any other says that none ran as it should.
TESTS_FAILED: Final = 1
NOT_IN_TIME: Final = -1


@attrs.frozen
class Verdict:
    """What became of a defect."""

    defect: Defect
    problems: Sequence[str]
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="of the promise; default: all defects")
    # The tests wait more than they work.
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument(
        "--known-green", action="store_true", help="do not run the tests without a defect first"
    )
    options = parser.parse_args()
    words = " ".join(options.words)
    chosen = [defect for defect in DEFECTS if words in defect.breaks]
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(options.workers) as workers,
    ):
        whole = workers.submit(
            _without_defects, Path(folder, "whole"), [] if options.known_green else chosen
        )
        folders = (Path(folder, str(number)) for number in range(len(chosen)))
        failures = [*map(_report, workers.map(_try, folders, chosen))].count(False)
        if whole.result():
            print(whole.result())
            failures += 1
    print(f"{len(chosen)} defects were planted; {failures} runs were not as they should be.")
    return 1 if failures or not chosen else 0


def _without_defects(folder: Path, chosen: Sequence[Defect]) -> str:
    """Run their tests on a copy as it is; return what is wrong, as then they tell nothing."""
    if not chosen:
        return ""
    _copy(folder)
    tests = dict.fromkeys(defect.selected(face) for defect in chosen for face in FACES)
    status, output = _pytest(folder, [*tests], LONGEST_TEST)
    return f"{output}\nWithout a defect the tests end with {status}, not 0." if status else ""


def _report(verdict: Verdict) -> bool:
    mark = "not noticed" if verdict.problems else "noticed"
    print(f"{mark:>11}  {verdict.seconds:5.1f} s  {verdict.defect.breaks}", flush=True)
    for problem in verdict.problems:
        print(f"             {problem}", flush=True)
    return not verdict.problems


def _try(folder: Path, defect: Defect) -> Verdict:
    started = time.monotonic()
    _copy(folder)
    problems = _plant(folder, defect)
    if not problems:
        tests = [*dict.fromkeys(defect.selected(face) for face in FACES)]
        status, output = _pytest(folder, tests, HANG)
        if status != TESTS_FAILED:
            problems = [f"the tests end with {status}: {output[-300:]}"]
        else:
            problems = [
                f"{test} did not fail" for test in tests if f"\nFAILED {test}" not in output
            ]
    shutil.rmtree(folder)
    return Verdict(defect, problems, time.monotonic() - started)


def _copy(folder: Path) -> None:
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy2(source, folder / name)


def _plant(folder: Path, defect: Defect) -> list[str]:
    """Patch a copy, the synchronous face included; return what is wrong with the patch."""
    path = folder / PACKAGE / defect.file
    text = path.read_text(encoding="utf-8")
    if text.count(defect.old) != 1:
        return [f"what it patches stands {text.count(defect.old)} times in {defect.file}"]
    path.write_text(text.replace(defect.old, defect.new), encoding="utf-8")
    if "_async/" not in defect.file:
        return []
    generated = subprocess.run(
        [sys.executable, "-m", "generator", "sync"], cwd=folder, capture_output=True, text=True
    )
    return [generated.stderr] if generated.returncode else []


def _pytest(folder: Path, tests: Sequence[str], longest: float) -> tuple[int, str]:
    options = ["-q", "-rf", "--tb=line", "-p", "no:cacheprovider", f"--timeout={longest}"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, *tests]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            status = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            status = NOT_IN_TIME
        # A defect can leave processes of a test behind.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        return status, output.read().decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
