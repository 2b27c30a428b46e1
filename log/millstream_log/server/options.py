"""The options of `millstream serve`: words of the command line, over a file of configs.

    --config FILE  <  -o key=value  <  --data --listen --advertise     the later one holds

Invariants: without authentication only loopback is listened on, unless that is said to be meant.
"""

from __future__ import annotations

import argparse
import ipaddress
from typing import NamedTuple

from ..errors import InvalidConfigError
from .properties import address_of, address_text, read_properties

DATA_DEFAULT = "./data"
LISTEN_DEFAULT = "127.0.0.1:9092"
_OWN = ("log.dirs", "log.dir", "listeners", "advertised.listeners")


class Options(NamedTuple):
    """What to serve, and where."""

    data: str
    host: str
    port: int
    advertised: tuple[str, int] | None
    flush: str
    flush_interval_ms: int
    configs: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the options of `serve`."""
    add = parser.add_argument
    add("--data", metavar="DIR", help=f"the log directory (default: {DATA_DEFAULT})")
    add("--listen", metavar="HOST:PORT", help=f"default: {LISTEN_DEFAULT}; port 0 is a free one")
    add(
        "--advertise",
        metavar="HOST:PORT",
        help="the address that clients are told (default: the one they have reached)",
    )
    add("--config", metavar="FILE", help="broker configs, as in server.properties")
    add(
        "-o",
        dest="options",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="one broker config; may come again",
    )
    add(
        "--flush",
        choices=("ack", "interval", "os"),
        default="interval",
        help="when records go to the disk: before each acknowledgement, once an interval, or as"
        " the system likes (default: interval)",
    )
    add("--flush-interval-ms", type=int, default=1000, metavar="MS", help="default: 1000")
    add(
        "--insecure",
        action="store_true",
        help="listen on other addresses than loopback too, without authentication",
    )


def options_of(args: argparse.Namespace) -> Options:
    """Return what the arguments ask for, checked.

    Raises:
        InvalidConfigError: an option contradicts the rules; the message says which.
        OSError: the config file cannot be read.
    """
    configs = read_properties(args.config) if args.config else {}
    for option in args.options:
        name, separator, value = option.partition("=")
        if not separator:
            raise InvalidConfigError(f"-o {option}: must be KEY=VALUE")
        configs[name.strip()] = value.strip()
    own = {name: configs.pop(name, "") for name in _OWN}
    host, port = address_of(args.listen or own["listeners"] or LISTEN_DEFAULT, "listen")
    advertise = args.advertise or own["advertised.listeners"]
    advertised = address_of(advertise, "advertise") if advertise else None
    if advertised:  # listeners too are shown, but their port is known only when they are bound
        configs["advertised.listeners"] = f"PLAINTEXT://{address_text(*advertised)}"
    if not (args.insecure or _is_loopback(host)):
        raise InvalidConfigError(
            f"listen {host}:{port}: this is no loopback address, and whoever reaches it may read"
            " and write everything; add --insecure when that is meant"
        )
    data = args.data or own["log.dirs"] or own["log.dir"] or DATA_DEFAULT
    if "," in data and not args.data:
        raise InvalidConfigError(f"log.dirs={data!r}: one directory holds the log; name one")
    return Options(
        data=data,
        host=host,
        port=port,
        advertised=advertised,
        flush=args.flush,
        flush_interval_ms=args.flush_interval_ms,
        configs=configs,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
