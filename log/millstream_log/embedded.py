"""The log in this process: brokers by directory, shared by all clients of one event loop.

    "./data?flush=ack"  ->  (real path, event loop, read-only)  ->  one Broker  ->  transports

    query: flush=ack|interval|os  flush_interval_ms=1000  read_only=true  open_files_max=512
           disk_bytes_max=-1, and any broker config under Kafka's name (num.partitions=4)

Invariants: a directory has one broker for each event loop, opened by the first transport and
closed by the last; a later URL may leave options out, but not contradict those in force.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

from .broker.broker import Broker
from .client.transport import directory_of
from .errors import ClosedError, InvalidConfigError
from .wire.request import Request

R = TypeVar("R")

_NUMBERS = ("flush_interval_ms", "open_files_max", "disk_bytes_max")


class _Key(NamedTuple):
    place: str
    loop: int
    read_only: bool


class _Shared:
    """A broker, the options it was opened with, and how many transports hold it."""

    def __init__(self, options: dict[str, Any], opening: asyncio.Future[Broker]) -> None:
        self.options = options
        self.opening = opening
        self.holders = 0


_brokers: dict[_Key, _Shared] = {}


class EmbeddedTransport:
    """Calls a broker of this process; what runs straight there runs straight here."""

    def __init__(self, broker: Broker, key: _Key) -> None:
        self.broker = broker
        self._key = key
        self._closed = False

    def send(self, request: Request[R]) -> Coroutine[Any, Any, R]:
        """Return the broker's answer, to be awaited. Raises ClosedError after `close`."""
        if self._closed:
            raise ClosedError(f"this way to {self._key.place} is closed")
        return self.broker.handle(request)

    async def close(self) -> None:
        """Let go of the broker; the last one closes it."""
        if not self._closed:
            self._closed = True
            await _release(self._key)


async def open_file(url: str) -> EmbeddedTransport:
    """Open the log directory that `url` names. Raises what Broker.open raises."""
    _, options = _parse(url, "file")
    place = directory_of(url)
    if not place:
        raise InvalidConfigError(f"log {url!r} names no directory")
    return await _acquire(place, options)


async def open_memory(url: str) -> EmbeddedTransport:
    """Open the log of that name in memory; it lasts as long as somebody holds it."""
    name, options = _parse(url, "memory")
    return await _acquire(f"memory://{name}", options)


async def _acquire(place: str, options: dict[str, Any]) -> EmbeddedTransport:
    loop = asyncio.get_running_loop()
    key = _Key(place, id(loop), bool(options.get("read_only")))
    shared = _brokers.get(key)
    if shared is not None and shared.opening.get_loop() is not loop:
        shared = None  # its loop has gone without closing it, and this one has taken its id
    if shared is None:
        shared = _brokers[key] = _Shared(options, loop.create_task(_open(place, options)))
    else:
        _check_agree(place, shared.options, options)
    shared.holders += 1
    try:
        broker = await asyncio.shield(shared.opening)
    except BaseException:
        await _release(key)
        raise
    return EmbeddedTransport(broker, key)


async def _open(place: str, options: dict[str, Any]) -> Broker:
    if place.startswith("memory://"):
        from .testing.memory import MemoryFiles

        return await Broker.open("/memory", files=MemoryFiles(), **options)
    return await Broker.open(place, **options)


async def _release(key: _Key) -> None:
    shared = _brokers[key]
    shared.holders -= 1
    if shared.holders == 0:
        del _brokers[key]
        if shared.opening.done() and not shared.opening.cancelled():
            if shared.opening.exception() is None:
                await shared.opening.result().close()
        else:
            shared.opening.cancel()


def _check_agree(place: str, held: dict[str, Any], asked: dict[str, Any]) -> None:
    for name, value in asked.items():
        if name == "configs":
            _check_agree(place, held.get("configs", {}), value)
        elif held.get(name) != value:
            raise InvalidConfigError(
                f"{place} is open in this process with {name}={held.get(name, 'its default')}, "
                f"not {value}"
            )


def _parse(url: str, scheme: str) -> tuple[str, dict[str, Any]]:
    rest = url.removeprefix(f"{scheme}://") if "://" in url else url.removeprefix(f"{scheme}:")
    path, _, query = rest.partition("?")
    options: dict[str, Any] = {}
    configs: dict[str, str] = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if name == "flush":
            options[name] = value
        elif name == "read_only":
            options[name] = _boolean(name, value)
        elif name in _NUMBERS:
            options[name] = _number(name, value)
        else:
            configs[name] = value
    if configs:
        options["configs"] = configs
    return urllib.parse.unquote(path) if url.startswith("file:") else path, options


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false", "1", "0"):
        raise InvalidConfigError(f"{name}={value!r}: must be true or false")
    return value.lower() in ("true", "1")


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InvalidConfigError(f"{name}={value!r}: must be a whole number") from None
