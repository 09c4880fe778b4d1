"""Development tasks: `nox` runs the default checks; `nox -s NAME` runs one session."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"  # uv when it is installed
# Environments are kept between local runs; CI starts from fresh ones.
nox.options.reuse_venv = "no" if os.environ.get("CI") else "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "typing", "check_generated", "drift", "docs", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
RESOLUTIONS = [("highest", "linux"), ("highest", "windows"), ("lowest-direct", "linux")]


def install(session: nox.Session, *groups: str, project: bool = True) -> None:
    """Install dependency groups and, by default, this project.

    Everything goes into one command: the server requires a distribution with this project's name,
    and only a path in the same command keeps the published one from being installed.
    """
    packages = nox.project.dependency_groups(PYPROJECT, *groups)
    if project:
        packages = (".", *packages)
        if session.venv_backend == "uv":
            # uv would otherwise keep the installed copy, or reuse a wheel built from older source.
            packages = ("--reinstall-package=llama-agents-client", *packages)
    session.install(*packages)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff, and the layers of imports with import-linter."""
    install(session, "lint", project=False)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo", "--no-cache", env={"PYTHONPATH": "src"})


@nox.session
def typing(session: nox.Session) -> None:
    """Check types with mypy (strict) and pyright: source, API tests, generator and examples."""
    install(session, "typing")
    session.run("mypy")
    session.run("pyright")


@nox.session
def generate(session: nox.Session) -> None:
    """Regenerate the bindings, the sync client and the generated pages of the reference."""
    install(session, "generate", project=False)
    session.run("python", "-m", "generator", *session.posargs)


@nox.session
def check_generated(session: nox.Session) -> None:
    """Check that the generated code matches its sources."""
    install(session, "generate", project=False)
    session.run("python", "-m", "generator", "--check")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/docs, where warnings are errors, and test it."""
    install(session, "docs")
    shutil.rmtree("build/docs", ignore_errors=True)
    session.run(
        "sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "docs", "build/docs"
    )
    session.run("pytest", "tests/site", *session.posargs)


@nox.session
def drift(session: nox.Session) -> None:
    """Compare openapi.yaml with the installed server, or with `-- --server 0.7.1`."""
    install(session, "generate", "server")
    session.run("python", "-m", "generator", "drift", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite and enforce its coverage."""
    install(session, "test", "demo")
    session.run("coverage", "erase")
    run_tests(session, ["coverage", "run", "-m", "pytest"])
    if not session.posargs:
        session.run("coverage", "combine", "--quiet")
        session.run("coverage", "report")


def run_tests(session: nox.Session, command: list[str], *folders: str) -> None:
    """Run tests side by side; the few that fail there must pass twice by themselves.

    A busy machine can make a thread wait for longer than a test does. That must not hide a fault,
    so every such test is named at the end.
    """
    failed = Path(".pytest_cache/v/cache/lastfailed")
    failed.unlink(missing_ok=True)
    try:
        # The tests mostly wait for I/O, so more workers than cores pay off.
        session.run(*command, *folders, "-n", "4", "--dist", "worksteal", *session.posargs)
    except CommandFailed as error:
        names = json.loads(failed.read_text()) if failed.exists() else []
        if error.return_code != 1 or session.posargs or not 0 < len(names) <= 3:
            raise
        for _ in range(2):
            session.run(*command, *names)
        session.warn("Failed beside other tests, passed twice alone: " + ", ".join(names))


@nox.session(venv_backend="none")
def pythons(session: nox.Session) -> None:
    """Run the test suite on every supported Python; `-- --allow-missing 3.12` does without one."""
    parser = argparse.ArgumentParser(prog="nox -s pythons --", allow_abbrev=False)
    parser.add_argument("--allow-missing", action="append", choices=PYTHONS, default=[])
    options, arguments = parser.parse_known_args(session.posargs)
    found = [version for version in PYTHONS if is_installed(version)]
    missing = [version for version in PYTHONS if version not in found + options.allow_missing]
    if missing or not found:
        session.error(f"not on PATH: Python {', '.join(missing or PYTHONS)}")
    for version in found:
        session.notify(f"suite-{version}", arguments)


def is_installed(version: str) -> bool:
    """Return whether a Python is on PATH and runs: version managers have shims for others, too."""
    python = shutil.which(f"python{version}")
    return python is not None and not subprocess.run([python, "-V"], capture_output=True).returncode


@nox.session(python=PYTHONS)
def suite(session: nox.Session) -> None:
    """Run the test suite on one Python, without measuring its coverage."""
    install(session, "test", "demo")
    run_tests(session, ["pytest"])


@nox.session(python=PYTHONS[0], venv_backend="uv", reuse_venv=False)
@nox.parametrize(
    "option",
    ["--resolution=lowest-direct", "--prerelease=allow"],
    ids=["lowest-direct", "pre-releases"],
)
def lowest(session: nox.Session, option: str) -> None:
    """Test with the lowest dependencies admitted, and with pre-releases, which may fail."""
    tests = ["tests/core", "tests/_async", "tests/_sync", "tests/drop_in"]
    if option == "--prerelease=allow":
        session.env["UV_PRERELEASE"] = "allow"  # for both installations
    try:
        # On their own: the tools are to be recent, and what is installed then stays.
        session.install(option, "--requirements=pyproject.toml")
        install(session, "test")
        run_tests(session, ["pytest"], *tests)
    except CommandFailed:
        installed = session.run("uv", "pip", "freeze", silent=True)
        candidates = re.findall(r"^\S+==\S*\d(?:a|b|rc|\.dev)\d+$", str(installed), re.MULTILINE)
        if option != "--prerelease=allow" or not candidates:
            raise  # that is no pre-release's doing
        session.warn(f"Fails with pre-releases: {', '.join(candidates)}")


