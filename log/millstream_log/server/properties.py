"""Files in the manner of server.properties, and addresses as they stand there.

# comment
listeners=PLAINTEXT://127.0.0.1:9092
log.dirs=/var/lib/millstream
"""

from __future__ import annotations

from ..errors import InvalidConfigError

_PORT_MAX = 65_535


def read_properties(path: str) -> dict[str, str]:
    """Return the configs of a file.

    Raises:
        InvalidConfigError: a line is no `key=value`; the message names file and line.
        OSError: the file cannot be read.
    """
    found = {}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text[0] in "#!":
                continue
            name, separator, value = text.partition("=")
            if not separator:
                raise InvalidConfigError(f"{path}, line {number}: {text!r} must be key=value")
            found[name.strip()] = value.strip()
    return found


def address_of(text: str, what: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `[v6]:port` or `PLAINTEXT://host:port`.

    Raises:
        InvalidConfigError: the text is none of these; `what` is the option's name.
    """
    first = text.split(",")[0].strip()
    protocol, separator, rest = first.rpartition("://")
    if separator and protocol != "PLAINTEXT":
        raise InvalidConfigError(f"{what} {text!r}: only PLAINTEXT listeners are known")
    host, colon, port = rest.rpartition(":")
    if not colon or not port.isdigit() or int(port) > _PORT_MAX:
        raise InvalidConfigError(f"{what} {text!r}: must be HOST:PORT, the port 0 to {_PORT_MAX}")
    return host.strip("[]") or "0.0.0.0", int(port)


def address_text(host: str, port: int) -> str:
    """Return `host:port`, or `[v6]:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
