"""What a `kafka://` URL says: brokers to begin with, and options.

    kafka://host:port[,host:port][?client_id=..&request_timeout_ms=..&metadata_max_age_ms=..]

Invariants: an option that nobody knows is refused, never passed over: it may be the one that was
to keep a secret.
"""

from __future__ import annotations

import urllib.parse
from typing import Any, NamedTuple

from ..errors import InvalidConfigError

PORT_DEFAULT = 9092
_NUMBERS = {"request_timeout_ms": 1, "metadata_max_age_ms": 0}  # the least that each may be
_KNOWN = ("client_id", *_NUMBERS)


class Address(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Target(NamedTuple):
    """Whom to ask for the brokers of a log, and how."""

    seeds: tuple[Address, ...]
    client_id: str = "millstream"
    request_timeout_ms: int = 30_000  # beyond what a request itself allows its broker to wait
    metadata_max_age_ms: int = 300_000

    def __str__(self) -> str:
        return f"kafka://{','.join(map(str, self.seeds))}"


def parse(url: str) -> Target:
    """Return what a `kafka://` URL says.

    Raises:
        InvalidConfigError: it names no broker, or an option that there is not.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.path.strip("/") or parts.fragment:
        raise InvalidConfigError(f"log {url!r}: nothing but options may follow the brokers")
    if "@" in parts.netloc:
        raise InvalidConfigError(f"log {url!r}: brokers are asked without a name or a password")
    seeds = tuple(_address(url, text) for text in parts.netloc.split(",") if text)
    if not seeds:
        raise InvalidConfigError(f"log {url!r} names no broker, as kafka://127.0.0.1:9092 does")
    options = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    given: dict[str, Any] = {_known(url, name): _value(name, value) for name, value in options}
    return Target(seeds, **given)


def _address(url: str, text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(PORT_DEFAULT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise InvalidConfigError(f"log {url!r}: {text!r} is not host:port")
    return Address(host, int(port))


def _known(url: str, name: str) -> str:
    if name in _KNOWN:
        return name
    hint = ""
    if name.startswith(("sasl", "ssl", "security", "tls")):
        hint = "; brokers are asked in plain text, without authentication"
    raise InvalidConfigError(
        f"log {url!r}: unknown option {name!r}, known: {', '.join(_KNOWN)}{hint}"
    )


def _value(name: str, text: str) -> str | int:
    if name not in _NUMBERS:
        if not text:
            raise InvalidConfigError(f"{name}={text!r}: must not be empty")
        return text
    least = _NUMBERS[name]
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise InvalidConfigError(f"{name}={text!r}: must be a whole number from {least} on")
    return int(text)
