"""How clients reach a log: one call, one answer, whatever lies between.

    "./data"  "file:./data?flush=ack"  "memory://name"   ->  opener of the scheme  ->  Transport

Invariants: a client knows nothing of what is behind its transport; a scheme has one opener, and
the room that can open it registers it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ..errors import InvalidRequestError
from ..wire.request import Request

R = TypeVar("R")


class Transport(Protocol):
    """A way to a broker."""

    def send(self, request: Request[R]) -> Coroutine[Any, Any, R]:
        """Return the broker's answer, to be awaited. May run straight, without a suspension.

        Raises:
            ClosedError: this transport was closed.
            ConnectionLostError: the broker went away before it answered.
        """
        ...

    async def close(self) -> None:
        """Give the way up; twice is once."""
        ...


Opener = Callable[[str], Awaitable[Transport]]

_openers: dict[str, Opener] = {}


def register_scheme(scheme: str, opener: Opener) -> None:
    """Let `opener` open the URLs of `scheme`; it gets the whole URL."""
    _openers[scheme] = opener


async def open_transport(url: str | os.PathLike[str]) -> Transport:
    """Open a transport to the log at `url`; a text without a scheme is a path.

    Raises:
        InvalidRequestError: nobody knows the scheme.
        LogError: whatever opening that log raises.
    """
    text = os.fspath(url)
    scheme = scheme_of(text)
    opener = _openers.get(scheme)
    if opener is None:
        known = ", ".join(sorted(_openers))
        raise InvalidRequestError(f"log {text!r}: unknown scheme {scheme!r}, known: {known}")
    return await opener(text)


def directory_of(url: str) -> str:
    """Return the real path of the directory that a bare path or a file URL names."""
    path = url.removeprefix("file://") if "://" in url else url.removeprefix("file:")
    path = path.partition("?")[0]
    return os.path.realpath(os.path.expanduser(path)) if path else ""


def scheme_of(url: str) -> str:
    """Return the scheme of a URL; "file" for a bare path and for a drive letter."""
    if url.startswith("file:"):
        return "file"
    head, separator, _ = url.partition("://")
    if separator and head.isalnum():
        return head.lower()
    return "file"
