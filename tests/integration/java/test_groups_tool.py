"""kafka-consumer-groups.sh and kafka-groups.sh against our broker."""

from __future__ import annotations

import re

import pytest
from kafka_java import Shell

pytestmark = pytest.mark.integration

COLUMNS = ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"]


def groups(shell: Shell, words: str, status: int = 0) -> list[list[str]]:
    """Return what kafka-consumer-groups.sh prints, as words."""
    return shell(f"kafka-consumer-groups {words}", status=status).rows


def committed(shell: Shell, group: str) -> dict[str, list[str]]:
    """Return a group's offset, end and lag of each partition."""
    rows = groups(shell, f"--describe --group {group}")
    return {row[2]: row[3:6] for row in rows if row[0] == group}


def new_offsets(shell: Shell, group: str, words: str) -> dict[str, str]:
    """Reset a group's offsets; return what they are said to be now."""
    rows = groups(shell, f"--reset-offsets --group {group} {words}")
    return {row[2]: row[3] for row in rows if row[0] == group}


@pytest.fixture
def written(shell: Shell, topic: str) -> str:
    """Return a topic with three records in partition 0 and one in partition 2, of four."""
    shell(f"kafka-topics --create --topic {topic} --partitions 4")
    keyed = "--reader-property parse.key=true --reader-property key.separator=:"
    shell(f"kafka-console-producer --topic {topic} {keyed}", stdin="a:1\nb:2\nc:3\na:4\n")
    return topic


@pytest.fixture
def readers(shell: Shell, written: str, group: str) -> str:
    """Return a group that has read the topic to its end and left."""
    words = f"--topic {written} --group {group} --from-beginning --max-messages 4"
    said = shell(f"kafka-console-consumer {words} --timeout-ms 15000").text
    assert "Processed a total of 4 messages" in said
    return group


def test_a_group_is_listed(shell: Shell, readers: str) -> None:
    """It is there by its name, its state and its type."""
    assert [readers] in groups(shell, "--list")
    assert [readers, "Empty"] in groups(shell, "--list --state")
    assert [readers, "Empty"] in groups(shell, "--list --state Empty,Stable")
    assert groups(shell, "--list --state Dead") == [["GROUP", "STATE"]]
    assert [readers, "Classic"] in groups(shell, "--list --type")
    assert [readers, "Classic", "consumer"] in shell("kafka-groups --list").rows
    assert [readers, "Classic", "consumer"] in shell("kafka-groups --list --consumer").rows


def test_a_group_is_described(shell: Shell, readers: str, written: str) -> None:
    """Offsets and lag of each partition, the coordinator and the state are those of a group."""
    rows = groups(shell, f"--describe --group {readers}")
    assert rows[0] == ["Consumer", "group", f"'{readers}'", "has", "no", "active", "members."]
    assert rows[1][:6] == COLUMNS
    assert committed(shell, readers) == {
        "0": ["3", "3", "0"],
        "1": ["0", "0", "0"],
        "2": ["1", "1", "0"],
        "3": ["0", "0", "0"],
    }
    state = groups(shell, f"--describe --group {readers} --state")[-1]
    assert state[1] == shell.broker.bootstrap
    assert state[-2:] == ["Empty", "0"]
    assert groups(shell, f"--describe --group {readers} --members --verbose")[-1][0] == "GROUP"
    assert readers in {row[0] for row in groups(shell, "--describe --all-groups")}
    epochs = groups(shell, f"--describe --group {readers} --offsets --verbose")[-4:]
    assert [row[3] for row in epochs] == ["0", "-", "0", "-"]


def test_a_group_that_is_not_there_is_not_found(shell: Shell) -> None:
    """Describing, deleting and emptying it give GROUP_ID_NOT_FOUND."""
    for words in ("--describe --group nobody", "--delete --group nobody"):
        assert "GroupIdNotFoundException" in shell(f"kafka-consumer-groups {words}").text
    said = shell("kafka-consumer-groups --delete-offsets --group nobody --topic nothing").text
    assert "The group id does not exist." in said


@pytest.mark.parametrize(
    ("where", "offsets"),
    [
        ("--to-earliest", "0 0 0 0"),
        ("--to-latest", "3 0 1 0"),
        ("--to-offset 1", "1 0 1 0"),
        ("--to-offset 99", "3 0 1 0"),
        ("--shift-by -1", "2 0 0 0"),
        ("--by-duration PT1H", "0 0 0 0"),
        ("--to-datetime 2040-01-01T00:00:00.000", "3 0 1 0"),
        ("--to-current", "3 0 1 0"),
    ],
)
def test_offsets_are_reset(
    shell: Shell, readers: str, written: str, where: str, offsets: str
) -> None:
    """What is said is what is committed, however it is named; a dry run commits nothing."""
    wanted = dict(zip("0123", offsets.split(), strict=True))
    words = f"--topic {written} {where}"
    assert new_offsets(shell, readers, f"{words} --dry-run") == wanted
    assert committed(shell, readers)["0"][0] == "3"
    assert new_offsets(shell, readers, f"{words} --execute") == wanted
    assert {each: row[0] for each, row in committed(shell, readers).items()} == wanted


def test_offsets_of_one_partition_are_reset(shell: Shell, readers: str, written: str) -> None:
    """The others stay; a reader goes on from there."""
    assert new_offsets(shell, readers, f"--topic {written}:0 --to-offset 1 --execute") == {"0": "1"}
    assert {each: row[2] for each, row in committed(shell, readers).items()} == {
        "0": "2",
        "1": "0",
        "2": "0",
        "3": "0",
    }
    words = f"--topic {written} --group {readers} --max-messages 2 --timeout-ms 15000"
    assert shell(f"kafka-console-consumer {words}").lines[-3:-1] == ["2", "4"]


def test_a_group_is_made_by_setting_its_offsets(shell: Shell, written: str, group: str) -> None:
    """A group that nobody has joined has offsets, and no type of protocol."""
    new_offsets(shell, group, f"--topic {written} --to-latest --execute")
    assert committed(shell, group)["0"] == ["3", "3", "0"]
    assert [group, "Classic"] in shell("kafka-groups --list").rows


def test_offsets_are_deleted(shell: Shell, readers: str, written: str) -> None:
    """Those of the named partition go, those of an unknown topic are an error."""
    said = shell(f"kafka-consumer-groups --delete-offsets --group {readers} --topic {written}:1")
    assert said.rows[-1] == [written, "1", "Successful"]
    assert sorted(committed(shell, readers)) == ["0", "2", "3"]
    said = shell(f"kafka-consumer-groups --delete-offsets --group {readers} --topic nothing")
    assert "UnknownTopicOrPartitionException" in said.text


def test_an_empty_group_is_deleted(shell: Shell, readers: str) -> None:
    """It leaves the list, and is not there any more."""
    said = shell(f"kafka-consumer-groups --delete --group {readers}").text
    assert re.search(f"Deletion of requested consumer groups .*{readers}.* was successful", said)
    assert [readers] not in groups(shell, "--list")
