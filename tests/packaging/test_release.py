"""What `nox -s build` writes, and what `nox -s audit` notices."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import Parser
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from release.audit import check_vulnerabilities, installed
from release.build import ensure_same
from release.licenses import check_licenses, is_allowed
from release.sbom import version_range
from release.settings import REQUIREMENTS, ROOT, build_requirements


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a release of the last commit, which is built twice and must be the same."""
    folder = tmp_path_factory.mktemp("release")
    command = [sys.executable, "-m", "release.build", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def sbom(released: Path) -> dict[str, Any]:
    (path,) = released.glob("*.cdx.json")
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def test_release_has_time_of_its_commit(released: Path, sbom: dict[str, Any]) -> None:
    (wheel,) = released.glob("*.whl")
    command = ["git", "log", "-1", "--format=%ct"]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    committed = datetime.fromtimestamp(int(run.stdout), UTC).isoformat()
    assert sbom["metadata"]["timestamp"] == committed
    with zipfile.ZipFile(wheel) as archive:
        times = {"{:04}-{:02}-{:02}T{:02}:{:02}".format(*i.date_time[:5]) for i in archive.filelist}
    assert times == {committed[:16]}


def test_release_is_rejected_if_builds_differ(released: Path, tmp_path: Path) -> None:
    for path in released.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    ensure_same(released, tmp_path)
    (sdist,) = tmp_path.glob("*.tar.gz")
    sdist.write_bytes(sdist.read_bytes() + b"\0")
    with pytest.raises(SystemExit, match=re.escape(f"differ: {sdist.name}")):
        ensure_same(released, tmp_path)
    sdist.unlink()
    with pytest.raises(SystemExit, match=re.escape(f"differ: {sdist.name}")):
        ensure_same(released, tmp_path)


def test_sbom_is_valid_cyclonedx(sbom: dict[str, Any]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_7)
    assert validator.validate_str(json.dumps(sbom)) is None
    assert validator.validate_str(json.dumps(sbom | {"serialNumber": "1"})) is not None


def test_sbom_names_archives_and_requirements(released: Path, sbom: dict[str, Any]) -> None:
    main = sbom["metadata"]["component"]
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in released.iterdir()
    }
    listed = {each["url"]: each["hashes"][0]["content"] for each in main["externalReferences"]}
    assert listed == {name: hashes[name] for name in hashes if not name.endswith(".json")}
    (wheel,) = released.glob("*.whl")
    assert main["hashes"] == [{"alg": "SHA-256", "content": hashes[wheel.name]}]
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    required = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    assert {each["name"]: (each["scope"], each["versionRange"]) for each in sbom["components"]} == {
        each.name: ("optional" if each.marker else "required", version_range(each.specifier))
        for each in required
    }
    (edges,) = sbom["dependencies"]
    assert edges["dependsOn"] == [each["bom-ref"] for each in sbom["components"]]
    assert main["licenses"][0]["expression"] == metadata["License-Expression"] == "MIT"


@pytest.mark.parametrize(
    ("specifiers", "expected"),
    [(">=4.16,<5", ">=4.16|<5"), ("<3,>=2.9,!=2.10", ">=2.9|!=2.10|<3"), ("==1.2", "1.2")],
)
def test_version_range_is_in_order_of_versions(specifiers: str, expected: str) -> None:
    assert version_range(SpecifierSet(specifiers)) == f"vers:pypi/{expected}"


def test_lock_pins_what_builds_a_release() -> None:
    pinned = build_requirements()
    for requirement, hashes in pinned.values():
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes), requirement
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for line in project["build-system"]["requires"] + project["dependency-groups"]["release"]:
        requirement = Requirement(line)
        (pin,) = pinned[requirement.name][0].specifier
        assert pin.version in requirement.specifier, line
    assert "/" not in REQUIREMENTS.read_text()  # no path, and no address of an index


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND Apache-2.0", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only OR MIT AND LGPL-3.0-only", False),
        ("(GPL-3.0-only OR MIT) AND (Apache-2.0 OR LGPL-3.0-only)", True),
        ("MIT AND (GPL-3.0-only OR LGPL-3.0-only)", False),
        ("Apache-2.0 WITH LLVM-exception", False),
    ],
)
def test_license_expression_is_met_by_allowed_licenses(expression: str, allowed: bool) -> None:
    assert is_allowed(expression, {"MIT", "Apache-2.0"}) is allowed


@pytest.mark.parametrize(
    ("name", "lines", "problem"),
    [
        ("example", "License-Expression: MIT", None),
        ("example", "License: Apache 2.0", None),
        (
            "example",
            "License: see LICENSE\nClassifier: License :: OSI Approved :: MIT License",
            None,
        ),
        ("example", "Classifier: License :: OSI Approved :: BSD License", "does not state"),
        ("example", "License: Do what you like", "does not state"),
        ("example", "License-Expression: MIT AND GPL-2.0-only", "has MIT AND GPL-2.0-only"),
        ("Colorama", "Classifier: License :: OSI Approved :: BSD License", None),
        ("anyio", "License-Expression: Apache-2.0", "has Apache-2.0, but pyproject.toml MIT"),
    ],
)
def test_audit_notices_licenses(tmp_path: Path, name: str, lines: str, problem: str | None) -> None:
    install(tmp_path, name, lines)
    found = check_licenses(distributions(path=[str(tmp_path)]), newest=True)
    assert len(found) == (problem is not None)
    assert (problem or "") in "".join(found)


def test_audit_of_empty_folder_fails(tmp_path: Path) -> None:
    install(tmp_path, "anyio", "License-Expression: MIT")
    with pytest.raises(SystemExit, match="does not have llama-agents-client"):
        installed(tmp_path)


def install(folder: Path, name: str, lines: str) -> None:
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{lines}\n"
    (information / "METADATA").write_text(metadata)


@pytest.fixture
def advisories() -> Iterator[str]:
    """The address of an advisory service in OSV's format, which knows of one vulnerability."""

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.7"}]}]
            package = {"name": "idna", "ecosystem": "PyPI"}
            found = {
                "id": "PYSEC-2024-60",
                "modified": "2024-07-11T17:00:00Z",
                "affected": [{"package": package, "ranges": ranges, "versions": ["3.6"]}],
            }
            body = json.dumps({"vulns": [found]} if query["package"]["name"] == "idna" else {})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_audit_notices_vulnerabilities(advisories: str) -> None:
    osv = ("--vulnerability-service=osv", f"--osv-url={advisories}")
    assert check_vulnerabilities(["anyio==4.16.0"], *osv) == []
    found = check_vulnerabilities(["anyio==4.16.0", "idna==3.6"], *osv)
    assert found == ["Vulnerability: idna 3.6 has PYSEC-2024-60, fixed in 3.7"]


def test_audit_without_advisory_service_is_not_green() -> None:
    options = ("--vulnerability-service=osv", "--osv-url=http://127.0.0.1:9/")
    (found,) = check_vulnerabilities(["anyio==4.16.0"], *options)
    assert found.startswith("No advisory service answered: ")
    assert "--offline" in found


def test_audit_with_ignorant_advisory_service_is_not_green(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"dependencies": [{"name": "anyio", "skip_reason": "not found"}], "fixes": []}
    run = subprocess.CompletedProcess([], 0, json.dumps(report), "No known vulnerabilities found")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: run)
    (found,) = check_vulnerabilities(["anyio==4.16.0"])
    assert found.startswith("The advisory service does not know 1 of 1 packages: anyio")
