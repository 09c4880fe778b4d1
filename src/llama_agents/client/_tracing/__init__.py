"""What the client tells a tracer of its work, and what it tells nobody: without one, nothing.

`Untraced` has every method that `spans.Tracing` has, and does nothing. Only `spans` imports
OpenTelemetry, and only a client with a ``tracer_provider`` imports that.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from opentelemetry.trace import TracerProvider

    from ..protocol import HandlerData

    BaseURL = Callable[[], httpx.URL]


class UntracedRun:
    """A run that nobody traces."""

    def found(self, handler: HandlerData) -> None:
        """Note what the server says of the run."""


class UntracedStream:
    """A stream that nobody traces."""

    def connecting(self) -> AbstractContextManager[None]:
        """Return a context in which the stream is connected, once or again."""
        return _NOTHING

    def lost(self, cause: object) -> None:
        """Note that a connection has ended, or could not be opened.

        Args:
            cause: An exception, a status code or a word; None if the connection was closed.
        """

    def end(self, events: int, error: BaseException | None = None) -> None:
        """End the stream.

        Args:
            events: How many events it has delivered.
            error: What it has ended with, if it is not the run's terminal event.
        """


class Untraced:
    """Work that nobody traces."""

    def call(
        self, operation: str, handler_id: str | None, workflow_name: str | None = None
    ) -> AbstractContextManager[None]:
        """Return a context for an operation, with all its requests.

        Args:
            operation: Name of the operation.
            handler_id: ID of the run that it is about.
            workflow_name: Name of the workflow that it starts.
        """
        return _NOTHING

    def run(
        self, workflow_name: str | None, handler_id: str | None, run_id: str | None = None
    ) -> AbstractContextManager[UntracedRun]:
        """Return a context for a run until its end.

        Args:
            workflow_name: Name of the workflow, or None if it is not known.
            handler_id: ID of the run, or None if it is not known.
            run_id: The server's ID of the run, or None if it is not known.
        """
        return _RUN

    def stream(self, handler_id: str, workflow_name: str | None) -> UntracedStream:
        """Return what traces a stream from its first connection to its end.

        Args:
            handler_id: ID of the run.
            workflow_name: Name of the workflow, or None if it is not known.
        """
        return _STREAM

    def request(self, operation: str) -> Mapping[str, str] | None:
        """Note a request of an operation; return the headers that carry the trace's context."""
        return None

    def response(self, status_code: int) -> None:
        """Note the response to the last request."""


_NOTHING: Final = nullcontext[None]()
_RUN: Final = nullcontext(UntracedRun())
_STREAM: Final = UntracedStream()
UNTRACED: Final = Untraced()


def tracing(tracer_provider: TracerProvider | None, base_url: BaseURL) -> Untraced:
    """Return what traces the work of a client.

    Args:
        tracer_provider: Where spans come from, or None.
        base_url: Returns the URL of the server.

    Raises:
        TypeError: It is not a tracer provider.
        ImportError: OpenTelemetry is not installed.
    """
    if tracer_provider is None:
        return UNTRACED
    try:
        from .spans import Tracing
    except ImportError as error:
        raise ImportError(
            "tracer_provider needs a package that is not installed: "
            "pip install 'llama-agents-client[otel]'"
        ) from error
    return Tracing(tracer_provider, base_url)
