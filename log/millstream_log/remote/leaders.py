"""Requests that name partitions: to each its leader, and one answer of all.

    ListOffsets, DeleteRecords   those that have moved are asked for again, until all have answered
    Fetch                        those that have moved are left out: nothing of them is there yet
    Produce                      asked once, in the order of the calls; what failed stands in the
                                 answer, and whether to send it again is the sender's to say

Invariants: a Fetch that waits at several leaders is over as soon as one of them has something;
between two calls of Produce nothing changes their order, so it waits for no metadata.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, NamedTuple

from ..errors import ClosedError, ConnectionLostError, ErrorCode, LogError
from ..model import TopicPartition
from ..wire.messages.fetch import FetchRequest, FetchResponse, FetchTopicResponse
from ..wire.messages.produce import (
    ProducePartitionResponse,
    ProduceRequest,
    ProduceResponse,
    ProduceTopicResponse,
)
from .brokers import Brokers
from .patience import Sleep
from .router import answers_of, keep_partitions, merge_partitions, partitions_of, split_partitions

_MOVED = frozenset(
    {
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
    }
)
_DOUBTFUL = _MOVED | {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.NETWORK_EXCEPTION}
_REST_SECONDS = 0.1

Answers = dict[TopicPartition, Any]


class _Round(NamedTuple):
    """What one try has brought."""

    answers: Answers  # those that have moved are not among them
    moved: set[TopicPartition]  # to another leader, or lost with a connection
    responses: list[Any]
    lost: ConnectionLostError | None


class Leaders:
    """Asks the leaders of partitions."""

    def __init__(self, brokers: Brokers, sleep: Sleep) -> None:
        self._brokers = brokers
        self._sleep = sleep

    async def send(self, request: Any) -> Any:
        """Return the answer to a request that names partitions."""
        if isinstance(request, ProduceRequest):
            return await self._produce(request)
        if isinstance(request, FetchRequest):
            return await self._fetch(request)
        return await self._ask(request)

    async def _ask(self, request: Any) -> Any:
        patience = self._brokers.patience()
        if not partitions_of(request):
            return await self._brokers.ask(None, request, patience)
        answers: Answers = {}
        todo = request
        while True:
            is_last = patience.is_over
            found = await self._try(todo, is_last)
            answers |= found.answers
            if not found.moved:
                break
            if is_last:
                assert found.lost is not None  # the rest has counted as answers
                raise found.lost
            await patience.rest()
            todo = keep_partitions(todo, found.moved)
        base = found.responses[0]
        kind = type(base.topics[0]) if base.topics else object
        return merge_partitions(request, base, kind, answers)

    async def _fetch(self, request: FetchRequest) -> FetchResponse:
        patience = self._brokers.patience()
        while True:
            found = await self._try(request, False)
            if found.responses or found.lost is None:
                break
            if patience.is_over:
                raise found.lost
            await patience.rest()
        if found.moved:
            await self._sleep(_REST_SECONDS)
        elif len(found.responses) == 1:
            answer: FetchResponse = found.responses[0]
            return answer
        empty = FetchResponse(topics=[])
        merged: FetchResponse = merge_partitions(request, empty, FetchTopicResponse, found.answers)
        return merged

    async def _try(self, request: Any, is_last: bool) -> _Round:
        """Ask every leader once; at the last try an answer counts whatever it says."""
        brokers = self._brokers
        found = _Round({}, set(), [], None)
        try:
            await brokers.know_leaders(partitions_of(request), brokers.patience(0))
        except ConnectionLostError as error:
            return found._replace(moved=set(partitions_of(request)), lost=error)
        parts = split_partitions(request, brokers.leaders)
        outcomes = await _outcomes(
            [self._ask_one(node_id, part) for node_id, part in parts.items()],
            first=isinstance(request, FetchRequest) and request.max_wait_ms > 0,
        )
        lost = None
        for part, outcome in zip(parts.values(), outcomes, strict=True):
            if isinstance(outcome, ConnectionLostError):
                lost = outcome
                found.moved.update(partitions_of(part))
            elif outcome is not None:
                found.responses.append(outcome)
                for key, answer in answers_of(outcome):
                    if answer.error_code in _MOVED and not is_last:
                        found.moved.add(key)
                    else:
                        found.answers[key] = answer
                    if answer.error_code in _DOUBTFUL:
                        brokers.doubt_topics([key.topic])
        brokers.doubt_topics(key.topic for key in found.moved)
        return found._replace(lost=lost)

    async def _ask_one(self, node_id: int | None, part: Any) -> Any:
        """Return the answer of one leader, or how it was lost."""
        try:
            return await (await self._brokers.node(node_id)).send(part)
        except ConnectionLostError as error:
            return error

    # -- Produce ------------------------------------------------------------------------------

    async def _produce(self, request: ProduceRequest) -> ProduceResponse:
        # Each part is a task, also when there is but one: so all calls write one turn later.
        parts = split_partitions(request, self._brokers.leaders)
        found = await asyncio.gather(
            *(self._produce_to(node_id, part) for node_id, part in parts.items())
        )
        if len(found) == 1:
            return found[0]
        answers: Answers = {}
        for response in found:
            answers.update(answers_of(response))
        merged: ProduceResponse = merge_partitions(request, found[0], ProduceTopicResponse, answers)
        return merged

    async def _produce_to(self, node_id: int | None, part: ProduceRequest) -> ProduceResponse:
        if node_id is None:
            return _failed(part, ErrorCode.LEADER_NOT_AVAILABLE, None)
        try:
            answer = await (await self._brokers.node(node_id)).send(part)
        except ClosedError:
            raise
        except LogError as error:
            answer = _failed(part, error.code, str(error))
        if part.acks == 0 and answer is None:
            return _failed(part, ErrorCode.NONE, None)
        doubtful = {key.topic for key, one in answers_of(answer) if one.error_code in _DOUBTFUL}
        self._brokers.doubt_topics(doubtful)
        return answer


async def _outcomes(asked: list[Any], *, first: bool) -> list[Any]:
    """Run coroutines at once; return what they return, None for what was not waited for.

    `first` is enough when one has something; the others are called off.
    """
    if len(asked) == 1:
        return [await asked[0]]
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        waiting: Collection[asyncio.Future[Any]] = tasks
        while waiting:
            done, waiting = await asyncio.wait(
                waiting, return_when=asyncio.FIRST_COMPLETED if first else asyncio.ALL_COMPLETED
            )
            if first and any(_has_something(task.result()) for task in done):
                break
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [None if task.cancelled() else task.result() for task in tasks]


def _has_something(outcome: Any) -> bool:
    if isinstance(outcome, ConnectionLostError):
        return True
    return any(answer.error_code or answer.records for _, answer in answers_of(outcome))


def _failed(part: ProduceRequest, code: ErrorCode, message: str | None) -> ProduceResponse:
    """Return the answer that tells the same of all batches."""
    return ProduceResponse(
        topics=[
            ProduceTopicResponse(
                name=topic.name,
                partitions=[
                    ProducePartitionResponse(index=p.index, error_code=code, error_message=message)
                    for p in topic.partitions
                ],
            )
            for topic in part.topics
        ]
    )
