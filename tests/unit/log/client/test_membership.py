"""One member of a group, given scripted answers."""

from __future__ import annotations

import pytest

from millstream_log.assignor.assignors import assignor_named
from millstream_log.assignor.protocol import (
    Assignment,
    Subscription,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from millstream_log.client.membership import MemberOptions, Membership, MemberState
from millstream_log.client.offsets import ANYBODY, Committer
from millstream_log.errors import (
    BrokerError,
    ErrorCode,
    FencedInstanceIdError,
    InvalidGroupIdError,
)
from millstream_log.model import TopicPartition
from millstream_log.wire.messages.join_group import JoinGroupMember, JoinGroupResponse
from millstream_log.wire.messages.sync_group import SyncGroupResponse

T0, T1, T2 = (TopicPartition("t", n) for n in range(3))


def membership(*names: str, instance_id: str | None = None) -> Membership:
    """Return a member of group g that likes these assignors."""
    assignors = tuple(assignor_named(name) for name in names or ("range",))
    return Membership(MemberOptions("g", instance_id, assignors, 10_000, 20_000))


def place(
    generation: int = 1,
    *,
    protocol: str = "range",
    leads: dict[str, Subscription] | None = None,
    skip: bool = False,
) -> JoinGroupResponse:
    """Return the answer that gives m its place; `leads` makes it the leader of these."""
    return JoinGroupResponse(
        generation_id=generation,
        protocol_type="consumer",
        protocol_name=protocol,
        leader="m" if leads else "somebody",
        member_id="m",
        skip_assignment=skip,
        members=[
            JoinGroupMember(
                member_id=member_id,
                group_instance_id=one.group_instance_id,
                metadata=encode_subscription(one),
            )
            for member_id, one in (leads or {}).items()
        ],
    )


def part(*partitions: TopicPartition) -> SyncGroupResponse:
    """Return the answer that gives a member these partitions."""
    return SyncGroupResponse(assignment=encode_assignment(Assignment(partitions)))


def stable(*names: str, instance_id: str | None = None, generation: int = 1) -> Membership:
    """Return a member that holds partition 0."""
    member = membership(*names, instance_id=instance_id)
    member.on_join(place(generation, protocol=names[0] if names else "range"))
    member.on_sync(part(T0))
    return member


def test_a_member_joins_with_the_id_that_it_is_given() -> None:
    """MEMBER_ID_REQUIRED brings an id, and the same request goes out again with it, at once."""
    member = membership()
    assert member.join_request(["t"], ()).member_id == ""
    answer = JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED, member_id="m")
    assert member.on_join(answer)
    assert member.must_join
    request = member.join_request(["t"], ())
    assert (request.group_id, request.member_id) == ("g", "m")
    assert (request.session_timeout_ms, request.rebalance_timeout_ms) == (10_000, 20_000)
    assert member.on_join(place())
    assert member.state is MemberState.SYNCING
    assert member.on_sync(part(T0, T1))
    assert (member.state, member.partitions) == (MemberState.STABLE, (T0, T1))
    assert member.committer == Committer(1, "m", None)


def test_every_assignor_is_offered_in_order() -> None:
    """JoinGroup carries a subscription for each assignor, the one liked best first."""
    member = membership("sticky", "cooperative-sticky", "range")
    request = member.join_request(["b", "a"], (T1,))
    assert [one.name for one in request.protocols] == ["sticky", "cooperative-sticky", "range"]
    for one in request.protocols:
        subscription = decode_subscription(one.metadata)
        assert subscription.topics == {"a", "b"}
        assert subscription.owned_partitions == (T1,)


def test_one_eager_assignor_makes_a_member_eager() -> None:
    """A member gives up everything unless all its assignors can do with less."""
    assert not membership("range", "cooperative-sticky").is_cooperative
    assert membership("cooperative-sticky").is_cooperative


def test_a_leader_shares_out_among_all() -> None:
    """The leader's SyncGroup has a part for every member, by the assignor that was chosen."""
    member = membership("range", "roundrobin")
    topics = frozenset({"t"})
    other = Subscription(topics | {"u"})
    member.on_join(place(leads={"m": Subscription(topics), "n": other}, protocol="roundrobin"))
    assert member.group_topics == {"t", "u"}
    request = member.sync_request({"t": 3, "u": 1})
    assert (request.protocol_name, request.generation_id) == ("roundrobin", 1)
    shared = {one.member_id: decode_assignment(one.assignment) for one in request.assignments}
    assert {key: value.partitions for key, value in shared.items()} == {
        "m": (T0, T2),
        "n": (T1, TopicPartition("u", 0)),
    }


def test_a_follower_brings_no_assignment() -> None:
    """Who does not lead asks for its part, and that is all."""
    member = membership()
    member.on_join(place())
    assert member.sync_request({"t": 3}).assignments == []
    assert member.group_topics == frozenset()


def test_a_static_leader_that_comes_back_may_leave_the_assignment_as_it_is() -> None:
    """Told to skip it, a leader knows the topics to watch and shares nothing out."""
    member = membership(instance_id="i")
    member.on_join(place(leads={"m": Subscription(frozenset({"t"}))}, skip=True))
    assert member.group_topics == {"t"}
    assert member.sync_request({"t": 3}).assignments == []


def test_an_empty_assignment_is_no_partitions() -> None:
    """A member that the leader has given nothing has nothing, whatever the bytes."""
    member = membership()
    member.on_join(place())
    assert member.on_sync(SyncGroupResponse(assignment=b""))
    assert (member.state, member.partitions) == (MemberState.STABLE, ())


