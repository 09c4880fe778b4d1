"""The bill of materials of a release, as CycloneDX 1.7.

It says only what the release itself and the repository say, so the same release has the same bill
of materials, whatever an index serves on that day. It lies beside the wheel, not in it (PEP 770),
because it names the wheel's hash, and because the wheel contains no component that its metadata
does not name.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import zipfile
from datetime import UTC, datetime
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from release.settings import LICENSES, build_requirements

# For serial numbers that depend on nothing but the wheel.
_NAMESPACE: Final = uuid.uuid5(
    uuid.NAMESPACE_URL, "https://cyclonedx.org/schema/bom-1.7.schema.json"
)


def write_sbom(wheel: Path, sdist: Path, built_at: int) -> Path:
    """Write the bill of materials beside the wheel.

    Args:
        wheel: The wheel that it describes.
        sdist: The sdist from which the wheel was built.
        built_at: What counts as the time of the build, in seconds since 1970: SOURCE_DATE_EPOCH.

    Returns:
        Its path.
    """
    metadata = _metadata(wheel)
    distributions = {path.name: _sha256(path) for path in (wheel, sdist)}
    main = {
        **_component(metadata["Name"], metadata["Version"]),
        "description": metadata["Summary"],
        "hashes": distributions[wheel.name],
        "licenses": [{"expression": metadata["License-Expression"], "acknowledgement": "declared"}],
        "externalReferences": [
            {"type": "distribution", "url": name, "hashes": hashes}
            for name, hashes in distributions.items()
        ],
    }
    declared = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    dependencies = [_dependency(requirement) for requirement in declared]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": uuid.uuid5(_NAMESPACE, distributions[wheel.name][0]["content"]).urn,
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(built_at, UTC).isoformat(),
            "lifecycles": [{"phase": "build"}],
            "component": main,
        },
        "components": dependencies,
        "dependencies": [
            {
                "ref": main["bom-ref"],
                "dependsOn": [component["bom-ref"] for component in dependencies],
            }
        ],
        # What each dependency requires in turn is for the user's installer to choose.
        "compositions": [{"aggregate": "incomplete", "dependencies": [main["bom-ref"]]}],
        "formulation": [{"components": _build_tools()}],
    }
    path = wheel.with_name(f"{sdist.name.removesuffix('.tar.gz')}.cdx.json")
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def _sha256(path: Path) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]


def _component(name: str, version: str | None = None) -> dict[str, Any]:
    purl = f"pkg:pypi/{canonicalize_name(name)}" + (f"@{version}" if version else "")
    known = {"version": version} if version else {}
    return {"type": "library", "bom-ref": purl, "name": name, **known, "purl": purl}


def _dependency(requirement: Requirement) -> dict[str, Any]:
    optional = "extra" in str(requirement.marker or "")
    name = canonicalize_name(requirement.name)
    if name not in LICENSES:
        raise ValueError(
            f"pyproject.toml does not say the license of {name}: tool.release.licenses"
        )
    return {
        **_component(requirement.name),
        "versionRange": version_range(requirement.specifier),
        "isExternal": True,
        "scope": "optional" if optional else "required",
        "licenses": [{"expression": LICENSES[name], "acknowledgement": "declared"}],
    }


def version_range(specifiers: SpecifierSet) -> str:
    """Write specifiers as a version range (vers): `vers:pypi/>=1.2|<2`."""
    ordered = sorted(specifiers, key=lambda specifier: Version(specifier.version))
    if not ordered or any(each.operator in ("~=", "===") for each in ordered):
        raise ValueError(f"No version range for {specifiers}")
    versions = [each.operator.replace("==", "") + each.version for each in ordered]
    return "vers:pypi/" + "|".join(versions)


def _build_tools() -> list[dict[str, Any]]:
    tools = []
    for name, (requirement, _) in build_requirements().items():
        (pin,) = requirement.specifier
        tools.append(_component(name, pin.version))
    return tools
