"""The real server, run in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from .._lazy_types import Workflow, WorkflowServer
from ._lend import lend
from ._thread import in_thread

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

    The server stops at the end of the ``with`` block, even if streams are still open. After that,
    the workflow objects and the configured server can be served again.

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
        TypeError: ``workflows`` is neither a mapping nor a server, its keys are not strings, a
            value is not a workflow, or options were given together with a
            configured server.
        RuntimeError: The configured server or a workflow object is already being served, a workflow
            object was given under two names, or it belongs to a server that was started elsewhere.
            At the end of the block: a step raised ``SystemExit``, which has stopped the server.
        TimeoutError: The server was not ready within 30 s.
        Exception: Any exception raised while the server starts.
    """
    server, served = _create_server(workflows, server_options)
    with lend(server, served), in_thread(_listen(server.app)) as url:
        yield url


def _create_server(
    workflows: Mapping[str, Workflow] | WorkflowServer, options: dict[str, Any]
) -> tuple[WorkflowServer, Mapping[str, Workflow]]:
    """Return the server and the workflows that it is to serve."""
    try:
        from llama_agents.server import WorkflowServer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING_SERVER, name=error.name) from error
    if isinstance(workflows, Mapping):
        return WorkflowServer(**options), workflows
    if not isinstance(workflows, WorkflowServer):
        raise TypeError(f"expected workflows by name, or a WorkflowServer, not {workflows!r}")
    if options:
        raise TypeError(f"a configured server takes no options: {', '.join(options)}")
    return workflows, workflows.get_workflows()


@asynccontextmanager
async def _listen(app: Callable[..., Any]) -> AsyncIterator[str]:
    import uvicorn

    failures: list[BaseException] = []

    async def capture_failures(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, _without_complaints_about_204(send))
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


def _without_complaints_about_204(send: Callable[[Any], Awaitable[None]]) -> Callable[..., Any]:
    """Return a ``send`` that does not raise for the body of a response that must not have one.

    llama-agents-server 0.8.0 sends one with the 204 for a stream that is over. uvicorn does not
    let it through and closes the connection; the server would log that with a traceback.
    """
    status = 0

    async def send_quietly(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        try:
            await send(message)
        except Exception:
            if status != 204 or not message.get("body"):
                raise

    return send_quietly


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
