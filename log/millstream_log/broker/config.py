"""What configs hold: of topics, over those of the broker, over Kafka's defaults.

    topic's own  >  this broker's  >  all brokers'  >  given at start  >  Kafka's default
                    (both set while it runs, and kept in the metadata)

Invariants: what is stored has passed `parse`, so building a LogConfig cannot fail later.

Source: Kafka's documentation of topic and broker configs (4.3); KIP-226 for sources and synonyms.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from itertools import dropwhile

from ..errors import InvalidConfigError, InvalidRequestError
from ..metadata.image import ALL_BROKERS, MetadataImage
from ..model import TimestampType
from ..storage.log_config import LogConfig
from ..wire.enums import ConfigSource
from ..wire.messages.describe_configs import ConfigEntry, ConfigSynonym
from .config_broker import OWN_CONFIGS
from .config_connections import CONNECTION_CONFIGS
from .config_def import I64_MAX, ConfigDef, Value, find, index
from .config_known import KNOWN_CONFIGS
from .config_known_groups import KNOWN_GROUP_CONFIGS
from .config_known_security import KNOWN_SECURITY_CONFIGS
from .config_topics import TOPIC_CONFIGS

logger = logging.getLogger(__name__)

_ANY_NODE_ID = -1  # of broker.id

_COARSER = {
    "log.retention.ms": (("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)),
    "log.roll.ms": (("log.roll.hours", 3_600_000),),
    "log.roll.jitter.ms": (("log.roll.jitter.hours", 3_600_000),),
    "log.flush.interval.ms": (("log.flush.scheduler.interval.ms", 1),),
}
"""Broker configs that stand in, in this order, where the one in ms is not given; and their unit."""

BROKER_CONFIGS = index(
    [
        *(
            topic._replace(
                name=topic.synonym,
                synonym="",
                default=None if topic.synonym in _COARSER else topic.default,
            )
            for topic in TOPIC_CONFIGS.values()
            if topic.synonym
        ),
        *OWN_CONFIGS,
        *CONNECTION_CONFIGS,
        *KNOWN_CONFIGS,
        *KNOWN_GROUP_CONFIGS,
        *KNOWN_SECURITY_CONFIGS,
    ]
)


_DEFAULTS = {
    name: definition.default
    for name, definition in BROKER_CONFIGS.items()
    if definition.default is not None
}


class BrokerConfig:
    """The broker's configs: what was set, over Kafka's defaults."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        static = {}
        for name, text in (given or {}).items():
            definition = find(BROKER_CONFIGS, name, "broker")
            static[name] = definition.format(definition.parse(text))
            if not definition.has_effect:
                logger.warning("broker config %s is known, and has no effect here", name)
        self._layers: dict[ConfigSource, Mapping[str, str]] = {
            ConfigSource.DYNAMIC_BROKER: {},
            ConfigSource.DYNAMIC_DEFAULT_BROKER: {},
            ConfigSource.STATIC_BROKER: static,
        }
        self._static = static
        self._settle()

    def get(self, name: str) -> Value:
        """Return the value that holds for a broker config that has one."""
        return self._values[name]

    def get_int(self, name: str) -> int:
        """Return the value that holds for a numeric broker config."""
        value = self.get(name)
        assert isinstance(value, int)
        return value

    def get_list(self, name: str) -> tuple[str, ...]:
        """Return the value that holds for a broker config that is a list."""
        value = self.get(name)
        assert isinstance(value, tuple)
        return value

    @property
    def node_id(self) -> int | None:
        """Return the id that this node shall have, None when nothing says it.

        Raises:
            InvalidConfigError: node.id and broker.id contradict each other.
        """
        names = [name for name in ("node.id", "broker.id") if name in self._static]
        ids = {self.get_int(name) for name in names} - {_ANY_NODE_ID}
        if len(ids) > 1:
            raise InvalidConfigError(f"configs node.id and broker.id differ: {sorted(ids)}")
        return ids.pop() if ids else None

    def note(self, name: str, text: str) -> None:
        """Show as given what was decided elsewhere, as the log directory is."""
        self._static[name] = text
        self._settle()

    def adopt(self, image: MetadataImage) -> None:
        """Let the configs hold that were set while a broker ran, and no others of them.

        Raises:
            InvalidRequestError: one of them is not to be set so.
        """
        for source, broker in (
            (ConfigSource.DYNAMIC_BROKER, str(image.node_id)),
            (ConfigSource.DYNAMIC_DEFAULT_BROKER, ALL_BROKERS),
        ):
            self._layers[source] = check_dynamic_configs(image.broker_configs.get(broker, {}))
        self._settle()

    def _settle(self) -> None:
        """Work out the values that hold."""
        texts: dict[str, str] = {}
        for layer in reversed(self._layers.values()):
            texts.update(layer)
        given = {name: BROKER_CONFIGS[name].parse(text) for name, text in texts.items()}
        values = self._values = {**_DEFAULTS, **given}
        for name, others in _COARSER.items():
            for other, unit_ms in others:
                value = values.get(other)
                if name not in values and isinstance(value, int):
                    values[name] = value * unit_ms if value >= 0 else -1

    def describe(self, names: Collection[str] | None = None) -> list[ConfigEntry]:
        """Return broker configs (None: all) and where their values come from, by name."""
        return [
            _entry(definition, self._text(name), self._source(name), self._synonyms(name))
            for name, definition in sorted(BROKER_CONFIGS.items())
            if names is None or name in names
        ]

    def describe_all_brokers(self, names: Collection[str] | None = None) -> list[ConfigEntry]:
        """Return the configs that were set on all brokers at once, by name."""
        source = ConfigSource.DYNAMIC_DEFAULT_BROKER
        return [
            _entry(BROKER_CONFIGS[name], text, source, [_synonym(name, text, source)])
            for name, text in sorted(self._layers[source].items())
            if names is None or name in names
        ]

    def describe_topic(
        self, configs: Mapping[str, str], names: Collection[str] | None = None
    ) -> list[ConfigEntry]:
        """Return topic configs (None: all) of a topic that sets `configs`, by name."""
        return [
            self._topic_entry(definition, configs)
            for name, definition in sorted(TOPIC_CONFIGS.items())
            if names is None or name in names
        ]

    def _topic_entry(self, definition: ConfigDef, configs: Mapping[str, str]) -> ConfigEntry:
        synonyms = self._synonyms(definition.synonym) if definition.synonym else []
        text = configs.get(definition.name)
        if text is not None:
            source = ConfigSource.TOPIC
            synonyms.insert(0, ConfigSynonym(name=definition.name, value=text, source=source))
        else:
            # A value that a coarser config alone gives has no synonyms, and Kafka calls it default.
            source = synonyms[0].source if synonyms else ConfigSource.DEFAULT
        value = definition.format(self.topic_value(definition.name, configs))
        return _entry(definition, value, source, synonyms)

    def topic_value(self, name: str, configs: Mapping[str, str]) -> Value:
        """Return the value of a topic config that holds for a topic that sets `configs`."""
        definition = TOPIC_CONFIGS[name]
        text = configs.get(name)
        if text is not None:
            return definition.parse(text)
        if definition.synonym:
            return self.get(definition.synonym)
        assert definition.default is not None
        return definition.default

    def log_config(self, configs: Mapping[str, str]) -> LogConfig:
        """Return what storage goes by, for a topic that sets `configs`."""
        fields: dict[str, object] = {
            field: self.topic_value(name, configs)
            for field in LogConfig.__struct_fields__
            if (name := field.replace("_", ".")) in TOPIC_CONFIGS
        }
        policy = fields["cleanup_policy"]
        assert isinstance(policy, tuple)
        fields["cleanup_policy"] = frozenset(policy)
        fields["message_timestamp_type"] = (
            TimestampType.LOG_APPEND_TIME
            if fields["message_timestamp_type"] == "LogAppendTime"
            else TimestampType.CREATE_TIME
        )
        return LogConfig(**fields)  # type: ignore[arg-type]

    def _text(self, name: str) -> str | None:
        """Return the text set for this very name, or of its default."""
        for layer in self._layers.values():
            if name in layer:
                return layer[name]
        return _default_text(name)

    def _source(self, name: str) -> ConfigSource:
        """Return the first source that sets a broker config."""
        for source, layer in self._layers.items():
            if name in layer:
                return source
        return ConfigSource.DEFAULT

    def _synonyms(self, name: str) -> list[ConfigSynonym]:
        """Return what gives a broker config its value, from its own name on."""
        names = _chain(name)
        found = [
            _synonym(other, layer[other], source)
            for source, layer in self._layers.items()
            for other in names
            if other in layer
        ]
        for other in names:
            text = _default_text(other)
            if text is not None:
                found.append(_synonym(other, text, ConfigSource.DEFAULT))
        return list(dropwhile(lambda synonym: synonym.name != name, found))


