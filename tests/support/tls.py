"""Certificates for servers on loopback."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trustme


@attrs.frozen
class Certificates:
    """A certificate for 127.0.0.1 and localhost, and the authority that issued it.

    Attributes:
        server: What a server uses.
        client: What a client that trusts the authority uses.
    """

    server: ssl.SSLContext
    client: ssl.SSLContext
    _authority: trustme.CA

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """Let clients that are created meanwhile trust the authority."""
        before = os.environ.get("SSL_CERT_FILE")
        with self._authority.cert_pem.tempfile() as path:
            os.environ["SSL_CERT_FILE"] = path
            try:
                yield
            finally:
                del os.environ["SSL_CERT_FILE"]
                if before is not None:
                    os.environ["SSL_CERT_FILE"] = before


@functools.cache
def certificates() -> Certificates:
    """Return the certificates."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Certificates(server, client, authority)
