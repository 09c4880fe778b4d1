"""The real server, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    import uvicorn
    from llama_agents.server import WorkflowServer
    from workflows import Workflow

LONGEST_START: Final = 30.0  # s
LONGEST_ANSWER: Final = 0  # s, that the end waits for open streams: they would never end
NO_SERVER: Final = (
    "the test kit serves workflows with llama-agents-server: "
    "pip install 'llama-agents-client[testing]'"
)


class ServeWorkflows(Protocol):
    """The type of the pytest fixture ``serve_workflows``."""

    def __call__(
        self, workflows: Mapping[str, Workflow] | WorkflowServer, **server_options: Any
    ) -> str:
        """Serve workflows until the end of the test; see `serve`.

        Returns:
            The base URL.
        """
        ...


@contextmanager
def serve(
    workflows: Mapping[str, Workflow] | WorkflowServer, **server_options: Any
) -> Iterator[str]:
    """Run the real server on a free port of the loopback interface, in a thread of its own.

    The end of the ``with`` stops it at once, whatever streams are open.

    Example:
        Run a workflow of one's own:

            with serve({"greet": GreetWorkflow()}) as url:
                client = SyncWorkflowClient(base_url=url)
                assert client.run_workflow("greet").status == "completed"

    Args:
        workflows: The workflows by their names; or a server that has them.
        **server_options: Options of the ``WorkflowServer`` that is made for the workflows.

    Yields:
        The base URL.

    Raises:
        ModuleNotFoundError: The server is not installed.
        TypeError: There is something else than a workflow, or options for a server that is there.
        TimeoutError: The server was not ready after 30 s.
        Exception: Whatever the server did not start for.
    """
    server = _server(workflows, server_options)
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(_listening(server.app)) as url,
    ):
        yield url


def _server(
    workflows: Mapping[str, Workflow] | WorkflowServer, options: dict[str, Any]
) -> WorkflowServer:
    try:
        from llama_agents.server import WorkflowServer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(NO_SERVER, name=error.name) from error
    from workflows import Workflow

    if isinstance(workflows, WorkflowServer):
        if options:
            raise TypeError(f"options for a server that is made already: {', '.join(options)}")
        return workflows
    server = WorkflowServer(**options)
    for name, workflow in workflows.items():
        if not isinstance(workflow, Workflow):
            raise TypeError(f"{name!r} is no workflow but {workflow!r}")
        server.add_workflow(name, workflow)
    return server


@asynccontextmanager
async def _listening(app: Callable[..., Any]) -> AsyncIterator[str]:
    import uvicorn

    failures: list[BaseException] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except BaseException as error:
            if scope["type"] == "lifespan":
                failures.append(error)  # uvicorn only logs it
            raise

    async def run() -> None:
        with suppress(SystemExit):  # in a task it would end the thread's loop
            await server.serve()
        if not server.started:
            raise failures[0] if failures else RuntimeError("the workflow server did not start")

    config = uvicorn.Config(
        watched,
        host="127.0.0.1",
        port=0,  # a free one
        lifespan="on",
        ws="none",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=LONGEST_ANSWER,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(run())
    try:
        await _start(server, serving)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        if not server.started:
            serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _start(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    try:
        async with asyncio.timeout(LONGEST_START):
            while not server.started:
                if serving.done():
                    await serving  # raises what it failed for
                await asyncio.sleep(0.005)
    except TimeoutError as error:
        problem = f"the workflow server was not ready after {LONGEST_START} s"
        raise TimeoutError(problem) from error
