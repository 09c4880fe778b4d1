"""The licenses of installed packages, as SPDX expressions, and whether they are allowed."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from email.message import Message
from importlib.metadata import Distribution
from typing import cast

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name

from release.settings import ALLOWED_LICENSES, LICENSES

_OLD_NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
}


def check_licenses(packages: Iterable[Distribution], *, newest: bool) -> list[str]:
    """Return what is wrong with the licenses of packages.

    Args:
        packages: What a user installs.
        newest: Whether these are the versions for which pyproject.toml names the licenses.
    """
    problems = []
    for package in packages:
        name = canonicalize_name(package.name)
        stated, listed = stated_license(package), LICENSES.get(name)
        found = stated or listed
        if not found:
            problems.append(f"{name} {package.version} does not state its license exactly")
        elif not is_allowed(found, ALLOWED_LICENSES):
            problems.append(f"{name} {package.version} has {found}")
        elif newest and listed and stated not in (None, listed):
            problems.append(f"{name} {package.version} has {stated}, but pyproject.toml {listed}")
    return problems


def stated_license(package: Distribution) -> str | None:
    """Return what a package's metadata says, if that names a license exactly."""
    metadata = cast(Message, package.metadata)
    classifiers = [line for line in metadata.get_all("Classifier", []) if line in _OLD_NAMES]
    for text in (metadata["License-Expression"], metadata["License"], *classifiers):
        try:
            return canonicalize_license_expression(_OLD_NAMES.get(text, text or ""))
        except InvalidLicenseExpression:
            continue
    return None


def is_allowed(expression: str, allowed: Container[str]) -> bool:
    """Return whether an SPDX expression can be met with allowed licenses alone."""
    while inner := re.search(r"\(([^()]*)\)", expression):
        met = "MET" if is_allowed(inner[1], allowed) else "UNMET"
        expression = expression.replace(inner[0], met)
    return any(
        all(name == "MET" or name in allowed for name in alternative.split(" AND "))
        for alternative in expression.split(" OR ")
    )
