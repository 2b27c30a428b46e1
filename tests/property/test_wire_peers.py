"""Every message of ours against kafka-python and kio: names, layout, defaults, and bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_peers import (
    OUR_VALUES,
    KafkaPython,
    Kio,
    Layout,
    Peer,
    Place,
    messages,
    our_layout,
)

from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.codec import reader, writer
from millstream_log.wire.enums import ConfigSource
from millstream_log.wire.schema import Api

APIS: list[Api] = [cls.api for cls in REQUESTS.values()]
PEERS: dict[str, Peer] = {peer.name: peer for peer in (KafkaPython(), Kio())}
MESSAGES = [(api, side) for api in APIS for side in ("request", "response")]
STEPS_PER_EXAMPLE = 100  # of a simulation: random messages of each API, side and version

# Versions that kio does not have: Kafka 4 removed them (KIP-896), or never had them itself.
KIO_LACKS = {
    "Produce": [0, 1, 2],
    "ListOffsets": [0],
    "OffsetCommit": [1],
    "CreateTopics": [0, 1],
    "DeleteTopics": [0],
    "OffsetForLeaderEpoch": [0, 1],
    "DescribeAcls": [0],
    "CreateAcls": [0],
    "DeleteAcls": [0],
    "DescribeConfigs": [0],
    "AlterReplicaLogDirs": [0],
    "DescribeLogDirs": [0],
}

KAFKA_PYTHON_LACKS = ("ConsumerGroupHeartbeat", "ConsumerGroupDescribe")

# Kafka's name, and ours.
RENAMES = {
    ("config_operation", "operation"),
    ("config_source", "source"),
    ("coordinator_keys", "keys"),
    ("generation_id_or_member_epoch", "generation_id"),
    ("groups_names", "groups"),
    ("is_future_key", "is_future"),
    ("isr_nodes", "isr"),
    ("partition", "index"),
    ("partition_data", "partitions"),
    ("partition_index", "index"),
    ("partition_max_bytes", "max_bytes"),
    ("partition_responses", "partitions"),
    ("partition_size", "size_bytes"),
    ("replica_nodes", "replicas"),
    ("responses", "topics"),
    ("results", "topics"),
    ("results_by_topic_v3_and_below", "results_by_topic"),
    ("topic", "name"),
    ("topic_data", "topics"),
    ("v3_and_below_producer_epoch", "producer_epoch"),
    ("v3_and_below_producer_id", "producer_id"),
    ("v3_and_below_topics", "topics"),
    ("v3_and_below_transactional_id", "transactional_id"),
    # kafka-python's own names for Kafka's
    ("authorized_operations", "cluster_authorized_operations"),
    ("authorized_operations", "topic_authorized_operations"),
}

# Defaults of ours that are not Kafka's: they are what a caller of this process leaves out.
OTHER_DEFAULTS = {
    ("OffsetFetch request topics", None, "[]"),  # all topics
    ("FindCoordinator response error_message", None, ""),
    ("CreateTopics response topics.error_message", None, ""),
    ("DescribeConfigs response results.configs.source", ConfigSource.DEFAULT, "-1"),
    ("DescribeConfigs response results.configs.documentation", None, ""),
}

TYPES = {  # a peer's or our name for what travels as another type
    "error": "int16",
    "error_code": "int16",
    "timedelta_i32": "int32",
    "timedelta_i64": "int64",
    "datetime_i64": "int64",
    "bitfield": "int32",
}


def versions_of(api: Api) -> range:
    """Return the versions that we declare."""
    return range(api.versions.first, api.versions.last + 1)


def class_of(api: Api, side: str) -> type:
    """Return our class of a message."""
    return REQUESTS[api.key] if side == "request" else api.response


def pairs(ours: Layout, theirs: Layout, path: str) -> Iterator[tuple[str, Place, Place]]:
    """Yield each field of ours beside that of a peer, the inner ones too."""
    assert len(ours.places) == len(theirs.places), path
    for our, their in zip(ours.places, theirs.places, strict=True):
        yield f"{path}.{our.name}", our, their
        if our.inner is not None and their.inner is not None:
            yield from pairs(our.inner, their.inner, f"{path}.{our.name}")


def all_pairs(peer: Peer) -> Iterator[tuple[str, Place, Place]]:
    """Yield the fields of all messages in all versions that a peer has."""
    for api, side in MESSAGES:
        for version in versions_of(api):
            cls = peer.find(api, side, version)
            if cls is not None:
                ours = our_layout(class_of(api, side), version)
                yield from pairs(ours, peer.layout(cls, version), f"{api.name} {side} {version}")


def wire_name(place: Place) -> str:
    """Return the name of Kafka's, from whose end kio takes the unit."""
    return place.name + ("_ms" if place.type.startswith(("timedelta", "datetime")) else "")


