"""A thousand connections that mean no good: what each kind of them does.

idle          connects, and says nothing
half_open     is served once, then stops inside a request
dribbling     sends a byte now and then
not_reading   asks for data again and again, and reads none of it
announcing    announces a frame of 100 MB, and sends some kilobytes
"""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from raw_client import RawClient, fetch_request

from millstream_log.wire.frames import write_request
from millstream_log.wire.messages.api_versions import ApiVersionsRequest

TOPIC = "large"
LARGE_BYTES = 24 << 20  # what the topic holds
_ANNOUNCED_BYTES = 100 << 20
_FETCHES = 20  # pipelined on a connection that does not read
_RECEIVE_BUFFER_BYTES = 4096
_VERSION = 12
_DRIBBLE_SECONDS = 1.0
_OWN_DESCRIPTORS = 200

_HELLO = b"".join(
    write_request(
        ApiVersionsRequest(client_software_name="n", client_software_version="1"), 3, 1, "storm"
    )
)


def fill(client: RawClient) -> None:
    """Write what `not_reading` connections ask for."""
    client.create(TOPIC)
    for _ in range(LARGE_BYTES // 500_000):
        written = client.produce(TOPIC, [bytes(500_000)])
        assert not written.error_code, written


def can_hold(count: int) -> bool:
    """Whether this process may have so many connections; raises its limit when it can."""
    wanted = count + _OWN_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted <= hard


def _idle(sock: socket.socket) -> None:
    pass


def _half_open(sock: socket.socket) -> None:
    sock.sendall(_HELLO + _HELLO[:7])


def _not_reading(sock: socket.socket) -> None:
    asked = fetch_request(TOPIC, 0, bytes_max=5 << 20)
    sock.sendall(b"".join(write_request(asked, _VERSION, 1, "storm")) * _FETCHES)


def _announcing(sock: socket.socket) -> None:
    sock.sendall(_HELLO + struct.pack(">ihh", _ANNOUNCED_BYTES, 0, 9) + bytes(8000))


KINDS: list[Callable[[socket.socket], None]] = [_idle, _half_open, _not_reading, _announcing]


class Storm:
    """Connections of every kind in equal parts, for the time of a `with` block."""

    def __init__(self, port: int, count: int) -> None:
        self.refused = 0  # closed by the broker before they could do anything
        self._port = port
        self._count = count
        self._sockets = contextlib.ExitStack()
        self._dribbling: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._dribble)

    def __enter__(self) -> Self:
        self._thread.start()
        for number in range(self._count):
            sock = self._sockets.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            sock.connect(("127.0.0.1", self._port))
            kind = number % (len(KINDS) + 1)
            try:
                if kind == len(KINDS):
                    self._dribbling.append(sock)
                else:
                    KINDS[kind](sock)
            except ConnectionError:
                self.refused += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._sockets.close()

    def _dribble(self) -> None:
        """Send one more byte of a request on each connection, every second."""
        sent = 0
        while not self._ended.wait(_DRIBBLE_SECONDS):
            for sock in self._dribbling:
                with contextlib.suppress(OSError):
                    sock.send(_HELLO[sent % len(_HELLO) : sent % len(_HELLO) + 1])
            sent += 1
