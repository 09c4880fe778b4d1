"""The environment variables that httpx reads when it creates a client.

What it raises for an invalid one does not name the variable, or quotes a password in it.
"""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import httpx

from .address import problem_of


def check_environment(url: httpx.URL) -> None:
    """Make sure that an httpx client for a URL can be created.

    Raises:
        ValueError: An environment variable is invalid.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _check_proxies(url, context)
    if key_log := os.environ.get("SSLKEYLOGFILE"):
        try:
            context.keylog_filename = key_log
        except OSError as error:
            raise _invalid("SSLKEYLOGFILE", error.strerror or "unusable") from None
    if file := os.environ.get("SSL_CERT_FILE"):
        try:
            _load_certificates(file, Path(file).stat().st_mtime_ns)
        except OSError as error:  # ssl.SSLError is one
            raise _invalid("SSL_CERT_FILE", error.strerror or "unusable") from None
    elif (
        url.scheme == "https"
        and (folders := os.environ.get("SSL_CERT_DIR"))
        and not any(map(os.path.isdir, folders.split(os.pathsep)))
    ):
        # OpenSSL ignores that; without certificates, no server is trusted.
        raise _invalid("SSL_CERT_DIR", "there is no such folder")


@functools.lru_cache(maxsize=1)  # it takes 20 ms
def _load_certificates(file: str, modified: int) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)


def _check_proxies(url: httpx.URL, context: ssl.SSLContext) -> None:
    def create(**options: Any) -> httpx.Client | None:
        try:
            # With a context of its own, no certificates are loaded.
            return httpx.Client(verify=context, **options)
        except (ValueError, httpx.InvalidURL, ImportError):
            return None

    proxies = {
        scheme: proxy if "://" in proxy else f"http://{proxy}"
        for scheme in (url.scheme, "all", "http", "https")
        if (proxy := getproxies().get(scheme))
    }
    client = create()
    if client is not None:
        if client._transport_for_url(url) is not client._transport:
            scheme, proxy = next(iter(proxies.items()))  # that of the URL's scheme comes first
            if scheme in (url.scheme, "all") and (problem := problem_of(httpx.URL(proxy))):
                raise _invalid(f"{scheme}_proxy", problem)
        return
    for scheme, proxy in proxies.items():
        if create(proxy=proxy, trust_env=False) is None:
            reason = "not the URL of an http, https or (with socksio installed) socks5 proxy"
            raise _invalid(f"{scheme}_proxy", reason)
    raise _invalid("no_proxy", "httpx cannot read one of its entries; write IPv6 addresses bare")


def _invalid(name: str, reason: str) -> ValueError:
    """Return the error for a variable, which is named as it is spelled in the environment."""
    spelled = next((n for n in os.environ if n.lower() == name.lower()), name)
    return ValueError(f"the environment variable {spelled} is invalid: {reason}")
