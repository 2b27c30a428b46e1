from __future__ import annotations

from typing import Any

import pytest
from one_broker import ask, with_topics

from millstream_log.errors import ErrorCode
from millstream_log.testing import MemoryFiles
from millstream_log.wire.enums import AlterOp, ConfigSource, ResourceType
from millstream_log.wire.messages.alter_configs import (
    AlterConfigsRequest,
    ConfigsReplacement,
    ConfigValue,
)
from millstream_log.wire.messages.describe_configs import (
    ConfigEntry,
    ConfigResource,
    DescribeConfigsRequest,
)
from millstream_log.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from millstream_log.wire.messages.list_config_resources import ListConfigResourcesRequest

TOPIC, BROKER = ResourceType.TOPIC, ResourceType.BROKER
INVALID, BAD_CONFIG = ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CONFIG

Owner = tuple[ResourceType, str]
Change = tuple[str, AlterOp, str | None]
T: Owner = (TOPIC, "t")


def describe(*owners: Owner, names: list[str] | None = None, **rest: Any) -> DescribeConfigsRequest:
    """Return a request for configs."""
    return DescribeConfigsRequest(
        resources=[
            ConfigResource(resource_type=kind, resource_name=name, configuration_keys=names)
            for kind, name in owners
        ],
        **rest,
    )


def alter(*owners: tuple[Owner, list[Change]], **rest: Any) -> IncrementalAlterConfigsRequest:
    """Return a request that changes what it names."""
    return IncrementalAlterConfigsRequest(
        resources=[
            AlterConfigsResource(
                resource_type=kind,
                resource_name=name,
                configs=[
                    AlterableConfig(name=config, operation=operation, value=value)
                    for config, operation, value in changes
                ],
            )
            for (kind, name), changes in owners
        ],
        **rest,
    )


def replace(*owners: tuple[Owner, dict[str, str | None]], **rest: Any) -> AlterConfigsRequest:
    """Return a request that changes all."""
    return AlterConfigsRequest(
        resources=[
            ConfigsReplacement(
                resource_type=kind,
                resource_name=name,
                configs=[
                    ConfigValue(name=config, value=value) for config, value in configs.items()
                ],
            )
            for (kind, name), configs in owners
        ],
        **rest,
    )


def values(files: MemoryFiles, owner: Owner, *names: str) -> list[tuple[str | None, ConfigSource]]:
    """Return values and sources of configs."""
    (answer,) = ask(describe(owner, names=list(names)), files=files)
    found: dict[str, ConfigEntry] = {entry.name: entry for entry in answer.results[0].configs}
    return [(found[name].value, found[name].source) for name in names]


def test_every_config_of_topics_and_brokers_is_described() -> None:
    """Kafka 4.3 shows 33 configs of a topic and 340 of a broker; 11 are our own."""
    answer, few = ask(
        describe(T, (BROKER, "0")),
        describe(T, names=["retention.ms", "no.such"]),
        files=with_topics("t"),
    )
    topic, broker = answer.results
    assert (len(topic.configs), len(broker.configs)) == (33, 352)
    names = [entry.name for entry in broker.configs]
    assert names == sorted(names)
    assert {"log.dirs", "listeners", "ssl.keystore.location", "max.partitions"} < set(names)
    assert [entry.name for entry in few.results[0].configs] == ["retention.ms"]


def test_synonyms_and_words_come_when_they_are_asked_for() -> None:
    """Without the flags an entry is its value alone."""
    plain, full = ask(
        describe(T, names=["cleanup.policy"]),
        describe(T, names=["cleanup.policy"], include_synonyms=True, include_documentation=True),
        files=with_topics("t"),
    )
    assert plain.results[0].configs[0].synonyms == []
    assert plain.results[0].configs[0].documentation is None
    entry = full.results[0].configs[0]
    assert entry.documentation
    assert [(s.name, s.value, s.source) for s in entry.synonyms] == [
        ("log.cleanup.policy", "delete", ConfigSource.DEFAULT)
    ]


