from __future__ import annotations

import pytest

from millstream_log.broker.config import (
    BROKER_CONFIGS,
    BrokerConfig,
    check_dynamic_configs,
    check_topic_configs,
)
from millstream_log.broker.config_topics import TOPIC_CONFIGS
from millstream_log.broker.coordinators import group_config, transaction_config
from millstream_log.errors import InvalidConfigError, InvalidRequestError
from millstream_log.group.config import GroupConfig
from millstream_log.metadata.image import ALL_BROKERS, MetadataImage
from millstream_log.model import TimestampType
from millstream_log.storage.log_config import LogConfig
from millstream_log.transaction.config import TransactionConfig
from millstream_log.wire.enums import ConfigSource


def test_without_settings_a_log_has_kafkas_defaults() -> None:
    """The defaults of the config tables are the defaults of LogConfig, field by field."""
    assert BrokerConfig().log_config({}) == LogConfig()


def test_every_field_of_a_log_can_be_set_by_kafkas_name() -> None:
    """No setting of storage is out of reach of a topic config."""
    named = {name.replace(".", "_") for name in TOPIC_CONFIGS}
    assert set(LogConfig.__struct_fields__) <= named


def test_a_topics_config_goes_before_the_brokers_and_that_before_the_default() -> None:
    """A value comes from the topic, else from its synonym at the broker, else from Kafka."""
    config = BrokerConfig({"log.retention.ms": "7", "log.segment.bytes": "99"})
    log = config.log_config({"retention.ms": "5", "message.timestamp.type": "LogAppendTime"})
    assert (log.retention_ms, log.segment_bytes, log.retention_bytes) == (5, 99, -1)
    assert log.message_timestamp_type is TimestampType.LOG_APPEND_TIME
    sources = {entry.name: entry.source for entry in config.describe_topic({"retention.ms": "5"})}
    assert sources["retention.ms"] is ConfigSource.TOPIC
    assert sources["segment.bytes"] is ConfigSource.STATIC_BROKER
    assert sources["retention.bytes"] is ConfigSource.DEFAULT


def test_hours_and_minutes_stand_in_for_milliseconds() -> None:
    """Kafka's older names for retention and roll are taken, and the finer one wins."""
    assert BrokerConfig({"log.retention.hours": "2"}).log_config({}).retention_ms == 7_200_000
    assert BrokerConfig({"log.roll.hours": "1"}).log_config({}).segment_ms == 3_600_000
    both = BrokerConfig({"log.retention.hours": "2", "log.retention.minutes": "1"})
    assert both.log_config({}).retention_ms == 60_000
    assert BrokerConfig({"log.retention.hours": "-1"}).log_config({}).retention_ms == -1


def test_policies_can_stand_together() -> None:
    """`compact,delete` is a list, with or without spaces."""
    config = BrokerConfig().log_config(check_topic_configs({"cleanup.policy": " compact, delete "}))
    assert config.cleanup_policy == {"compact", "delete"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.ms", "-2"),
        ("retention.ms", ""),
        ("retention.ms", "1e3"),
        ("segment.bytes", str(2**31)),
        ("min.cleanable.dirty.ratio", "nan"),
        ("preallocate", "yes"),
        ("cleanup.policy", "keep"),
        ("remote.storage.enable", "true"),
        ("compression.type", "brotli"),
        ("no.such.config", "1"),
    ],
)
def test_a_wrong_value_names_the_config(name: str, value: str) -> None:
    """Every refusal is an InvalidConfigError with the name of the config."""
    with pytest.raises(InvalidConfigError, match=name.replace(".", r"\.")):
        check_topic_configs({name: value})


def test_configs_that_contradict_each_other_are_refused() -> None:
    """The shortest compaction lag cannot be above the longest."""
    with pytest.raises(InvalidConfigError, match=r"max\.compaction\.lag\.ms"):
        check_topic_configs({"min.compaction.lag.ms": "9", "max.compaction.lag.ms": "8"})


def test_a_wrong_broker_config_is_refused_when_the_broker_is_opened() -> None:
    """Broker configs are checked as topic configs are."""
    with pytest.raises(InvalidConfigError, match=r"num\.partitions"):
        BrokerConfig({"num.partition": "1"})
    with pytest.raises(InvalidConfigError, match="at least 1"):
        BrokerConfig({"num.partitions": "0"})


def test_every_default_passes_its_own_check() -> None:
    """Each definition's default, written as text, parses to itself."""
    for definition in (*TOPIC_CONFIGS.values(), *BROKER_CONFIGS.values()):
        default = definition.default
        assert default is None or definition.parse(definition.format(default)) == default


