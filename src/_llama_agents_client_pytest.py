"""The pytest plugin of the test kit: the fixture ``serve_workflows``.

pytest imports every installed plugin each time it starts. This module therefore lives outside the
client's package: importing the package here would slow down every start of pytest, and would hide
the import from coverage measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from llama_agents.client.testing import ServeWorkflows
    from llama_agents.server import WorkflowServer
    from workflows import Workflow


@pytest.fixture
def serve_workflows() -> Iterator[ServeWorkflows]:
    """Serve workflows on the real server until the end of the test.

    The fixture is a function that takes the arguments of ``llama_agents.client.testing.serve`` and
    returns the base URL.
    """
    from llama_agents.client.testing import serve

    with ExitStack() as servers:

        def serve_until_teardown(
            workflows: Mapping[str, Workflow] | WorkflowServer, **server_options: Any
        ) -> str:
            return servers.enter_context(serve(workflows, **server_options))

        yield serve_until_teardown
