"""What differs between the versions of dependencies that the client admits."""

from __future__ import annotations

from importlib.metadata import version

import pytest

FRAMEWORK = tuple(map(int, version("llama-index-workflows").split(".")[:2]))

needs_new_contexts = pytest.mark.skipif(
    FRAMEWORK < (2, 26), reason="the framework writes no context of a workflow that has not run"
)
