"""FindCoordinator, ListGroups, DescribeGroups, DeleteGroups (keys 10, 16, 15, 42)."""

from __future__ import annotations

from ...errors import ErrorCode, InvalidRequestError, LogError
from ...group.replies import GroupDescription
from ...wire.messages.delete_groups import (
    DeletedGroup,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from ...wire.messages.describe_groups import (
    OPERATIONS_OMITTED,
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from ...wire.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from ...wire.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from ..host import Host
from ..turns import Turns
from .bounds import check_names
from .group_ids import check_group_id
from .operations import GROUP_OPERATIONS

_GROUP, _TRANSACTION = 0, 1
_LIST_FROM = 4
_NOT_FOUND_FROM = 6


async def find_coordinator(host: Host, request: FindCoordinatorRequest) -> FindCoordinatorResponse:
    """Name this node: there is no other."""
    keys = request.keys if request.version >= _LIST_FROM else [request.key]
    check_names(host, keys)
    found = await Turns(host).each(keys, lambda key: _coordinator(host, request, key))
    if request.version >= _LIST_FROM:
        return FindCoordinatorResponse(coordinators=found)
    only = found[0]
    return FindCoordinatorResponse(
        error_code=only.error_code,
        error_message=only.error_message,
        node_id=only.node_id,
        host=only.host,
        port=only.port,
    )


def _coordinator(host: Host, request: FindCoordinatorRequest, key: str) -> Coordinator:
    try:
        if request.key_type not in (_GROUP, _TRANSACTION):
            raise InvalidRequestError(f"coordinator type {request.key_type} is not one of ours")
        if request.key_type == _TRANSACTION and not key:
            raise InvalidRequestError("transactional id is empty")
    except LogError as error:
        return Coordinator(
            key=key, node_id=-1, host="", port=-1, error_code=error.code, error_message=str(error)
        )
    peer = request.peer
    return Coordinator(
        key=key, node_id=host.image.node_id, host=peer.broker_host, port=peer.broker_port
    )


async def list_groups(host: Host, request: ListGroupsRequest) -> ListGroupsResponse:
    """List the groups in the states and of the types that are asked for."""
    host.groups.refresh()
    found = host.groups.machine.list_groups(request.states_filter, request.types_filter)
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type,
                group_state=group.state,
                group_type=group.group_type,
            )
            for group in found
        ]
    )


async def describe_groups(host: Host, request: DescribeGroupsRequest) -> DescribeGroupsResponse:
    """Tell the state and the members of groups."""
    check_names(host, request.groups)
    host.groups.refresh()
    described = await Turns(host).each(
        request.groups, lambda group_id: _described(host, request, group_id)
    )
    return DescribeGroupsResponse(groups=described)


def _described(host: Host, request: DescribeGroupsRequest, group_id: str) -> DescribedGroup:
    try:
        check_group_id(group_id)
    except LogError as error:
        return DescribedGroup(
            group_id=group_id, error_code=error.code, error_message=str(error), group_state="Dead"
        )
    group: GroupDescription = host.groups.machine.describe(group_id)
    code, message = group.error, None
    if code is ErrorCode.GROUP_ID_NOT_FOUND:
        message = f"Group {group_id} not found."
        if request.version < _NOT_FOUND_FROM:  # a dead group was no error then
            code, message = ErrorCode.NONE, None
    return DescribedGroup(
        error_code=code,
        error_message=message,
        group_id=group_id,
        group_state=group.state,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol,
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=member.metadata,
                member_assignment=member.assignment,
            )
            for member in group.members
        ],
        authorized_operations=(
            GROUP_OPERATIONS if request.include_authorized_operations else OPERATIONS_OMITTED
        ),
    )


async def delete_groups(host: Host, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    """Forget whole groups, each by itself."""
    check_names(host, request.groups)
    return DeleteGroupsResponse(results=[await _delete(host, group) for group in request.groups])


async def _delete(host: Host, group_id: str) -> DeletedGroup:
    groups = host.groups
    try:
        check_group_id(group_id)
        host.check_writable(f"delete group {group_id!r}")
        code: ErrorCode = await groups.call(
            lambda ticket, _: groups.machine.delete_group(group_id, ticket)
        )
    except LogError as error:
        return DeletedGroup(group_id=group_id, error_code=error.code, error_message=str(error))
    message = f"group {group_id!r}: {code.name}" if code else None
    return DeletedGroup(group_id=group_id, error_code=code, error_message=message)
