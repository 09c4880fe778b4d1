"""What the constructors reject: headers, credentials, URLs, limits, and the environment."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient

CLIENTS = [WorkflowClient, SyncWorkflowClient]
URL = "http://test"


@pytest.fixture(params=CLIENTS, ids=["async", "sync"])
def create(request: pytest.FixtureRequest) -> Any:
    """The class of a client."""
    return request.param


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [*os.environ]:
        if name.lower().endswith("_proxy") or name.startswith(("SSL_CERT", "SSLKEY")):
            monkeypatch.delenv(name)
    return


@pytest.mark.parametrize(
    ("headers", "error", "words"),
    [
        ({"X-Token": "secret\n"}, ValueError, "'X-Token' has a control character"),
        ({"X-Token": "secret\x01"}, ValueError, "'X-Token' has a control character"),
        ({"X-Token": "secret\u200b"}, ValueError, "'X-Token' has a character in it that is not"),
        ({"X-Token": "s\u00e9cret secret"}, ValueError, "'X-Token' has a character"),
        ({"X-Token": "secret\ud800"}, ValueError, "'X-Token' has a character"),
        ({"X-Token": "secret "}, ValueError, "'X-Token' has a space"),
        ({"X-Token": None}, TypeError, "'X-Token' must be a string, not NoneType"),
        ({"X-Token": 5}, TypeError, "'X-Token' must be a string, not int"),
        ({"X-Token": ["secret"]}, TypeError, "'X-Token' must be a string, not list"),
        ({"X-Token: secret": ""}, ValueError, "'X-Token' has an invalid name"),
        ({"": "secret"}, ValueError, "a header has an invalid name"),
        ({7: "secret"}, TypeError, "a header must be a string, not int"),
        ("secret", TypeError, "headers must be a mapping"),
    ],
)
def test_header_that_cannot_be_sent_is_named_without_its_content(
    create: Any, headers: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        create(base_url=URL, headers=headers)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Token": "a\tb", "Empty": ""},
        {"X-Token": b"a\tb", "Empty": ""},
        httpx.Headers({"X-Token": "a\tb", "Empty": ""}),
        [("X-Token", "a\tb"), ("Empty", "")],
    ],
)
def test_header_that_can_be_sent_is_accepted_as_httpx_accepts_it(create: Any, headers: Any) -> None:
    settings = create(base_url=URL, headers=headers)._driver.clients._settings
    sent = httpx.Client(**settings.keywords()).build_request("GET", "/").headers
    assert (sent["x-token"], sent["empty"]) == ("a\tb", "")


@pytest.mark.parametrize(
    ("auth", "error"),
    [
        ("secret", TypeError),
        (("user", None), TypeError),
        (("secret",), TypeError),
        (("user", "secret\ud800"), ValueError),
    ],
)
def test_unusable_auth_is_rejected_unseen(create: Any, auth: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="auth") as caught:
        create(base_url=URL, auth=auth)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "http://test/#/flows",
        "http://test:65536",
        "http://test:0",
        "http://a..b",
        f"http://{'a' * 64}.test",
    ],
)
def test_url_that_no_server_can_have_is_rejected(create: Any, url: str) -> None:
    with pytest.raises(ValueError, match=r"base_url has an? "):
        create(base_url=url)


@pytest.mark.parametrize("url", ["http://[::1]:80", "http://a.test./x?y=1", "http://\u00e4.test"])
def test_unusual_url_is_accepted(create: Any, url: str) -> None:
    create(base_url=url)


@pytest.mark.parametrize("name", ["max_event_size", "max_response_size"])
@pytest.mark.parametrize("limit", [0, -1, 1.5, "5", True])
@pytest.mark.parametrize("is_external", [False, True])
def test_limit_that_is_not_a_positive_integer_is_rejected(
    create: Any, name: str, limit: Any, is_external: bool
) -> None:
    inner = httpx.AsyncClient if create is WorkflowClient else httpx.Client
    options = {"httpx_client": inner(base_url=URL)} if is_external else {"base_url": URL}
    with pytest.raises(ValueError, match=f"{name} must be a positive number of bytes"):
        create(**options, **{name: limit})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_PROXY", "localhost,[::1]/128"),
        ("no_proxy", "[::1]"),
        ("NO_PROXY", "host:abc"),
        ("HTTP_PROXY", "http://user:sec/ret@proxy"),
        ("https_proxy", "proxy:secret"),
        ("ALL_PROXY", "ftp://user:secret@proxy"),
        ("HTTP_PROXY", "http://user:secret@proxy:65536"),
        ("http_proxy", "http://user:secret@a..b"),
        ("ALL_PROXY", "socks5://user:secret@proxy:0"),
        ("SSL_CERT_FILE", "/no/such/secret"),
        ("SSL_CERT_FILE", __file__),
        ("SSL_CERT_FILE", str(Path(__file__).parent)),
        ("SSLKEYLOGFILE", "/no/such/secret"),
    ],
)
def test_environment_variable_that_httpx_cannot_use_is_named(
    create: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"the environment variable {name} is invalid") as caught:
        create(base_url=URL)
    shown = "".join(traceback.format_exception(caught.value))
    assert "secret" not in shown
    assert "sec/ret" not in shown


def test_socks_proxy_without_its_package_is_an_error(
    create: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@proxy")
    with pytest.raises(ValueError, match=r"ALL_PROXY .*socksio") as caught:
        create(base_url=URL)
    assert "secret" not in str(caught.value)


def test_missing_folder_of_certificates_is_an_error_if_they_are_needed(
    create: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="SSL_CERT_DIR"):
        create(base_url="https://test")
    create(base_url=URL)
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join([str(tmp_path / "missing"), str(tmp_path)]))
    create(base_url="https://test")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_PROXY", "localhost,.test,::1,10.0.0.0/8,*"),
        ("HTTP_PROXY", "proxy:3128"),
        ("HTTPS_PROXY", "proxy:65536"),  # not used for an http URL
        ("HTTPS_PROXY", "http://user:password@proxy:3128"),
        ("SSL_CERT_FILE", certifi.where()),
    ],
)
def test_environment_that_httpx_can_use_is_accepted(
    create: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    create(base_url=URL)


def test_environment_does_not_concern_an_external_client(
    create: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = httpx.AsyncClient if create is WorkflowClient else httpx.Client
    client = inner(base_url=URL)
    monkeypatch.setenv("NO_PROXY", "[::1]/128")
    create(httpx_client=client)
