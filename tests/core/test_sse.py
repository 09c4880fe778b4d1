"""The decoder keeps the rules of the WHATWG standard, however the bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_agents.client._sse import Block, SSEDecoder


def decode(*pieces: bytes) -> list[Block]:
    decoder = SSEDecoder()
    return [block for piece in pieces for block in decoder.feed(piece)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"id: 1\ndata: x\n\n", [Block(b"x", 1)], id="a frame as the server writes it"),
        pytest.param(b"id:1\r\ndata:x\r\n\r\n", [Block(b"x", 1)], id="CRLF and no space"),
        pytest.param(b"id: 1\rdata: x\r\r", [Block(b"x", 1)], id="CR"),
        pytest.param(b"data: x\nid: 1\n\n", [Block(b"x", 1)], id="data before id"),
        pytest.param(b"data: a\ndata: b\n\n", [Block(b"a\nb")], id="data lines join with LF"),
        pytest.param(b"data:  x\n\n", [Block(b" x")], id="only one space is dropped"),
        pytest.param(b"\xef\xbb\xbfdata: x\n\n", [Block(b"x")], id="one BOM is dropped"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", [], id="a second BOM is not"),
        pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Block(b"a")], id="nor a later one"),
        pytest.param(b": heartbeat\n\n", [], id="a comment"),
        pytest.param(b"event: x\nfoo: bar\nbaz\n\n", [], id="other fields"),
        pytest.param(b"event: x\ndata: y\n\n", [Block(b"y")], id="a named event"),
        pytest.param(b"data\n\n", [], id="data with nothing in it"),
        pytest.param(b"data:\n\n", [], id="data with nothing after the colon"),
        pytest.param(b"data:\ndata:\n\n", [], id="several data lines with nothing in them"),
        pytest.param(b"data:\ndata: x\n\n", [Block(b"\nx")], id="an empty data line and another"),
        pytest.param(b"data: x\n", [], id="no blank line"),
        pytest.param(b"data: x", [], id="no end of line"),
        pytest.param(b"id: 7\n\n", [Block(None, 7)], id="only an id"),
        pytest.param(b"retry: 1500\n\n", [Block(retry=1500)], id="retry"),
        pytest.param(b"retry: 1.5\n\n", [], id="retry that is no number"),
        pytest.param(b"id: 1_000\ndata: x\n\n", [Block(b"x")], id="id with an underscore"),
        pytest.param(b"id: +1\ndata: x\n\n", [Block(b"x")], id="id with a sign"),
        pytest.param("id: \u0661\ndata: x\n\n".encode(), [Block(b"x")], id="id in other digits"),
        pytest.param(b"id: " + b"9" * 5000 + b"\ndata: x\n\n", [Block(b"x")], id="endless id"),
        pytest.param(b"id: 1\nid: x\ndata: x\n\n", [Block(b"x")], id="the last id counts"),
        pytest.param(b"id: 1\ndata: x\n\ndata: y\n\n", [Block(b"x", 1), Block(b"y")], id="two"),
        pytest.param(b"\n\n\r\n\ndata: x\n\n", [Block(b"x")], id="blank lines before"),
    ],
)
def test_text_decodes_to_blocks(text: bytes, expected: list[Block]) -> None:
    assert decode(text) == expected


@pytest.mark.parametrize(
    "character", ["\u2028", "\u2029", "\u0085", "\x1c", "\x1d", "\x0b", "\x0c"]
)
def test_only_cr_and_lf_end_a_line(character: str) -> None:
    text = f"a{character}b".encode()
    assert decode(b"data: " + text + b"\n\n") == [Block(text)]


lines = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"", b"data: x", b"data:", b"id: 12", b"id: a", b"retry: 5", b": c", b"\xef\xbb\xbf"]
    ),
    st.text(max_size=6).map(lambda text: b"data: " + text.encode(errors="ignore")),
)
ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
bodies = st.lists(st.tuples(lines, ends)).map(lambda parts: b"".join(a + b for a, b in parts))


@given(body=bodies, cuts=st.lists(st.integers(0, 400)))
def test_any_way_of_cutting_the_bytes_gives_the_same_blocks(body: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[a:b] for a, b in itertools.pairwise(places)]
    assert decode(*pieces) == decode(body)


@given(body=bodies)
def test_one_byte_at_a_time_gives_the_same_blocks(body: bytes) -> None:
    assert decode(*(bytes([byte]) for byte in body)) == decode(body)


@given(body=bodies)
def test_decoder_agrees_with_a_line_by_line_reading_of_the_standard(body: bytes) -> None:
    assert decode(body) == reference(body)


def reference(body: bytes) -> list[Block]:
    """Reads the whole body at once, as the standard's prose says it."""
    text = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    blocks: list[Block] = []
    data, ids, retries = [], [], []
    for line in text.split(b"\n")[:-1]:
        name, value = line, b""
        if b":" in line:
            name, value = line.split(b":", 1)
            value = value[1:] if value[:1] == b" " else value
        if line == b"":
            joined = b"\n".join(data) if b"".join(data) else None
            last_id = ids[-1] if ids else None
            last_retry = retries[-1] if retries else None
            if (joined, last_id, last_retry) != (None, None, None):
                blocks.append(Block(joined, last_id, last_retry))
            data, ids, retries = [], [], []
        elif name == b"data":
            data.append(value)
        elif name in (b"id", b"retry"):
            number = int(value) if value.isdigit() and value.isascii() else None
            (ids if name == b"id" else retries).append(number)
    return blocks


def test_a_large_event_in_small_pieces_takes_linear_time() -> None:
    """20 MB in 64 KB pieces: quadratic joining would take minutes."""
    piece = b"x" * 65536
    decoder = SSEDecoder()
    decoder.feed(b"data: ")
    for _ in range(320):
        assert decoder.feed(piece) == []
    (block,) = decoder.feed(b"\n\n")
    assert block.data is not None
    assert len(block.data) == 320 * 65536
