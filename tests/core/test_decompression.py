"""Compressed bodies are decompressed in pieces, so that no chunk becomes gigabytes at once."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from llama_agents.client._transport.connection import limit_decompression

BODY = bytes(20_000_000)


class OneChunk(httpx.AsyncByteStream, httpx.SyncByteStream):
    def __init__(self, data: bytes) -> None:
        self.data = data

    def __iter__(self) -> Iterator[bytes]:
        yield self.data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.data


def response(coding: str, data: bytes) -> httpx.Response:
    headers = {"Content-Encoding": coding} if coding else {}
    received = httpx.Response(200, headers=headers, stream=OneChunk(data))
    limit_decompression(received)
    return received


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("coding", "data"), [("gzip", gzip.compress(BODY)), ("Deflate, identity", zlib.compress(BODY))]
)
async def test_chunk_is_decompressed_in_small_pieces(coding: str, data: bytes) -> None:
    for chunks in (
        [*response(coding, data).iter_bytes()],
        [chunk async for chunk in response(coding, data).aiter_bytes()],
    ):
        assert b"".join(chunks) == BODY
        assert max(map(len, chunks)) < 1_100_000


@pytest.mark.anyio
@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
async def test_body_ends_with_its_compressed_data(compress: Any) -> None:
    """What follows would be stored, and httpx would not decompress it."""
    coding = "gzip" if compress is gzip.compress else "deflate"
    data = compress(b"first") + compress(b"second") + bytes(20_000)
    for received, chunks in (
        (sync := response(coding, data), [*sync.iter_bytes()]),
        (other := response(coding, data), [chunk async for chunk in other.aiter_bytes()]),
    ):
        assert b"".join(chunks) == b"first"
        assert len(received._decoder.decompressor.unused_data) < 1024  # type: ignore[attr-defined]


def test_chunk_without_compression_stays_whole() -> None:
    assert [*response("", BODY).iter_bytes()] == [BODY]
    assert [*response("identity", BODY).iter_bytes()] == [BODY]
