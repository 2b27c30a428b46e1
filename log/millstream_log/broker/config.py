"""Topic and broker configs under Kafka's names, with Kafka's defaults.

    config set on the topic  >  broker config that is its synonym  >  Kafka's default

Invariants: what is stored has passed `parse`, so building a LogConfig cannot fail later.

Source: Kafka's documentation of topic and broker configs (4.x).
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidConfigError
from ..model import TimestampType
from ..storage.log_config import LogConfig
from ..wire.enums import ConfigSource, ConfigType
from ..wire.messages.describe_configs import ConfigEntry
from .config_connections import CONNECTION_CONFIGS
from .config_def import I32_MAX, I64_MAX, ConfigDef, Value, find, index

_INT, _LONG, _DOUBLE = ConfigType.INT, ConfigType.LONG, ConfigType.DOUBLE
_BOOLEAN, _STRING, _LIST = ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.LIST
_WEEK_MS = 604_800_000
_CODECS = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")


def _topic(name: str, kind: ConfigType, default: Value, synonym: str, **rest: object) -> ConfigDef:
    return ConfigDef(name, kind, default, synonym=synonym, **rest)  # type: ignore[arg-type]


TOPIC_CONFIGS = index(
    [
        _topic(
            "cleanup.policy", _LIST, ("delete",), "log.cleanup.policy",
            one_of=("compact", "delete"),
            doc="Whether old segments are deleted, or compacted by key, or both.",
        ),
        _topic(
            "compression.type", _STRING, "producer", "compression.type", one_of=_CODECS,
            doc="The codec that batches are stored in; producer keeps what came.",
        ),
        _topic(
            "delete.retention.ms", _LONG, 86_400_000, "log.cleaner.delete.retention.ms", low=0,
            high=I64_MAX, doc="How long a tombstone stays after compaction has come past it.",
        ),
        _topic(
            "file.delete.delay.ms", _LONG, 60_000, "log.segment.delete.delay.ms", low=0,
            high=I64_MAX, doc="How long a deleted file stays on the disk.",
        ),
        _topic(
            "flush.messages", _LONG, I64_MAX, "log.flush.interval.messages", low=1, high=I64_MAX,
            doc="Records after which a partition is flushed.",
        ),
        _topic(
            "flush.ms", _LONG, I64_MAX, "log.flush.interval.ms", low=0, high=I64_MAX,
            doc="Time after which a partition is flushed.",
        ),
        _topic(
            "index.interval.bytes", _INT, 4096, "log.index.interval.bytes", low=0, high=I32_MAX,
            doc="Bytes of log for one index entry.",
        ),
        _topic(
            "max.compaction.lag.ms", _LONG, I64_MAX, "log.cleaner.max.compaction.lag.ms", low=1,
            high=I64_MAX, doc="Longest time that a record stays out of reach of compaction.",
        ),
        _topic(
            "max.message.bytes", _INT, 1_048_588, "message.max.bytes", low=0, high=I32_MAX,
            doc="Largest batch, as stored.",
        ),
        _topic(
            "message.timestamp.after.max.ms", _LONG, 3_600_000,
            "log.message.timestamp.after.max.ms", low=0, high=I64_MAX,
            doc="How far a record's time may lie ahead of the log's clock.",
        ),
        _topic(
            "message.timestamp.before.max.ms", _LONG, I64_MAX,
            "log.message.timestamp.before.max.ms", low=0, high=I64_MAX,
            doc="How far a record's time may lie behind the log's clock.",
        ),
        _topic(
            "message.timestamp.type", _STRING, "CreateTime", "log.message.timestamp.type",
            one_of=("CreateTime", "LogAppendTime"), doc="Who sets a record's time.",
        ),
        _topic(
            "min.cleanable.dirty.ratio", _DOUBLE, 0.5, "log.cleaner.min.cleanable.ratio", low=0,
            high=1, doc="Share of a log that must be dirty before it is compacted.",
        ),
        _topic(
            "min.compaction.lag.ms", _LONG, 0, "log.cleaner.min.compaction.lag.ms", low=0,
            high=I64_MAX, doc="Shortest time that a record stays as it is.",
        ),
        _topic(
            "min.insync.replicas", _INT, 1, "min.insync.replicas", low=1, high=I32_MAX,
            doc="Replicas that must hold a record for acks=all.",
        ),
        _topic(
            "preallocate", _BOOLEAN, False, "log.preallocate",
            doc="Whether a new segment takes its space at once.",
        ),
        _topic(
            "retention.bytes", _LONG, -1, "log.retention.bytes", low=-1, high=I64_MAX,
            doc="Size of a partition above which its oldest segments go; -1 for no bound.",
        ),
        _topic(
            "retention.ms", _LONG, _WEEK_MS, "log.retention.ms", low=-1, high=I64_MAX,
            doc="Age at which segments go; -1 for never.",
        ),
        _topic(
            "segment.bytes", _INT, 1 << 30, "log.segment.bytes", low=14, high=I32_MAX,
            doc="Size at which a segment is closed and the next begun.",
        ),
        _topic(
            "segment.index.bytes", _INT, 10_485_760, "log.index.size.max.bytes", low=4,
            high=I32_MAX, doc="Largest index of a segment.",
        ),
        _topic(
            "segment.jitter.ms", _LONG, 0, "log.roll.jitter.ms", low=0, high=I64_MAX,
            doc="Spread of the time at which segments are closed.",
        ),
        _topic(
            "segment.ms", _LONG, _WEEK_MS, "log.roll.ms", low=1, high=I64_MAX,
            doc="Age at which a segment is closed even when it is not full.",
        ),
        _topic(
            "unclean.leader.election.enable", _BOOLEAN, False, "unclean.leader.election.enable",
            doc="Whether a replica that lags may lead; no second replica exists yet.",
        ),
    ]
)  # fmt: skip

_OWN_BROKER_CONFIGS = [
    ConfigDef(
        "auto.create.topics.enable", _BOOLEAN, True, doc="Whether asking for a topic creates it."
    ),
    ConfigDef(
        "num.partitions", _INT, 1, low=1, high=10_000, doc="Partitions of a topic by default."
    ),
    ConfigDef(
        "offsets.topic.num.partitions", _INT, 1, low=1, high=10_000,
        doc="Partitions of __consumer_offsets, when it is created.",
    ),
    ConfigDef(
        "offsets.topic.segment.bytes", _INT, 104_857_600, low=1, high=I32_MAX,
        doc="Segment size of __consumer_offsets, when it is created.",
    ),
    ConfigDef(
        "transaction.state.log.num.partitions", _INT, 1, low=1, high=10_000,
        doc="Partitions of __transaction_state, when it is created.",
    ),
    ConfigDef(
        "transaction.state.log.segment.bytes", _INT, 104_857_600, low=1, high=I32_MAX,
        doc="Segment size of __transaction_state, when it is created.",
    ),
    ConfigDef(
        "offset.metadata.max.bytes", _INT, 4096, low=0, high=32_767,
        doc="Longest text that a committed offset may carry.",
    ),
    ConfigDef(
        "log.retention.check.interval.ms", _LONG, 300_000, low=1, high=I64_MAX,
        doc="How often retention looks at the log.",
    ),
    ConfigDef(
        "log.cleaner.enable", _BOOLEAN, True, doc="Whether compaction runs."
    ),
    ConfigDef(
        "log.cleaner.backoff.ms", _LONG, 15_000, low=0, high=I64_MAX,
        doc="How long compaction rests when there was nothing to do.",
    ),
    ConfigDef(
        "log.retention.hours",
        _INT,
        168,
        low=-1,
        high=I32_MAX,
        doc="Age at which segments go, where neither minutes nor ms are given.",
    ),
    ConfigDef(
        "log.retention.minutes",
        _INT,
        10_080,
        low=-1,
        high=I32_MAX,
        doc="Age at which segments go, where no ms are given.",
    ),
    ConfigDef(
        "log.roll.hours",
        _INT,
        168,
        low=1,
        high=I32_MAX,
        doc="Age at which a segment is closed, where no ms are given.",
    ),
    ConfigDef(
        "max.partitions.per.topic", _INT, 10_000, low=1, high=I32_MAX,
        doc="Partitions that one topic may have at most.",
    ),
    *CONNECTION_CONFIGS,
]  # fmt: skip

BROKER_CONFIGS = index(
    [
        *(
            topic_def._replace(name=topic_def.synonym, synonym="")
            for topic_def in TOPIC_CONFIGS.values()
        ),
        *_OWN_BROKER_CONFIGS,
    ]
)

_COARSER = {
    "log.retention.ms": (("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)),
    "log.roll.ms": (("log.roll.hours", 3_600_000),),
}
"""Broker configs that stand in, in this order, where the one in ms is not given."""


class BrokerConfig:
    """The broker's configs: what was set, over Kafka's defaults."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self._given = {
            name: find(BROKER_CONFIGS, name, "broker").parse(text)
            for name, text in (given or {}).items()
        }
        for name, others in _COARSER.items():
            for other, unit_ms in others:
                value = self._given.get(other)
                if name not in self._given and isinstance(value, int):
                    self._given[name] = value * unit_ms if value >= 0 else -1

    def get(self, name: str) -> Value:
        """Return the value that holds for a broker config."""
        value = self._given.get(name)
        return BROKER_CONFIGS[name].default if value is None else value

    def get_int(self, name: str) -> int:
        """Return the value that holds for a numeric broker config."""
        value = self.get(name)
        assert isinstance(value, int)
        return value

    def is_given(self, name: str) -> bool:
        """Whether somebody set this broker config."""
        return name in self._given

    def describe(self) -> list[ConfigEntry]:
        """Return every broker config and where its value comes from, by name."""
        return [
            _entry(
                definition,
                self.get(name),
                ConfigSource.STATIC_BROKER if name in self._given else ConfigSource.DEFAULT,
            )
            for name, definition in sorted(BROKER_CONFIGS.items())
        ]

    def describe_topic(self, configs: Mapping[str, str]) -> list[ConfigEntry]:
        """Return every topic config for a topic that sets `configs`, by name."""
        return [
            _entry(definition, *self._topic_value(definition, configs))
            for _, definition in sorted(TOPIC_CONFIGS.items())
        ]

    def log_config(self, configs: Mapping[str, str]) -> LogConfig:
        """Return what storage goes by, for a topic that sets `configs`."""
        values = {
            name: self._topic_value(definition, configs)[0]
            for name, definition in TOPIC_CONFIGS.items()
        }
        fields: dict[str, object] = {
            field: values[field.replace("_", ".")]
            for field in LogConfig.__struct_fields__
            if field.replace("_", ".") in values
        }
        policy = values["cleanup.policy"]
        assert isinstance(policy, tuple)
        fields["cleanup_policy"] = frozenset(policy)
        fields["message_timestamp_type"] = (
            TimestampType.LOG_APPEND_TIME
            if values["message.timestamp.type"] == "LogAppendTime"
            else TimestampType.CREATE_TIME
        )
        return LogConfig(**fields)  # type: ignore[arg-type]

    def _topic_value(
        self, definition: ConfigDef, configs: Mapping[str, str]
    ) -> tuple[Value, ConfigSource]:
        if definition.name in configs:
            return definition.parse(configs[definition.name]), ConfigSource.TOPIC
        if definition.synonym in self._given:
            return self._given[definition.synonym], ConfigSource.STATIC_BROKER
        return definition.default, ConfigSource.DEFAULT


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


def list_config(name: str) -> bool:
    """Whether a topic config is a list, so that APPEND and SUBTRACT make sense."""
    return find(TOPIC_CONFIGS, name, "topic").type is ConfigType.LIST


def _check_together(configs: Mapping[str, str]) -> None:
    low = int(configs.get("min.compaction.lag.ms", "0"))
    high = int(configs.get("max.compaction.lag.ms", str(I64_MAX)))
    if low > high:
        raise InvalidConfigError(
            f"config min.compaction.lag.ms={low} is above max.compaction.lag.ms={high}"
        )


def _entry(definition: ConfigDef, value: Value, source: ConfigSource) -> ConfigEntry:
    return ConfigEntry(
        name=definition.name,
        value=definition.format(value),
        source=source,
        is_default=source is ConfigSource.DEFAULT,
        read_only=definition.read_only,
        config_type=definition.type,
        documentation=definition.doc,
    )


def default_topic_config(config: BrokerConfig, name: str) -> str:
    """Return the text of a topic config that holds where a topic does not set it."""
    value = next(entry.value for entry in config.describe_topic({}) if entry.name == name)
    assert value is not None
    return value
