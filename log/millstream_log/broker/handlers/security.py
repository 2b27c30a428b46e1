"""ACLs, SCRAM credentials and client quotas (keys 29, 30, 31, 50, 51, 48, 49): there are none.

Describing tells so; setting is refused, never accepted without effect; removing what is not there
is an error where Kafka has one.

Source: the answers of Apache Kafka 4.3 without an authorizer.
"""

from __future__ import annotations

from collections import Counter

from ...errors import BrokerError, ErrorCode, InvalidRequestError, LogError
from ...wire.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    QuotaAlteration,
    QuotaAlterationResult,
)
from ...wire.messages.alter_user_scram_credentials import (
    AlteredUser,
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from ...wire.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse
from ...wire.messages.delete_acls import (
    DeleteAclsFilterResult,
    DeleteAclsRequest,
    DeleteAclsResponse,
)
from ...wire.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from ...wire.messages.describe_client_quotas import (
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
    QuotaComponent,
)
from ...wire.messages.describe_user_scram_credentials import (
    DescribedUser,
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
)
from ..host import Host

_NO_AUTHORIZER = "No Authorizer is configured."

_SCRAM_MECHANISMS = (1, 2)  # SCRAM-SHA-256, SCRAM-SHA-512
_ITERATIONS_MIN = 4096
_ITERATIONS_MAX = 16_384

_EXACT, _DEFAULT, _ANY = 0, 1, 2
_USER_QUOTAS = frozenset(
    {
        "producer_byte_rate",
        "consumer_byte_rate",
        "request_percentage",
        "controller_mutation_rate",
    }
)
_QUOTAS = {
    "user": _USER_QUOTAS,
    "client-id": _USER_QUOTAS,
    "ip": frozenset({"connection_creation_rate"}),
}


# -- ACLs


async def describe_acls(host: Host, request: DescribeAclsRequest) -> DescribeAclsResponse:
    """Say that nothing is authorized here."""
    return DescribeAclsResponse(
        error_code=ErrorCode.SECURITY_DISABLED, error_message=_NO_AUTHORIZER
    )


async def create_acls(host: Host, request: CreateAclsRequest) -> CreateAclsResponse:
    """Refuse each rule."""
    return CreateAclsResponse(
        results=[
            AclCreationResult(error_code=ErrorCode.SECURITY_DISABLED, error_message=_NO_AUTHORIZER)
            for _ in request.creations
        ]
    )


async def delete_acls(host: Host, request: DeleteAclsRequest) -> DeleteAclsResponse:
    """Refuse each filter."""
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(
                error_code=ErrorCode.SECURITY_DISABLED, error_message=_NO_AUTHORIZER
            )
            for _ in request.filters
        ]
    )


# -- SCRAM credentials


async def describe_user_scram_credentials(
    host: Host, request: DescribeUserScramCredentialsRequest
) -> DescribeUserScramCredentialsResponse:
    """Say of each user asked for that it has no credential; of all users there are none."""
    times = Counter(user.name for user in request.users or ())
    return DescribeUserScramCredentialsResponse(
        results=[
            DescribedUser(
                user=name,
                error_code=ErrorCode.RESOURCE_NOT_FOUND,
                error_message=f"user {name!r} has no credential",
            )
            if count == 1
            else DescribedUser(
                user=name,
                error_code=ErrorCode.DUPLICATE_RESOURCE,
                error_message=f"user {name!r} stands {count} times in one request",
            )
            for name, count in times.items()
        ]
    )


async def alter_user_scram_credentials(
    host: Host, request: AlterUserScramCredentialsRequest
) -> AlterUserScramCredentialsResponse:
    """Refuse each user once, for the first reason there is."""
    refused: dict[str, LogError] = {}
    for deletion in request.deletions:
        refused.setdefault(deletion.name, _refuse_deletion(deletion))
    for upsertion in request.upsertions:
        refused.setdefault(upsertion.name, _refuse_upsertion(upsertion))
    return AlterUserScramCredentialsResponse(
        results=[
            AlteredUser(user=name, error_code=error.code, error_message=str(error))
            for name, error in refused.items()
        ]
    )


