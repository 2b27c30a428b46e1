"""A broker behind a TCP listener.

    listening socket -> accept, within the limits -> Connection ... -> Broker.handle

Invariants: each connection is told the address that it has reached, unless one is advertised;
when descriptors run out a new connection is refused, and those that are there go on; when all
together hold too many bytes, those go whose peers have been silent for longest.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Iterable
from typing import Self

import msgspec

from ..broker.broker import Broker
from ..wire.request import Peer
from .connection import Connection
from .limits import DESCRIPTORS_KEPT, Limits, Usage, raise_descriptor_limit

logger = logging.getLogger(__name__)

SCRATCH_BYTES = 1 << 20
_ACCEPTS_MAX = 64  # in one turn of the loop
_SWEEP_SECONDS = 1.0
_BACKLOG = 512
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


class Listener:
    """The connections of one broker on one address."""

    def __init__(
        self,
        broker: Broker,
        sock: socket.socket,
        limits: Limits,
        advertised: tuple[str, int] | None,
    ) -> None:
        self.broker = broker
        self.loop = asyncio.get_running_loop()
        self.limits = limits
        self.usage = Usage(limits)
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._sock = sock
        self._advertised = advertised
        self._connections: set[Connection] = set()
        self._spare = _spare_descriptor()  # given up to refuse one more connection
        self._sweeper: asyncio.TimerHandle | None = None
        broker.host.answer_bytes_allowed = self.usage.answer_bytes_allowed

    @classmethod
    async def open(
        cls,
        broker: Broker,
        host: str = "127.0.0.1",
        port: int = 9092,
        *,
        advertised: tuple[str, int] | None = None,
    ) -> Self:
        """Listen on `host` and `port`; port 0 takes a free one.

        Raises:
            OSError: the address cannot be listened on.
        """
        limits = Limits.of(broker.host.config)
        # Log files take a quarter of the descriptors at most.
        room = raise_descriptor_limit() * 3 // 4 - DESCRIPTORS_KEPT
        limits = msgspec.structs.replace(
            limits, connections_max=max(1, min(limits.connections_max, room))
        )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            reason = (error.strerror or str(error)).partition(" (while ")[0]
            raise OSError(f"cannot listen on {host}:{port}: {reason}") from error
        sock.setblocking(False)
        listener = cls(broker, sock, limits, advertised)
        listener.loop.add_reader(sock, listener._accept)
        listener._tick()
        return listener

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and port that are listened on."""
        host, port = self._sock.getsockname()[:2]
        return host, port

    def forget(self, connection: Connection) -> None:
        """Drop a connection that was closed."""
        self._connections.discard(connection)
        self.usage.by_address[connection.address] -= 1
        if not self.usage.by_address[connection.address]:
            del self.usage.by_address[connection.address]

    def make_room(self) -> None:
        """Close the most silent of those that hold bytes, until all hold no more than they may."""
        usage, limits = self.usage, self.limits
        while usage.received_bytes > limits.received_bytes_total_max:
            holders = [each for each in self._connections if each.received_bytes]
            _most_silent(holders).close(
                f"unfinished requests hold {usage.received_bytes} bytes in all"
            )
        while usage.unsent_bytes > limits.unsent_bytes_total_max:
            holders = [each for each in self._connections if each.unsent_bytes]
            _most_silent(holders).close(f"unread answers hold {usage.unsent_bytes} bytes in all")

    async def close(self) -> None:
        """Take no more connections, and close those that are there."""
        self.loop.remove_reader(self._sock)
        self._sock.close()
        if self._spare is not None:
            os.close(self._spare)
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._connections):
            connection.close("")

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_MAX):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:
                    self._refuse_without_descriptor()
                else:
                    logger.warning("cannot accept a connection: %s", error)
                return
            self._admit(sock, address[0])

    def _refuse_without_descriptor(self) -> None:
        logger.warning("out of descriptors: refusing a connection")
        if self._spare is None:  # a log file has taken it: be deaf until the next sweep
            self.loop.remove_reader(self._sock)
            return
        os.close(self._spare)
        with contextlib.suppress(OSError):
            self._sock.accept()[0].close()
        self._spare = _spare_descriptor()

    def _admit(self, sock: socket.socket, address: str) -> None:
        limits, by_address = self.limits, self.usage.by_address
        if len(self._connections) >= limits.connections_max:
            logger.warning("refusing %s: %d connections", address, limits.connections_max)
            sock.close()
        elif by_address[address] >= limits.connections_per_address_max:
            logger.warning("refusing %s: %d connections of its own", address, by_address[address])
            sock.close()
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.adopt(sock, address)

    def adopt(self, sock: socket.socket, address: str) -> Connection:
        """Serve a connected socket, which is closed here from now on."""
        sock.setblocking(False)
        host, port = self._advertised or sock.getsockname()[:2]
        peer = Peer(client_host=address, broker_host=host, broker_port=port)
        connection = Connection(self, sock, address, peer)
        self.usage.by_address[address] += 1
        self._connections.add(connection)
        return connection

    def sweep(self) -> None:
        """Close what is idle or stalled for too long."""
        now = self.loop.time()
        limits = self.limits
        for connection in list(self._connections):
            silent = now - connection.last_active
            if connection.is_stalled and silent > limits.stalled_seconds_max:
                connection.close(f"stalled for {silent:.0f} s")
            elif silent > limits.idle_seconds_max:
                connection.close("")

    def _tick(self) -> None:
        self.sweep()
        if self._spare is None:
            self._spare = _spare_descriptor()
            self.loop.add_reader(self._sock, self._accept)
        self._sweeper = self.loop.call_later(_SWEEP_SECONDS, self._tick)


def _most_silent(connections: Iterable[Connection]) -> Connection:
    return min(connections, key=lambda connection: connection.last_active)


def _spare_descriptor() -> int | None:
    """Return a descriptor, or None when there is none left."""
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None
