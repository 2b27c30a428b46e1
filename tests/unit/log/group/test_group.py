from __future__ import annotations

import pytest

from millstream_log.errors import ErrorCode
from millstream_log.group.group import TRANSITIONS, Group, Member, State
from millstream_log.group.records import GroupMetadata, MemberMetadata
from millstream_log.group.requests import JoinRequest

SUBSCRIPTION = b"\0\0\0\0\0\1\0\1t\xff\xff\xff\xff"
PATHS = {  # a way to come into each state from Empty
    State.EMPTY: [],
    State.PREPARING: [State.PREPARING],
    State.COMPLETING: [State.PREPARING, State.COMPLETING],
    State.STABLE: [State.PREPARING, State.COMPLETING, State.STABLE],
    State.DEAD: [State.DEAD],
}


def asking(
    names: str = "range", metadata: bytes = SUBSCRIPTION, instance: str | None = None
) -> JoinRequest:
    """Return a JoinGroup that offers protocols."""
    return JoinRequest(
        group_id="g",
        group_instance_id=instance,
        protocols=tuple((name, metadata) for name in names.split()),
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
    )


def group_of(**offers: str) -> Group:
    """Return a group of members that offer protocols and wait for a generation."""
    group = Group("g")
    for ticket, (name, names) in enumerate(offers.items()):
        group.wait_to_join(group.add(asking(names), name), ticket)
    group.move(State.PREPARING, 5)
    return group


def test_every_state_and_no_other_is_in_the_table() -> None:
    """The table has a row for each state, and the dead stay dead."""
    assert set(TRANSITIONS) == set(State)
    assert not TRANSITIONS[State.DEAD]


@pytest.mark.parametrize("target", State)
@pytest.mark.parametrize("source", State)
def test_a_group_goes_where_the_table_lets_it(source: State, target: State) -> None:
    """A step that the table does not have is a fault of ours, and is caught at once."""
    group = Group("g")
    for state in PATHS[source]:
        group.move(state, 1)
    if target in TRANSITIONS[source]:
        group.move(target, 7)
        assert (group.was, group.state, group.state_timestamp_ms) == (source, target, 7)
    else:
        with pytest.raises(AssertionError, match=f"from {source} to {target}"):
            group.move(target, 7)


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ({"a": "x y", "b": "y x", "c": "y x"}, "y"),
        ({"a": "x y", "b": "y x"}, "x"),  # a draw
        ({"a": "x y", "b": "z y"}, "y"),  # the only one that both offer
        ({"a": "x y z", "b": "y z", "c": "z y"}, "y"),  # a votes for y, for not all offer x
        ({"a": "x x"}, "x"),
    ],
)
def test_the_protocol_is_voted_for(offers: dict[str, str], chosen: str) -> None:
    """Each member votes for the first of its list that everybody offers; the most votes win."""
    assert group_of(**offers).elected_protocol() == chosen


def test_a_group_works_with_who_offers_what_all_others_do() -> None:
    """A newcomer is let in when one of its protocols is common, and its type is the group's."""
    group = group_of(a="x y", b="y z")
    assert group.supports("consumer", (("y", b""),))
    assert not group.supports("consumer", (("x", b""), ("z", b"")))
    assert not group.supports("connect", (("y", b""),))
    group.update(group.members["a"], (("z", b""),), 1, 1)
    assert group.supports("consumer", (("z", b""),))
    assert not group.supports("consumer", (("y", b""),))
    group.remove("b")
    assert group.supports("consumer", (("z", b""),))


def test_an_empty_group_works_with_who_offers_anything() -> None:
    """The first member sets the type; it must say one, and a protocol."""
    group = Group("g")
    assert group.supports("anything", (("x", b""),))
    assert not group.supports("", (("x", b""),))
    assert not group.supports("consumer", ())


def test_the_lead_goes_to_one_who_has_joined() -> None:
    """A leader that does not wait to join loses its lead to the first that does."""
    group = group_of(a="x", b="x", c="x")
    assert group.elect_leader()
    assert group.leader == "a"
    group.take_join_ticket(group.members["a"])
    assert group.elect_leader()
    assert group.leader == "b"
    for name in "bc":
        group.take_join_ticket(group.members[name])
    assert not group.elect_leader()
    assert not Group("g").elect_leader()


def test_the_lead_passes_on_when_the_leader_goes() -> None:
    """The member that has been there longest leads next; nobody leads an empty group."""
    group = group_of(a="x", b="x", c="x")
    for name, leader in (("a", "b"), ("c", "b"), ("b", None)):
        group.remove(name)
        assert group.leader == leader
    assert group.waiting() == 0


