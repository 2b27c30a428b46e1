"""The admin client of kafkajs, by the names of its own methods."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from foreign import kafkajs
from foreign.client import Row, until_read, write
from foreign.fixtures import MARKS, MakeTopic

from millstream_log.testing import RunningBroker

TOPIC = 2  # a resource type, of configs and of ACLs alike

pytestmark = MARKS

Call = Callable[..., Any]


@pytest.fixture
def call(served: RunningBroker, node: kafkajs.Kafkajs) -> Iterator[Call]:
    """Return what calls a method of an admin client."""
    admin = node.make(served.bootstrap, "admin", retry={"retries": 1})
    yield lambda method, *given: node.call(admin, method, *given)
    node.call(admin, "disconnect")


def test_topics_come_grow_and_go(call: Call) -> None:
    """A topic is created once, described, given partitions and deleted once."""
    name = f"topic-{uuid.uuid4().hex[:8]}"
    wanted = {"topics": [{"topic": name, "numPartitions": 2}]}
    assert call("createTopics", wanted) is True
    assert call("createTopics", wanted) is False
    call("createPartitions", {"topicPartitions": [{"topic": name, "count": 4}]})
    (described,) = call("fetchTopicMetadata", {"topics": [name]})["topics"]
    assert [one["leader"] for one in described["partitions"]] == [0] * 4
    assert name in call("listTopics")
    call("deleteTopics", {"topics": [name]})
    assert name not in call("listTopics")
    with pytest.raises(kafkajs.KafkajsError, match="does not host"):
        call("deleteTopics", {"topics": [name]})


def test_configs_are_changed(call: Call, make_topic: MakeTopic) -> None:
    """A config that was set has its value and is no default."""
    name = make_topic()
    entry = {"name": "retention.ms", "value": "5"}
    resource = {"type": TOPIC, "name": name, "configEntries": [entry]}
    call("alterConfigs", {"resources": [resource]})
    asked = {"type": TOPIC, "name": name, "configNames": ["retention.ms"]}
    (found,) = call("describeConfigs", {"resources": [asked]})["resources"]
    assert [(one["configValue"], one["isDefault"]) for one in found["configEntries"]] == [
        ("5", False)
    ]


def test_records_are_deleted(
    call: Call, served: RunningBroker, make_topic: MakeTopic, node: kafkajs.Kafkajs
) -> None:
    """The log begins where it was cut."""
    name = make_topic()
    write(node, served.bootstrap, name, [Row(b"v")] * 5)
    call("fetchTopicOffsets", name)  # it deletes only where it has met the topic before
    cut = {"topic": name, "partitions": [{"partition": 0, "offset": "2"}]}
    call("deleteTopicRecords", cut)
    (offsets,) = call("fetchTopicOffsets", name)
    assert (offsets["low"], offsets["high"]) == ("2", "5")


def test_a_group_is_described_moved_and_deleted(
    call: Call, served: RunningBroker, make_topic: MakeTopic, node: kafkajs.Kafkajs
) -> None:
    """While it has members a group can only be looked at; then its offsets move, and it goes."""
    topic, group = make_topic(), f"group-{uuid.uuid4().hex[:8]}"
    write(node, served.bootstrap, topic, [Row(b"v")] * 5)
    member = node.join(served.bootstrap, group, topic, limit=3)
    until_read(member, 3)

    def committed() -> str:
        (found,) = call("fetchOffsets", {"groupId": group, "topics": [topic]})
        return str(found["partitions"][0]["offset"])

    assert {"groupId": group, "protocolType": "consumer"} in call("listGroups")["groups"]
    (described,) = call("describeGroups", [group])["groups"]
    assert (described["state"], len(described["members"])) == ("Stable", 1)
    assert committed() == "3"
    with pytest.raises(kafkajs.KafkajsError, match="DeleteGroups"):
        call("deleteGroups", [group])
    member.leave()
    moved = {"groupId": group, "topic": topic, "partitions": [{"partition": 0, "offset": "1"}]}
    call("setOffsets", moved)
    assert committed() == "1"
    assert call("deleteGroups", [group]) == [{"groupId": group, "errorCode": 0}]


def test_the_cluster_is_described(call: Call, served: RunningBroker) -> None:
    """One node, which is the controller, at the address that was reached."""
    found = call("describeCluster")
    assert [f"{one['host']}:{one['port']}" for one in found["brokers"]] == [served.bootstrap]
    assert found["controller"] == 0
    assert call("listPartitionReassignments", {}) == {"topics": []}


def test_without_an_authorizer_there_are_no_acls(call: Call) -> None:
    """Security is disabled, each of the three calls says."""
    rule = {
        "resourceType": TOPIC,
        "resourceName": "t",
        "resourcePatternType": 3,
        "principal": "User:a",
        "host": "*",
        "operation": 3,
        "permissionType": 3,
    }
    for method, given in (
        ("describeAcls", rule),
        ("createAcls", {"acl": [rule]}),
        ("deleteAcls", {"filters": [rule]}),
    ):
        with pytest.raises(kafkajs.KafkajsError, match="Security features are disabled"):
            call(method, given)
