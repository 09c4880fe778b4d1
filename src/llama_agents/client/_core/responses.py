"""How the responses of the API are read: a result, or an error from `errors`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from .._statuses import is_status_completed
from ..errors import (
    InvalidResponseError,
    ResponseTooLargeError,
    WorkflowFailedError,
    status_error,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..protocol import HandlerData, HandlersListResponse

ModelT = TypeVar("ModelT", bound="BaseModel")

Reader = Callable[[httpx.Response, str | None], ModelT]
"""Reads a response; the second argument is the ID of the run that it is about, if any."""


class BodyReader:
    """Reads the body of a response, up to a limit.

    Args:
        response: The response.
        max_size: How many bytes it may have, decompressed; None for no limit.
        handler_id: ID of the run that the request was about, or None.
    """

    def __init__(
        self, response: httpx.Response, max_size: int | None, handler_id: str | None
    ) -> None:
        self._response = response
        self._max_size = max_size
        self._handler_id = handler_id
        self._body = bytearray()

    def begin(self) -> None:
        """Check what the headers say about the size; raise ``ResponseTooLargeError``."""
        headers = self._response.headers
        size = headers.get("content-length", "")
        if "content-encoding" not in headers and size.isascii() and size.isdigit():
            self._check(int(size[:18]))

    def receive(self, chunk: bytes) -> None:
        """Handle a decompressed chunk of the body; raise ``ResponseTooLargeError``."""
        self._check(len(self._body) + len(chunk))
        self._body += chunk

    def response(self) -> httpx.Response:
        """Return the response with its body."""
        return with_body(self._response, bytes(self._body))

    def _check(self, size: int) -> None:
        if self._max_size is not None and size > self._max_size:
            raise ResponseTooLargeError(self._response, self._max_size, handler_id=self._handler_id)


def with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    """Return a response with a body that was read, decompressed, from its stream."""
    response._content = body  # as httpx does; another response would cost 5 % of a call
    return response


def reads(model: type[ModelT]) -> Reader[ModelT]:
    """Return a reader of successful responses with this model as their body."""
    from pydantic import ValidationError

    def read(response: httpx.Response, handler_id: str | None) -> ModelT:
        if not response.is_success:
            raise status_error(response, handler_id=handler_id)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, problem["loc"])) or "the body"
            raise InvalidResponseError(
                response,
                f"Response is not a valid {model.__name__} ({where}: {problem['msg']})",
                handler_id=handler_id,
            ) from error

    return read


def _read_successful_handler(response: httpx.Response, handler_id: str | None) -> HandlerData:
    from pydantic_core import from_json

    from ..protocol import HandlerData

    try:
        return reads(HandlerData)(response, handler_id)
    except InvalidResponseError:
        with suppress(ValueError, TypeError):
            return HandlerData.model_validate(_with_envelope(from_json(response.content)))
        raise


def read_handlers(response: httpx.Response, handler_id: str | None) -> HandlersListResponse:
    """Read a list of runs."""
    from pydantic_core import from_json

    from ..protocol import HandlersListResponse

    try:
        return reads(HandlersListResponse)(response, handler_id)
    except InvalidResponseError:
        with suppress(ValueError, TypeError, KeyError):
            runs = [_with_envelope(run) for run in from_json(response.content)["handlers"]]
            return HandlersListResponse.model_validate({"handlers": runs})
        raise


def _with_envelope(run: Any) -> Any:
    """Return a run with its result in an envelope, which llama-index-workflows 2.9 did not use."""
    bare = run.get("result") if isinstance(run, dict) else None
    if bare is None or (isinstance(bare, dict) and {"type", "value"} <= bare.keys()):
        return run
    value = bare if isinstance(bare, dict) else {"result": bare}
    return {**run, "result": {"type": "StopEvent", "value": value}}


def read_handler(response: httpx.Response, handler_id: str | None) -> HandlerData:
    """Read a run, also from a 500: that is how the server sends failed and cancelled ones.

    Raises:
        WorkflowFailedError: A 500 whose run has not ended: its engine has stopped without an
            outcome, and the status will not change.
    """
    handler = handler_in_500(response)
    if handler is None:
        return _read_successful_handler(response, handler_id)
    if not is_status_completed(handler.status):
        raise WorkflowFailedError(response, handler)
    return handler


def read_successful_run(response: httpx.Response, handler_id: str | None) -> HandlerData:
    """Read a run that is running or has completed; one that ended otherwise is an error."""
    handler = read_handler(response, handler_id)
    if is_status_completed(handler.status) and handler.status != "completed":
        raise WorkflowFailedError(response, handler)
    return handler


def handler_in_500(response: httpx.Response) -> HandlerData | None:
    """Return the run that a 500 carries, or None for any other response."""
    if response.status_code != 500:
        return None
    from ..protocol import HandlerData

    try:
        return HandlerData.model_validate_json(response.content)
    except ValueError:
        return None
