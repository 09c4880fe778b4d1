"""Tokens that stand for a run that waits for an answer: its checkpoint, signed.

A token leaves this process and comes back through a model, so it is not trusted: HMAC-SHA256 over
canonical JSON, in which the server's URL takes part. It contains no credentials. It does not
expire: it is worth one answer to one run, and nothing once the run does not ask any more.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import os
import secrets
import stat
import sys
import tempfile
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

KEY_SIZE: Final = 32  # bytes
MAX_TOKEN: Final = 100_000  # characters
MAX_PAYLOAD: Final = 1_000_000  # bytes
_VERSION: Final = b"llama-agents-client/mcp/1\0"


class TokenError(ValueError):
    """A token that was not made with this key for this server, or that was changed."""


class Seal:
    """Signs what a token contains, and verifies it.

    Args:
        key: The secret.
        server: URL of the server. Tokens for one server are invalid for another.
    """

    def __init__(self, key: bytes, server: str) -> None:
        self._key = hmac.digest(key, _VERSION + server.encode(), "sha256")

    def sign(self, payload: Mapping[str, Any]) -> str:
        """Return a payload as a token."""
        canonical = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
        body = zlib.compress(canonical, 9)  # a model copies it character by character
        return f"{_encode(body)}.{_encode(self._signature(body))}"

    def verify(self, token: str) -> dict[str, Any]:
        """Return the payload of a token.

        Raises:
            TokenError: It was not signed with this key for this server.
        """
        body, _, signature = token[: MAX_TOKEN + 1].strip().partition(".")
        try:
            signed = _decode(body)
            if not hmac.compare_digest(_decode(signature), self._signature(signed)):
                raise TokenError
        except (ValueError, binascii.Error):
            raise TokenError("the token is not valid") from None
        # Only now: what is read is what was signed.
        payload: dict[str, Any] = json.loads(zlib.decompressobj().decompress(signed, MAX_PAYLOAD))
        return payload

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(data) != text:  # characters that are no base64 would be skipped
        raise ValueError
    return data


def key_path() -> Path:
    """Return where the key is kept: in the user's folder for state."""
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        folder = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(folder) / "llama-agents-client" / "mcp.key"


def load_key(path: Path) -> bytes:
    """Return the key in a file that only its owner can read; create it if there is none.

    Raises:
        OSError: It cannot be created or read, or others can read it.
    """
    with suppress(FileNotFoundError):
        return _read(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # readable by its owner alone
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_SIZE))
        # Unlike a rename, it fails if another process was faster: both then use that key.
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
    return _read(path)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise PermissionError(f"{path} can be read by others: chmod 600, or delete it")
        key = file.read(KEY_SIZE + 1)
    if len(key) != KEY_SIZE:
        raise OSError(f"{path} is not a key: delete it")
    return key
