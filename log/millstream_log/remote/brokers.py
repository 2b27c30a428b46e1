"""The brokers of one log: who is where, who leads what, who coordinates whom.

    Metadata         -> addresses by node id, leaders by partition
    FindCoordinator  -> node ids by group and by transactional id

Invariants: the newest answer counts; a leader that is in doubt is unknown; there is one Node for
each address; what anyone can answer is asked of one broker as long as it lasts, so that answers
follow from each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from ..errors import ClosedError, ConnectionLostError, ErrorCode
from ..model import TopicPartition
from ..wire.messages.describe_cluster import DescribeClusterRequest
from ..wire.messages.describe_configs import DescribeConfigsRequest
from ..wire.messages.describe_groups import DescribeGroupsRequest
from ..wire.messages.describe_log_dirs import DescribeLogDirsRequest
from ..wire.messages.find_coordinator import FindCoordinatorRequest
from ..wire.messages.list_groups import ListGroupsRequest
from ..wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_fetch import OffsetFetchRequest
from ..wire.request import Request
from .address import Address, Target
from .node import Node
from .patience import Patience, Sleep

R = TypeVar("R")

AWAY = frozenset(
    {
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    }
)
"""What a coordinator says that has yet to be found, to load, or is another by now."""

_REPEATABLE = (
    DescribeClusterRequest,
    DescribeConfigsRequest,
    DescribeGroupsRequest,
    DescribeLogDirsRequest,
    FindCoordinatorRequest,
    ListGroupsRequest,
    MetadataRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
)


def is_repeatable(request: Request[Any]) -> bool:
    """Whether a request may be sent again although it may have been heard."""
    return isinstance(request, _REPEATABLE)


class CoordinatorKey(NamedTuple):
    """Whose coordinator: a group's or a transactional id's."""

    kind: int  # 0 group, 1 transaction
    name: str


class Brokers:
    """The brokers of one log, as far as they are known."""

    def __init__(self, target: Target, sleep: Sleep) -> None:
        self.target = target
        self.addresses: dict[int, Address] = {}  # by node id
        self.leaders: dict[TopicPartition, int] = {}
        self.coordinators: dict[CoordinatorKey, int] = {}
        self.closed = False
        self._sleep = sleep
        self._loop = asyncio.get_running_loop()
        self._fresh_until = self._loop.time()  # of leaders
        self._nodes: dict[Address, Node] = {}
        self._favourite: Address | None = None  # whom to ask what anyone can answer

    def patience(self, seconds_max: float = float("inf")) -> Patience:
        """Return the patience of one call."""
        return Patience(min(self.target.request_timeout_ms / 1000, seconds_max), self._sleep)

    def close(self) -> None:
        """End all connections."""
        self.closed = True
        for node in self._nodes.values():
            node.close()

    # -- asking -------------------------------------------------------------------------------

    async def ask(self, node_id: int | None, request: Request[R], patience: Patience) -> R:
        """Ask one broker, None for any; again when it is lost, where that does no harm."""
        while True:
            try:
                return await (await self.node(node_id)).send(request)
            except ConnectionLostError:
                if not is_repeatable(request) or self.closed or patience.is_over:
                    raise
            await patience.rest()

    async def node(self, node_id: int | None) -> Node:
        """Return a broker by its id; any that can be reached, where that is not known.

        Raises:
            ConnectionLostError: none can be reached.
        """
        address = None if node_id is None else self.addresses.get(node_id)
        return await self._anyone() if address is None else self._node(address)

    async def coordinator(self, key: CoordinatorKey, patience: Patience) -> Node:
        """Return the broker that coordinates; any, where none is named in time."""
        asked = FindCoordinatorRequest(key=key.name, key_type=key.kind)
        while key not in self.coordinators:
            answer = await self.ask(None, asked, patience)
            if answer.error_code is ErrorCode.NONE:
                self.addresses[answer.node_id] = Address(answer.host, answer.port)
                self.coordinators[key] = answer.node_id
            elif answer.error_code not in AWAY or patience.is_over:
                break
            else:
                await patience.rest()
        return await self.node(self.coordinators.get(key))

    async def connect(self) -> None:
        """Learn who the brokers are, from the first that can be reached.

        Raises:
            ConnectionLostError: none can be.
        """
        node = await self._anyone()
        self.learn(await node.send(_metadata_of([])))

    async def know_leaders(self, partitions: Iterable[TopicPartition], patience: Patience) -> None:
        """Ask who leads what nobody is known to lead, and after a while who leads anything."""
        unknown = {key.topic for key in partitions if key not in self.leaders}
        now = self._loop.time()
        if now > self._fresh_until:
            self._fresh_until = now + self.target.metadata_max_age_ms / 1000
            unknown |= {key.topic for key in self.leaders}
        if unknown:
            self.learn(await self.ask(None, _metadata_of(sorted(unknown)), patience))

    # -- learning -----------------------------------------------------------------------------

    def learn(self, answer: MetadataResponse) -> None:
        """Take in who there is, and who leads the topics that were asked for."""
        if answer.brokers:
            self.addresses = {b.node_id: Address(b.host, b.port) for b in answer.brokers}
            known = {*self.addresses.values(), *self.target.seeds}
            for address in self._nodes.keys() - known:
                self._nodes.pop(address).close()
        for topic in answer.topics:
            if topic.name is None:
                continue
            self.doubt_topics([topic.name])
            for part in topic.partitions:
                if part.leader_id in self.addresses:
                    self.leaders[TopicPartition(topic.name, part.index)] = part.leader_id

    def doubt_topics(self, topics: Iterable[str]) -> None:
        """Forget who leads the partitions of some topics."""
        names = set(topics)
        for key in [key for key in self.leaders if key.topic in names]:
            del self.leaders[key]

    def doubt_coordinator(self, key: CoordinatorKey) -> None:
        """Forget who coordinates."""
        self.coordinators.pop(key, None)

    # -- nodes --------------------------------------------------------------------------------

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            if self.closed:
                raise ClosedError(f"the way to {self.target} is closed")
            target = self.target
            node = Node(address, target.client_id, target.request_timeout_ms, self._sleep)
            self._nodes[address] = node
        return node

    async def _anyone(self) -> Node:
        favourite = [] if self._favourite is None else [self._favourite]
        reasons = []
        for address in dict.fromkeys([*favourite, *self.addresses.values(), *self.target.seeds]):
            node = self._node(address)
            try:
                await node.check()
            except ConnectionLostError as error:
                reasons.append(str(error))
                continue
            self._favourite = address
            return node
        raise ConnectionLostError("; ".join(reasons))


def _metadata_of(topics: Iterable[str]) -> MetadataRequest:
    asked = [MetadataRequestTopic(name=name) for name in topics]
    return MetadataRequest(topics=asked, allow_auto_topic_creation=False)
