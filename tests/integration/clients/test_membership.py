"""Members that stay themselves across a restart, give up only what they must, or just vanish."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from foreign import confluent, kcat
from foreign.client import until
from foreign.fixtures import CLIENTS, MARKS, GetClient, MakeTopic

from millstream_log.testing import RunningBroker

STATIC = [name for name in CLIENTS if name != "kafkajs"]  # which has no static members

pytestmark = MARKS


class Witness:
    """A librdkafka consumer that notes what it is given and what is taken from it."""

    def __init__(self, bootstrap: str, group: str, topic: str, **configs: object) -> None:
        self.given: list[set[int]] = []
        self.taken: list[set[int]] = []
        self.consumer = confluent.consumer(bootstrap, group, **configs)
        self.consumer.subscribe([topic], on_assign=self._give, on_revoke=self._take)

    @property
    def holds(self) -> set[int]:
        """Return the partitions it holds, after a look at what has happened."""
        self.consumer.poll(0.02)
        return {one.partition for one in self.consumer.assignment()}

    def _give(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.given.append({one.partition for one in partitions})

    def _take(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.taken.append({one.partition for one in partitions})


@contextmanager
def witness(bootstrap: str, group: str, topic: str, **configs: object) -> Iterator[Witness]:
    """Let a witness be a member for the time of a `with` block."""
    member = Witness(bootstrap, group, topic, **configs)
    try:
        yield member
    finally:
        member.consumer.close()


@pytest.mark.parametrize("name", STATIC)
def test_a_static_member_restarts_unnoticed(
    served: RunningBroker, make_topic: MakeTopic, get_client: GetClient, name: str
) -> None:
    """Who comes back within its session has what it had, and the others are left alone."""
    topic, group, client = make_topic(4), uuid.uuid4().hex, get_client(name)
    configs = {"partition.assignment.strategy": "range"}
    with witness(served.bootstrap, group, topic, **configs) as other:
        until(lambda: len(other.holds) == 4, "the witness has all")
        member = client.join(served.bootstrap, group, topic, instance_id="one")
        until(lambda: len(other.holds) == 2 == len(member.assignment), f"{name} shares")
        had, changes = set(member.assignment), len(other.given)
        member.leave()
        member = client.join(served.bootstrap, group, topic, instance_id="one")
        until(lambda: other.holds and member.assignment == had, f"{name} has {had} again")
        member.leave()
        assert len(other.given) == changes


@pytest.mark.parametrize("name", STATIC)
def test_two_with_one_instance_id_fence_each_other(
    served: RunningBroker, make_topic: MakeTopic, get_client: GetClient, name: str
) -> None:
    """The later of two members with the same instance id stays; the earlier is told why."""
    topic, group = make_topic(2), uuid.uuid4().hex
    with witness(served.bootstrap, group, topic, **{"group.instance.id": "one"}) as early:
        until(lambda: len(early.holds) == 2, "the first has all")
        late = get_client(name).join(served.bootstrap, group, topic, instance_id="one")
        until(lambda: late.assignment == {0, 1}, f"{name} has all")

        def is_told() -> bool:
            message = early.consumer.poll(0.05)
            error = message.error() if message is not None else None
            return error is not None and error.code() in (
                KafkaError.FENCED_INSTANCE_ID,
                KafkaError._FATAL,
            )

        until(is_told, "the first is told that it is fenced")
        late.leave()


def test_cooperative_members_keep_what_stays_theirs(
    served: RunningBroker, make_topic: MakeTopic
) -> None:
    """A newcomer takes its share; nothing else is revoked, and it goes back when it leaves."""
    topic, group = make_topic(6), uuid.uuid4().hex
    configs = {"partition.assignment.strategy": "cooperative-sticky"}
    with witness(served.bootstrap, group, topic, **configs) as stays:
        until(lambda: len(stays.holds) == 6, "the first has all")
        with witness(served.bootstrap, group, topic, **configs) as comes:
            until(lambda: len(stays.holds) == 3 == len(comes.holds), "both have three")
            assert stays.taken == [comes.holds]
            assert not any(stays.given[1:])
        until(lambda: len(stays.holds) == 6, "the first has all again")
        assert stays.taken[1:] == []


def test_the_share_of_a_killed_member_goes_to_the_others(
    served: RunningBroker, make_topic: MakeTopic, cat: kcat.Kcat
) -> None:
    """Who says nothing for its session time-out is out, and the others have its partitions."""
    topic, group = make_topic(4), uuid.uuid4().hex
    victim = cat.join(served.bootstrap, group, topic)
    until(lambda: len(victim.assignment) == 4, "the victim has all")
    victim.kill()
    with witness(served.bootstrap, group, topic) as heir:
        began = time.monotonic()
        until(lambda: len(heir.holds) == 4, "the heir has all")
        assert time.monotonic() - began > 3, "the victim had six seconds to come back"


def test_an_old_generation_may_not_commit(served: RunningBroker, make_topic: MakeTopic) -> None:
    """A member that slept through its poll interval is told so when it commits."""
    topic, group = make_topic(1), uuid.uuid4().hex
    late = {"max.poll.interval.ms": 6000, "session.timeout.ms": 6000}
    with witness(served.bootstrap, group, topic, **late) as sleeper:
        until(lambda: sleeper.holds == {0}, "the sleeper has its partition")
        with witness(served.bootstrap, group, topic) as other:
            until(lambda: other.holds == {0}, "the sleeper is out")
            with pytest.raises(KafkaException) as caught:
                sleeper.consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
            assert caught.value.args[0].code() in (
                KafkaError.UNKNOWN_MEMBER_ID,
                KafkaError.ILLEGAL_GENERATION,
                KafkaError._STATE,
            )