@nox.session
def faults(session: nox.Session) -> None:
    """Measure every fault, with both clients and transports; write docs/evidence/faults.md."""
    install(session, "test")
    transports = ["--transport=httpx", "--transport=aiohttp"]
    write = "--write-faults=docs/evidence/faults.md"
    session.run("pytest", "tests/faults", *transports, write, *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Run streams and calls under random faults for 10 minutes, or `-- --seconds 60`."""
    install(session, "test")
    session.run("python", "-m", "tests.faults.soak", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Inject defects one at a time; the tests of both client variants must notice each."""
    install(session, "test")
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def servers(session: nox.Session) -> None:
    """Exercise the client against servers of all ages; needs uv.

    Write docs/reference/compatibility.md. With names (`-- 0.2.3 newest`), exercise only those
    servers, and write nothing.
    """
    install(session, "test", "demo")
    write = () if session.posargs else ("--write", "docs/reference/compatibility.md")
    session.run("python", "-m", "tests.servers", *write, *session.posargs)


@nox.session
def replicas(session: nox.Session) -> None:
    """Kill replicas of the server behind a load balancer; needs PostgreSQL and HAProxy."""
    install(session, "replicas")
    session.run("pytest", "tests/replicas", "-s", *session.posargs)


@nox.session
def recipes(session: nox.Session) -> None:
    """Run the programs of docs/recipes on what they are for; needs Chromium."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        packages = "apt-get install chromium chromium-driver"
        session.error(f"not on PATH: {', '.join(missing)} ({packages})")
    install(session, "recipes")
    # For its types alone: what it depends on would hold FastAPI back.
    session.install("--no-deps", "apache-airflow-task-sdk==1.3.2")
    session.run("pytest", "tests/recipes", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with the published client and write docs/evidence/benchmarks.md.

    `-- quick` only prints, with smaller sizes; `-- WORD` only prints the figures whose name
    contains the word; both can be combined.

    The published client is installed with the same server, because httpx imports some packages
    only where they are installed, and this client's environment has them.
    """
    install(session, "bench")
    server = nox.project.dependency_groups(PYPROJECT, "server")
    published = environment(session, "published", "llama-agents-client==0.4.1", *server)
    others = environment(session, "others", "openai==3.57.0", "langgraph-sdk==0.4.14")
    pythons = (f"--published={published}", f"--others={others}")
    session.run("python", "-m", "benchmarks", *pythons, *session.posargs)


def environment(session: nox.Session, name: str, *packages: str) -> str:
    """Install packages into another environment of a session, and return its Python."""
    folder = Path(session.create_tmp()) / name
    python = str(folder / "bin" / "python")
    if session.venv_backend == "uv":
        create = ["uv", "venv", "--quiet", str(folder)]
        pip = ["uv", "pip", "install", "--quiet", f"--python={python}"]
    else:
        create = ["python", "-m", "venv", str(folder)]
        pip = [python, "-m", "pip", "install", "--quiet"]
    if not folder.exists():
        session.run_install(*create)
    session.run_install(*pip, *packages, external=True)
    return python


@nox.session
def demo(session: nox.Session) -> None:
    """Demonstrate the client on a real server."""
    install(session, "demo")
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel, the sdist and the bill of materials of the last commit into dist/."""
    session.install("--require-hashes", "--requirement=release/requirements.txt")
    session.run("python", "-m", "release.build", "dist")


@nox.session(venv_backend="uv")
def lock(session: nox.Session) -> None:
    """Pin the newest versions of what builds a release, with their hashes."""
    output = "--output-file=release/requirements.txt"
    options = ["--upgrade", "--universal", "--generate-hashes", "--no-header", "--no-annotate"]
    options += ["--group=release", "--python-version=3.11"]
    session.run("uv", "pip", "compile", *options, output)


@nox.session(python=PYTHONS[0], venv_backend="uv")
def audit(session: nox.Session) -> None:
    """Check the licenses and vulnerabilities of what users install; `-- --offline` only licenses.

    What they install are this project's requirements with all extras: the newest versions on two
    systems, and the lowest.
    """
    install(session, "audit", project=False)
    extras = ",".join(PYPROJECT["project"]["optional-dependencies"])
    folders = []
    for version, system in RESOLUTIONS:
        folder = Path(session.create_tmp()) / f"{version}-{system}"
        shutil.rmtree(folder, ignore_errors=True)
        options = [f"--target={folder}", f"--resolution={version}", f"--python-platform={system}"]
        session.run_install("uv", "pip", "install", "--quiet", *options, f".[{extras}]")
        folders.append(str(folder))
    session.run("python", "-m", "release.audit", *session.posargs, *folders)
