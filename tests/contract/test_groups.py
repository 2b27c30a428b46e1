"""What the members of a group promise each other, whatever log is behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from millstream_log import (
    Admin,
    Consumer,
    NewTopic,
    OffsetAndMetadata,
    Producer,
    Record,
    TopicPartition,
)
from millstream_log.errors import (
    FencedInstanceIdError,
    IllegalGenerationError,
    InvalidConfigError,
    InvalidRequestError,
    LogError,
    RebalanceInProgressError,
)

if TYPE_CHECKING:
    from body import Body

ALL = frozenset(TopicPartition("t", n) for n in range(8))
T0 = TopicPartition("t", 0)

Partitions = frozenset[TopicPartition]


def member(url: str, *topics: str, **options: Any) -> Consumer:
    """Return a consumer of group g that commits by hand and hears of rebalances soon."""
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **options}
    return Consumer(*topics, log=url, group_id="g", heartbeat_interval_ms=10, **settings)


async def make(url: str, partitions: int = 8, topic: str = "t") -> None:
    """Make a topic."""
    async with Admin(url) as admin:
        await admin.create_topics([NewTopic(topic, partitions)])


async def write(url: str, first: int, count: int, *, partitions: int = 8) -> None:
    """Write the numbers from `first` on, in turn over the partitions."""
    async with Producer(url) as producer:
        for n in range(first, first + count):
            await producer.send("t", b"%d" % n, partition=n % partitions)


async def until(condition: Callable[[], bool], *consumers: Consumer) -> None:
    """Let the consumers poll until the condition holds; what they are handed is lost."""
    while not condition():
        for consumer in consumers:
            await consumer.getmany(timeout_ms=2)
        await asyncio.sleep(0.002)


def sizes(*consumers: Consumer) -> list[int]:
    """Return how many partitions each has."""
    return [len(consumer.assignment()) for consumer in consumers]


def shared(*consumers: Consumer, among: Partitions = ALL) -> bool:
    """Whether all partitions belong to somebody, none to two, and nobody has none."""
    owned = [partition for consumer in consumers for partition in consumer.assignment()]
    return sorted(owned) == sorted(among) and 0 not in sizes(*consumers)


class Heard:
    """A listener that writes down what it hears."""

    def __init__(self, name: str, log: list[tuple[str, str, Partitions]]) -> None:
        self.name = name
        self.log = log

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Write it down."""
        self.log.append((self.name, "revoked", frozenset(revoked)))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Write it down, later than at once."""
        await asyncio.sleep(0)
        self.log.append((self.name, "assigned", frozenset(assigned)))


def test_a_single_member_has_everything_when_it_has_started(body: Body) -> None:
    """Start returns with the assignment; a member without company waits for nobody."""

    async def scenario(url: str) -> None:
        await make(url)
        async with member(url, "t") as one:
            assert one.assignment() == ALL
            async with Admin(url) as admin:
                assert ("g", "consumer") in await admin.list_consumer_groups()

    body.run(scenario)


def test_members_share_and_everything_is_read_once(body: Body) -> None:
    """Two, then three, then two members: each number comes once, and in order by partition."""

    async def scenario(url: str) -> None:
        await make(url)
        seen: list[Record] = []

        async def read(count: int, *consumers: Consumer) -> None:
            while len(seen) < count:
                for consumer in consumers:
                    found = await consumer.getmany(timeout_ms=2)
                    try:
                        await consumer.commit()
                    except (IllegalGenerationError, RebalanceInProgressError):
                        continue  # taken away before it was done: it comes again
                    for records in found.values():
                        seen.extend(records)

        async with AsyncExitStack() as stack:
            members = [await stack.enter_async_context(member(url, "t")) for _ in range(2)]
            await write(url, 0, 400)
            await read(400, *members)
            assert sizes(*members) == [4, 4]
            members.append(await stack.enter_async_context(member(url, "t")))
            await write(url, 400, 400)
            await read(800, *members)
            await until(lambda: shared(*members))
            assert sorted(sizes(*members)) == [2, 3, 3]
            await members[0].stop()
            await write(url, 800, 400)
            await read(1200, *members[1:])
            await until(lambda: shared(*members[1:]))
            assert sizes(*members[1:]) == [4, 4]
        assert sorted(int(record.value) for record in seen) == list(range(1200))
        for partition in range(8):
            offsets = [record.offset for record in seen if record.partition == partition]
            assert offsets == sorted(offsets)

    body.run(scenario)


def test_the_next_owner_goes_on_from_the_commit(body: Body) -> None:
    """What was committed does not come again; what was not, does."""

    async def scenario(url: str) -> None:
        await make(url)
        await write(url, 0, 80)
        async with member(url, "t") as one:
            assert sum(map(len, (await one.getmany(timeout_ms=500)).values())) == 80
            await one.commit({T0: OffsetAndMetadata(7, "")})
            async with member(url, "t") as two:
                await until(lambda: shared(one, two))
                await one.stop()
                await until(lambda: two.assignment() == ALL)
                positions = {p: await two.position(p) for p in ALL}
                assert positions.pop(T0) == 7
                assert set(positions.values()) <= {0, 10}

    body.run(scenario)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("range", [{("a", 0), ("b", 0)}, {("a", 1), ("b", 1)}, {("a", 2), ("b", 2)}]),
        ("roundrobin", [{("a", 0), ("b", 0)}, {("a", 1), ("b", 1)}, {("a", 2), ("b", 2)}]),
        ("sticky", None),
        ("cooperative-sticky", None),
    ],
)
def test_every_strategy_shares_out(
    body: Body, strategy: str, expected: list[set[tuple[str, int]]] | None
) -> None:
    """Three members and two topics of three partitions: everybody has two."""

    async def scenario(url: str) -> None:
        await make(url, 3, "a")
        await make(url, 3, "b")
        everything = frozenset(TopicPartition(topic, n) for topic in "ab" for n in range(3))
        async with AsyncExitStack() as stack:
            members = []
            for n in range(3):
                one = member(
                    url,
                    "a",
                    "b",
                    group_instance_id=f"i{n}",  # says who comes first
                    partition_assignment_strategy=[strategy],
                )
                members.append(await stack.enter_async_context(one))
            await until(lambda: sizes(*members) == [2, 2, 2], *members)
            assert shared(*members, among=everything)
            if expected is not None:
                assert [set(map(tuple, one.assignment())) for one in members] == expected

    body.run(scenario)


def test_a_cooperative_member_keeps_what_does_not_move(body: Body) -> None:
    """While others come, a member loses what goes to them, and is never without the rest."""

    async def scenario(url: str) -> None:
        await make(url)
        log: list[tuple[str, str, Partitions]] = []
        strategy = ("cooperative-sticky",)
        async with (
            member(url, partition_assignment_strategy=strategy) as one,
            member(url, partition_assignment_strategy=strategy) as two,
        ):
            one.subscribe(["t"], listener=Heard("one", log))
            await until(lambda: one.assignment() == ALL, one)
            await one.commit({T0: 0})
            kept: list[Partitions] = []
            two.subscribe(["t"], listener=Heard("two", log))

            def done() -> bool:
                kept.append(one.assignment())
                return shared(one, two) and log[-1] == ("two", "assigned", two.assignment())

            await until(done, one, two)
            assert {len(partitions) for partitions in kept} == {8, 4}
            gone = ALL - one.assignment()
            assert [row[1:] for row in log if row[0] == "one" and row[2]] == [
                ("assigned", ALL),
                ("revoked", gone),
            ]
            assert [row[1:] for row in log if row[0] == "two" and row[2]] == [("assigned", gone)]
            assert log.index(("one", "revoked", gone)) < log.index(("two", "assigned", gone))

    body.run(scenario)


def test_an_eager_listener_hears_of_everything_in_order(body: Body) -> None:
    """All is revoked before anybody joins, and assigned after everybody has."""

    async def scenario(url: str) -> None:
        await make(url)
        log: list[tuple[str, str, Partitions]] = []
        async with member(url) as one, member(url) as two:
            one.subscribe(["t"], listener=Heard("one", log))
            await until(lambda: one.assignment() == ALL, one)
            two.subscribe(["t"], listener=Heard("two", log))
            await until(lambda: shared(one, two) and len(log) == 6, one, two)
            nothing: Partitions = frozenset()
            assert [row[1:] for row in log if row[0] == "one"] == [
                ("revoked", nothing),
                ("assigned", ALL),
                ("revoked", ALL),
                ("assigned", one.assignment()),
            ]
            assert [row[1:] for row in log if row[0] == "two"] == [
                ("revoked", nothing),
                ("assigned", two.assignment()),
            ]
            revoked = log.index(("one", "revoked", ALL))
            assert revoked < log.index(("two", "assigned", two.assignment()))

    body.run(scenario)


def test_a_listener_can_commit_and_seek(body: Body) -> None:
    """What goes can still be committed, and what comes can be sought before it is read."""

    async def scenario(url: str) -> None:
        await make(url)
        await write(url, 0, 80)

        class Careful:
            def __init__(self, consumer: Consumer) -> None:
                self.consumer = consumer

            async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
                """Commit all that was read."""
                if revoked:
                    await self.consumer.commit()

            async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
                """Read the last record again."""
                for partition in assigned:
                    position = await self.consumer.position(partition)
                    self.consumer.seek(partition, max(position - 1, 0))

        async with member(url) as one, member(url) as two:
            one.subscribe(["t"], listener=Careful(one))
            read = 0
            while read < 80:
                read += sum(map(len, (await one.getmany(timeout_ms=500)).values()))
            two.subscribe(["t"], listener=Careful(two))
            await until(lambda: shared(one, two))
            for consumer in (one, two):
                found = await consumer.getmany(timeout_ms=500)
                assert found.keys() == consumer.assignment()
                assert all([r.offset for r in records] == [9] for records in found.values())

    body.run(scenario)


def test_a_listener_that_fails_stops_nobody(body: Body) -> None:
    """Its error is logged, and the rebalance goes on."""

    async def scenario(url: str) -> None:
        await make(url)

        class Failing(Heard):
            def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
                """Fail."""
                raise RuntimeError("not today")

        log: list[tuple[str, str, Partitions]] = []
        async with member(url) as one:
            one.subscribe(["t"], listener=Failing("one", log))
            await until(lambda: bool(log), one)
            assert log == [("one", "assigned", ALL)]

    body.run(scenario)


def test_auto_commit_covers_what_is_done_when_partitions_go(body: Body) -> None:
    """A rebalance commits what was handed out before the last call: nothing is skipped."""

    async def scenario(url: str) -> None:
        await make(url)
        await write(url, 0, 80)
        async with member(url, "t", enable_auto_commit=True) as one:
            first = await one.getmany(T0, max_records=3)
            assert [record.offset for record in first[T0]] == [0, 1, 2]
            second = await one.getmany(T0, max_records=4)
            assert [record.offset for record in second[T0]] == [3, 4, 5, 6]
            async with member(url, "t") as two:
                await until(lambda: shared(one, two))
                assert await two.committed(T0) == 3
                with pytest.raises(IllegalGenerationError, match="t-0"):
                    await one.commit()
                await one.commit()

    body.run(scenario)


def test_a_commit_of_what_was_taken_is_an_error(body: Body) -> None:
    """Who commits a partition that is another's by now is told, and commits nothing."""

    async def scenario(url: str) -> None:
        await make(url)
        await write(url, 0, 80)
        async with member(url, "t") as one:
            await one.getmany(timeout_ms=500)
            async with member(url, "t") as two:
                await until(lambda: shared(one, two))
                theirs = min(two.assignment())
                with pytest.raises(IllegalGenerationError, match=f"t-{theirs.partition}"):
                    await one.commit({theirs: OffsetAndMetadata(10, "")})
                assert await two.committed(theirs) is None
                ours = min(one.assignment())
                await one.commit({ours: OffsetAndMetadata(5, "")})
                assert await two.committed(ours) == 5

    body.run(scenario)


