"""The decoder follows the rules of the WHATWG standard; tests/fuzz has the chunks."""

from __future__ import annotations

import pytest
from llama_agents.client._core.sse import ServerSentEvent as Event
from llama_agents.client._core.sse import SSEDecoder


def decode(body: bytes) -> list[Event]:
    return SSEDecoder().feed(body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"id: 1\ndata: x\n\n", [Event(b"x", 1)], id="an event of the server"),
        pytest.param(b"id:1\r\ndata:x\r\n\r\n", [Event(b"x", 1)], id="CRLF and no space"),
        pytest.param(b"id: 1\rdata: x\r\r", [Event(b"x", 1)], id="CR"),
        pytest.param(b"data: x\nid: 1\n\n", [Event(b"x", 1)], id="data before id"),
        pytest.param(b"data: a\ndata: b\n\n", [Event(b"a\nb")], id="data lines join with LF"),
        pytest.param(b"data:  x\n\n", [Event(b" x")], id="only one space is dropped"),
        pytest.param(b"\xef\xbb\xbfdata: x\n\n", [Event(b"x")], id="one BOM is dropped"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", [], id="a second BOM is not"),
        pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event(b"a")], id="nor a later one"),
        pytest.param(b": heartbeat\n\n", [], id="a comment"),
        pytest.param(b"event: x\nfoo: bar\nbaz\n\n", [], id="other fields"),
        pytest.param(b"event: x\ndata: y\n\n", [Event(b"y")], id="a named event"),
        pytest.param(b"data\n\n", [], id="data with nothing in it"),
        pytest.param(b"data:\n\n", [], id="data with nothing after the colon"),
        pytest.param(b"data:\ndata:\n\n", [], id="several data lines with nothing in them"),
        pytest.param(b"data:\ndata: x\n\n", [Event(b"\nx")], id="an empty data line and another"),
        pytest.param(b"data: x\n", [], id="no blank line"),
        pytest.param(b"data: x", [], id="no end of line"),
        pytest.param(b"id: 7\n\n", [Event(None, 7)], id="only an id"),
        pytest.param(b"retry: 1500\n\n", [Event(retry=1500)], id="retry"),
        pytest.param(b"retry: 1.5\n\n", [], id="retry that is not a number"),
        pytest.param(b"id: 1_000\ndata: x\n\n", [Event(b"x")], id="id with an underscore"),
        pytest.param(b"id: +1\ndata: x\n\n", [Event(b"x")], id="id with a sign"),
        pytest.param("id: \u0661\ndata: x\n\n".encode(), [Event(b"x")], id="id in other digits"),
        pytest.param(b"id: " + b"9" * 5000 + b"\ndata: x\n\n", [Event(b"x")], id="endless id"),
        pytest.param(b"id: 1\nid: x\ndata: x\n\n", [Event(b"x")], id="the last id counts"),
        pytest.param(b"id: 1\ndata: x\n\ndata: y\n\n", [Event(b"x", 1), Event(b"y")], id="two"),
        pytest.param(b"\n\n\r\n\ndata: x\n\n", [Event(b"x")], id="blank lines before"),
    ],
)
def test_text_decodes_to_events(text: bytes, expected: list[Event]) -> None:
    assert decode(text) == expected


@pytest.mark.parametrize(
    "character", ["\u2028", "\u2029", "\u0085", "\x1c", "\x1d", "\x0b", "\x0c"]
)
def test_only_cr_and_lf_end_a_line(character: str) -> None:
    text = f"a{character}b".encode()
    assert decode(b"data: " + text + b"\n\n") == [Event(text)]


LIMIT = 1000


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
@pytest.mark.parametrize("chunk_size", [1, 7, 10_000])
def test_event_may_have_as_much_data_as_the_limit(size: int, chunk_size: int) -> None:
    body = b"data: a\n\ndata: " + b"x" * (size - 2) + b"\ndata: y\n\ndata: z\n\n"
    decoder = SSEDecoder(LIMIT)
    events = []
    for start in range(0, len(body), chunk_size):
        events += decoder.feed(body[start : start + chunk_size])
        if decoder.event_too_large:
            break
    assert decoder.event_too_large == (size > LIMIT)
    assert [event.data for event in events][:1] == [b"a"]
    assert len(events) == (1 if size > LIMIT else 3)


@pytest.mark.parametrize("line", [b"data: x", b"data:", b"\xef\xbb\xbfdata: ", b"data: x\ndata: "])
def test_endless_line_of_data_exceeds_the_limit(line: bytes) -> None:
    decoder = SSEDecoder(LIMIT)
    decoder.feed(line)
    for _ in range(100):
        assert decoder.feed(b"x" * LIMIT) == []
        if decoder.event_too_large:
            break
    assert decoder.event_too_large


@pytest.mark.parametrize("lines", [b"data:\n", b"data: x\n", b"data: x\n: hi\nid: 1\n"])
def test_endless_lines_of_data_exceed_the_limit_and_are_stored_joined(lines: bytes) -> None:
    decoder = SSEDecoder(10 * LIMIT)
    for _ in range(1000):
        decoder.feed(lines * 100)
        assert len(decoder._data) < 50_000
        if decoder.event_too_large:
            break
    assert decoder.event_too_large
    assert not decoder._data


@pytest.mark.parametrize(
    "beginning", [b":", b"event: x", b"other", b"id: 7", b"retry: 7", b"data", b"\xef\xbb\xbf:"]
)
def test_endless_line_of_anything_else_is_not_stored(beginning: bytes) -> None:
    decoder = SSEDecoder(LIMIT)
    decoder.feed(beginning)
    for _ in range(100):
        assert decoder.feed(b"7" * 10_000) == []
        assert len(decoder._partial_line) < 100_000
    assert not decoder.event_too_large
    assert decoder.feed(b"\ndata: x\n\n") == [Event(b"x")]


def test_large_event_in_small_chunks_takes_linear_time() -> None:
    """20 MB in 64 KB chunks: quadratic joining would take minutes."""
    chunk = b"x" * 65536
    decoder = SSEDecoder()
    decoder.feed(b"data: ")
    for _ in range(320):
        assert decoder.feed(chunk) == []
    (event,) = decoder.feed(b"\n\n")
    assert event.data is not None
    assert len(event.data) == 320 * 65536
