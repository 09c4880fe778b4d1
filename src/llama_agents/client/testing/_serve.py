"""The real server, run in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from anyio.from_thread import start_blocking_portal

from .._lazy_types import Workflow, WorkflowServer

if TYPE_CHECKING:
    import uvicorn

START_TIMEOUT: Final = 30.0  # s
SHUTDOWN_GRACE: Final = 0  # s; an open event stream would never end by itself
MISSING_SERVER: Final = (
    "serving workflows needs llama-agents-server: pip install 'llama-agents-client[testing]'"
)


class ServeWorkflows(Protocol):
    """The type of the pytest fixture ``serve_workflows``."""

    def __call__(
        self, workflows: Mapping[str, Workflow] | WorkflowServer, **server_options: Any
    ) -> str:
        """Serve workflows until the end of the test.

        Args:
            workflows: The workflows by name, or a configured server.
            **server_options: Keyword arguments of the ``WorkflowServer`` that is created for
                ``workflows``.

        Returns:
            The base URL of the server.

        Raises:
            Exception: See `serve`.
        """
        ...


@contextmanager
def serve(
    workflows: Mapping[str, Workflow] | WorkflowServer, **server_options: Any
) -> Iterator[str]:
    """Run the real server on a free port of loopback, in a thread of its own.

    The server stops at the end of the ``with`` block, even if streams are still open.

    Example:
        Run a workflow:

            with serve({"greet": GreetWorkflow()}) as url:
                client = SyncWorkflowClient(base_url=url)
                assert client.run_workflow("greet").status == "completed"

    Args:
        workflows: The workflows by name, or a configured server.
        **server_options: Keyword arguments of the ``WorkflowServer`` that is created for
            ``workflows``.

    Yields:
        The base URL of the server.

    Raises:
        ModuleNotFoundError: ``llama-agents-server`` is not installed.
        TypeError: A value of ``workflows`` is not a workflow, or options were given together with a
            configured server.
        TimeoutError: The server was not ready within 30 s.
        Exception: Any exception raised while the server starts.
    """
    server = _create_server(workflows, server_options)
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(_listen(server.app)) as url,
    ):
        yield url


def _create_server(
    workflows: Mapping[str, Workflow] | WorkflowServer, options: dict[str, Any]
) -> WorkflowServer:
    try:
        from llama_agents.server import WorkflowServer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING_SERVER, name=error.name) from error
    from workflows import Workflow

    if isinstance(workflows, WorkflowServer):
        if options:
            raise TypeError(f"a configured server takes no options: {', '.join(options)}")
        return workflows
    server = WorkflowServer(**options)
    for name, workflow in workflows.items():
        if not isinstance(workflow, Workflow):
            raise TypeError(f"{name!r} must be a Workflow instance, not {workflow!r}")
        server.add_workflow(name, workflow)
    return server


@asynccontextmanager
async def _listen(app: Callable[..., Any]) -> AsyncIterator[str]:
    import uvicorn

    failures: list[BaseException] = []

    async def capture_failures(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except BaseException as error:
            if scope["type"] == "lifespan":
                failures.append(error)  # uvicorn only logs it
            raise

    async def run() -> None:
        with suppress(SystemExit):  # raised by uvicorn; it would end the thread's event loop
            await server.serve()
        if not server.started:
            raise failures[0] if failures else RuntimeError("the workflow server did not start")

    config = uvicorn.Config(
        capture_failures,
        host="127.0.0.1",
        port=0,  # a free one
        lifespan="on",
        ws="none",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=SHUTDOWN_GRACE,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(run())
    try:
        await _wait_until_started(server, task)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        if not server.started:
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _wait_until_started(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while not server.started:
                if task.done():
                    await task  # raises the reason
                await asyncio.sleep(0.005)
    except TimeoutError as error:
        message = f"the workflow server was not ready within {START_TIMEOUT} s"
        raise TimeoutError(message) from error