def test_a_static_member_that_comes_back_has_its_partitions(body: Body) -> None:
    """A stop and a start within the session move nothing, and the others hear nothing."""

    async def scenario(url: str) -> None:
        await make(url)
        log: list[tuple[str, str, Partitions]] = []
        async with member(url, group_instance_id="a") as one:
            one.subscribe(["t"], listener=Heard("one", log))
            await until(lambda: one.assignment() == ALL, one)
            two = member(url, "t", group_instance_id="b")
            await two.start()
            await until(lambda: shared(one, two) and len(log) == 4)
            before = two.assignment()
            await two.stop()
            again = member(url, "t", group_instance_id="b")
            async with again:
                assert again.assignment() == before
                for _ in range(5):
                    await one.getmany(timeout_ms=10)
                assert len(log) == 4

    body.run(scenario)


def test_the_leader_can_be_the_static_member_that_comes_back(body: Body) -> None:
    """The one that shares out may come back too, and sees new partitions as before."""

    async def scenario(url: str) -> None:
        await make(url, 2)
        async with member(url, "t", group_instance_id="a"):
            pass
        options = {"group_instance_id": "a", "metadata_max_age_ms": 0}
        async with member(url, "t", **options) as again, Admin(url) as admin:
            assert sizes(again) == [2]
            await admin.create_partitions({"t": 3})
            await until(lambda: sizes(again) == [3], again)

    body.run(scenario)


