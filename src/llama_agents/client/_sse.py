"""From bytes to server-sent events: the rules of the WHATWG HTML standard, section 9.2.6.

Pure: bytes in, blocks out; no I/O, no text decoding (the JSON parser reads UTF-8 itself).
"""

from __future__ import annotations

from typing import Final

import attrs
import httpx

_BOM: Final = b"\xef\xbb\xbf"
_MOST_DIGITS: Final = 18  # of a sequence number or a delay: beyond any, and safe for int()


@attrs.define  # not frozen: one is made for each event, and freezing takes longer than the rest
class Block:
    """What stood between two blank lines.

    Attributes:
        data: The data lines, joined with LF, as UTF-8; None when there were none or all were empty.
        id: The sequence number, or None when there was none that consists of ASCII digits alone.
        retry: The least wait before a reconnect in milliseconds, or None.
    """

    data: bytes | None = None
    id: int | None = None
    retry: int | None = None


class SSEDecoder:
    """Decodes the body of one response, cut into pieces in any way.

    A block is dispatched at its blank line; what stands unfinished at the end of the body is never
    dispatched.
    """

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []  # the pieces of a line whose end has not come yet
        self._at_start = True
        self._after_cr = False
        self._data: list[bytes] = []
        self._id: int | None = None
        self._retry: int | None = None

    def feed(self, piece: bytes) -> list[Block]:
        """Take the next piece of the body and return the blocks that it completes."""
        if self._after_cr and piece:
            # The LF of a CRLF that was cut in two ends no line of its own.
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if not piece:
            return []
        # bytes.splitlines splits at CR, LF and CRLF; str.splitlines would also split inside texts.
        lines = piece.splitlines()
        last = piece[-1:]
        self._after_cr = last == b"\r"
        unfinished = lines.pop() if last not in b"\r\n" else b""
        if lines and self._unfinished:
            lines[0] = b"".join([*self._unfinished, lines[0]])
            self._unfinished.clear()
        if unfinished:
            self._unfinished.append(unfinished)
        if lines and self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[Block]:
        # Each event of a stream passes here: what is in use for it stands in local variables.
        blocks = []
        data, id_, retry = self._data, self._id, self._retry
        for line in lines:
            if not line:
                text = b"\n".join(data) if any(data) else None
                if text is not None or id_ is not None or retry is not None:
                    blocks.append(Block(text, id_, retry))
                data.clear()
                id_ = retry = None
                continue
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"id":
                id_ = _number(value)
            elif field == b"retry":
                retry = _number(value)
        self._id, self._retry = id_, retry
        return blocks


def is_event_stream(response: httpx.Response) -> bool:
    """Whether the body of an answer is to be decoded here."""
    content_type: str = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


def _number(value: bytes) -> int | None:
    return int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else None