def test_nothing_is_left_of_a_member_that_goes() -> None:
    """A group neither waits for it to sync nor knows its instance id."""
    group = Group("g")
    group.add(asking(instance="i"), "a")
    group.unsynced["a"] = None
    group.remove("a")
    group.remove("a")
    assert not group.members
    assert not group.static
    assert not group.unsynced
    assert group.leader is None


def test_everybody_has_joined_when_nobody_is_left_to() -> None:
    """Ids that were given out are waited for, like members."""
    group = group_of(a="x")
    assert group.all_joined()
    group.pending.add("b")
    assert not group.all_joined()
    group.add(asking("x"), "b")
    assert not group.all_joined()
    group.wait_to_join(group.members["b"], 9)
    assert group.all_joined()


def test_the_group_waits_as_long_as_its_most_patient_member() -> None:
    """The rebalance time-out is the largest of all, and never so short that time stands still."""
    group = group_of(a="x", b="x")
    group.update(group.members["b"], (("x", b""),), 70_000, 1)
    assert group.rebalance_timeout_ms() == 70_000
    for member in group.members.values():
        group.update(member, member.protocols, 0, 1)
    assert group.rebalance_timeout_ms() == 1
    assert Group("g").rebalance_timeout_ms() == 1


def test_a_static_member_keeps_all_but_its_id() -> None:
    """Replaced, it keeps assignment and lead; its instance id leads to the new id alone."""
    group = Group("g")
    member = group.add(asking(instance="i"), "old")
    member.assignment = b"mine"
    group.unsynced["old"] = None
    group.replace(member, "new")
    assert list(group.members) == list(group.unsynced) == ["new"]
    assert group.members["new"].assignment == b"mine"
    assert group.leader == "new"
    assert group.check_member("new", "i") is ErrorCode.NONE
    assert group.check_member("old", "i") is ErrorCode.FENCED_INSTANCE_ID
    assert group.check_member("old", None) is ErrorCode.UNKNOWN_MEMBER_ID
    group.remove("new")
    assert group.check_member("new", "i") is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_generation_comes_back_from_what_is_saved() -> None:
    """Saved and loaded, a group has the same members, and is stable with them."""
    group = group_of(a="x y", b="y")
    group.next_generation(9)
    saved = group.saved({"a": b"left"})
    assert [row.assignment for row in saved.members] == [b"left", b""]
    assert group.is_told_of(saved)
    group.adopt(saved)
    assert group.state is State.STABLE
    assert group.members["a"].assignment == b"left"
    again = Group.loaded("g", saved)
    assert again.described() == group.described()
    assert again.saved({"a": b"left"}) == saved
    assert again.subscribed == group.subscribed == frozenset({"t"})


def test_a_generation_that_does_not_live_here_is_told_apart() -> None:
    """Another number, or a member that is not here, is another generation."""
    group = group_of(a="x")
    group.next_generation(9)
    saved = group.saved({})
    assert not group.is_told_of(saved._replace(generation=2))
    stranger = saved.members[0]._replace(member_id="b")
    assert not group.is_told_of(saved._replace(members=(*saved.members, stranger)))


def test_a_saved_group_may_be_odd() -> None:
    """A record without protocol, or with a leader that is no member, still makes a group."""
    row = MemberMetadata("a", None, "c", "h", 1, 1, b"?", b"")
    group = Group.loaded("g", GroupMetadata("consumer", 3, None, "gone", -1, (row,)))
    assert (group.state, group.leader, group.generation) == (State.STABLE, "a", 3)
    assert group.described().members[0].metadata == b"?"
    empty = Group.loaded("g", GroupMetadata("", 4, None, None, 5, ()))
    assert (empty.state, empty.protocol_type, empty.leader) == (State.EMPTY, None, None)


def test_subscriptions_are_read_where_they_can_be() -> None:
    """A consumer group knows its topics, or counts as subscribed to all; no other group does."""
    group = group_of(a="x")
    assert group.subscribes_to("t")  # not known yet
    group.next_generation(9)
    assert group.subscribes_to("t")
    assert not group.subscribes_to("u")
    for unreadable in (b"", b"\0\0\xff\xff\xff\xff", b"\0\0\0\0\0\2\0\1t", b"\0\0\0\0\0\1\0\1\xff"):
        odd = Group("g")
        odd.add(asking(metadata=unreadable), "a")
        odd.move(State.PREPARING, 1)
        odd.next_generation(2)
        assert odd.subscribed is None
        assert odd.subscribes_to("u")
    simple = Group("g")
    assert not simple.subscribes_to("t")


def test_a_member_says_something_under_each_protocol() -> None:
    """The metadata that counts is that of the protocol which was chosen."""
    member = Member(
        member_id="a",
        client_id="",
        client_host="",
        rebalance_timeout_ms=1,
        session_timeout_ms=1,
        protocols=(("x", b"1"), ("y", b"2")),
    )
    assert member.metadata("y") == b"2"