def _chain(name: str) -> list[str]:
    """Return a broker config and those that stand in for it."""
    for finest, others in _COARSER.items():
        names = [finest, *(other for other, _ in others)]
        if name in names:
            return names[names.index(name) :]
    return [name]


def _default_text(name: str) -> str | None:
    definition = BROKER_CONFIGS[name]
    return None if definition.default is None else definition.format(definition.default)


def _synonym(name: str, text: str, source: ConfigSource) -> ConfigSynonym:
    value = None if BROKER_CONFIGS[name].is_sensitive else text
    return ConfigSynonym(name=name, value=value, source=source)


def _entry(
    definition: ConfigDef, text: str | None, source: ConfigSource, synonyms: list[ConfigSynonym]
) -> ConfigEntry:
    return ConfigEntry(
        name=definition.name,
        value=None if definition.is_sensitive else text,
        source=source,
        is_default=source is ConfigSource.DEFAULT,
        is_sensitive=definition.is_sensitive,
        read_only=not definition.dynamic,
        synonyms=synonyms,
        config_type=definition.type,
        documentation=definition.doc,
    )


def check_topic_configs(configs: Mapping[str, str | None]) -> dict[str, str]:
    """Return the configs of a topic as stored: checked, None left out."""
    checked: dict[str, str] = {}
    for name, text in configs.items():
        definition = find(TOPIC_CONFIGS, name, "topic")
        if text is None:
            continue
        if not isinstance(text, str):
            raise InvalidConfigError(f"config {name}={text!r}: must be text")
        checked[name] = definition.format(definition.parse(text))
    _check_together(checked)
    return checked


def check_dynamic_configs(configs: Mapping[str, str]) -> dict[str, str]:
    """Return the broker configs that shall be set while the broker runs, as stored.

    Raises:
        InvalidRequestError: one is not known, has a wrong value, or holds from start to end.
    """
    try:
        found = {name: find(BROKER_CONFIGS, name, "broker") for name in configs}
        fixed = [name for name, definition in found.items() if not definition.dynamic]
        if fixed:
            raise InvalidRequestError(
                f"Cannot update these configs dynamically: [{', '.join(fixed)}]"
            )
        return {
            name: definition.format(definition.parse(configs[name]))
            for name, definition in found.items()
        }
    except InvalidConfigError as error:  # Kafka's code where the config is a broker's
        raise InvalidRequestError(str(error)) from error


def _check_together(configs: Mapping[str, str]) -> None:
    low = int(configs.get("min.compaction.lag.ms", "0"))
    high = int(configs.get("max.compaction.lag.ms", str(I64_MAX)))
    if low > high:
        raise InvalidConfigError(
            f"config min.compaction.lag.ms={low} is above max.compaction.lag.ms={high}"
        )
