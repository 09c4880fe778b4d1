"""Builds the last commit twice, as differently as two machines would, and keeps one if both agree.

Usage: python -m release.build [FOLDER]

It runs in an environment made from requirements.txt, so that nothing else takes part.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from release.sbom import write_sbom
from release.settings import ROOT

# A difference in any of these must not show in what is built.
MACHINES = {
    "here": {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
    "elsewhere/and deeper": {"TZ": "America/St_Johns", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2"},
}
UMASKS = {"here": 0o077, "elsewhere/and deeper": 0o002}


def main(folder: Path) -> None:
    """Build the wheel, the sdist and their bill of materials into a folder."""
    if _git(ROOT, "status", "--porcelain"):
        print("Uncommitted changes are left out: a release is built from its commit.")
    built_at = int(_git(ROOT, "log", "-1", "--format=%ct"))
    with tempfile.TemporaryDirectory() as scratch:
        builds = [_build(Path(scratch), machine, built_at) for machine in MACHINES]
        ensure_same(*builds)
        folder.mkdir(exist_ok=True)
        for old in folder.glob("llama_agents_client-*"):
            old.unlink()
        for path in sorted(builds[0].iterdir()):
            (folder / path.name).write_bytes(path.read_bytes())
            print(folder / path.name)


def _build(scratch: Path, machine: str, built_at: int) -> Path:
    """Build a clone of the last commit, and return the folder with the result."""
    clone, built = scratch / machine / "clone", scratch / machine / "built"
    clone.parent.mkdir(parents=True)
    umask = UMASKS[machine]
    environment = os.environ | MACHINES[machine] | {"SOURCE_DATE_EPOCH": str(built_at)}
    source = ["git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), str(clone)]
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(clone)]
    for command in (source, build):
        run = subprocess.run(
            command, env=environment, umask=umask, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if run.returncode:
            sys.exit(run.stdout.decode(errors="replace"))
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    write_sbom(wheel, sdist, built_at)
    return built


def ensure_same(first: Path, second: Path) -> None:
    """Exit if two folders do not contain the same files, byte for byte."""
    contents = [
        {path.name: path.read_bytes() for path in each.iterdir()} for each in (first, second)
    ]
    names = sorted(contents[0].keys() | contents[1].keys())
    if different := [name for name in names if contents[0].get(name) != contents[1].get(name)]:
        sys.exit(f"Two builds of the same commit differ: {', '.join(different)}")


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return run.stdout.strip()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"))
