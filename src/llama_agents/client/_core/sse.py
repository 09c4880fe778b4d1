"""Server-sent events from bytes, by the WHATWG HTML standard, section 9.2.6.

Unlike there, an ``id`` applies to its own event only: it is the number of that event. No text is
decoded here: the JSON parser reads UTF-8 itself.
"""

from __future__ import annotations

import sys
from typing import Final

import attrs
import httpx

_BOM: Final = b"\xef\xbb\xbf"
_MAX_DIGITS: Final = 18  # of a sequence number or a delay: enough for any, and safe for int()
_DATA: Final = b"data:"
_MAX_OTHER_LINE: Final = 64  # bytes kept of an incomplete line that is not data: enough to read it
_CHECK_EVERY: Final = 65536  # bytes; checking after each chunk would cost a third of the time


@attrs.define  # not frozen: there is one for each event, and freezing costs more than the rest
class ServerSentEvent:
    """The fields between two blank lines.

    Attributes:
        data: The data lines, joined with LF, as UTF-8; None if there were none or all were empty.
        id: The sequence number; None if there was none, or one that is not ASCII digits alone.
        retry: The minimum delay before a reconnect in milliseconds, or None.
    """

    data: bytes | None = None
    id: int | None = None
    retry: int | None = None


class SSEDecoder:
    """Decodes the body of one response, in chunks of any size.

    An event is dispatched at its blank line; an unfinished one at the end of the body never is.
    Comments and unknown fields are not stored, however long they are.

    Args:
        max_event_size: How many bytes of data an event may have; None for no limit.

    Attributes:
        event_too_large: Whether an event exceeded the limit. Those before it have been returned;
            nothing may be fed after it.
    """

    def __init__(self, max_event_size: int | None = None) -> None:
        self.event_too_large = False
        self._max_size = sys.maxsize if max_event_size is None else max_event_size
        self._until_check = _CHECK_EVERY  # bytes that may be fed before the next `_limit_stored`
        self._partial_line = bytearray()  # a line whose end has not come yet
        self._at_start = True
        self._after_cr = False
        self._data: list[bytes] = []
        self._id: int | None = None
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Decode the next chunk of the body; return the events that it completes."""
        if self._after_cr and chunk:
            # The LF of a CRLF that was split does not end another line.
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return []
        # bytes.splitlines splits at CR, LF and CRLF; str.splitlines would also split inside texts.
        lines = chunk.splitlines()
        last = chunk[-1:]
        self._after_cr = last == b"\r"
        partial = lines.pop() if last not in b"\r\n" else b""
        if lines and self._partial_line:
            lines[0] = b"".join([self._partial_line, lines[0]])
            self._partial_line.clear()
        if lines and self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        events = self._read(lines)
        if partial:
            self._partial_line += partial
        self._until_check -= len(chunk)
        if self._until_check < 0:
            self._limit_stored()
        return events

    def has_unended_event(self) -> bool:
        """Return whether a whole JSON object has come without a number and without a blank line.

        That is how servers before 2.3 of llama-index-workflows write events.
        """
        is_object = (line.startswith(b"{") and line.endswith(b"}") for line in self._data)
        return self._id is None and any(is_object)

    def _read(self, lines: list[bytes]) -> list[ServerSentEvent]:
        # The hot path of a stream, hence the local variables.
        events = []
        data, id_, retry, max_size = self._data, self._id, self._retry, self._max_size
        for line in lines:
            if not line:
                joined = b"\n".join(data)
                if len(joined) > max_size:
                    self.event_too_large = True
                    data.clear()
                    break
                text = joined if joined.strip(b"\n") else None  # None: all lines are empty
                if text is not None or id_ is not None or retry is not None:
                    events.append(ServerSentEvent(text, id_, retry))
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
        return events

    def _limit_stored(self) -> None:
        """Limit what is stored of an incomplete event."""
        line, data = self._partial_line, self._data
        if not line.startswith((_DATA, _BOM + _DATA) if self._at_start else _DATA):
            # Without its end it is still a comment, an unknown field or an invalid number.
            del line[_MAX_OTHER_LINE:]
        if len(data) > 1:
            data[:] = [b"\n".join(data)]  # short lines take many times their size
        stored = sum(map(len, data)) + len(line)
        # The name of the field, and what is left of another line, are not data.
        if stored > self._max_size + 2 * _MAX_OTHER_LINE:
            self.event_too_large = True
            data.clear()
            line.clear()
        # In proportion, so that joining takes linear time.
        self._until_check = max(_CHECK_EVERY, stored // 8)


def is_event_stream(response: httpx.Response) -> bool:
    """Return whether a response is a stream of server-sent events, by its headers."""
    content_type: str = response.headers.get("content-type", "")
    is_right_type = content_type.partition(";")[0].strip().lower() == "text/event-stream"
    return is_right_type and response.is_success and response.status_code != 204


def _number(value: bytes) -> int | None:
    return int(value) if value.isdigit() and len(value) <= _MAX_DIGITS else None
