"""What one config is: its name, type, default, bounds, and how text becomes a value.

Invariants: a value that `parse` returns lies within the bounds; every refusal names the config,
the value and what is allowed, and is an InvalidConfigError.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import InvalidConfigError
from ..wire.enums import ConfigType

I32_MAX = 2**31 - 1
I64_MAX = 2**63 - 1

Value = int | float | bool | str | tuple[str, ...]


class ConfigDef(NamedTuple):
    """One config, in Kafka's name for it."""

    name: str
    type: ConfigType
    default: Value | None  # None: nothing, or what a coarser config says
    low: float | None = None  # inclusive
    high: float | None = None  # inclusive
    one_of: tuple[str, ...] = ()
    synonym: str = ""  # the broker config that gives a topic config its default
    doc: str = ""
    dynamic: bool = False  # may be changed while the broker runs
    has_effect: bool = True

    @property
    def is_sensitive(self) -> bool:
        """Whether the value is a secret, which is never told."""
        return self.type is ConfigType.PASSWORD

    def parse(self, text: str) -> Value:
        """Return the value that `text` stands for, checked."""
        return _PARSERS[self.type](self, text.strip())

    def format(self, value: Value) -> str:
        """Return the text that stands for `value`."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, tuple):
            return ",".join(value)
        return str(value)

    def _refuse(self, text: str, allowed: str) -> InvalidConfigError:
        return InvalidConfigError(f"config {self.name}={text!r}: {allowed}")

    def _bounded(self, text: str, value: float) -> None:
        if self.low is not None and value < self.low:
            raise self._refuse(text, f"must be at least {self.low}")
        if self.high is not None and value > self.high:
            raise self._refuse(text, f"must be at most {self.high}")


def _integer(config: ConfigDef, text: str) -> Value:
    try:
        value = int(text)
    except ValueError:
        raise config._refuse(text, "must be a whole number") from None
    config._bounded(text, value)
    return value


def _double(config: ConfigDef, text: str) -> Value:
    try:
        value = float(text)
    except ValueError:
        raise config._refuse(text, "must be a number") from None
    if value != value:
        raise config._refuse(text, "must be a number")
    config._bounded(text, value)
    return value


def _boolean(config: ConfigDef, text: str) -> Value:
    allowed = config.one_of or ("true", "false")
    if text.lower() not in allowed:
        raise config._refuse(text, f"must be {' or '.join(allowed)}")
    return text.lower() == "true"


def _string(config: ConfigDef, text: str) -> Value:
    if config.one_of and text not in config.one_of:
        raise config._refuse(text, f"must be one of {', '.join(config.one_of)}")
    return text


def _list(config: ConfigDef, text: str) -> Value:
    values = tuple(part.strip() for part in text.split(",") if part.strip())
    wrong = [value for value in values if config.one_of and value not in config.one_of]
    if wrong:
        raise config._refuse(text, f"must be a list of {', '.join(config.one_of)}")
    return values


_PARSERS = {
    ConfigType.INT: _integer,
    ConfigType.LONG: _integer,
    ConfigType.SHORT: _integer,
    ConfigType.DOUBLE: _double,
    ConfigType.BOOLEAN: _boolean,
    ConfigType.STRING: _string,
    ConfigType.LIST: _list,
    ConfigType.CLASS: _string,
    ConfigType.PASSWORD: _string,
}


def known(name: str, kind: ConfigType, default: Value | None, doc: str) -> ConfigDef:
    """Return a config of Kafka's that is accepted and shown, and does nothing."""
    return ConfigDef(name, kind, default, doc=f"{doc} No effect here.", has_effect=False)


def index(definitions: Iterable[ConfigDef]) -> dict[str, ConfigDef]:
    """Return the definitions by name."""
    return {definition.name: definition for definition in definitions}


def find(definitions: Mapping[str, ConfigDef], name: str, what: str) -> ConfigDef:
    """Return the definition of `name`; raise InvalidConfigError that lists near names."""
    definition = definitions.get(name)
    if definition is None:
        near = difflib.get_close_matches(name, definitions, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InvalidConfigError(f"unknown {what} config {name!r}{hint}")
    return definition
