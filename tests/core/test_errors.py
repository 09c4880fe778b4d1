"""The tree of errors, and what the errors say."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from llama_agents.client import WorkflowClient, errors
from llama_agents.client.errors import BODY_PREVIEW, status_error
from llama_agents.client.protocol import HandlerData
from llama_agents.client.protocol.serializable_events import EventEnvelopeWithMetadata

URL = "http://user:secret@host:1/handlers/h?token=secret"


def response(status: int, body: bytes = b'{"detail": "because"}') -> httpx.Response:
    headers = {"Authorization": "secret"}
    request = httpx.Request("POST", URL, headers=headers)
    return httpx.Response(status, content=body, request=request)


def handler() -> HandlerData:
    return HandlerData(
        handler_id="h", workflow_name="w", status="failed", started_at="t", error="boom"
    )


EVERY_ERROR = [
    errors.StatusError(response(400), "because", handler_id="h"),
    errors.NotFoundError(response(404)),
    errors.StreamNotFoundError(response(404)),
    errors.ConflictError(response(409)),
    errors.UnreadableResultError(response(422)),
    errors.ServerError(response(503)),
    errors.WorkflowFailedError(response(500), handler()),
    errors.InvalidResponseError(response(200), "no", handler_id="h", last_sequence=3),
    errors.ResponseTooLargeError(response(200), 10, handler_id="h", last_sequence=3),
    errors.StreamDisconnectedError("h", 3, "no"),
    errors.StreamTimeoutError("h", "now", "no"),
    errors.WaitTimeoutError("h", 1.5),
    errors.CheckpointError("not a checkpoint"),
    errors.UnansweredRequestError("h", [EventEnvelopeWithMetadata(value={}, type="Ask")], "no"),
    errors.EventValidationError("no"),
    errors.UnsupportedServerError("no", "why", "what", handler_id="h"),
]


def test_every_error_of_the_module_is_covered() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.WorkflowClientError)
    }
    assert defined - {errors.WorkflowClientError} == {type(error) for error in EVERY_ERROR}


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (errors.StatusError, httpx.HTTPStatusError),
        (errors.NotFoundError, errors.StatusError),
        (errors.ConflictError, errors.StatusError),
        (errors.UnreadableResultError, errors.StatusError),
        (errors.WorkflowFailedError, errors.StatusError),
        (errors.ServerError, errors.StatusError),
        (errors.StreamNotFoundError, errors.NotFoundError),
        (errors.StreamNotFoundError, ValueError),
        (errors.InvalidResponseError, ValueError),
        (errors.ResponseTooLargeError, errors.InvalidResponseError),
        (errors.StreamDisconnectedError, ConnectionError),
        (errors.StreamTimeoutError, errors.StreamDisconnectedError),
        (errors.StreamTimeoutError, TimeoutError),
        (errors.WaitTimeoutError, TimeoutError),
        (errors.CheckpointError, ValueError),
        (errors.EventValidationError, ValueError),
        (errors.MissedEventsWarning, Warning),
    ],
)
def test_errors_are_also_what_callers_of_the_published_client_catch(
    error: type[Exception], base: type[Exception]
) -> None:
    assert issubclass(error, base)


def test_404_of_a_plain_call_is_not_a_value_error() -> None:
    """The published client raised ValueError for bad payloads, and for 404 only on a stream."""
    assert not issubclass(errors.NotFoundError, ValueError)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, errors.StatusError),
        (401, errors.StatusError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (422, errors.UnreadableResultError),
        (429, errors.StatusError),
        (500, errors.ServerError),
        (503, errors.ServerError),
        (599, errors.ServerError),
        (302, errors.StatusError),
    ],
)
def test_status_decides_the_class(status: int, expected: type[Exception]) -> None:
    assert type(status_error(response(status))) is expected


def test_404_of_a_stream_has_its_own_class() -> None:
    assert type(status_error(response(404), is_stream=True)) is errors.StreamNotFoundError
    assert type(status_error(response(409), is_stream=True)) is errors.ConflictError


def test_message_names_request_and_response() -> None:
    error = status_error(response(404))
    assert str(error) == (
        "404 Not Found for POST http://host:1/handlers/h. Response: " + '{"detail": "because"}'
    )
    assert (error.status_code, error.detail) == (404, "because")
    assert error.response.request.method == "POST"


def test_unassigned_status_is_named_unknown() -> None:
    assert str(status_error(response(599, b""))).startswith("599 Unknown Status for POST")


def test_run_is_named_in_the_message_and_as_an_attribute() -> None:
    error = status_error(response(409, b""), handler_id="the-run")
    assert error.handler_id == "the-run"
    assert str(error).endswith("(handler 'the-run')")
    assert status_error(response(409)).handler_id is None


def test_message_shows_the_beginning_of_the_body() -> None:
    error = status_error(response(500, b"x" * 5000))
    assert str(error).endswith("Response: " + "x" * BODY_PREVIEW)
    assert len(error.response.content) == 5000


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"detail": 5}', b"\xff\xfe", b"[" * 10**5, b"null"]
)
def test_detail_is_none_without_one_in_the_body(body: bytes) -> None:
    assert status_error(response(500, body)).detail is None


def test_detail_is_none_when_the_body_was_not_read() -> None:
    unread = httpx.Response(500, stream=httpx.ByteStream(b"x"), request=response(500).request)
    error = status_error(unread)
    assert error.detail is None
    assert str(error) == "500 Internal Server Error for POST http://host:1/handlers/h"


def test_failed_run_carries_the_whole_error() -> None:
    error = errors.WorkflowFailedError(response(500), handler())
    assert str(error) == "Workflow 'w' failed (handler 'h'): boom"
    assert (error.detail, error.handler) == ("boom", handler())


def test_message_is_inert_whatever_the_server_sends() -> None:
    hostile = "\x1b]0;title\x07 \x9b2J \u202e gnp.exe\n\ttwo lines"
    run = handler().model_copy(update={"error": hostile})
    stopped = run.model_copy(update={"status": "running"})
    for error in (
        errors.StatusError(response(400, hostile.encode())),
        errors.WorkflowFailedError(response(500), run),
        errors.WorkflowFailedError(response(500), stopped),
        errors.EventValidationError(hostile),
    ):
        assert str(error).endswith(r"\x1b]0;title\x07 \x9b2J \u202e gnp.exe" + "\n\ttwo lines")
    assert errors.WorkflowFailedError(response(500), run).detail == hostile


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_no_error_shows_a_secret(error: Exception) -> None:
    assert "secret" not in str(error)
    assert "secret" not in repr(error)


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_every_error_can_be_copied(error: Exception, duplicate: Callable[[Any], Any]) -> None:
    again = duplicate(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert again.__dict__.keys() == error.__dict__.keys()
    for name in (
        "status_code",
        "detail",
        "handler_id",
        "last_sequence",
        "timeout",
        "handler",
        "limit",
    ):
        assert getattr(again, name, None) == getattr(error, name, None)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copy_has_no_credentials(duplicate: Callable[[Any], Any]) -> None:
    headers: dict[Any, Any] = {
        b"Set-Cookie": b"secret",
        b"Location": b"/?secret",
        b"Content-Type": b"text/plain",
        b"X-Reason": b"\xff",  # not ASCII
    }
    request = httpx.Request("POST", URL, headers={"Authorization": "secret"}, content=b"secret")
    redirect = httpx.Response(307, headers=headers, request=request)
    final = httpx.Response(307, headers=headers, content=b"body", request=request)
    final.history, final.next_request = [redirect], request
    assert final.cookies is not None  # which httpx keeps
    error = errors.StatusError(final)
    error.add_note("a note")
    again = duplicate(error)
    assert b"secret" not in pickle.dumps(error) + pickle.dumps(again)
    assert (again.response.text, again.__notes__) == ("body", ["a note"])
    assert again.response.headers["content-type"] == "text/plain"
    assert (again.request.method, str(again.request.url)) == ("POST", "http://host:1/handlers/h")
    # The error itself keeps everything.
    assert error.response.request.headers["authorization"] == "secret"


@pytest.mark.parametrize("charset", ["hex", "base64", "rot13", "undefined", "idna", "utf-16"])
def test_charset_that_cannot_be_decoded_does_not_hide_the_status(charset: str) -> None:
    headers = {"content-type": f"text/html; charset={charset}"}
    unreadable = httpx.Response(
        503, content=b"<html>down</html>", headers=headers, request=response(503).request
    )
    error = status_error(unreadable)
    assert (type(error), error.status_code) == (errors.ServerError, 503)
    assert str(error).startswith("503 Service Unavailable for POST http://host:1/handlers/h")


@pytest.mark.parametrize(
    "base_url",
    [
        "user:secret@host:80",
        "http://user:secret/more@host",
        "ftp://user:secret@host/?token=secret",
        "http:///?token=secret",
    ],
)
def test_rejected_base_url_shows_no_secret(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        WorkflowClient(base_url=base_url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("position", [0, 7, "now"])
def test_invalid_response_on_a_stream_carries_the_position(position: Any) -> None:
    error = errors.InvalidResponseError(response(200), "no", handler_id="h", last_sequence=position)
    assert str(error).startswith(f"no after sequence {position}: 200 with content type 'none'")
    assert (error.handler_id, error.last_sequence) == ("h", position)
