"""What goes on at a broker while a test looks: hostile frames, and a client that wants its answers.

storm_of_frames(port, seed, count)     sends, takes what comes, connects again when closed
with SteadyClient(port) as steady:     writes and reads on a topic of its own all the time
    ...
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from hostile import Hostile
from raw_client import RawClient, rss_bytes

from millstream_log.testing import RunningBroker

WARM_UP_FRAMES = 300  # what every broker that is in use has seen, and keeps code for
GROWTH_BYTES_MAX = 50 << 20

_SENDERS = 8
_ANSWER_SECONDS = 0.02
_LEFT_OPEN_MAX = 60


class SteadyClient:
    """A normal client beside the hostile ones: it produces and reads back, one by one."""

    topic = "steady"

    def __init__(self, port: int) -> None:
        self.rounds = 0  # produced and read back
        self._client = RawClient(port)
        self._client.create(self.topic)
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._client.sock.close()
        if error is None:
            self.check()

    def check(self) -> None:
        """Raise what it met, if it was not answered as it should be."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._round()
        except BaseException as error:
            self._error = error

    def _round(self) -> None:
        value = b"steady %d" % self.rounds
        written = self._client.produce(self.topic, [value])
        assert (written.error_code, written.base_offset) == (0, self.rounds), written
        read = self._client.fetch(self.topic, self.rounds)
        assert read.records is not None
        assert value in bytes(read.records), read
        self.rounds += 1


async def storm_of_frames(port: int, seed: int, count: int) -> None:
    """Send `count` hostile frames through several connections at a time."""
    source = Hostile(seed)
    frames = (source.frame() for _ in range(count))
    left_open: list[socket.socket] = []
    await asyncio.gather(*(_Sender(port, left_open).send_all(frames) for _ in range(_SENDERS)))
    for sock in left_open:
        sock.close()


class _Sender:
    """One connection at a time; those that owe an answer are left open for a while."""

    def __init__(self, port: int, left_open: list[socket.socket]) -> None:
        self._port = port
        self._left_open = left_open
        self._loop = asyncio.get_running_loop()
        self._sock: socket.socket | None = None

    async def send_all(self, frames: Iterable[bytes]) -> None:
        """Send frames until there are none left."""
        for frame in frames:
            sock = self._sock or await self._connect()
            try:
                await asyncio.wait_for(self._exchange(sock, frame), 10 * _ANSWER_SECONDS)
            except TimeoutError:
                self._leave(sock)
            except OSError:
                self._drop(sock)
        if self._sock is not None:
            self._drop(self._sock)

    async def _connect(self) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        await self._loop.sock_connect(sock, ("127.0.0.1", self._port))
        self._sock = sock
        return sock

    async def _exchange(self, sock: socket.socket, frame: bytes) -> None:
        """Send a frame and take all of its answer, if one comes."""
        await self._loop.sock_sendall(sock, frame)
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack_from(">i", data)[0]:
            more = await self._loop.sock_recv(sock, 1 << 20)
            if not more:
                raise ConnectionResetError
            data += more

    def _leave(self, sock: socket.socket) -> None:
        self._sock = None
        self._left_open.append(sock)
        if len(self._left_open) > _LEFT_OPEN_MAX:
            oldest = self._left_open.pop(0)
            with contextlib.suppress(OSError):  # away with a reset, as a crash would
                oldest.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            oldest.close()

    def _drop(self, sock: socket.socket) -> None:
        self._sock = None
        sock.close()


def survive_frames(running: RunningBroker, seed: int, count: int) -> None:
    """Have a broker live through hostile frames; a normal client is answered all the while.

    Its memory may not grow, no frame may show a fault of ours, and what the frames have written
    must be readable to a broker that starts anew.
    """
    asyncio.run(storm_of_frames(running.port, seed + 1, WARM_UP_FRAMES))
    before = rss_bytes(running.pid)
    with SteadyClient(running.port) as steady:
        asyncio.run(storm_of_frames(running.port, seed, count))
        grown = rss_bytes(running.pid) - before
        assert steady.rounds > 0
    assert grown < GROWTH_BYTES_MAX, f"{grown} bytes more than before"
    running.kill()
    running.start()
    assert running.stop() == 0
    said = running.said()
    at = said.find("Traceback")
    assert at < 0, said[max(0, at - 300) : at + 5000]
