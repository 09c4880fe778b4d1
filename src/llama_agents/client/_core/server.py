"""What the responses of a server tell about it. None of them names its version.

Sequence numbers, cursors and IDs chosen by the caller came with llama-agents-server 0.2.0, and so
did errors in JSON. Only since 0.7.1 is a start whose ID is in use a 409. Neither has an endpoint of
its own, but the page of the debugger, which every server has at its root, names its own version.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs
import httpx

from .._statuses import is_status_completed
from ..errors import UnsupportedServerError, detail_of, status_error

if TYPE_CHECKING:
    from ..protocol import HandlerData

CURSORS: Final = "llama-agents-server 0.2.0 or later"
FRAMES: Final = "llama-index-workflows 2.3 or any llama-agents-server"
USED_IDS: Final = "llama-agents-server 0.7.1 or later"
ROUTES: Final = "llama-index-workflows 2.10 or any llama-agents-server, at the client's base_url"

_UNKNOWN_RUN: Final = "Handler not found"
_DEBUGGER: Final = re.compile(r"workflow-debugger@(\d{1,9})\.(\d{1,9})\.(\d{1,9})/")
_DEBUGGER_OF_USED_IDS: Final = (0, 2, 42)  # in 0.7.1; 0.7.0 has 0.2.41


@attrs.define
class ServerTraits:
    """What is known of a server; None until known. The latest evidence counts.

    Attributes:
        has_cursors: Whether events have sequence numbers, and starts may name their run.
        refuses_used_ids: Whether it has responded to a start with a 409, as its ID was in use.
        streamed: Runs whose events have been asked for from the first one on, while the server was
            not known to keep them.
    """

    has_cursors: bool | None = None
    refuses_used_ids: bool = False
    streamed: set[str] = attrs.field(factory=set)

    def ensure_cursors(self, handler_id: str) -> None:
        """Raise ``UnsupportedServerError`` if events are known to have no sequence numbers."""
        if self.has_cursors is False:
            raise UnsupportedServerError(
                "events have no sequence numbers",
                "the position in the stream is unknown",
                CURSORS,
                handler_id=handler_id,
            )

    def learn_from_409(self, response: httpx.Response) -> None:
        """Learn from the response to a start, unless it is a proxy's."""
        if detail_of(response) is not None:
            self.refuses_used_ids = True


def in_every_form(event: dict[str, Any], server: ServerTraits) -> dict[str, Any]:
    """Return an envelope that every server reads: before 2.9 of llama-index-workflows as ``data``.

    Once the server is known to be a later one, its event is not sent twice.
    """
    if server.has_cursors or not {"type", "value"} <= event.keys():
        return event
    return {**event, "data": event["value"]}


def is_unknown_run(response: httpx.Response) -> bool:
    """Return whether the server itself says that it has no such run.

    Any other 404 is about the path: it comes from a server without that route, or from a proxy.
    """
    if response.status_code != 404:
        return False
    detail = detail_of(response)
    text = response.content[:100].decode(errors="replace").strip() if detail is None else detail
    return text == _UNKNOWN_RUN


def cursors_by_404(response: httpx.Response) -> bool | None:
    """Return whether a server has cursors, by its response about an unknown run.

    Errors are JSON since 0.2.0. Returns None for any other response.
    """
    return detail_of(response) is not None if is_unknown_run(response) else None


def page_proves_used_ids(response: httpx.Response) -> bool:
    """Return whether the page of the debugger proves that IDs in use are refused."""
    found = _DEBUGGER.search(response.content[:65536].decode(errors="replace"))
    version = () if found is None else tuple(map(int, found.groups()))
    return response.is_success and version >= _DEBUGGER_OF_USED_IDS


def named_run(response: httpx.Response) -> str | None:
    """Return the ID of the run that a successful start names, whatever else it has."""
    if not response.is_success:
        return None
    from pydantic_core import from_json

    with suppress(ValueError):
        body: Any = from_json(response.content)
        if isinstance(body, dict) and isinstance(name := body.get("handler_id"), str):
            return name
    return None


def ensure_route(response: httpx.Response, handler_id: str | None) -> None:
    """Raise ``UnsupportedServerError`` for a 404 or 405 that is not about the run asked for."""
    if response.status_code not in (404, 405) or is_unknown_run(response):
        return
    request = response.request
    raise UnsupportedServerError(
        f"{request.method} {request.url.path} is {response.status_code}, "
        f"but not for an unknown run ({_UNKNOWN_RUN!r})",
        "whether the server has the run is not known",
        ROUTES,
        handler_id=handler_id,
    ) from status_error(response, handler_id=handler_id)


def ensure_cancelled(handler: HandlerData) -> None:
    """Raise ``UnsupportedServerError`` if a run goes on although it was cancelled."""
    if not is_status_completed(handler.status):
        raise UnsupportedServerError(
            "the server said that the run is cancelled, but it is still running",
            "it may go on to its end",
            CURSORS,
            handler_id=handler.handler_id,
        )
