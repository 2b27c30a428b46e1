"""Assignors against those of Apache Kafka's Java client, on the same random groups.

Subscriptions travel to Java, and assignments back, as the bytes that members send each other.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from assignments import (
    Assignments,
    Group,
    changed,
    check_whole,
    fresh_group,
    holding,
    kept,
    squares,
)
from kafka_dump import ROOT

from millstream_log.assignor.assignors import ASSIGNORS, assignor_named
from millstream_log.assignor.protocol import decode_assignment, encode_subscription
from millstream_log.model import TopicPartition

SOURCE = ROOT / "tests" / "support" / "java" / "Assign.java"
SEED = 4
GROUPS = 200
STICKY = ["sticky", "cooperative-sticky"]

pytestmark = pytest.mark.integration


class Case(NamedTuple):
    """One question to both sides, and the two answers."""

    name: str
    group: Group
    held: Assignments  # what the members had before; empty for a fresh group
    ours: Assignments
    java: Assignments


def questions() -> Iterator[tuple[str, Group, Assignments]]:
    """Yield each group, fresh and after a change, with each assignor."""
    chance = random.Random(SEED)
    for number in range(GROUPS):
        members_max = chance.choice([3, 12, 40])
        group = fresh_group(chance, alike=number % 2 == 0, members_max=members_max)
        later = changed(chance, group)
        for name in ASSIGNORS:
            yield name, group, {}
        for name in STICKY:
            held = assignor_named(name).assign(*group)
            yield name, holding(name, later, held), held


def lines_of(name: str, group: Group) -> Iterator[str]:
    """Yield a question as Assign.java reads it."""
    for topic, count in group.partitions_per_topic.items():
        yield f"topic {topic} {count}"
    for member, mine in group.members.items():
        data = encode_subscription(mine).hex()
        yield f"member {member} {mine.group_instance_id or '-'} {data}"
    yield f"run {name}"


def answers_of(said: str) -> Iterator[dict[str, list[TopicPartition]]]:
    """Yield each answer of Assign.java, sorted."""
    given: dict[str, list[TopicPartition]] = {}
    for line in said.splitlines():
        if line == "done":
            yield given
            given = {}
        else:
            _, member, data = line.split(" ")
            given[member] = sorted(decode_assignment(bytes.fromhex(data)).partitions)


@pytest.fixture(scope="module")
def cases(kafka_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Return all cases, which one run of Java has answered."""
    classes, jars = str(tmp_path_factory.mktemp("classes")), str(kafka_dir / "libs" / "*")
    subprocess.run(["javac", "-cp", jars, "-d", classes, SOURCE], check=True)
    asked = list(questions())
    text = "\n".join(line for name, group, _ in asked for line in lines_of(name, group))
    done = subprocess.run(
        ["java", "-cp", f"{jars}:{classes}", "Assign"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [
        Case(name, group, held, assignor_named(name).assign(*group), java)
        for (name, group, held), java in zip(asked, answers_of(done.stdout), strict=True)
    ]


@pytest.mark.parametrize("name", ASSIGNORS)
def test_a_fresh_group_gets_what_java_gives(cases: list[Case], name: str) -> None:
    """Without a past all four assignors agree with Java's to the partition."""
    fresh = [case for case in cases if case.name == name and not case.held]
    assert len(fresh) == GROUPS
    for case in fresh:
        assert case.ours == case.java


def test_after_a_change_sticky_is_as_good_as_java(cases: list[Case]) -> None:
    """As even, and as much is kept; which member keeps one more hangs on Java's hash order."""
    later = [case for case in cases if case.name == "sticky" and case.held]
    for case in later:
        check_whole(case.group, case.java)
        assert squares(case.ours) <= squares(case.java)
        assert kept(case.held, case.ours) >= kept(case.held, case.java)
    same = sum(case.ours == case.java for case in later)
    assert same > 0.8 * len(later)


def test_after_a_change_cooperative_withholds_as_much_as_java(cases: list[Case]) -> None:
    """As much is kept, and as much is left for the second round."""
    later = [case for case in cases if case.name == "cooperative-sticky" and case.held]
    for case in later:
        assert kept(case.held, case.ours) >= kept(case.held, case.java)
        assert total(case.ours) >= total(case.java)
    same = sum(case.ours == case.java for case in later)
    assert same > 0.8 * len(later)


def total(given: Assignments) -> int:
    """Return how many partitions are given out."""
    return sum(len(partitions) for partitions in given.values())
