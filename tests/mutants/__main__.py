"""Inject each defect into a copy of the project, and run the test that must notice it.

``python -m tests.mutants [WORDS]``: only the defects whose guarantee contains these words.
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
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from .defects import DEFECTS, Defect
from .patches import PatchError, apply

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "src/llama_agents/client"
COPIED: Final = ("src", "tests", "generator", "examples", "openapi.yaml", "pyproject.toml")
HANG: Final = 20  # s; a test that takes longer has noticed the defect
HANG_RUN: Final = 120  # s, for all parameters of such a test
TEST_TIMEOUT: Final = 180  # s, for a test without a defect
RUN_TIMEOUT: Final = 900  # s, for all tests of a run together

# pytest's exit status when tests ran and some failed; any other means that they did not run.
TESTS_FAILED: Final = 1
TIMED_OUT: Final = -1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="words of the guarantee; default: all defects")
    # The tests wait more than they work.
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument(
        "--skip-baseline", action="store_true", help="do not run the tests without a defect first"
    )
    options = parser.parse_args()
    words = " ".join(options.words)
    chosen = {guarantee: defect for guarantee, defect in DEFECTS.items() if words in guarantee}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.workers) as workers:
        baseline = workers.submit(
            _baseline, Path(folder, "baseline"), [] if options.skip_baseline else chosen.values()
        )
        copies = (Path(folder, str(number)) for number in range(len(chosen)))
        failures = sum(map(_report, chosen, workers.map(_try, copies, chosen.values())))
        if problem := baseline.result():
            print(problem)
            failures += 1
    print(f"{len(chosen)} defects were injected; {failures} runs were not as they should be.")
    return 1 if failures or not chosen else 0


def _baseline(folder: Path, defects: Iterable[Defect]) -> str:
    """Run the tests without a defect: unless they pass, their failures prove nothing."""
    tests = dict.fromkeys(test for defect in defects for test in defect.tests())
    if not tests:
        return ""
    _copy(folder)
    status, output = _pytest(folder, tests, TEST_TIMEOUT)
    return f"{output}\nWithout a defect the tests exit with {status}, not 0." if status else ""


def _report(guarantee: str, outcome: tuple[str, float]) -> bool:
    problem, seconds = outcome
    mark = "not noticed" if problem else "noticed"
    print(f"{mark:>11}  {seconds:5.1f} s  {guarantee}  {problem}".rstrip(), flush=True)
    return bool(problem)


def _try(folder: Path, defect: Defect) -> tuple[str, float]:
    """Return what is wrong when the tests run with a defect, and how long that took."""
    started = time.monotonic()
    _copy(folder)
    problem = _inject(folder, defect)
    if not problem:
        problem = "".join(_notices(folder, test) for test in defect.tests())
    shutil.rmtree(folder)
    return problem, time.monotonic() - started


def _notices(folder: Path, test: str) -> str:
    """Return what is wrong unless a test fails, or hangs, because of a defect."""
    status, output = _pytest(folder, [test], HANG, "-x", run_timeout=HANG_RUN)
    # On trio, a test that is interrupted by its timeout can hang its runner as well.
    if status == TIMED_OUT or (status == TESTS_FAILED and f"\nFAILED {test}" in output):
        return ""
    return f"\n             {test} exits with {status}: {output[-300:]}"


def _copy(folder: Path) -> None:
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy2(source, folder / name)


def _inject(folder: Path, defect: Defect) -> str:
    """Patch a copy, in both client variants; return what is wrong with the patch."""
    try:
        path, text = apply(defect.patch, PACKAGE)
    except PatchError as error:
        return str(error)
    (folder / path.relative_to(ROOT)).write_text(text, encoding="utf-8")
    if "_async" not in path.parts:
        return ""
    generated = subprocess.run(
        [sys.executable, "-m", "generator", "sync"], cwd=folder, capture_output=True, text=True
    )
    return generated.stderr if generated.returncode else ""


def _pytest(
    folder: Path,
    tests: Iterable[str],
    timeout: float,
    *options: str,
    run_timeout: float = RUN_TIMEOUT,
) -> tuple[int, str]:
    options = (*options, "-q", "-rf", "--tb=line", "-p", "no:cacheprovider", f"--timeout={timeout}")
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            status = process.wait(run_timeout)
        except subprocess.TimeoutExpired:
            status = TIMED_OUT
        # A defect can leave processes of a test behind.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        return status, output.read().decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