def travels(place: Place) -> tuple[object, ...]:
    """Return all that decides the bytes of a field; null records are for us empty ones."""
    nullable = place.nullable and place.type != "records"
    return TYPES.get(place.type, place.type), place.is_array, nullable, place.tag


def check(api: Api, side: str, version: int, examples: int) -> None:
    """Raise unless random messages of ours and of each peer are the same bytes to all."""
    ours, flexible = class_of(api, side), version >= api.flexible
    read = reader(ours, version, flexible)
    found = [(peer, peer.find(api, side, version)) for peer in PEERS.values()]
    peers = [(peer, cls) for peer, cls in found if cls is not None]
    theirs = (messages(peer.layout(cls, version), peer.values) for peer, cls in peers)

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(messages(our_layout(ours, version), OUR_VALUES), st.tuples(*theirs))
    def same(message: Any, theirs: tuple[Any, ...]) -> None:
        data = encode(message, version, flexible)
        assert read(memoryview(data), 0) == (message, len(data))
        for (peer, cls), their in zip(peers, theirs, strict=True):
            assert peer.encode(peer.decode(cls, version, data), version) == data
            their_data = peer.encode(their, version)
            back, end = read(memoryview(their_data), 0)
            assert (encode(back, version, flexible), end) == (their_data, len(their_data))

    same()


def encode(message: Any, version: int, flexible: bool) -> bytes:
    """Return the bytes of a message of ours."""
    parts: list[bytes] = []
    cls: type = type(message)
    writer(cls, version, flexible)(parts.append, message)
    return b"".join(parts)


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_every_field_travels_as_in_kafkas_definitions(peer: Peer) -> None:
    """Order, type, nullability and tag of each field are the peer's, in every version."""
    wrong = [
        (path, our, their) for path, our, their in all_pairs(peer) if travels(our) != travels(their)
    ]
    assert wrong == []


def test_every_field_has_kafkas_name_but_for_a_few() -> None:
    """Where we say otherwise than Kafka, the table says so, and it has no row too many."""
    renamed = {
        (wire_name(their), our.name)
        for peer in PEERS.values()
        for _, our, their in all_pairs(peer)
        if wire_name(their) != our.name
    }
    assert renamed == RENAMES


def test_a_field_that_did_not_come_has_kafkas_default() -> None:
    """What a version does not have, or a tagged field not sent, is the same to all but a few."""
    other = {
        (re.sub(r" \d+\.", " ", path), our.default, str(their.default))
        for path, our, their in all_pairs(PEERS["kafka-python"])
        if our.default is not ... and their.default is not ... and our.default != their.default
    }
    assert other == OTHER_DEFAULTS


def test_the_peers_have_what_we_have() -> None:
    """A version is compared with both peers, but for those that one is known to lack."""
    lacking: dict[str, list[str]] = {}
    for api, side in MESSAGES:
        for version in versions_of(api):
            for name, peer in PEERS.items():
                if peer.find(api, side, version) is None:
                    lacking.setdefault(name, []).append(f"{api.name} {side} {version}")
    assert lacking == {
        "kio": [
            f"{api.name} {side} {version}"
            for api, side in MESSAGES
            for version in KIO_LACKS.get(api.name, [])
        ],
        "kafka-python": [
            f"{api.name} {side} {version}"
            for api, side in MESSAGES
            if api.name in KAFKA_PYTHON_LACKS
            for version in versions_of(api)
        ],
    }


@pytest.mark.parametrize(
    ("api", "side"), MESSAGES, ids=[f"{api.name}-{side}" for api, side in MESSAGES]
)
def test_bytes_are_the_peers_bytes(api: Api, side: str, sim_steps: int) -> None:
    """A peer reads what we write and we read what it writes, and both write it back the same."""
    for version in versions_of(api):
        check(api, side, version, max(sim_steps // STEPS_PER_EXAMPLE, 1))
