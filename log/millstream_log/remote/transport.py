"""The way to a log behind TCP: our own broker, or Apache Kafka.

    request -> router: whom is it for -> brokers -> answers -> router: one answer

    NOT_LEADER_OR_FOLLOWER .., a broker that is gone     ask for metadata, try again
    NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE ..        find the coordinator, try again

Invariants: what may have been heard is sent again only where the second time changes nothing;
trying ends with `request_timeout_ms`; an answer has the order of its request, or of names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..errors import ClosedError, ConnectionLostError, ErrorCode
from ..wire.enums import ResourceType
from ..wire.messages.delete_groups import DeleteGroupsRequest
from ..wire.messages.describe_configs import ConfigResource, DescribeConfigsRequest
from ..wire.messages.metadata import MetadataRequest, MetadataResponse
from ..wire.request import Request
from . import router
from .address import Target, parse
from .brokers import AWAY, Brokers, CoordinatorKey, is_repeatable
from .leaders import Leaders
from .patience import Sleep
from .router import Kind
from .settle import check_of, tidy

R = TypeVar("R")

_SETTLE_SECONDS = 5.0
_CREATES_TOPICS = "auto.create.topics.enable"
_COMING = frozenset({ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE})


class KafkaTransport:
    """A way to the brokers of one log."""

    def __init__(self, target: Target, *, sleep: Sleep = asyncio.sleep) -> None:
        self.brokers = Brokers(target, sleep)
        self._leaders = Leaders(self.brokers, sleep)
        self._creates_topics: bool | None = None  # that are asked for; None is not known yet

    def send(self, request: Request[R]) -> Coroutine[Any, Any, R]:
        """Return the answer, to be awaited. Raises ClosedError after `close`."""
        if self.brokers.closed:
            raise ClosedError(f"this way to {self.brokers.target} is closed")
        return self._send(request)

    async def close(self) -> None:
        """End all connections; what waits gets a ClosedError."""
        self.brokers.close()
        await asyncio.sleep(0)  # in which the event loop lets go of the sockets

    async def _send(self, request: Any) -> Any:
        kind = router.kind_of(request)
        if kind is Kind.LEADERS:
            return await self._leaders.send(request)
        if kind is Kind.COORDINATOR:
            return await self._to_coordinator(router.coordinator_key(request), request)
        if kind is Kind.METADATA:
            return await self._metadata(request)
        if kind is Kind.GROUPS and request.groups:
            return await self._to_coordinators(request)
        if kind is Kind.EVERY:
            return await self._to_every(request)
        if kind is Kind.RESOURCES:
            response = await self._to_owners(request)
        else:
            response = await self.brokers.ask(None, request, self.brokers.patience())
        await self._settle(request, response)
        return response

    async def _metadata(self, request: MetadataRequest) -> MetadataResponse:
        """Ask for metadata; wait for topics that are created by being asked for."""
        patience = self.brokers.patience(_SETTLE_SECONDS)
        while True:
            answer = await self.brokers.ask(None, request, self.brokers.patience())
            tidy(answer)
            self.brokers.learn(answer)
            is_whole = all(topic.error_code not in _COMING for topic in answer.topics)
            if is_whole or patience.is_over or request.topics is None:
                return answer
            if not request.allow_auto_topic_creation or not await self._creates():
                return answer
            await patience.rest()

    async def _creates(self) -> bool:
        """Whether the brokers create a topic that is asked for."""
        if self._creates_topics is None:
            resource = ConfigResource(
                resource_type=ResourceType.BROKER,
                resource_name=str(min(self.brokers.addresses, default=0)),
                configuration_keys=[_CREATES_TOPICS],
            )
            answer = await self._to_owners(DescribeConfigsRequest(resources=[resource]))
            values = {entry.name: entry.value for r in answer.results for entry in r.configs}
            self._creates_topics = values.get(_CREATES_TOPICS, "true") == "true"
        return self._creates_topics

    async def _settle(self, request: Request[Any], response: Any) -> None:
        """Wait until a broker shows the change that the controller has made."""
        check = check_of(request, response)
        patience = self.brokers.patience(_SETTLE_SECONDS)
        while check is not None:
            answer = await self._send(check.request)
            if check.shows(answer) or patience.is_over:
                return
            await patience.rest()

    async def _to_coordinator(self, key: CoordinatorKey, request: Any) -> Any:
        brokers, patience = self.brokers, self.brokers.patience()
        while True:
            try:
                response = await (await brokers.coordinator(key, patience)).send(request)
                if AWAY.isdisjoint(router.codes_of(response)) or patience.is_over:
                    return response
            except ConnectionLostError:
                brokers.doubt_coordinator(key)
                if not is_repeatable(request) or brokers.closed or patience.is_over:
                    raise
            brokers.doubt_coordinator(key)
            await patience.rest()

    async def _to_coordinators(self, request: Any) -> Any:
        """Ask for each group by itself: who coordinates may change for one and not the other."""
        found = await asyncio.gather(
            *(
                self._to_coordinator(CoordinatorKey(0, group), router.of_group(request, group))
                for group in request.groups
            )
        )
        field = "results" if isinstance(request, DeleteGroupsRequest) else "groups"
        return router.merge_list(found, field)

    async def _to_owners(self, request: Any) -> Any:
        parts = router.split_resources(request)
        found = await asyncio.gather(
            *(
                self.brokers.ask(node_id, part, self.brokers.patience())
                for node_id, part in parts.items()
            )
        )
        field = "results" if isinstance(request, DescribeConfigsRequest) else "responses"
        response = router.merge_list(found, field)
        router.order_resources(getattr(response, field), request.resources)
        tidy(response)
        return response

    async def _to_every(self, request: Any) -> Any:
        await self.brokers.connect()  # who they all are just now
        nodes = sorted(self.brokers.addresses)
        found = await asyncio.gather(
            *(self.brokers.ask(node_id, request, self.brokers.patience()) for node_id in nodes)
        )
        return router.merge_every(dict(zip(nodes, found, strict=True)))


async def open_kafka(url: str) -> KafkaTransport:
    """Open the log that a `kafka://` URL names.

    Raises:
        InvalidConfigError: the URL asks for what cannot be done.
        ConnectionLostError: none of its brokers can be reached.
    """
    transport = KafkaTransport(parse(url))
    try:
        await transport.brokers.connect()
    except BaseException:
        await transport.close()
        raise
    return transport