def test_one_instance_id_has_one_member(body: Body) -> None:
    """The newer one has it; the older one is told, at every call, and reads no more."""

    async def scenario(url: str) -> None:
        await make(url)
        async with (
            member(url, "t", group_instance_id="a") as old,
            member(url, "t", group_instance_id="a") as new,
        ):
            assert new.assignment() == ALL
            with pytest.raises(FencedInstanceIdError):
                await until(lambda: False, old)
            with pytest.raises(FencedInstanceIdError):
                await until(lambda: False, old)
            assert old.assignment() == frozenset()
            assert new.assignment() == ALL

    body.run(scenario)


def test_members_follow_what_metadata_says(body: Body) -> None:
    """New partitions and new topics of a pattern are shared out without a word of the user."""

    async def scenario(url: str) -> None:
        await make(url, 2, "t-1")
        async with (
            member(url, metadata_max_age_ms=0) as one,
            member(url, metadata_max_age_ms=0) as two,
            Admin(url) as admin,
        ):
            for consumer in (one, two):
                consumer.subscribe(pattern="t-.*")
            await until(lambda: sizes(one, two) == [1, 1], one, two)
            await admin.create_partitions({"t-1": 4})
            await until(lambda: sizes(one, two) == [2, 2], one, two)
            await admin.create_topics([NewTopic("t-2", 2)])
            await until(lambda: sizes(one, two) == [3, 3], one, two)
            assert one.subscription() == {"t-1", "t-2"}

    body.run(scenario)


