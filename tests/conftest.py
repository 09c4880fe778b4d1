"""Fixtures that both faces share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .support.server import running, sample_server


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with running(sample_server()) as url:
        yield url