def test_the_coordinators_have_their_own_defaults() -> None:
    """The defaults of the config table are those of the coordinators, field by field."""
    assert group_config(BrokerConfig()) == GroupConfig()
    assert transaction_config(BrokerConfig()) == TransactionConfig()


def test_what_kafka_knows_is_taken_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A server.properties of Kafka's opens a broker; what does nothing is said to."""
    config = BrokerConfig({"num.io.threads": "16", "num.partitions": "3"})
    assert [record.args for record in caplog.records] == [("num.io.threads",)]
    (entry,) = config.describe({"num.io.threads"})
    assert (entry.value, entry.source, entry.read_only) == ("16", ConfigSource.STATIC_BROKER, True)
    assert (entry.documentation or "").endswith("No effect here.")


def test_secrets_are_never_told() -> None:
    """A password that was given is shown as sensitive, without its value."""
    (entry,) = BrokerConfig({"ssl.key.password": "hunter2"}).describe({"ssl.key.password"})
    assert (entry.value, entry.is_sensitive) == (None, True)
    assert "hunter2" not in repr(entry)


def test_no_policy_at_all_keeps_everything() -> None:
    """An empty cleanup.policy, which Kafka 4 allows, neither deletes nor compacts."""
    log = BrokerConfig().log_config(check_topic_configs({"cleanup.policy": ""}))
    assert not log.deletes
    assert not log.compacts


def image(own: dict[str, str], of_all: dict[str, str]) -> MetadataImage:
    """Return an image in which these broker configs were set while it ran."""
    empty = MetadataImage(cluster_id="c")
    return empty.with_broker_configs("0", own).with_broker_configs(ALL_BROKERS, of_all)


def test_what_is_set_on_one_broker_goes_before_what_is_set_on_all() -> None:
    """Own, of all, given at start, default; and synonyms tell all of them in this order."""
    config = BrokerConfig({"log.retention.ms": "3", "log.segment.bytes": "3000"})
    config.adopt(image({"log.retention.ms": "1"}, {"log.retention.ms": "2"}))
    (topic,) = config.describe_topic({"retention.ms": "0"}, {"retention.ms"})
    assert [(s.name, s.value, s.source) for s in topic.synonyms] == [
        ("retention.ms", "0", ConfigSource.TOPIC),
        ("log.retention.ms", "1", ConfigSource.DYNAMIC_BROKER),
        ("log.retention.ms", "2", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        ("log.retention.ms", "3", ConfigSource.STATIC_BROKER),
        ("log.retention.hours", "168", ConfigSource.DEFAULT),
    ]
    assert config.get("log.retention.ms") == 1
    config.adopt(image({}, {"log.retention.ms": "2"}))
    (broker,) = config.describe({"log.retention.ms"})
    assert (broker.value, broker.source) == ("2", ConfigSource.DYNAMIC_DEFAULT_BROKER)
    config.adopt(MetadataImage(cluster_id="c"))
    assert config.log_config({}).retention_ms == 3


def test_a_coarser_config_is_named_where_the_one_in_ms_is_set() -> None:
    """As in Kafka: a synonym behind log.retention.ms, and no source of its own without it."""
    given = {"log.retention.minutes": "7", "log.retention.hours": "100"}
    behind = [
        ("log.retention.minutes", "7", ConfigSource.STATIC_BROKER),
        ("log.retention.hours", "100", ConfigSource.STATIC_BROKER),
        ("log.retention.hours", "168", ConfigSource.DEFAULT),
    ]
    config = BrokerConfig(given)
    (topic,) = config.describe_topic({}, {"retention.ms"})
    assert (topic.value, topic.source, topic.synonyms) == ("420000", ConfigSource.DEFAULT, [])
    (minutes,) = config.describe({"log.retention.minutes"})
    assert [(s.name, s.value, s.source) for s in minutes.synonyms] == behind
    config.adopt(image({"log.retention.ms": "5"}, {}))
    (topic,) = config.describe_topic({}, {"retention.ms"})
    first = ("log.retention.ms", "5", ConfigSource.DYNAMIC_BROKER)
    assert topic.source is ConfigSource.DYNAMIC_BROKER
    assert [(s.name, s.value, s.source) for s in topic.synonyms] == [first, *behind]


@pytest.mark.parametrize("name", ["num.partitions", "num.io.threads", "retention.ms", "no.such"])
def test_what_holds_from_start_to_end_is_not_set_in_between(name: str) -> None:
    """Only configs that have an effect at once may be set while the broker runs."""
    with pytest.raises(InvalidRequestError, match=name):
        check_dynamic_configs({name: "5"})
