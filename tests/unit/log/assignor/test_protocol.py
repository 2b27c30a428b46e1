"""The bytes that members of a group send each other."""

from __future__ import annotations

import pytest
from assignments import named

from millstream_log.assignor.protocol import (
    Assignment,
    Claim,
    Subscription,
    decode_assignment,
    decode_cooperative_user_data,
    decode_sticky_user_data,
    decode_subscription,
    encode_assignment,
    encode_cooperative_user_data,
    encode_sticky_user_data,
    encode_subscription,
)
from millstream_log.errors import ProtocolError

TOPICS = "00000002 0001 78 0001 79"
NO_DATA = "ffffffff"
OWNED = "00000001 0001 78 00000002 00000000 00000003"
FULL = Subscription(frozenset({"y", "x"}), None, named("x-3 x-0"), 7, "r")
BY_VERSION = {
    0: f"0000 {TOPICS} {NO_DATA}",
    1: f"0001 {TOPICS} {NO_DATA} {OWNED}",
    2: f"0002 {TOPICS} {NO_DATA} {OWNED} 00000007",
    3: f"0003 {TOPICS} {NO_DATA} {OWNED} 00000007 0001 72",
}


@pytest.mark.parametrize(("version", "text"), BY_VERSION.items())
def test_each_version_writes_its_fields(version: int, text: str) -> None:
    """A subscription of each version has the fields that the version knows, sorted."""
    assert encode_subscription(FULL, version) == bytes.fromhex(text)


def test_old_versions_are_read() -> None:
    """What an old version does not say is unknown."""
    read = [decode_subscription(bytes.fromhex(text)) for text in BY_VERSION.values()]
    oldest = Subscription(FULL.topics)
    held = named("x-0 x-3")
    assert read == [
        oldest,
        oldest._replace(owned_partitions=held),
        oldest._replace(owned_partitions=held, generation_id=7),
        FULL._replace(owned_partitions=held),
    ]


def test_a_newer_version_is_read_as_the_newest_known() -> None:
    """Fields that a later version adds at the end are passed over."""
    newer = bytes.fromhex("0009" + BY_VERSION[3][4:] + "cafe")
    assert decode_subscription(newer) == decode_subscription(bytes.fromhex(BY_VERSION[3]))
    assert decode_assignment(bytes.fromhex("0009 00000000 00000001 2a cafe")) == ((), b"*")


def test_the_instance_id_comes_from_elsewhere() -> None:
    """JoinGroup knows the instance id, and decoding puts it in its place."""
    read = decode_subscription(encode_subscription(FULL), group_instance_id="i")
    assert read.group_instance_id == "i"


def test_an_assignment_is_grouped_by_topic() -> None:
    """Partitions of one topic stand together, in order, behind the version."""
    data = encode_assignment(Assignment(named("y-1 x-3 x-0"), b""), version=1)
    assert data == bytes.fromhex(
        "0001 00000002 0001 78 00000002 00000000 00000003 0001 79 00000001 00000001 00000000"
    )
    assert decode_assignment(data) == Assignment(named("x-0 x-3 y-1"), b"")


def test_sticky_user_data_of_both_versions_is_read() -> None:
    """The generation came later; without it the claim is as old as can be."""
    claim = Claim(named("x-0 x-3"), 7)
    data = encode_sticky_user_data(claim)
    assert data == bytes.fromhex(f"{OWNED} 00000007")
    assert decode_sticky_user_data(data) == claim
    assert decode_sticky_user_data(bytes.fromhex(OWNED)) == claim._replace(generation=-1)


def test_cooperative_user_data_is_the_generation() -> None:
    """A cooperative member names its partitions elsewhere, and its generation here."""
    data = encode_cooperative_user_data(Claim(named("x-0"), 7))
    assert data == bytes.fromhex("00000007")
    assert decode_cooperative_user_data(data) == 7


@pytest.mark.parametrize("size", range(len(bytes.fromhex(BY_VERSION[3]))))
def test_a_subscription_that_ends_early_is_refused(size: int) -> None:
    """Every cut is noticed."""
    with pytest.raises(ProtocolError):
        decode_subscription(bytes.fromhex(BY_VERSION[3])[:size])


@pytest.mark.parametrize(
    "text",
    [
        "ffff 00000000 ffffffff",  # version -1
        "0000 7fffffff 0001 78",  # more topics than bytes
        "0000 ffffffff ffffffff",  # null topics
        "0000 00000001 ffff ffffffff",  # a null topic
        "0000 00000001 fffe ffffffff",  # a string of -2 bytes
        "0000 00000001 0001 ff ffffffff",  # not UTF-8
        "0000 00000000 fffffffe",  # user data of -2 bytes
        "0001 00000000 ffffffff 00000001 0001 78 7fffffff",  # more partitions than bytes
    ],
)
def test_garbage_is_refused(text: str) -> None:
    """A length or text that cannot be is an error by name, found before memory is taken."""
    with pytest.raises(ProtocolError):
        decode_subscription(bytes.fromhex(text))