@pytest.mark.parametrize(
    ("version", "types", "code", "listed"),
    [
        (1, [], ErrorCode.NONE, [(BROKER, "0"), T]),
        (1, [TOPIC, BROKER, TOPIC], ErrorCode.NONE, [(BROKER, "0"), T]),
        (1, [TOPIC], ErrorCode.NONE, [T]),
        (1, [8, 16, 32], ErrorCode.NONE, []),
        (1, [TOPIC, 3], ErrorCode.UNSUPPORTED_VERSION, []),
        (0, [], ErrorCode.NONE, []),
    ],
)
def test_brokers_and_topics_are_listed_as_having_configs(
    version: int, types: list[int], code: ErrorCode, listed: list[Owner]
) -> None:
    """Each is listed once; of loggers, client metrics and groups there are none to list."""
    request = ListConfigResourcesRequest(version=version, resource_types=types)
    (answer,) = ask(request, files=with_topics("t"))
    assert answer.error_code == code
    assert [(one.resource_type, one.resource_name) for one in answer.config_resources] == listed


@pytest.mark.parametrize(
    ("owner", "code"),
    [
        ((TOPIC, "gone"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ((TOPIC, "no such"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        ((BROKER, "9"), INVALID),
        ((BROKER, "x"), INVALID),
        ((ResourceType.BROKER_LOGGER, "0"), INVALID),
        ((ResourceType.CLIENT_METRICS, "m"), INVALID),
        ((ResourceType.GROUP, "g"), INVALID),
        ((77, "x"), INVALID),
    ],
)
def test_owners_that_are_not_here_are_refused(owner: Owner, code: ErrorCode) -> None:
    """Describing and both ways of altering agree on who has configs."""
    described, altered, replaced = ask(
        describe(owner),
        alter((owner, [("retention.ms", AlterOp.SET, "1")])),
        replace((owner, {"retention.ms": "1"})),
        files=with_topics("t"),
    )
    assert described.results[0].error_code is code
    assert altered.responses[0].error_code is code
    assert replaced.responses[0].error_code is code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([("retention.ms", AlterOp.SET, "x")], BAD_CONFIG),
        ([("retention.ms", AlterOp.SET, None)], INVALID),
        ([("no.such", AlterOp.SET, "1")], BAD_CONFIG),
        ([("no.such", AlterOp.DELETE, None)], ErrorCode.NONE),
        ([("retention.ms", AlterOp.APPEND, "1")], BAD_CONFIG),
        ([("no.such", AlterOp.APPEND, "1")], BAD_CONFIG),
        ([("retention.ms", 9, "1")], INVALID),
        ([("cleanup.policy", AlterOp.APPEND, "bogus")], BAD_CONFIG),
        ([("cleanup.policy", AlterOp.APPEND, None)], INVALID),
        ([("retention.ms", AlterOp.SET, "1"), ("retention.ms", AlterOp.SET, "1")], INVALID),
        ([("retention.ms", AlterOp.SET, "1"), ("segment.ms", AlterOp.SET, "x")], BAD_CONFIG),
        ([], ErrorCode.NONE),
    ],
)
def test_a_wrong_change_of_a_topic_changes_nothing(changes: list[Change], code: ErrorCode) -> None:
    """The codes are Kafka's, and what stands beside a wrong change is not made either."""
    files = with_topics("t")
    (answer,) = ask(alter((T, changes)), files=files)
    assert answer.responses[0].error_code is code
    assert values(files, T, "retention.ms") == [("604800000", ConfigSource.DEFAULT)]


def test_lists_are_appended_to_and_subtracted_from() -> None:
    """From the value that holds, each item once; an empty list is a value."""
    files = with_topics("t")
    for operation, items, expected in [
        (AlterOp.APPEND, "compact", "delete,compact"),
        (AlterOp.APPEND, "compact,compact", "delete,compact"),
        (AlterOp.SUBTRACT, "delete,other", "compact"),
        (AlterOp.SUBTRACT, "compact", ""),
    ]:
        (answer,) = ask(alter((T, [("cleanup.policy", operation, items)])), files=files)
        assert answer.responses[0].error_code is ErrorCode.NONE
        assert values(files, T, "cleanup.policy") == [(expected, ConfigSource.TOPIC)]


def test_an_owner_stands_in_a_request_once() -> None:
    """Who stands there twice is refused twice, and the others are served."""
    change: list[Change] = [("retention.ms", AlterOp.SET, "1")]
    owners = [(T, change), (T, change), ((TOPIC, "u"), change)]
    old: list[tuple[Owner, dict[str, str | None]]] = [(T, {"segment.ms": "2"})] * 2
    altered, replaced = ask(alter(*owners), replace(*old), files=with_topics("t", "u"))
    assert [r.error_code for r in altered.responses] == [INVALID, INVALID, ErrorCode.NONE]
    assert [r.error_code for r in replaced.responses] == [INVALID, INVALID]


def test_checking_alone_changes_nothing() -> None:
    """validate_only says what would come of it, for topics and for the broker."""
    files = with_topics("t")
    own: Owner = (BROKER, "0")
    answers = ask(
        alter(
            (T, [("retention.ms", AlterOp.SET, "1")]),
            (own, [("log.segment.ms", AlterOp.SET, "1")]),
            validate_only=True,
        ),
        alter((own, [("log.segment.bytes", AlterOp.SET, "1000")]), validate_only=True),
        replace((T, {"retention.ms": "1"}), validate_only=True),
        files=files,
    )
    assert [r.error_code for a in answers for r in a.responses] == [
        ErrorCode.NONE,
        INVALID,
        ErrorCode.NONE,
        ErrorCode.NONE,
    ]
    assert values(files, T, "retention.ms") == [("604800000", ConfigSource.DEFAULT)]
    assert values(files, own, "log.segment.bytes") == [(str(1 << 30), ConfigSource.DEFAULT)]


def test_the_old_way_replaces_all() -> None:
    """What an AlterConfigs does not name goes back to its default."""
    files = with_topics("t", retention_ms="1", segment_ms="2")
    first, null, unknown = ask(
        replace((T, {"segment.ms": "3"})),
        replace((T, {"segment.ms": None})),
        replace((T, {"no.such": "3"})),
        files=files,
    )
    assert first.responses[0].error_code is ErrorCode.NONE
    assert null.responses[0].error_code is INVALID
    assert unknown.responses[0].error_code is BAD_CONFIG
    assert values(files, T, "retention.ms", "segment.ms") == [
        ("604800000", ConfigSource.DEFAULT),
        ("3", ConfigSource.TOPIC),
    ]


def test_broker_configs_are_changed_while_it_runs_and_kept() -> None:
    """A change holds at once, for topics that have no config of their own, and after a restart."""
    files = with_topics("t")
    own: Owner = (BROKER, "0")
    every: Owner = (BROKER, "")
    ms = "log.retention.ms"
    altered, described = ask(
        alter((own, [(ms, AlterOp.SET, "5000")]), (every, [(ms, AlterOp.SET, "6000")])),
        describe(every),
        files=files,
    )
    assert [r.error_code for r in altered.responses] == [ErrorCode.NONE, ErrorCode.NONE]
    assert [(entry.name, entry.value) for entry in described.results[0].configs] == [(ms, "6000")]
    assert values(files, own, ms) == [("5000", ConfigSource.DYNAMIC_BROKER)]
    assert values(files, T, "retention.ms") == [("5000", ConfigSource.DYNAMIC_BROKER)]
    ask(alter((own, [(ms, AlterOp.DELETE, None)])), files=files)
    assert values(files, T, "retention.ms") == [("6000", ConfigSource.DYNAMIC_DEFAULT_BROKER)]
    ask(replace((every, {})), files=files)
    assert values(files, T, "retention.ms") == [("604800000", ConfigSource.DEFAULT)]


@pytest.mark.parametrize(
    "change",
    [
        ("num.partitions", AlterOp.SET, "5"),
        ("advertised.listeners", AlterOp.APPEND, "PLAINTEXT://:1"),
        ("no.such", AlterOp.SET, "5"),
        ("message.max.bytes", AlterOp.SET, "x"),
        ("message.max.bytes", AlterOp.SET, None),
    ],
)
def test_what_a_broker_cannot_change_is_refused(change: Change) -> None:
    """Configs that hold from start to end, unknown ones and wrong values: INVALID_REQUEST."""
    for owner in ((BROKER, "0"), (BROKER, "")):
        (answer,) = ask(alter((owner, [change])))
        assert answer.responses[0].error_code is INVALID


def test_one_request_names_a_bounded_number_of_owners() -> None:
    """Beyond max.request.topics each owner is refused."""
    files = with_topics("t")
    described, altered = ask(
        describe(T, T),
        alter((T, []), ((BROKER, "0"), [])),
        files=files,
        max_request_topics="1",
    )
    policy = ErrorCode.POLICY_VIOLATION
    assert [result.error_code for result in described.results] == [policy, policy]
    assert [result.error_code for result in altered.responses] == [policy, policy]
