"""The tools that write and read records, against our broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kafka_java import Printed, Shell

pytestmark = pytest.mark.integration

KEYED = "--reader-property parse.key=true --reader-property key.separator=:"


def events(said: Printed, name: str) -> list[dict[str, object]]:
    """Return the lines of JSON that bear a name."""
    found = [json.loads(line) for line in said.lines if line.startswith("{")]
    return [each for each in found if each["name"] == name]


def offsets(shell: Shell, topic: str, time: str) -> list[str]:
    """Return what kafka-get-offsets.sh prints of a topic."""
    return shell(f"kafka-get-offsets --topic {topic} --time {time}").lines


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_the_console_reads_what_the_console_wrote(shell: Shell, topic: str, codec: str) -> None:
    """Keys, headers, nulls, offsets and partitions come through, with each codec."""
    how = f"{KEYED} --reader-property parse.headers=true --reader-property null.marker=NULL"
    written = "h1:v1,h2:v2\ta:1\nh3:v3\tb:NULL\n"
    shell(
        f"kafka-console-producer --topic {topic} --compression-codec {codec} {how}", stdin=written
    )
    wanted = "".join(
        f" --formatter-property print.{each}=true" for each in ("key", "headers", "offset")
    )
    words = f"--topic {topic} --from-beginning --max-messages 2 --timeout-ms 15000 {wanted}"
    assert shell(f"kafka-console-consumer {words}").lines[-3:] == [
        "Offset:0\th1:v1,h2:v2\ta\t1",
        "Offset:1\th3:v3\tb\tnull",
        "Processed a total of 2 messages",
    ]


def test_the_console_reads_from_an_offset(shell: Shell, topic: str) -> None:
    """A partition and an offset say where to begin."""
    shell(f"kafka-console-producer --topic {topic}", stdin="one\ntwo\nthree\n")
    words = f"--topic {topic} --partition 0 --timeout-ms 15000"
    assert shell(f"kafka-console-consumer {words} --offset 1 --max-messages 2").lines[-3:-1] == [
        "two",
        "three",
    ]
    assert shell(f"kafka-console-consumer {words} --offset earliest --max-messages 1").lines[
        -2
    ] == ("one")


def test_the_console_reads_topics_by_a_pattern(shell: Shell, topic: str, group: str) -> None:
    """All topics that match are subscribed to."""
    for name in ("a", "b"):
        shell(f"kafka-console-producer --topic {topic}-{name}", stdin=f"{name}\n")
    words = f"--group {group} --from-beginning --max-messages 2 --timeout-ms 15000"
    said = shell(f"kafka-console-consumer {words} --include", f"{topic}-.*")
    assert sorted(said.lines[-3:-1]) == ["a", "b"]


def test_offsets_are_got_by_each_name(shell: Shell, topic: str) -> None:
    """Earliest, latest, that of the greatest timestamp and that of a time are exact."""
    shell(f"kafka-topics --create --topic {topic} --partitions 2")
    shell(f"kafka-console-producer --topic {topic} {KEYED}", stdin="a:1\na:2\na:3\n")
    ends = offsets(shell, topic, "latest")
    assert sorted(ends) == ends == offsets(shell, topic, "-1")
    full = next(line.split(":")[1] for line in ends if line.endswith(":3"))
    assert offsets(shell, topic, "earliest") == [f"{topic}:0:0", f"{topic}:1:0"]
    assert f"{topic}:{full}:0" in offsets(shell, topic, "0")
    assert offsets(shell, topic, "earliest-local") == [f"{topic}:0:0", f"{topic}:1:0"]
    greatest = offsets(shell, topic, "max-timestamp")
    assert [line for line in greatest if line.startswith(f"{topic}:{full}:")]
    assert offsets(shell, topic, "99999999999999") == []
    only = shell(f"kafka-get-offsets --topic-partitions {topic}:1-2").lines
    assert only == [line for line in ends if line.startswith(f"{topic}:1:")]
    said = shell("kafka-get-offsets --topic nothing", status=1)
    assert "Could not match any topic-partitions" in said.text


def test_records_are_deleted(shell: Shell, topic: str, tmp_path: Path) -> None:
    """The start moves to the named offset, -1 is the end, and beyond the end is an error."""
    shell(f"kafka-topics --create --topic {topic} --partitions 2")
    shell(f"kafka-console-producer --topic {topic} {KEYED}", stdin="a:1\nc:2\na:3\nc:4\n")
    ends = {line.split(":")[1]: int(line.split(":")[2]) for line in offsets(shell, topic, "-1")}
    asked = tmp_path / "offsets.json"

    def delete(wanted: dict[str, int]) -> list[str]:
        rows = [{"topic": topic, "partition": int(p), "offset": o} for p, o in wanted.items()]
        asked.write_text(json.dumps({"partitions": rows, "version": 1}))
        said = shell("kafka-delete-records --offset-json-file", str(asked))
        return [line for line in said.lines if line.startswith("partition:")]

    full = max(ends, key=lambda partition: ends[partition])
    assert delete({full: 1}) == [f"partition: {topic}-{full}\tlow_watermark: 1"]
    assert f"{topic}:{full}:1" in offsets(shell, topic, "earliest")
    assert delete({full: -1}) == [f"partition: {topic}-{full}\tlow_watermark: {ends[full]}"]
    assert f"{topic}:{full}:{ends[full]}" in offsets(shell, topic, "earliest")
    (said,) = delete({full: 99})
    assert "OffsetOutOfRangeException" in said


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_the_performance_tools_agree(shell: Shell, topic: str, codec: str) -> None:
    """All that one wrote, the other reads."""
    shell(f"kafka-topics --create --topic {topic} --partitions 2")
    how = f"--command-property acks=all compression.type={codec}"
    words = f"--topic {topic} --num-records 5000 --record-size 100 --throughput -1 {how}"
    said = shell(f"kafka-producer-perf-test {words}").text
    assert "5000 records sent" in said
    row = shell(f"kafka-consumer-perf-test --topic {topic} --num-records 5000 --timeout 15000")
    assert row.lines[-1].split(", ")[4] == "5000"


def test_transactions_of_the_performance_tool_are_read(shell: Shell, topic: str) -> None:
    """Records in transactions of 20 ms are all committed; each marker takes an offset."""
    words = f"--topic {topic} --num-records 300 --record-size 100 --throughput 1000"
    ours = f"--transactional-id {topic} --transaction-duration-ms 20"
    said = shell(f"kafka-producer-perf-test {words} {ours}").text
    assert "300 records sent" in said
    (end,) = offsets(shell, topic, "latest")
    assert int(end.rpartition(":")[2]) > 300
    words = f"--topic {topic} --from-beginning --timeout-ms 15000 --max-messages 300"
    said = shell(f"kafka-console-consumer {words} --isolation-level read_committed").text
    assert "Processed a total of 300 messages" in said


def test_end_to_end_latency_is_measured(shell: Shell, topic: str) -> None:
    """Each record is read before the next is written."""
    shell(f"kafka-topics --create --topic {topic}")
    words = f"--topic {topic} --num-records 50 --producer-acks all --record-size 100"
    assert "Avg latency" in shell(f"kafka-e2e-latency {words}").text


@pytest.mark.parametrize("how", ["", "--enable-autocommit", "--group-instance-id one"])
@pytest.mark.parametrize("assignor", ["RangeAssignor", "CooperativeStickyAssignor"])
def test_the_verifiable_tools_agree(
    shell: Shell, topic: str, group: str, how: str, assignor: str
) -> None:
    """What is acknowledged is consumed; what is consumed is committed, by member and assignor."""
    shell(f"kafka-topics --create --topic {topic} --partitions 2")
    said = shell(
        f"kafka-verifiable-producer --topic {topic} --max-messages 20 --acks -1 --repeating-keys 5"
    )
    sent = events(said, "producer_send_success")
    assert sorted(int(str(each["value"])) for each in sent) == list(range(20))
    strategy = f"org.apache.kafka.clients.consumer.{assignor}"
    words = f"--topic {topic} --max-messages 20 --group-id {group} --reset-policy earliest {how}"
    said = shell(f"kafka-verifiable-consumer {words} --assignment-strategy {strategy} --verbose")
    read = events(said, "record_data")
    assert {(each["partition"], each["offset"]) for each in read} == {
        (each["partition"], each["offset"]) for each in sent
    }
    rows = shell(f"kafka-consumer-groups --describe --group {group}").rows
    assert [row[5] for row in rows if row[0] == group] == ["0", "0"]
