"""The environment variables that httpx reads when it creates a client.

What it raises for an invalid one does not name the variable, or quotes a password in it.
"""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path
from urllib.request import getproxies

import httpx


def check_environment(url: httpx.URL) -> None:
    """Make sure that an httpx client for a URL can be created.

    Raises:
        ValueError: An environment variable is invalid.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _check_proxies(context)
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


def _check_proxies(context: ssl.SSLContext) -> None:
    def can_create(**options: object) -> bool:
        try:
            # With a context of its own, no certificates are loaded.
            httpx.Client(verify=context, **options).close()  # type: ignore[arg-type]
        except (ValueError, httpx.InvalidURL, ImportError):
            return False
        return True

    if can_create():
        return
    for scheme in ("http", "https", "all"):
        proxy = getproxies().get(scheme)
        if proxy:
            url = proxy if "://" in proxy else f"http://{proxy}"
            if not can_create(proxy=url, trust_env=False):
                reason = "not the URL of an http, https or (with socksio installed) socks5 proxy"
                raise _invalid(f"{scheme}_proxy", reason)
    raise _invalid("no_proxy", "httpx cannot read one of its entries; write IPv6 addresses bare")


def _invalid(name: str, reason: str) -> ValueError:
    """Return the error for a variable, which is named as it is spelled in the environment."""
    spelled = next((n for n in os.environ if n.lower() == name.lower()), name)
    return ValueError(f"the environment variable {spelled} is invalid: {reason}")
