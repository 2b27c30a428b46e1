"""Groups whose members are clients of different makes, and come and go while records flow."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import pytest
from foreign.client import SECONDS, Member, until, until_read
from foreign.confluent import Confluent
from foreign.fixtures import CLIENTS, MARKS, GetClient, MakeTopic
from foreign.flow import Flow

from millstream_log.testing import RunningBroker

PARTITIONS = 10
LEAVERS = [name for name in CLIENTS if name != "kcat"]  # it drops the record it has in hand
ASSIGNORS = ("range", "roundrobin")

pytestmark = MARKS


def shared(members: Iterable[Member]) -> bool:
    """Tell whether each partition has one owner, and each member as many as the others."""
    for member in members:
        member.check()
    owned = [member.assignment for member in members]
    least = PARTITIONS // len(owned)
    return (
        sorted(index for one in owned for index in one) == list(range(PARTITIONS))
        and min(map(len, owned)) >= least
    )


def told(members: Iterable[Member]) -> str:
    """Return how far the members have come."""
    return ", ".join(f"{sorted(one.assignment)} {len(one.reads)} reads" for one in members)


def wait_until_shared(members: list[Member], what: str) -> None:
    """Wait until the members share the topic."""
    until(lambda: shared(members), lambda: f"{what}: {told(members)}", 2 * SECONDS)


def wait_until_read(flow: Flow, members: list[Member]) -> None:
    """Wait until the members have read all that has come."""

    def all_read() -> bool:
        for member in members:
            member.check()
        return sum(len(member.reads) for member in members) >= len(flow)

    until(all_read, lambda: f"all {len(flow)} records are read: {told(members)}")


def check_reads(flow: Flow, members: list[Member]) -> None:
    """Check that each record was read once, whoever read it."""
    reads = sorted(read for member in members for read in member.reads)
    sent = len(flow)
    counts = [sent // PARTITIONS + (index < sent % PARTITIONS) for index in range(PARTITIONS)]
    assert reads == [
        (index, offset) for index, count in enumerate(counts) for offset in range(count)
    ]


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_all_clients_share_one_topic(
    served: RunningBroker, make_topic: MakeTopic, get_client: GetClient, assignor: str
) -> None:
    """Five clients in one group, each of another make, get two of ten partitions each."""
    topic, group = make_topic(PARTITIONS), uuid.uuid4().hex
    flow = Flow(Confluent(), served.bootstrap, topic, partitions=PARTITIONS)
    members = [
        get_client(name).join(served.bootstrap, group, topic, assignor=assignor) for name in CLIENTS
    ]
    wait_until_shared(members, "ten partitions are shared")
    flow.until(len(flow) + 50)
    flow.end()
    wait_until_read(flow, members)
    for member in members:
        member.leave()
    check_reads(flow, members)
    assert all(member.reads for member in members)


@pytest.mark.parametrize("assignor", ASSIGNORS)
@pytest.mark.parametrize("second", CLIENTS)
@pytest.mark.parametrize("first", LEAVERS)
def test_one_joins_and_one_leaves_while_records_flow(
    served: RunningBroker,
    make_topic: MakeTopic,
    get_client: GetClient,
    first: str,
    second: str,
    assignor: str,
) -> None:
    """Every record is read, none twice: alone, with another, and when the first has gone."""
    topic, group = make_topic(PARTITIONS), uuid.uuid4().hex
    flow = Flow(Confluent(), served.bootstrap, topic, partitions=PARTITIONS)
    stays = get_client(first).join(served.bootstrap, group, topic, assignor=assignor)
    until_read(stays, 20)
    comes = get_client(second).join(served.bootstrap, group, topic, assignor=assignor)
    wait_until_shared([stays, comes], f"{first} shares with {second}")
    until_read(comes, 20)
    stays.leave()
    wait_until_shared([comes], f"{second} has all")
    flow.until(len(flow) + 20)
    flow.end()
    wait_until_read(flow, [stays, comes])
    comes.leave()
    check_reads(flow, [stays, comes])
