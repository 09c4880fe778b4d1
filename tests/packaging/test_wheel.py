"""The wheel and the sdist: what is in them, and that they work beside the server."""

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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist; the wheel is built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_the_client_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    sources = ROOT / "src"
    expected = {
        path.relative_to(sources).as_posix()
        for path in (sources / "llama_agents" / "client").rglob("*")
        if path.is_file() and path.suffix in (".py", ".typed")
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == expected | {"_llama_agents_client_pytest.py"}
    assert "llama_agents/client/testing/_sync/recording.py" in held
    assert "llama_agents/client/py.typed" in held
    assert "llama_agents/client/bindings/__init__.py" in held
    assert "llama_agents/client/_sync/client.py" in held
    assert "llama_agents/__init__.py" not in held


def test_metadata_names_the_distribution_that_the_server_requires(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert (metadata["Name"], metadata["Version"]) == ("llama-agents-client", "0.5.0")
    assert metadata["Requires-Python"] == ">=3.11"
    lines = metadata.get_all("Requires-Dist") or []
    required = {re.split("[<>]", line)[0]: line.partition("; ")[2] for line in lines}
    always = {name for name, condition in required.items() if not condition}
    assert always == {"anyio", "attrs", "httpx", "llama-index-workflows", "pydantic"}
    assert {name: required[name] for name in required.keys() - always} == {
        "datamodel-code-generator": "extra == 'codegen'",
        "llama-agents-server": "extra == 'testing'",
        "pytest": "extra == 'testing'",
    }
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_pytest_is_told_of_the_plugin(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    entries = "[pytest11]\nllama_agents_client = _llama_agents_client_pytest\n"
    assert wheel.read(name).decode() == entries


def test_sdist_holds_the_contract_and_no_generator(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"openapi.yaml", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} <= names
    assert not any(name.startswith(("tests", "generator")) for name in names)


def test_installed_wheel_shares_the_namespace_with_the_server(built: Path, tmp_path: Path) -> None:
    (path,) = built.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(tmp_path), str(path)], check=True)
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
assert "openapi_python_client" not in loaded and "generator" not in loaded
assert "llama_agents.server" not in loaded
print("works")
"""
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    assert run.stdout == "works\n"


def test_wheel_imports_only_what_it_requires(wheel: zipfile.ZipFile) -> None:
    installed = {"anyio", "attrs", "httpx", "workflows", "pydantic", "pydantic_core"}
    extra = {
        "llama_agents/client/testing/_serve.py": {"uvicorn", "llama_agents"},
        "llama_agents/client/codegen.py": {"datamodel_code_generator"},
        "_llama_agents_client_pytest.py": {"pytest", "llama_agents"},
    }
    for name in wheel.namelist():
        if name.endswith(".py"):
            for node in ast.walk(ast.parse(wheel.read(name))):
                if isinstance(node, ast.Import):
                    found = {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found = {(node.module or "").partition(".")[0]}
                else:
                    continue
                found -= sys.stdlib_module_names | extra.get(name, set())
                assert found <= installed, name


def test_wheel_of_the_sdist_is_that_of_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel"]
    subprocess.run(
        [*command, "--outdir", str(tmp_path), str(ROOT)], check=True, capture_output=True
    )
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as direct:
        assert {name: direct.read(name) for name in direct.namelist()} == {
            name: wheel.read(name) for name in wheel.namelist()
        }