def test_members_may_read_different_topics(body: Body) -> None:
    """A member gets partitions of its own topics alone, and the leader watches all of them."""

    async def scenario(url: str) -> None:
        await make(url, 2, "a")
        await make(url, 2, "b")
        async with (
            member(url, "a", metadata_max_age_ms=0) as one,
            member(url, "b", metadata_max_age_ms=0) as two,
            Admin(url) as admin,
        ):
            await until(lambda: sizes(one, two) == [2, 2], one, two)
            assert {topic for topic, _ in one.assignment()} == {"a"}
            assert {topic for topic, _ in two.assignment()} == {"b"}
            await admin.create_partitions({"b": 3})
            await until(lambda: sizes(one, two) == [2, 3], one, two)

    body.run(scenario)


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_a_subscription_can_change(body: Body, strategy: str) -> None:
    """Subscribing anew moves the member, and unsubscribing leaves the others everything."""

    async def scenario(url: str) -> None:
        await make(url, 2, "a")
        await make(url, 2, "b")
        options = {"partition_assignment_strategy": strategy}
        async with member(url, "a", **options) as one, member(url, "a", **options) as two:
            await until(lambda: sizes(one, two) == [1, 1], one, two)
            one.subscribe(["b"])
            await until(lambda: sizes(one, two) == [2, 2], one, two)
            assert {topic for topic, _ in one.assignment()} == {"b"}
            one.subscribe(["a"])
            await until(lambda: sizes(one, two) == [1, 1], one, two)
            one.unsubscribe()
            assert one.assignment() == frozenset()
            await until(lambda: sizes(one, two) == [0, 2], two)
            one.assign([TopicPartition("b", 0)])
            assert one.assignment() == {("b", 0)}

    body.run(scenario)


