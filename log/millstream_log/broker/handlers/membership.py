"""JoinGroup, SyncGroup, Heartbeat, LeaveGroup (keys 11 to 14): who is in a group.

Invariants: what is decided is decided in `group/`; here a request is freed of its version, and
the reply put into it.
"""

from __future__ import annotations

import uuid

from ...errors import ErrorCode, LogError
from ...group.replies import JoinReply, LeaveReply, SyncReply, append_error
from ...group.requests import JoinRequest, SyncRequest
from ...wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ...wire.messages.join_group import JoinGroupMember, JoinGroupRequest, JoinGroupResponse
from ...wire.messages.leave_group import (
    LeaveGroupMemberResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
)
from ...wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from ..host import Host
from .group_ids import check_group_id

_ID_REQUIRED_FROM = 4
_LEAVE_MANY_FROM = 3
_SKIP_ASSIGNMENT_FROM = 9
_SYNC_NAMES_PROTOCOL_FROM = 5


async def join_group(host: Host, request: JoinGroupRequest) -> JoinGroupResponse:
    """Wait for the next generation of a group, as one of its members."""
    groups = host.groups
    try:
        check_group_id(request.group_id)
        host.check_writable(f"join group {request.group_id!r}")
        asked = _join_request(request)
        reply: JoinReply = await groups.call(
            lambda ticket, now_ms: groups.machine.join(asked, ticket, now_ms)
        )
    except LogError as error:
        code = append_error(error.code)
        return JoinGroupResponse(error_code=code, member_id=request.member_id)
    return JoinGroupResponse(
        error_code=reply.error,
        generation_id=reply.generation,
        protocol_type=reply.protocol_type,
        protocol_name=reply.protocol_name or ("" if request.version < 7 else None),
        leader=reply.leader,
        skip_assignment=reply.skip_assignment,
        member_id=reply.member_id,
        members=[
            JoinGroupMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                metadata=member.metadata,
            )
            for member in reply.members
        ],
    )


def _join_request(request: JoinGroupRequest) -> JoinRequest:
    instance_id = request.group_instance_id
    timeout_ms = request.rebalance_timeout_ms
    return JoinRequest(
        group_id=request.group_id,
        member_id=request.member_id,
        group_instance_id=instance_id,
        protocol_type=request.protocol_type,
        protocols=tuple((protocol.name, protocol.metadata) for protocol in request.protocols),
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=request.session_timeout_ms if timeout_ms == -1 else timeout_ms,
        client_id=request.peer.client_id,
        client_host=f"/{request.peer.client_host}",
        new_member_id=f"{instance_id or request.peer.client_id}-{uuid.uuid4()}",
        require_member_id=request.version >= _ID_REQUIRED_FROM,
        can_skip_assignment=request.version >= _SKIP_ASSIGNMENT_FROM,
    )


async def sync_group(host: Host, request: SyncGroupRequest) -> SyncGroupResponse:
    """Wait for one's part of the assignment; the leader brings all of them."""
    groups = host.groups
    unnamed = request.protocol_type is None or request.protocol_name is None
    if unnamed and request.version >= _SYNC_NAMES_PROTOCOL_FROM:
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    asked = SyncRequest(
        group_id=request.group_id,
        generation=request.generation_id,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        protocol_type=request.protocol_type,
        protocol_name=request.protocol_name,
        assignments=tuple((part.member_id, part.assignment) for part in request.assignments),
    )
    try:
        check_group_id(request.group_id)
        reply: SyncReply = await groups.call(
            lambda ticket, now_ms: groups.machine.sync(asked, ticket, now_ms)
        )
    except LogError as error:
        return SyncGroupResponse(error_code=append_error(error.code))
    return SyncGroupResponse(
        error_code=reply.error,
        protocol_type=reply.protocol_type,
        protocol_name=reply.protocol_name,
        assignment=reply.assignment,
    )


async def heartbeat(host: Host, request: HeartbeatRequest) -> HeartbeatResponse:
    """Say that a member lives; hear whether it is to join again."""
    code = host.groups.machine.heartbeat(
        group_id=request.group_id,
        generation=request.generation_id,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        now_ms=host.clock.now_ms(),
    )
    return HeartbeatResponse(error_code=code)


async def leave_group(host: Host, request: LeaveGroupRequest) -> LeaveGroupResponse:
    """Let members go."""
    groups = host.groups
    many = [(member.member_id, member.group_instance_id) for member in request.members]
    if request.version < _LEAVE_MANY_FROM:
        many = [(request.member_id, None)]
    try:
        check_group_id(request.group_id)
        reply: LeaveReply = await groups.call(
            lambda ticket, now_ms: groups.machine.leave(request.group_id, many, ticket, now_ms)
        )
    except LogError as error:
        return LeaveGroupResponse(error_code=append_error(error.code))
    code = reply.error
    if request.version < _LEAVE_MANY_FROM and reply.members and code is ErrorCode.NONE:
        code = reply.members[0].error
    return LeaveGroupResponse(
        error_code=code,
        members=[
            LeaveGroupMemberResponse(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                error_code=member.error,
            )
            for member in reply.members
        ],
    )