def _refuse_deletion(deletion: ScramCredentialDeletion) -> LogError:
    return _malformed(deletion) or BrokerError(
        f"user {deletion.name!r} has no credential to delete", ErrorCode.RESOURCE_NOT_FOUND
    )


def _refuse_upsertion(upsertion: ScramCredentialUpsertion) -> LogError:
    malformed = _malformed(upsertion)
    if malformed is not None:
        return malformed
    if not _ITERATIONS_MIN <= upsertion.iterations <= _ITERATIONS_MAX:
        return BrokerError(
            f"{upsertion.iterations} iterations, must be {_ITERATIONS_MIN} to {_ITERATIONS_MAX}",
            ErrorCode.UNACCEPTABLE_CREDENTIAL,
        )
    return BrokerError(
        "this broker authenticates nobody, so it keeps no credentials",
        ErrorCode.SECURITY_DISABLED,
    )


def _malformed(change: ScramCredentialDeletion | ScramCredentialUpsertion) -> LogError | None:
    if not change.name:
        return BrokerError("the name of the user is empty", ErrorCode.UNACCEPTABLE_CREDENTIAL)
    if change.mechanism not in _SCRAM_MECHANISMS:
        return BrokerError(
            f"SCRAM mechanism {change.mechanism} is not known",
            ErrorCode.UNSUPPORTED_SASL_MECHANISM,
        )
    return None


# -- client quotas


async def describe_client_quotas(
    host: Host, request: DescribeClientQuotasRequest
) -> DescribeClientQuotasResponse:
    """Check the filter; nothing matches it."""
    try:
        _check_components(request.components)
    except LogError as error:
        return DescribeClientQuotasResponse(error_code=error.code, error_message=str(error))
    return DescribeClientQuotasResponse(entries=[])


def _check_components(components: list[QuotaComponent]) -> None:
    types = [component.entity_type for component in components]
    for component in components:
        kind, what = component.entity_type, component.match_type
        if not kind:
            raise InvalidRequestError("the type of an entity is empty")
        if types.count(kind) > 1:
            raise InvalidRequestError(f"entity type {kind!r} stands in the filter twice")
        if what not in (_EXACT, _DEFAULT, _ANY):
            raise InvalidRequestError(f"match type {what} is not known")
        if (component.match is None) == (what == _EXACT):
            raise InvalidRequestError(f"match type {what} with the name {component.match!r}")
        if kind not in _QUOTAS:
            raise BrokerError(f"entity type {kind!r} is not known", ErrorCode.UNSUPPORTED_VERSION)
    if "ip" in types and len(types) > 1:
        raise InvalidRequestError("ip does not go together with user or client-id")


async def alter_client_quotas(
    host: Host, request: AlterClientQuotasRequest
) -> AlterClientQuotasResponse:
    """Refuse to set a quota; to remove one that is not there is no error."""
    return AlterClientQuotasResponse(entries=[_alter(entry) for entry in request.entries])


def _alter(entry: QuotaAlteration) -> QuotaAlterationResult:
    try:
        _check_alteration(entry)
    except LogError as error:
        return QuotaAlterationResult(
            error_code=error.code, error_message=str(error), entity=entry.entity
        )
    return QuotaAlterationResult(entity=entry.entity)


def _check_alteration(entry: QuotaAlteration) -> None:
    types = [part.entity_type for part in entry.entity]
    if not types:
        raise InvalidRequestError("the entity of a quota is empty")
    for kind in types:
        if kind not in _QUOTAS or types.count(kind) > 1 or ("ip" in types and len(types) > 1):
            raise InvalidRequestError(f"no quota is for {' with '.join(types)!r}")
    for operation in entry.ops:
        if operation.key not in _QUOTAS[types[0]]:
            raise InvalidRequestError(f"{types[0]} has no quota {operation.key!r}")
        if not operation.remove:
            raise BrokerError(
                f"quota {operation.key}: this broker keeps no client to a rate",
                ErrorCode.UNSUPPORTED_VERSION,
            )
