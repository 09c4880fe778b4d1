"""Fixtures for the tests of both client variants."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from llama_agents.client.testing import serve

from .support.server import sample_server

# Shells have their background jobs ignore it, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with serve(sample_server()) as url:
        yield url


@pytest.fixture(scope="session")
def order_url() -> Iterator[str]:
    from .support.orders import order_server

    with serve(order_server()) as url:
        yield url
