"""What failed: the transport, or code of the caller's that ran in the middle of it.

A failure of the transport is an `httpx.TransportError` or `httpx.DecodingError`. httpx and httpcore
(1.0.9) break that rule in both directions:

- Not everything that the libraries below them raise is mapped: with anyio, a TLS record that cannot
  be decrypted is a bare `ssl.SSLError`. A host name that cannot be encoded, which a redirect may
  have, is a bare `UnicodeError`.
- A signal handler may raise in the middle of an operation. If it raises a `TimeoutError` or another
  `OSError`, that is mapped as if the socket had raised it.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, Final, NoReturn

import httpx

from .library import CORES

NOT_SENT_ERRORS: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,  # the proxy rejected the CONNECT that comes before the request
)
_NOT_SENT: Final = "llama_agents.client.not_sent"  # key in the extensions of a request

_LIBRARIES: Final = frozenset({"anyio", "h11", "h2", "socksio", "trio"}) | CORES
_PHASES: Final = {
    "connect_tcp": httpx.ConnectError,
    "connect_unix_socket": httpx.ConnectError,
    "start_tls": httpx.ConnectError,
    "write": httpx.WriteError,
}  # of httpcore's network streams; everything else is reading


class ExactTransport(httpx.AsyncBaseTransport):
    """A transport of this package, which raises those errors only before it sends."""


def was_not_sent(error: Exception) -> bool:
    """Return whether a failure proves that the server has not seen the request."""
    request = None
    with suppress(AttributeError, RuntimeError):  # it has no request
        # That of a redirect, for example, is another: its error says nothing about ours.
        request = error.request  # type: ignore[attr-defined]
    return request is not None and _NOT_SENT in request.extensions


def mark_not_sent(request: httpx.Request, error: BaseException) -> None:
    """Record that a request was not sent, if the error of an exact transport says so."""
    if isinstance(error, NOT_SENT_ERRORS):
        request.extensions[_NOT_SENT] = True


def raise_true_cause(error: BaseException, request: httpx.Request | None = None) -> NoReturn:
    """Raise an exception as what it is.

    Raises:
        httpx.TransportError: The transport failed.
        BaseException: What the caller's own code raised, unchanged.
    """
    failure = None
    try:
        raise_own_cause(error)
        failure = _unmapped_failure(error, request)
        if failure is None:
            raise error
        raise failure from error
    finally:
        # Their traceback has this frame in it: only the garbage collector would free them, and all
        # that the frames of the caller hold, such as a stream.
        del error, failure


def raise_own_cause(error: BaseException) -> None:
    """Raise the exception of a signal handler that ``error`` was made from, if there is one."""
    own = raised_by_caller(error)
    if own is not None and own is not error:
        context = own.__context__
        try:
            raise own
        finally:
            own.__context__ = context  # not what it was taken for
            del own, error, context


def raised_by_caller(error: BaseException) -> BaseException | None:
    """Return the exception of a signal handler that ``error`` is, or was made from."""
    for cause in _causes(error):
        if any(_is_signal_handler(frame) for frame in _frames(cause)):
            return cause
    return None


def _is_signal_handler(frame: FrameType) -> bool:
    """Return whether a frame is a signal handler's: it is called with the frame it interrupts."""
    for value in locals_of(frame).values():
        values = value if isinstance(value, tuple) else (value,)
        if any(isinstance(value, FrameType) for value in values):
            return True
    return False


def _unmapped_failure(
    error: BaseException, request: httpx.Request | None
) -> httpx.TransportError | None:
    """Return what httpx should have raised, if a library below it raised ``error`` through it."""
    if _is_wrongly_local(error):
        return httpx.RemoteProtocolError(str(error), request=request)
    library = type(error).__module__.partition(".")[0]
    is_library_error = isinstance(error, (OSError, EOFError, UnicodeError)) or library in _LIBRARIES
    if not isinstance(error, Exception) or not is_library_error or raised_by_caller(error):
        return None
    functions = [frame.f_code.co_name for frame in _frames(error) if is_httpcore(frame)]
    if not functions:
        return None  # raised by an event hook, for example
    cls: Any = httpx.ReadError
    for function in functions:
        cls = _PHASES.get(function, cls)
    if library in ("h11", "h2"):
        cls = httpx.RemoteProtocolError
    elif library in CORES:
        cls = getattr(httpx, type(error).__name__, cls)
    failure: httpx.TransportError = cls(f"{type(error).__name__}: {error}", request=request)
    return failure


def _is_wrongly_local(error: BaseException) -> bool:
    """Return whether h2 rejected what the server sent: httpcore does not tell that apart."""
    if isinstance(error, httpx.LocalProtocolError):
        for cause in _causes(error):
            modules = [str(frame.f_globals.get("__name__")) for frame in _frames(cause)]
            if modules and modules[-1].startswith(("h2.", "hpack.")):
                return modules[-1] != "h2.utilities"  # where headers are checked
    return False


def locals_of(frame: FrameType) -> dict[str, Any]:
    """Return a copy of the variables of a frame.

    Before Python 3.13, a function's frame keeps the dict that it returns, and with it an exception
    that has the frame in its traceback: only the garbage collector would free them.
    """
    found = frame.f_locals
    copied = dict(found)
    if isinstance(found, dict) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        found.clear()
    return copied


def is_httpcore(frame: FrameType) -> bool:
    """Return whether a frame belongs to httpcore."""
    return str(frame.f_globals.get("__name__")).partition(".")[0] in CORES


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was made from."""
    cause: object = error
    while isinstance(cause, BaseException):
        yield cause
        # httpcore's errors lose their cause, but keep what they were made from as an argument.
        cause = cause.__cause__ or next(iter(cause.args), None)


def _frames(error: BaseException) -> Iterator[FrameType]:
    return (frame for frame, _ in traceback.walk_tb(error.__traceback__))
