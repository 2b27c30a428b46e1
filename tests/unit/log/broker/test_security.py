from __future__ import annotations

from typing import Any

import pytest
from one_broker import ask

from millstream_log.errors import ErrorCode
from millstream_log.wire.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    QuotaAlteration,
    QuotaOperation,
)
from millstream_log.wire.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from millstream_log.wire.messages.create_acls import AclCreation, CreateAclsRequest
from millstream_log.wire.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from millstream_log.wire.messages.describe_acls import DescribeAclsRequest
from millstream_log.wire.messages.describe_client_quotas import (
    DescribeClientQuotasRequest,
    QuotaComponent,
    QuotaEntity,
)
from millstream_log.wire.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    UserName,
)


def test_acls_are_disabled_as_in_kafka_without_an_authorizer() -> None:
    """Each rule and each filter is refused, and described are none."""
    creation = AclCreation(
        resource_type=2,
        resource_name="t",
        principal="User:a",
        host="*",
        operation=3,
        permission_type=3,
    )
    any_rule = DeleteAclsFilter(resource_type_filter=1, operation=1, permission_type=1)
    described, created, deleted = ask(
        DescribeAclsRequest(resource_type_filter=1, operation=1, permission_type=1),
        CreateAclsRequest(creations=[creation, creation]),
        DeleteAclsRequest(filters=[any_rule]),
    )
    disabled = ErrorCode.SECURITY_DISABLED
    assert (described.error_code, described.resources) == (disabled, [])
    assert [result.error_code for result in created.results] == [disabled, disabled]
    assert [result.error_code for result in deleted.filter_results] == [disabled]


def test_no_user_has_a_credential() -> None:
    """All users are none; one that is named is not found, one named twice is refused once."""
    users = [UserName(name="u"), UserName(name="v"), UserName(name="v")]
    everyone, nobody, named = ask(
        DescribeUserScramCredentialsRequest(users=None),
        DescribeUserScramCredentialsRequest(users=[]),
        DescribeUserScramCredentialsRequest(users=users),
    )
    assert (everyone.error_code, everyone.results, nobody.results) == (ErrorCode.NONE, [], [])
    assert [(user.user, user.error_code) for user in named.results] == [
        ("u", ErrorCode.RESOURCE_NOT_FOUND),
        ("v", ErrorCode.DUPLICATE_RESOURCE),
    ]


def test_credentials_are_refused_rather_than_forgotten() -> None:
    """A password that would protect nothing is not taken; what is wrong in itself says so."""
    delete = ScramCredentialDeletion

    def upsert(name: str, mechanism: int = 1, iterations: int = 5000) -> ScramCredentialUpsertion:
        return ScramCredentialUpsertion(
            name=name, mechanism=mechanism, iterations=iterations, salt=b"s", salted_password=b"p"
        )

    (answer,) = ask(
        AlterUserScramCredentialsRequest(
            deletions=[delete(name="a", mechanism=1), delete(name="b", mechanism=0)],
            upsertions=[upsert("a"), upsert("c"), upsert(""), upsert("d", 9), upsert("e", 1, 99)],
        )
    )
    assert {user.user: user.error_code for user in answer.results} == {
        "a": ErrorCode.RESOURCE_NOT_FOUND,
        "b": ErrorCode.UNSUPPORTED_SASL_MECHANISM,
        "c": ErrorCode.SECURITY_DISABLED,
        "": ErrorCode.UNACCEPTABLE_CREDENTIAL,
        "d": ErrorCode.UNSUPPORTED_SASL_MECHANISM,
        "e": ErrorCode.UNACCEPTABLE_CREDENTIAL,
    }


USER = QuotaComponent(entity_type="user", match_type=2)
INVALID = ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("components", "code"),
    [
        ([], ErrorCode.NONE),
        ([USER], ErrorCode.NONE),
        ([QuotaComponent(entity_type="user", match_type=0, match="x")], ErrorCode.NONE),
        ([QuotaComponent(entity_type="user", match_type=0)], INVALID),
        ([QuotaComponent(entity_type="user", match_type=1, match="x")], INVALID),
        ([QuotaComponent(entity_type="user", match_type=7)], INVALID),
        ([QuotaComponent(entity_type="", match_type=2)], INVALID),
        ([QuotaComponent(entity_type="bogus", match_type=2)], ErrorCode.UNSUPPORTED_VERSION),
        ([USER, USER], INVALID),
        ([USER, QuotaComponent(entity_type="ip", match_type=2)], INVALID),
    ],
)
def test_quota_filters_are_checked_and_match_nothing(
    components: list[QuotaComponent], code: ErrorCode
) -> None:
    """A filter that Kafka refuses is refused; any other finds no quota."""
    (answer,) = ask(DescribeClientQuotasRequest(components=components))
    assert answer.error_code is code
    assert answer.entries == (None if code else [])


@pytest.mark.parametrize(
    ("kind", "operation", "code"),
    [
        ("user", {"key": "producer_byte_rate", "value": 9.0}, ErrorCode.UNSUPPORTED_VERSION),
        ("user", {"key": "producer_byte_rate", "remove": True}, ErrorCode.NONE),
        ("user", {"key": "connection_creation_rate", "value": 9.0}, INVALID),
        ("ip", {"key": "connection_creation_rate", "value": 9.0}, ErrorCode.UNSUPPORTED_VERSION),
        ("bogus", {"key": "producer_byte_rate", "value": 9.0}, INVALID),
        ("", {"key": "producer_byte_rate", "value": 9.0}, INVALID),
    ],
)
def test_a_quota_is_refused_rather_than_ignored(
    kind: str, operation: dict[str, Any], code: ErrorCode
) -> None:
    """Nobody is kept to a rate, so no rate is taken; taking away what is not there is no error."""
    entity = [QuotaEntity(entity_type=kind, entity_name="x")] if kind else []
    alteration = QuotaAlteration(entity=entity, ops=[QuotaOperation(**operation)])
    (answer,) = ask(AlterClientQuotasRequest(entries=[alteration]))
    (entry,) = answer.entries
    assert (entry.error_code, entry.entity) == (code, entity)
