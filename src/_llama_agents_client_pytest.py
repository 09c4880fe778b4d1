"""The pytest plugin of the test kit: the fixture ``serve_workflows``.

pytest imports it at each start, wherever the client is installed. So it stands outside of the
client's package: importing that here would cost each run of pytest time, and hide the import from
whoever measures the coverage.
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
    """Serve workflows on the real server until the end of the test: a function that gives the URL.

    It takes what ``llama_agents.client.testing.serve`` takes.
    """
    from llama_agents.client.testing import serve

    with ExitStack() as servers:

        def serve_until_the_end(
            workflows: Mapping[str, Workflow] | WorkflowServer, **server_options: Any
        ) -> str:
            return servers.enter_context(serve(workflows, **server_options))

        yield serve_until_the_end
