"""Which host names and ports can be connected to; sockets fail on others in ways of their own."""

from __future__ import annotations

import httpx


def problem_of(url: httpx.URL) -> str | None:
    """Return what is wrong with the host or the port of a URL, or None."""
    if url.port is not None and not 0 < url.port < 65536:
        return f"an invalid port: {url.port}"
    labels = url.raw_host.removesuffix(b".").split(b".")
    if b":" not in url.raw_host and not all(0 < len(label) < 64 for label in labels):
        return "an invalid host name"  # RFC 1035, 2.3.4
    return None
