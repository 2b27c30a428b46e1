"""kafka-configs.sh against our broker: topics, brokers, defaults, and what has no configs here."""

from __future__ import annotations

import pytest
from kafka_java import Shell

pytestmark = pytest.mark.integration

TOPIC_CONFIGS = 33  # how many Apache Kafka 4.3.1 lists
BROKER_CONFIGS = 250  # it lists some more; all of them would be a test of its version


def configs(shell: Shell, words: str) -> dict[str, str]:
    """Return the configs that a description lists, each with all that is said of it."""
    lines = shell(f"kafka-configs --describe {words}").lines[1:]
    return dict(line.strip().split("=", 1) for line in lines)


def synonyms(value: str) -> str:
    """Return the synonyms in what is said of a config."""
    return value.partition("synonyms=")[2]


@pytest.fixture
def made(shell: Shell, topic: str) -> str:
    """Return a topic that exists."""
    shell(f"kafka-topics --create --topic {topic}")
    return topic


@pytest.fixture
def node(shell: Shell) -> str:
    """Return the broker's id, as its description says it."""
    return shell("kafka-cluster list-endpoints").rows[1][0]


def test_every_config_of_a_topic_is_listed(shell: Shell, made: str) -> None:
    """All are there with their defaults and where these come from; none is set."""
    assert configs(shell, f"--topic {made}") == {}
    all_of_it = configs(shell, f"--all --topic {made}")
    assert len(all_of_it) == TOPIC_CONFIGS
    assert all_of_it["max.message.bytes"] == (
        "1048588 sensitive=false synonyms={DEFAULT_CONFIG:message.max.bytes=1048588}"
    )
    assert all_of_it["retention.ms"] == "604800000 sensitive=false synonyms={}"


def test_configs_of_a_topic_are_set_and_unset(shell: Shell, made: str) -> None:
    """What is added is described with its source; what is deleted falls back to the default."""
    added = "retention.ms=1000,cleanup.policy=[compact,delete],max.message.bytes=2000000"
    said = shell(f"kafka-configs --alter --topic {made} --add-config {added}")
    assert said.lines == [f"Completed updating config for topic {made}."]
    now = configs(shell, f"--topic {made}")
    assert {name: value.split()[0] for name, value in now.items()} == {
        "cleanup.policy": "compact,delete",
        "max.message.bytes": "2000000",
        "retention.ms": "1000",
    }
    assert synonyms(now["cleanup.policy"]) == (
        "{DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, "
        "DEFAULT_CONFIG:log.cleanup.policy=delete}"
    )
    gone = "retention.ms,max.message.bytes"
    shell(f"kafka-configs --alter --topic {made} --delete-config {gone}")
    shell(f"kafka-configs --alter --topic {made} --delete-config {gone}")
    assert list(configs(shell, f"--topic {made}")) == ["cleanup.policy"]


@pytest.mark.parametrize(
    ("added", "error"),
    [
        ("nonsense=1", "InvalidConfigurationException"),
        ("retention.ms=abc", "InvalidConfigurationException"),
        ("segment.bytes=3", "InvalidConfigurationException"),
        ("cleanup.policy=burn", "InvalidConfigurationException"),
        ("min.cleanable.dirty.ratio=7", "InvalidConfigurationException"),
    ],
)
def test_bad_topic_configs_are_refused(shell: Shell, made: str, added: str, error: str) -> None:
    """An unknown name or a value out of bounds changes nothing."""
    said = shell(f"kafka-configs --alter --topic {made} --add-config {added}", status=1).text
    assert error in said
    assert configs(shell, f"--topic {made}") == {}


def test_no_topic_has_no_configs(shell: Shell) -> None:
    """Altering them is an error; describing them says that there are none."""
    said = shell("kafka-configs --alter --topic nothing --add-config retention.ms=1", status=1)
    assert "UnknownTopicOrPartitionException" in said.text
    said = shell("kafka-configs --describe --topic nothing")
    assert said.lines == ["The topic 'nothing' doesn't exist and doesn't have dynamic config."]


def test_every_config_of_a_broker_is_listed(shell: Shell, node: str) -> None:
    """Names that user interfaces look for are all there, secrets without their value."""
    assert configs(shell, f"--broker {node}") == {}
    all_of_it = configs(shell, f"--all --broker {node}")
    assert len(all_of_it) > BROKER_CONFIGS
    assert all_of_it["broker.id"].startswith(f"{node} sensitive=false")
    assert all_of_it["ssl.keystore.password"] == "null sensitive=true synonyms={}"
    for name in ("log.dirs", "num.partitions", "auto.create.topics.enable", "listeners"):
        assert name in all_of_it


def test_broker_configs_reach_topics_by_rank(shell: Shell, node: str, made: str) -> None:
    """A broker's own value ranks above that of all brokers, and a topic's own above both."""
    name = "log.retention.ms"
    shell(f"kafka-configs --alter --broker {node} --add-config {name}=5000000")
    shell(f"kafka-configs --alter --broker-defaults --add-config {name}=6000000")
    try:
        assert configs(shell, "--broker-defaults")[name].startswith("6000000 sensitive=false")
        assert synonyms(configs(shell, f"--all --topic {made}")["retention.ms"]) == (
            f"{{DYNAMIC_BROKER_CONFIG:{name}=5000000, "
            f"DYNAMIC_DEFAULT_BROKER_CONFIG:{name}=6000000, "
            "DEFAULT_CONFIG:log.retention.hours=168}"
        )
        shell(f"kafka-configs --alter --topic {made} --add-config retention.ms=7000000")
        assert configs(shell, f"--topic {made}")["retention.ms"].startswith("7000000 ")
        shell(f"kafka-configs --alter --broker {node} --delete-config {name}")
        shell(f"kafka-configs --alter --topic {made} --delete-config retention.ms")
        assert configs(shell, f"--all --topic {made}")["retention.ms"].startswith("6000000 ")
    finally:
        shell(f"kafka-configs --alter --broker-defaults --delete-config {name}")
    assert configs(shell, f"--all --topic {made}")["retention.ms"].startswith("604800000 ")


def test_what_a_broker_is_cannot_be_altered(shell: Shell, node: str) -> None:
    """A config that is read at the start only is refused by its name."""
    said = shell(f"kafka-configs --alter --broker {node} --add-config broker.id=7", status=1)
    assert "Cannot update these configs dynamically: [broker.id]" in said.text


@pytest.mark.parametrize("kind", ["users", "clients", "ips"])
def test_there_are_no_quotas_nor_users(shell: Shell, kind: str) -> None:
    """Asked for quotas and credentials, the broker says that there are none."""
    assert shell(f"kafka-configs --describe --entity-type {kind}").lines == []
