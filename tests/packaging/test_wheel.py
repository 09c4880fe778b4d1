"""The contents of the wheel and the sdist, and the wheel next to the server."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


def build(folder: Path, *options: str) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *options]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist and the wheel built from it."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    """The files of the wheel."""
    return unpack(built)


def unpack(folder: Path) -> dict[str, bytes]:
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata_file(wheel: dict[str, bytes], suffix: str) -> str:
    (name,) = (name for name in wheel if name.endswith(suffix))
    return wheel[name].decode()


def test_wheel_contains_exactly_the_client(wheel: dict[str, bytes]) -> None:
    sources = ROOT / "src"
    expected = {
        path.relative_to(sources).as_posix()
        for path in (sources / "llama_agents" / "client").rglob("*")
        if path.suffix in (".py", ".typed")
    }
    contents = {name for name in wheel if ".dist-info/" not in name}
    assert contents == expected | {"_llama_agents_client_pytest.py"}
    client = {"py.typed", "bindings/__init__.py", "_sync/client.py", "testing/_record.py"}
    assert contents >= {f"llama_agents/client/{name}" for name in client}
    assert "llama_agents/__init__.py" not in contents


def test_metadata_names_the_distribution_that_the_server_requires(wheel: dict[str, bytes]) -> None:
    metadata = Parser().parsestr(metadata_file(wheel, "METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("llama-agents-client", "0.5.0")
    assert metadata["Requires-Python"] == ">=3.11"
    lines = metadata.get_all("Requires-Dist") or []
    assert {re.split("[<>]", line)[0]: line.partition("; ")[2] for line in lines} == {
        **dict.fromkeys(["anyio", "attrs", "httpx", "llama-index-workflows", "pydantic"], ""),
        "aiohttp": "extra == 'aiohttp'",
        "llama-agents-server": "extra == 'testing'",
        "opentelemetry-api": "extra == 'otel'",
        "pytest": "extra == 'testing'",
    }
    assert metadata_file(wheel, "licenses/LICENSE")


def test_wheel_registers_the_pytest_plugin(wheel: dict[str, bytes]) -> None:
    entries = "[pytest11]\nllama_agents_client = _llama_agents_client_pytest\n"
    assert entries in metadata_file(wheel, "entry_points.txt")


def test_wheel_installs_the_command(wheel: dict[str, bytes]) -> None:
    entries = "[console_scripts]\nllama-agents-client = llama_agents.client.cli:main\n"
    assert entries in metadata_file(wheel, "entry_points.txt")


def test_sdist_contains_the_contract_but_not_the_generator(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"openapi.yaml", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} <= names
    assert not any(name.startswith(("tests", "generator")) for name in names)


def test_wheel_shares_the_namespace_with_the_server(
    wheel: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in wheel.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import llama_agents.client
loaded = set(sys.modules)
import llama_agents.server
from llama_agents.client import SyncWorkflowClient
from llama_agents.server import _api
assert llama_agents.client.__file__.startswith({str(tmp_path)!r}), llama_agents.client.__file__
assert not llama_agents.server.__file__.startswith({str(tmp_path)!r})
assert getattr(llama_agents, "__file__", None) is None
assert _api.HandlerData is llama_agents.client.HandlerData
assert not loaded & {{"openapi_python_client", "generator", "llama_agents.server"}}
print("works")
"""
    command = [sys.executable, "-I", "-c", program]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert run.stdout == "works\n"


def test_wheel_imports_only_its_requirements(wheel: dict[str, bytes]) -> None:
    required = {"anyio", "attrs", "httpx", "workflows", "pydantic", "pydantic_core"}
    extra = {
        "llama_agents/client/testing/_serve.py": {"uvicorn", "llama_agents"},
        "llama_agents/client/_transport/aiohttp_exchange.py": {"aiohttp"},
        "llama_agents/client/_transport/aiohttp_transport.py": {"aiohttp", "yarl"},
        "llama_agents/client/_transport/asyncio_backend.py": {"httpcore"},  # comes with httpx
        "llama_agents/client/_transport/http2.py": {"h2"},  # installed when HTTP/2 is used
        # Seen by type checkers only.
        "llama_agents/client/_lazy_types.py": {"llama_agents", "opentelemetry"},
        "llama_agents/client/_tracing/spans.py": {"opentelemetry"},
        "llama_agents/client/_tracing/__init__.py": {"opentelemetry"},  # type checkers only
        "llama_agents/client/cli/completion.py": {"argcomplete"},  # if it is installed
        "_llama_agents_client_pytest.py": {"pytest", "llama_agents"},
    }
    for name in wheel:
        if name.endswith(".py"):
            found = set[str]()
            for node in ast.walk(ast.parse(wheel[name])):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add((node.module or "").partition(".")[0])
            assert found <= required | sys.stdlib_module_names | extra.get(name, set()), name


def test_wheel_neither_unpickles_nor_runs_text(wheel: dict[str, bytes]) -> None:
    """Whatever a server sends stays data."""
    for name in wheel:
        if name.endswith(".py"):
            for node in ast.walk(ast.parse(wheel[name])):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    modules = {alias.name for alias in node.names} | {getattr(node, "module", "")}
                    assert not modules & {"pickle", "marshal", "shelve", "subprocess"}, name
                elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in ("eval", "exec", "compile", "__import__"), name


def test_wheel_is_the_same_from_checkout_and_sdist(wheel: dict[str, bytes], tmp_path: Path) -> None:
    assert unpack(build(tmp_path, "--wheel")) == wheel
