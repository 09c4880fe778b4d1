"""Checks what users install with the wheel, and what builds it: licenses and known vulnerabilities.

Usage: python -m release.audit [--offline] NEWEST [FOLDER ...]

Each folder has the packages of one resolution; NEWEST is the one that most users get.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from release.licenses import check_licenses
from release.settings import build_requirements

PROJECT = "llama-agents-client"


def main(folders: list[Path], *, offline: bool) -> None:
    """Check the packages in folders, and exit with what is wrong."""
    problems: list[str] = []
    resolutions = [installed(folder) for folder in folders]
    for folder, packages in zip(folders, resolutions, strict=True):
        found = check_licenses(packages.values(), newest=folder == folders[0])
        problems += [f"License: {problem} ({folder.name})" for problem in found]
        print(f"Licenses of {len(packages)} packages checked ({folder.name})")
    pins = [f"{name}=={package.version}" for name, package in resolutions[0].items()]
    pins += [f"{name}{pin.specifier}" for name, (pin, _) in build_requirements().items()]
    if offline:
        print("Vulnerabilities NOT looked up: --offline")
    else:
        problems += check_vulnerabilities(sorted(set(pins)))
    sys.exit("\n".join(problems) or None)


def installed(folder: Path) -> dict[str, Distribution]:
    """Return the packages in a folder, without this project."""
    found = {canonicalize_name(each.name): each for each in distributions(path=[str(folder)])}
    if PROJECT not in found:
        sys.exit(f"{folder} does not have {PROJECT} and what it requires")
    return {name: package for name, package in sorted(found.items()) if name != PROJECT}


def check_vulnerabilities(pins: list[str], *options: str) -> list[str]:
    """Return the known vulnerabilities of pinned packages, and which could not be looked up.

    Args:
        pins: Requirements, each with one version.
        options: More options for pip-audit.
    """
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text("\n".join(pins), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
        command += ["--no-deps", "--disable-pip", f"--requirement={requirements}", *options]
        run = subprocess.run(command, capture_output=True, text=True)
    without = "`nox -s audit -- --offline` does without"
    if not run.stdout:
        lines = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        return [f"No advisory service answered: {lines[-1]}\n({without})"]
    problems, unknown = [], []
    for package in json.loads(run.stdout)["dependencies"]:
        # A service that knows no package is asked in vain, and pip-audit finds that all is well.
        if "skip_reason" in package:
            unknown.append(package["name"])
        for found in package.get("vulns", []):
            fixed = ", ".join(found["fix_versions"]) or "no version"
            name = f"{package['name']} {package['version']}"
            problems.append(f"Vulnerability: {name} has {found['id']}, fixed in {fixed}")
    if unknown:
        names = f"{len(unknown)} of {len(pins)} packages: {', '.join(unknown)}"
        problems.append(f"The advisory service does not know {names}\n({without})")
    elif not problems:
        print(f"No known vulnerabilities in {len(pins)} packages")
    return problems


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="nox -s audit --", allow_abbrev=False)
    parser.add_argument("--offline", action="store_true", help="do not look up vulnerabilities")
    parser.add_argument("folders", nargs="+", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    main(options.folders, offline=options.offline)
