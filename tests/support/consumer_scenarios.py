"""Text scenarios of consumer groups (KIP-848): those of group_scenarios.py, and some verbs more.

    topics t=2 u=3                    there are these topics, with so many partitions
    beat g a topics=t                 ConsumerGroupHeartbeat: `a` joins, or goes on in its epoch
        a beat: ok epoch=2 t-0 t-1    the partitions are there when the answer tells them
    beat g a own=t-0                  ... and says what it owns; `own=` nothing
    away g a                          ... leaves for a while, as static members do
    quit g a                          ... leaves

A client's member id is its name; it remembers its epoch. `epoch=` says another one, `full` says all
that there is to say.

    python tests/support/consumer_scenarios.py tests/scenario/consumer_groups/*.txt
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from group_scenarios import Client, Entry, Scenario, played, shown

from millstream_log.errors import ErrorCode
from millstream_log.group.consumer_records import (
    IdPartition,
    Kind,
    decode_epoch,
    decode_expression,
    decode_key,
    decode_place,
    decode_said,
    decode_target,
)
from millstream_log.group.consumer_requests import ConsumerHeartbeat, HeartbeatReply
from millstream_log.group.consumer_topics import TopicFacts
from millstream_log.group.requests import CommitRequest
from millstream_log.model import TopicPartition

TIMEOUT_MS = 60_000


class ConsumerScenario(Scenario):
    """A scenario that knows of consumer groups."""

    def __init__(self) -> None:
        super().__init__()
        self.lives: dict[str, int] = {}  # how often a topic of this name has been made

    def do_topics(self, **counts: str) -> None:
        """Let there be these topics and no others; one that was gone comes with another id."""
        before = self.shell.topics.facts
        facts = {}
        for name, count in counts.items():
            if name not in before:
                self.lives[name] = self.lives.get(name, 0) + 1
            facts[name] = TopicFacts(
                f"{name}{self.lives[name]}".encode().hex().rjust(32, "0"), int(count)
            )
        self.shell.see_topics(facts)

    def do_settings(self, **options: str) -> None:
        """Begin with a configuration that is not the default."""
        facts = dict(self.shell.topics.facts)
        super().do_settings(**options)
        self.shell.see_topics(facts)

    def do_beat(self, group: str, name: str, *words: str, **options: str) -> None:
        """ConsumerGroupHeartbeat."""
        client = self.client(name)
        epoch = int(options.get("epoch", max(client.generation, 0)))
        joins, full = epoch == 0, "full" in words
        topics, own = options.get("topics"), options.get("own", "" if joins else None)
        timeout = options.get("timeout", TIMEOUT_MS if joins or full else -1)
        self.heartbeat(
            client,
            ConsumerHeartbeat(
                group_id=group,
                member_id=options.get("member", name),
                epoch=epoch,
                instance_id=options.get("static"),
                rack_id=options.get("rack"),
                rebalance_timeout_ms=int(timeout),
                topics=None if topics is None else tuple(t for t in topics.split("+") if t),
                expression=options.get("regex"),
                assignor=options.get("assignor"),
                owned=None
                if own is None
                else frozenset(map(self.partition, own.split("+") if own else [])),
                client_id=name,
                client_host="/127.0.0.1",
            ),
        )

    def do_quit(self, group: str, name: str, static: str | None = None) -> None:
        """Leave the group."""
        self.depart(group, name, static, -1)

    def do_away(self, group: str, name: str, static: str | None = None) -> None:
        """Leave for a while."""
        self.depart(group, name, static, -2)

    def depart(self, group: str, name: str, static: str | None, epoch: int) -> None:
        """Say a last heartbeat."""
        request = ConsumerHeartbeat(group_id=group, member_id=name, epoch=epoch, instance_id=static)
        self.heartbeat(self.client(name), request)

    def heartbeat(self, client: Client, request: ConsumerHeartbeat) -> None:
        """Ask the coordinator."""
        ticket, machine = self.ticket("beat", client), self.shell.machine.consumers
        self.shell.run(machine.heartbeat(request, ticket, self.now_ms))

    def do_epoch_commit(
        self, group: str, name: str, epoch: str | None = None, version: str = "9", **offsets: str
    ) -> None:
        """OffsetCommit with a member epoch; in a transaction, where the version is 0."""
        client = self.client(name)
        request = CommitRequest(
            group_id=group,
            generation=client.generation if epoch is None else int(epoch),
            member_id=name,
            offsets={partition(word): (int(offset), -1, "") for word, offset in offsets.items()},
            version=int(version),
        )
        ticket, machine = self.ticket("commit", client), self.shell.machine
        if version == "0":
            self.shell.run(machine.commit_in_transaction(request, 7, 0, ticket, self.now_ms))
        else:
            code = ErrorCode.GROUP_ID_NOT_FOUND
            self.shell.run(machine.commit(request, ticket, self.now_ms, code))

    def do_epoch_fetch(self, group: str, name: str, epoch: str) -> None:
        """OffsetFetch of a member; say whether it may."""
        error = self.shell.machine.consumers.fetch_error(group, name, int(epoch))
        self.effects.append(shown(error))

    def do_look(self, group: str) -> None:
        """ConsumerGroupDescribe of one group."""
        found = self.shell.machine.consumers.describe(group)
        if found is None:
            self.effects.append("GROUP_ID_NOT_FOUND")
            return
        epochs = f"epoch={found.epoch} assigned={found.assignment_epoch}"
        self.effects.append(f"{group} {found.state} {epochs} {found.assignor}")
        for row in found.members:
            has, wants = self.names(row.assigned), self.names(row.target)
            self.effects.append(f"{row.member_id} epoch={row.epoch} has={has} target={wants}")

    def record(self, entry: Entry) -> str:
        """Return an entry of the log as scenarios write it."""
        key = decode_key(entry.key) if entry.key is not None else None
        if key is None:
            return super().record(entry)
        head = " ".join(filter(None, (key.kind.name.lower(), key.group_id, key.name)))
        if entry.value is None:
            return f"{head} gone"
        match key.kind:
            case Kind.GROUP | Kind.ASSIGNMENT:
                return f"{head} epoch={decode_epoch(entry.value).epoch}"
            case Kind.MEMBER:
                said = decode_said(entry.value)
                words = [f"topics={'+'.join(said.topics)}"]
                words += [f"regex={said.expression}"] * bool(said.expression)
                words += [f"static={said.instance_id}"] * bool(said.instance_id)
                words += [f"assignor={said.assignor}"] * bool(said.assignor)
                words += ["classic"] * bool(said.classic)
                return " ".join([head, *words])
            case Kind.TARGET:
                return f"{head} {self.names(decode_target(entry.value))}"
            case Kind.EXPRESSION:
                return f"{head} {'+'.join(decode_expression(entry.value).topics)}"
        place = decode_place(entry.value)
        words = [f"{head} epoch={place.epoch}/{place.previous_epoch} {place.state.name}"]
        words += [f"{self.name(key)}@{since}" for key, since in place.assigned.items()]
        words += [f"revoke {self.name(key)}@{since}" for key, since in place.revoking.items()]
        return " ".join(words)

    def reply(self, client: Client, reply: Any) -> str:
        """Return a reply as scenarios write it; its client remembers it."""
        if not isinstance(reply, HeartbeatReply):
            return super().reply(client, reply)
        if reply.error:
            return shown(reply.error)
        client.generation = reply.epoch
        told = "" if reply.assigned is None else " " + self.names(reply.assigned)
        return f"ok epoch={reply.epoch}{told}"

    def names(self, partitions: frozenset[IdPartition]) -> str:
        """Return partitions as scenarios write them."""
        return "+".join(sorted(map(self.name, partitions))) or "nothing"

    def name(self, key: IdPartition) -> str:
        """Return a partition as scenarios write it; that of a topic that is gone with a `?`."""
        found = self.shell.topics.names.get(key[0])
        return f"{found}-{key[1]}" if found else f"?-{key[1]}"

    def partition(self, word: str) -> IdPartition:
        """Return the partition that a word names."""
        named = partition(word)
        return self.shell.topics.facts[named.topic].topic_id, named.partition


def partition(word: str) -> TopicPartition:
    """Return the partition that a word names: `t-0`."""
    topic, _, index = word.rpartition("-")
    return TopicPartition(topic, int(index))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(played(path.read_text("utf-8"), ConsumerScenario()), "utf-8")
