"""Development tasks: `nox` runs the default checks; `nox -s NAME` runs one session."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"  # uv when it is installed
# Environments are kept between local runs; CI starts from fresh ones.
nox.options.reuse_venv = "no" if os.environ.get("CI") else "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "typing", "check_generated", "drift", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")


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
    """Regenerate the bindings and the sync client."""
    install(session, "generate", project=False)
    session.run("python", "-m", "generator", *session.posargs)


@nox.session
def check_generated(session: nox.Session) -> None:
    """Check that the generated code matches its sources."""
    install(session, "generate", project=False)
    session.run("python", "-m", "generator", "--check")


@nox.session
def drift(session: nox.Session) -> None:
    """Compare openapi.yaml with the installed server."""
    install(session, "generate", "server")
    session.run("python", "-m", "generator", "drift")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite and enforce its coverage."""
    install(session, "test", "demo")
    session.run("coverage", "erase")
    run_tests(session, *session.posargs)
    if not session.posargs:
        session.run("coverage", "combine", "--quiet")
        session.run("coverage", "report")


def run_tests(session: nox.Session, *args: str) -> None:
    """Run tests side by side; the few that fail there must pass twice by themselves.

    A busy machine can make a thread wait for longer than a test does. That must not hide a fault,
    so every such test is named at the end.
    """
    run = ("coverage", "run", "-m", "pytest")
    failed = Path(".pytest_cache/v/cache/lastfailed")
    failed.unlink(missing_ok=True)
    try:
        # The tests mostly wait for I/O, so more workers than cores pay off.
        session.run(*run, "-n", "4", "--dist", "worksteal", *args)
    except CommandFailed:
        names = json.loads(failed.read_text()) if failed.exists() else []
        if args or not 0 < len(names) <= 3:
            raise
        for _ in range(2):
            session.run(*run, *names, "--no-header")
        session.warn("Failed beside other tests, passed twice alone: " + ", ".join(names))


@nox.session
def faults(session: nox.Session) -> None:
    """Measure every fault with both client variants and write docs/faults.md."""
    install(session, "test")
    session.run("pytest", "tests/faults", "--write-faults=docs/faults.md", *session.posargs)


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
def replicas(session: nox.Session) -> None:
    """Kill replicas of the server behind a load balancer; needs PostgreSQL and HAProxy."""
    install(session, "replicas")
    session.run("pytest", "tests/replicas", "-s", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with the published client and write docs/benchmarks.md; `-- quick` only prints.

    The published client is installed with the same server, because httpx imports some packages
    only where they are installed, and this client's environment has them.
    """
    install(session, "bench")
    published = Path(session.create_tmp()) / "published"
    python = str(published / "bin" / "python")
    if session.venv_backend == "uv":
        create = ["uv", "venv", "--quiet", str(published)]
        pip = ["uv", "pip", "install", "--quiet", f"--python={python}"]
    else:
        create = ["python", "-m", "venv", str(published)]
        pip = [python, "-m", "pip", "install", "--quiet"]
    if not published.exists():
        session.run_install(*create)
    server = nox.project.dependency_groups(PYPROJECT, "server")
    session.run_install(*pip, "llama-agents-client==0.4.1", *server, external=True)
    session.run("python", "-m", "benchmarks", "--published", python, *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Demonstrate the client on a real server."""
    install(session, "demo")
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the sdist into dist/."""
    session.install("build")
    for old in Path("dist").glob("llama_agents_client-*"):
        old.unlink()
    session.run("python", "-m", "build")
