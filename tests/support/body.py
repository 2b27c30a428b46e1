"""A log that a scenario of the contract suite can be run on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from millstream_log import Admin, open_transport
from millstream_log.client.transport import Transport
from millstream_log.wire.messages.describe_groups import DescribeGroupsRequest
from millstream_log.wire.messages.leave_group import LeaveGroupMember, LeaveGroupRequest

Scenario = Callable[[str], Awaitable[Any]]


class Body:
    """A log that a scenario can be run on."""

    def __init__(self, url: str, *, durable: bool, ours: bool = True, seconds: float = 30) -> None:
        self.url = url
        self.durable = durable  # what one run wrote, the next run finds
        self.ours = ours  # its messages are ours, where Kafka's protocol leaves them open
        self._seconds = seconds

    def run(self, scenario: Scenario) -> Any:
        """Run `scenario(url)` on an event loop of its own, within a time that means it hangs."""

        async def held() -> Any:
            keeper = await open_transport(self.url)  # a log in memory lasts while it is held
            try:
                async with asyncio.timeout(self._seconds):
                    return await scenario(self.url)
            finally:
                await keeper.close()

        return asyncio.run(held())


def empty(url: str) -> None:
    """Leave a log that is shared by tests without groups and topics, but its own."""

    async def run() -> None:
        transport = await open_transport(url)
        try:
            async with Admin(transport) as admin:
                groups = [group for group, _ in await admin.list_consumer_groups()]
                for group in groups:
                    await _send_members_away(transport, group)
                await admin.delete_consumer_groups(groups)
                await admin.delete_topics(await user_topics(admin))
        finally:
            await transport.close()

    asyncio.run(run())


async def user_topics(admin: Admin) -> list[str]:
    """Return the names of all topics but the log's own, which come with the first group."""
    return [topic for topic in await admin.list_topics() if not topic.startswith("__")]


async def _send_members_away(transport: Transport, group: str) -> None:
    """Have static members leave, who else would stay for as long as their session lasts."""
    (described,) = (await transport.send(DescribeGroupsRequest(groups=[group]))).groups
    leaving = [
        LeaveGroupMember(member_id=member.member_id, group_instance_id=member.group_instance_id)
        for member in described.members
    ]
    if leaving:
        await transport.send(LeaveGroupRequest(group_id=group, members=leaving))
