"""The decoder reads any bytes, however they are split into chunks, as the WHATWG standard says."""

from __future__ import annotations

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from llama_agents.client._core.sse import ServerSentEvent, SSEDecoder

MAX_DIGITS = 18  # of a number that the decoder accepts


def decode(*chunks: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def reference(body: bytes) -> list[ServerSentEvent]:
    """Decode a whole body at once, in the order of the standard's prose (9.2.6).

    The client's own rules: an id is a number and holds for its event alone, and an event with only
    an id or a retry is reported too.
    """
    # As latin-1 each byte is one character, so that no character is taken for the end of a line.
    text = body.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    *lines, _unfinished = re.split("\r\n|\n|\r", text)
    events = []
    data, number, delay = "", None, None
    for line in lines:
        if line == "":
            text_of_event = data.removesuffix("\n")
            found = text_of_event.encode("latin-1") if text_of_event.strip("\n") else None
            if found is not None or number is not None or delay is not None:
                events.append(ServerSentEvent(found, number, delay))
            data, number, delay = "", None, None
            continue
        if line.startswith(":"):
            continue
        field, colon, value = line.partition(":")
        if colon and value.startswith(" "):
            value = value[1:]
        digits = re.fullmatch("[0-9]+", value) and len(value) <= MAX_DIGITS
        if field == "data":
            data += value + "\n"
        elif field == "id":
            number = int(value) if digits else None
        elif field == "retry":
            delay = int(value) if digits else None
    return events


# Not the ends of lines, though they are to str.splitlines, and parts of characters.
separators = st.sampled_from(["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
texts = st.text(st.one_of(separators, st.sampled_from("aä€😀: \ufeff\x00"), st.characters()))
written = texts.map(lambda text: re.sub("[\r\n]", "", text).encode(errors="ignore"))
numbers = st.one_of(
    st.integers(0, 10**20).map(lambda number: b"%d" % number),
    st.sampled_from(
        [b"", b"007", b"-1", b"+1", b"1_0", b"1.5", b" 1", b"1 ", b"9" * 18, b"9" * 19]
    ),
    st.sampled_from(["\u0661".encode(), "²".encode(), b"\xb2", b"0x1", b"1\x00", b"9" * 5000]),
)
names = st.sampled_from(
    [b"data", b"id", b"retry", b"event", b"Data", b"", b" data", b"data ", b"x"]
)
lines = st.one_of(
    st.just(b""),
    st.tuples(names, st.sampled_from([b":", b": "]), written).map(b"".join),
    st.tuples(
        st.sampled_from([b"id", b"retry"]), st.sampled_from([b":", b": ", b":  "]), numbers
    ).map(b"".join),
    names,
    written,
    st.binary(max_size=12),
)
ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
starts = st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf"])
streams = st.builds(
    lambda start, parts, rest: start + b"".join(line + end for line, end in parts) + rest,
    starts,
    st.lists(st.tuples(lines, ends), max_size=25),
    written,
)
bodies = st.one_of(streams, st.binary(max_size=200))


@st.composite
def split_bodies(draw: st.DrawFn) -> list[bytes]:
    """A body in chunks, some of them empty."""
    body = draw(bodies)
    cuts = draw(st.lists(st.integers(0, len(body)), max_size=20))
    return [body[a:b] for a, b in itertools.pairwise(sorted([0, *cuts, len(body)]))]


@settings(max_examples=400, deadline=None)
@given(chunks=split_bodies())
def test_chunks_are_decoded_as_the_standard_says_and_without_delay(
    chunks: list[bytes],
) -> None:
    decoder = SSEDecoder()
    events: list[ServerSentEvent] = []
    body = b""
    for chunk in chunks:
        events += decoder.feed(chunk)
        body += chunk
        assert events == reference(body)
    assert events == decode(body)


BODY = (
    b'\xef\xbb\xbfid: 1\ndata: {"a":\ndata:1}\n\n: hi\r\n\r\nretry: 5\r\rdata:\n\ndata\n\n'
    + "\ufeffdata: no\nid:7\r\ndata: \u2028ä\u0085😀\x1c\r\n\r\nid\nid: 8\n\ndata: €".encode()
)


def test_body_with_every_feature_can_be_split_at_any_two_places() -> None:
    whole = reference(BODY)
    assert len(whole) == 4
    assert decode(*(BODY[place : place + 1] for place in range(len(BODY)))) == whole
    for first, second in itertools.combinations(range(len(BODY) + 1), 2):
        chunks = BODY[:first], BODY[first:second], BODY[second:]
        assert decode(*chunks) == whole, chunks


@settings(max_examples=100, deadline=None)
@given(chunks=split_bodies())
def test_decoder_keeps_nothing_of_complete_events(chunks: list[bytes]) -> None:
    decoder = SSEDecoder()
    for chunk in [*chunks, b"\n", b"\n", b"\n"]:
        decoder.feed(chunk)
    fresh = SSEDecoder()
    fresh.feed(b"x\n\n")
    fresh._until_check = decoder._until_check
    assert vars(decoder) == vars(fresh)