def test_a_member_that_does_not_poll_goes(body: Body) -> None:
    """After max_poll_interval_ms without a call its partitions are others', until it calls."""

    async def scenario(url: str) -> None:
        await make(url)
        async with member(url, "t", max_poll_interval_ms=100) as lazy, member(url, "t") as busy:
            await until(lambda: busy.assignment() == ALL, busy)
            assert lazy.assignment() == frozenset()
            await until(lambda: shared(lazy, busy), lazy, busy)

    body.run(scenario)


def test_a_reader_that_waits_is_not_idle(body: Body) -> None:
    """Time inside a call does not count against max_poll_interval_ms."""

    async def scenario(url: str) -> None:
        await make(url)
        async with member(url, "t", max_poll_interval_ms=50) as one:
            waiting = asyncio.create_task(one.getone())
            await asyncio.sleep(0.15)
            assert one.assignment() == ALL
            await write(url, 0, 1)
            assert (await waiting).value == b"0"

    body.run(scenario)


def test_a_reader_that_waits_is_given_new_partitions(body: Body) -> None:
    """A getone that waits while partitions come reads from them too."""

    async def scenario(url: str) -> None:
        await make(url)
        async with member(url, "t", fetch_max_wait_ms=20_000) as one:
            two = member(url, "t", fetch_max_wait_ms=20_000)
            await two.start()
            waiting = asyncio.create_task(one.getone())
            await until(lambda: shared(one, two))
            theirs = min(two.assignment())
            await two.stop()
            async with Producer(url) as producer:
                await producer.send_and_wait("t", b"5", partition=theirs.partition)
            assert (await waiting).partition == theirs.partition

    body.run(scenario)


def test_members_that_agree_on_no_strategy_are_refused(body: Body) -> None:
    """The one that comes with another strategy is told when it starts."""

    async def scenario(url: str) -> None:
        await make(url)
        async with member(url, "t", partition_assignment_strategy=["range"]) as one:
            other = member(url, "t", partition_assignment_strategy=["sticky"])
            with pytest.raises(LogError, match="INCONSISTENT_GROUP_PROTOCOL"):
                await other.start()
            assert one.assignment() == ALL

    body.run(scenario)


def test_assigned_by_hand_is_no_member(body: Body) -> None:
    """A consumer that names its partitions commits for a group without being in it."""

    async def scenario(url: str) -> None:
        await make(url)
        async with member(url) as one, Admin(url) as admin:
            one.assign([T0])
            await one.commit({T0: OffsetAndMetadata(3, "")})
            assert (await admin.list_consumer_group_offsets("g"))[T0].offset == 3
            async with member(url, "t") as two:
                assert two.assignment() == ALL
                assert await two.position(T0) == 3

    body.run(scenario)


def test_without_a_group_all_is_read(body: Body) -> None:
    """Consumers that have no group share nothing."""

    async def scenario(url: str) -> None:
        await make(url)
        async with Consumer("t", log=url) as one, Consumer("t", log=url) as two:
            assert one.assignment() == two.assignment() == ALL

    body.run(scenario)


def test_wrong_options_of_a_member_are_refused(body: Body) -> None:
    """A strategy that nobody knows, and heartbeats slower than the session, are errors."""
    with pytest.raises(InvalidConfigError, match="cooperative-sticky"):
        Consumer("t", log=body.url, partition_assignment_strategy=["fair"])
    with pytest.raises(InvalidConfigError, match="names of assignors"):
        Consumer("t", log=body.url, partition_assignment_strategy=[])
    with pytest.raises(InvalidConfigError, match="session_timeout_ms"):
        Consumer("t", log=body.url, session_timeout_ms=6_000, heartbeat_interval_ms=6_000)
    with pytest.raises(InvalidRequestError, match="on_partitions_revoked"):
        Consumer(log=body.url).subscribe(["t"], listener=object())  # type: ignore[arg-type]
