"""What to run: `nox` alone checks everything; `nox -s NAME` one thing."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "typing", "check_generated", "drift", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str, project: bool = True) -> None:
    """Install dependency groups, and this project with them.

    One command for all: the server requires a distribution of our name, and takes ours when both
    come together.
    """
    packages = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install(*packages, *(["."] if project else []))


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    install(session, "lint", project=False)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typing(session: nox.Session) -> None:
    """Mypy (strict) and pyright: the source, the typed API tests, the generator, the examples."""
    install(session, "typing")
    session.run("mypy")
    session.run("pyright")


@nox.session
def generate(session: nox.Session) -> None:
    """Write the bindings and the synchronous face anew."""
    install(session, "generate", project=False)
    session.run("python", "-m", "generator", *session.posargs)


@nox.session
def check_generated(session: nox.Session) -> None:
    """Fail when generated code is not what its sources give."""
    install(session, "generate", project=False)
    session.run("python", "-m", "generator", "--check")


@nox.session
def drift(session: nox.Session) -> None:
    """Compare the contract with the server that is installed."""
    install(session, "generate", "server")
    session.run("python", "-m", "generator", "drift")


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite, with coverage measured and enforced."""
    install(session, "test", "demo")
    session.run("coverage", "erase")
    # They wait more than they work: more processes than processors.
    session.run("coverage", "run", "-m", "pytest", "-n", "4", *session.posargs)
    if not session.posargs:
        session.run("coverage", "combine", "--quiet")
        session.run("coverage", "report")


@nox.session
def faults(session: nox.Session) -> None:
    """Measure every fault with both clients, and write docs/faults.md."""
    install(session, "test")
    session.run("pytest", "tests/faults", "--write-faults=docs/faults.md", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Keep streams and calls going through random faults: 10 minutes, or `-- --seconds 60`."""
    install(session, "test")
    session.run("python", "-m", "tests.faults.soak", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Plant defects, one at a time: the tests must notice each, with both clients."""
    install(session, "test")
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def replicas(session: nox.Session) -> None:
    """Kill two replicas of the server on PostgreSQL behind HAProxy; both must be installed."""
    install(session, "replicas")
    session.run("pytest", "tests/replicas", "-s", *session.posargs)


@nox.session(reuse_venv=True)
def bench(session: nox.Session) -> None:
    """Measure this client and the published one: docs/benchmarks.md; `-- quick` only prints."""
    install(session, "bench")
    # The server too: it brings packages that httpx imports where they are, and ours has them.
    published = Path(session.create_tmp()) / "published"
    if not published.exists():
        session.run("python", "-m", "venv", str(published))
    python = str(published / "bin" / "python")
    session.run_install(
        *(python, "-m", "pip", "install", "--quiet", "llama-agents-client==0.4.1"),
        *nox.project.dependency_groups(PYPROJECT, "server"),
        external=True,
    )
    session.run("python", "-m", "benchmarks", "--published", python, *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Show what the client does, on a real server."""
    install(session, "demo")
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and sdist into dist/."""
    session.install("build")
    for old in Path("dist").glob("llama_agents_client-*"):
        old.unlink()
    session.run("python", "-m", "build")