@pytest.mark.parametrize(
    ("code", "state", "member_id", "at_once"),
    [
        (ErrorCode.REBALANCE_IN_PROGRESS, MemberState.JOINING, "m", True),
        (ErrorCode.ILLEGAL_GENERATION, MemberState.UNJOINED, "m", True),
        (ErrorCode.UNKNOWN_MEMBER_ID, MemberState.UNJOINED, "", True),
        (ErrorCode.COORDINATOR_NOT_AVAILABLE, MemberState.JOINING, "m", False),
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, MemberState.JOINING, "m", False),
        (ErrorCode.NOT_COORDINATOR, MemberState.JOINING, "m", False),
    ],
)
def test_a_sync_that_is_refused_leads_back_to_joining(
    code: ErrorCode, state: MemberState, member_id: str, at_once: bool
) -> None:
    """An error of SyncGroup sends the member to join, with what of it the group still knows."""
    member = membership()
    member.on_join(place())
    assert member.on_sync(SyncGroupResponse(error_code=code)) is at_once
    assert member.must_join
    assert (member.state, member.member_id) == (state, member_id)
    assert (member.generation < 0) is (state is MemberState.UNJOINED)


def test_a_join_that_is_refused_for_good_is_raised() -> None:
    """What joining again cannot mend is the caller's to hear."""
    for code, kind in (
        (ErrorCode.INCONSISTENT_GROUP_PROTOCOL, BrokerError),
        (ErrorCode.INVALID_SESSION_TIMEOUT, BrokerError),
        (ErrorCode.INVALID_GROUP_ID, InvalidGroupIdError),
    ):
        member = membership()
        with pytest.raises(kind, match="group 'g'"):
            member.on_join(JoinGroupResponse(error_code=code))
        assert member.must_join


def test_a_fenced_member_does_not_join_again() -> None:
    """FENCED_INSTANCE_ID is an error, and the end."""
    member = stable(instance_id="i")
    member.rejoin()
    with pytest.raises(FencedInstanceIdError):
        member.on_join(JoinGroupResponse(error_code=ErrorCode.FENCED_INSTANCE_ID))
    assert (member.state, member.must_join) == (MemberState.FENCED, False)
    assert member.heartbeat_request() is None


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (ErrorCode.NONE, MemberState.STABLE),
        (ErrorCode.COORDINATOR_NOT_AVAILABLE, MemberState.STABLE),
        (ErrorCode.REBALANCE_IN_PROGRESS, MemberState.JOINING),
        (ErrorCode.ILLEGAL_GENERATION, MemberState.UNJOINED),
        (ErrorCode.UNKNOWN_MEMBER_ID, MemberState.UNJOINED),
        (ErrorCode.FENCED_INSTANCE_ID, MemberState.FENCED),
    ],
)
def test_a_heartbeat_tells_how_the_group_is(code: ErrorCode, state: MemberState) -> None:
    """The answer to a heartbeat leaves the member in peace, or says what is next."""
    member = stable(instance_id="i", generation=4)
    request = member.heartbeat_request()
    assert request is not None
    assert (request.generation_id, request.member_id) == (4, "m")
    assert request.group_instance_id == "i"
    member.on_heartbeat(request, code)
    assert member.state is state


def test_a_late_answer_changes_nothing() -> None:
    """What was asked in a generation before, or answered while the member joins, is passed over."""
    member = stable()
    late = member.heartbeat_request()
    assert late is not None
    committer = member.committer
    member.rejoin()
    member.on_heartbeat(late, ErrorCode.UNKNOWN_MEMBER_ID)
    assert member.state is MemberState.JOINING
    member.on_join(place(2))
    member.on_sync(part(T0))
    member.on_heartbeat(late, ErrorCode.UNKNOWN_MEMBER_ID)
    member.on_commit(committer, ErrorCode.ILLEGAL_GENERATION)
    assert (member.state, member.generation) == (MemberState.STABLE, 2)


def test_a_commit_that_is_refused_moves_the_member() -> None:
    """A commit learns of a rebalance as a heartbeat does; other errors are not the group's."""
    for code, state in (
        (ErrorCode.OFFSET_METADATA_TOO_LARGE, MemberState.STABLE),
        (ErrorCode.REBALANCE_IN_PROGRESS, MemberState.JOINING),
    ):
        member = stable()
        member.on_commit(member.committer, code)
        assert member.state is state


def test_a_member_goes_on_beating_until_it_is_in_the_next_generation() -> None:
    """While it gives up its partitions it is still of the generation before."""
    member = stable()
    member.rejoin()
    request = member.heartbeat_request()
    assert request is not None
    assert request.generation_id == 1
    assert member.committer == Committer(1, "m", None)


def test_what_was_held_is_told_to_the_assignor() -> None:
    """Sticky sends the last assignment though it was given up, cooperative its generation."""
    member = stable("sticky", generation=7)
    member.rejoin()
    sticky = decode_subscription(member.join_request(["t"], ()).protocols[0].metadata)
    assert sticky.owned_partitions == ()
    assert sticky.user_data == assignor_named("sticky").user_data(member._claim)
    member = stable("cooperative-sticky", generation=7)
    member.rejoin()
    told = decode_subscription(member.join_request(["t"], (T0,)).protocols[0].metadata)
    assert (told.owned_partitions, told.generation_id) == ((T0,), 7)


def test_leaving_tells_the_group_unless_the_member_is_static() -> None:
    """A static member is expected back; nobody leaves twice, or what it never joined."""
    member = stable()
    request = member.leave()
    assert request is not None
    assert [one.member_id for one in request.members] == ["m"]
    assert (member.state, member.member_id) == (MemberState.UNJOINED, "")
    assert member.committer == ANYBODY
    assert member.leave() is None
    assert stable(instance_id="i").leave() is None
    assert membership().leave() is None
