"""The tools that ask a broker about itself and its partitions, against our broker."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from kafka_java import Shell

pytestmark = pytest.mark.integration


@pytest.fixture
def made(shell: Shell, topic: str) -> str:
    """Return a topic of two partitions that holds a record."""
    shell(f"kafka-topics --create --topic {topic} --partitions 2")
    shell(f"kafka-console-producer --topic {topic}", stdin="one\n")
    return topic


@pytest.fixture
def node(shell: Shell) -> str:
    """Return the broker's id."""
    return shell("kafka-cluster list-endpoints").rows[1][0]


def test_the_cluster_has_an_id_and_one_broker(shell: Shell) -> None:
    """The id is the same each time, and the endpoint the address that was reached."""
    said = shell("kafka-cluster cluster-id").lines
    assert re.fullmatch(r"Cluster ID: \S+", said[0])
    assert shell("kafka-cluster cluster-id").lines == said
    (row,) = shell("kafka-cluster list-endpoints").rows[1:]
    assert ":".join(row[1:3]) == shell.broker.bootstrap
    assert row[3:] == ["null", "unfenced", "broker"]


def test_the_broker_says_which_versions_it_has(shell: Shell) -> None:
    """All that every client needs is usable; what is not offered is not there."""
    said = shell("kafka-broker-api-versions").text
    assert f"{shell.broker.bootstrap} (id: " in said
    usable = dict(re.findall(r"(\w+)\(\d+\): .*\[usable: (\d+)\]", said))
    for name in ("Produce", "Fetch", "Metadata", "JoinGroup", "InitProducerId", "DescribeConfigs"):
        assert name in usable
    assert "DescribeQuorum" not in usable


def test_log_directories_are_described(shell: Shell, made: str, node: str) -> None:
    """Each partition is there with its size; a broker that is not there is an error."""
    said = shell(f"kafka-log-dirs --describe --topic-list {made} --broker-list {node}").lines
    (broker,) = json.loads(said[-1])["brokers"]
    (log_dir,) = broker["logDirs"]
    assert log_dir["error"] is None
    sizes = {each["partition"]: each["size"] for each in log_dir["partitions"]}
    assert sorted(sizes) == [f"{made}-0", f"{made}-1"]
    assert sorted(size > 0 for size in sizes.values()) == [False, True]
    assert "do not exist" in shell("kafka-log-dirs --describe --broker-list 99", status=1).text


@pytest.mark.parametrize("kind", ["preferred", "unclean"])
def test_the_leader_is_the_leader_already(
    shell: Shell, made: str, kind: str, tmp_path: Path
) -> None:
    """An election changes nothing, however its partitions are named."""
    said = shell(f"kafka-leader-election --election-type {kind} --topic {made} --partition 0")
    assert said.lines == [f"Valid replica already elected for partitions {made}-0"]
    asked = tmp_path / "partitions.json"
    asked.write_text(json.dumps({"partitions": [{"topic": made, "partition": 1}]}))
    words = f"--election-type {kind} --path-to-json-file {asked}"
    said = shell(f"kafka-leader-election {words}")
    assert said.lines == [f"Valid replica already elected for partitions {made}-1"]
    assert shell(f"kafka-leader-election --election-type {kind} --all-topic-partitions")
    words = f"--election-type {kind} --topic nothing --partition 0"
    said = shell(f"kafka-leader-election {words}", status=1)
    assert "UnknownTopicOrPartitionException" in said.text


def test_partitions_are_reassigned_to_where_they_are(
    shell: Shell, made: str, node: str, tmp_path: Path
) -> None:
    """A plan is made, carried out and verified; no move is under way or can be cancelled."""
    assert shell("kafka-reassign-partitions --list").lines == ["No partition reassignments found."]
    asked, plan = tmp_path / "topics.json", tmp_path / "plan.json"
    asked.write_text(json.dumps({"topics": [{"topic": made}], "version": 1}))
    words = f"--generate --topics-to-move-json-file {asked} --broker-list {node}"
    plan.write_text(shell(f"kafka-reassign-partitions {words}").lines[-1])
    words = f"kafka-reassign-partitions --reassignment-json-file {plan}"
    said = shell(f"{words} --execute").text
    assert f"Successfully started partition reassignments for {made}-0,{made}-1" in said
    said = shell(f"{words} --verify").text
    assert f"Reassignment of partition {made}-0 is completed." in said
    said = shell(f"{words} --cancel").text
    assert "None of the specified partition moves are active." in said


def test_partitions_cannot_go_to_a_broker_that_is_not_there(
    shell: Shell, made: str, tmp_path: Path
) -> None:
    """A plan with an unknown broker is refused."""
    plan = tmp_path / "plan.json"
    rows = [{"topic": made, "partition": 0, "replicas": [7], "log_dirs": ["any"]}]
    plan.write_text(json.dumps({"version": 1, "partitions": rows}))
    words = f"--execute --reassignment-json-file {plan}"
    assert "7" in shell(f"kafka-reassign-partitions {words}", status=1).text


@pytest.mark.parametrize(
    "words",
    [
        "--list",
        "--add --allow-principal User:a --operation Read --topic t",
        "--remove --topic t --force",
    ],
)
def test_there_is_no_authorizer(shell: Shell, words: str) -> None:
    """Every question about rights is answered as by a broker without an authorizer."""
    said = shell(f"kafka-acls {words}", status=1).text
    assert "SecurityDisabledException: No Authorizer is configured" in said


def test_features_are_described(shell: Shell) -> None:
    """The question is answered, whatever features there are."""
    shell("kafka-features describe")
