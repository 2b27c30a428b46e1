"""What producer, consumer and admin share: a log that is opened once and given back once.

Invariants: a client is started at most once; a transport that was handed in is not closed.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from ..errors import ClosedError
from .transport import Transport, open_transport

Log = str | os.PathLike[str] | Transport
"""A URL or a directory to open, or a way to a broker that is open."""


class Client:
    """The base of the clients; `async with` starts and stops it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._transport: Transport | None = None
        self._closed = False

    async def start(self) -> None:
        """Open the log."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Give the log back; twice is once."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _open(self) -> Transport:
        """Open the log. Raises ClosedError when that was done before."""
        if self._transport is not None or self._closed:
            raise ClosedError(f"{type(self).__name__.lower()} was started before")
        log = self._log
        self._transport = await open_transport(log) if isinstance(log, str | os.PathLike) else log
        return self._transport

    async def _give_back(self) -> None:
        """Close the transport where this client opened it."""
        self._closed = True
        transport, self._transport = self._transport, None
        if transport is not None and isinstance(self._log, str | os.PathLike):
            await transport.close()
