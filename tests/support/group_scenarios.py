"""Text scenarios of the group coordinator: steps, and indented below each what it brings about.

    join g a protocols=range          a step at the left margin: a verb, then group and client
        a join: MEMBER_ID_REQUIRED member=a-1
    wait 500                          time goes on; what comes of it says when (ms since the start)
        500 b join: ok generation=2 ...
        record: group g generation=1 ...

A client remembers its member id, generation and protocol, and says them in later steps;
`member=`, `generation=`, `protocol=` say something else. Each JoinGroup of client `a` without a
member id is offered the next of `a-1`, `a-2`, ...
A line that begins with `#` is a comment; `""` is an empty name.
`settings` in the first step makes the configuration.

Record the effects anew, and read what has changed before you keep it:

    python tests/support/group_scenarios.py tests/scenario/groups/*.txt
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from millstream_log.assignor.protocol import decode_assignment
from millstream_log.errors import ErrorCode
from millstream_log.group.config import GroupConfig
from millstream_log.group.consumer_topics import TopicFacts, Topics
from millstream_log.group.coordinator import GroupCoordinator
from millstream_log.group.records import (
    decode_group_key,
    decode_group_value,
    decode_key,
    decode_value,
)
from millstream_log.group.replies import (
    DeleteOffsetsReply,
    GroupOutcome,
    JoinReply,
    LeaveReply,
    SyncReply,
)
from millstream_log.group.requests import CommitRequest, JoinRequest, SyncRequest
from millstream_log.model import TopicPartition

INDENT = "    "
START_MS = 1_000_000


class Entry(msgspec.Struct):
    """One record of the log, or (no key) the marker that ends a transaction."""

    key: bytes | None
    value: bytes | None
    producer_id: int = -1
    commits: bool = False


class Client(msgspec.Struct):
    """What a client knows of its membership."""

    name: str
    member_id: str = ""
    generation: int = -1
    protocol: str | None = None
    ids: int = 0  # member ids it has been offered


class Shell:
    """The least that a coordinator needs around it: a log, and somewhere to send the replies."""

    def __init__(self, config: GroupConfig | None = None) -> None:
        self.config = config or GroupConfig()
        self.log: list[Entry] = []
        self.sent: list[tuple[int, Any]] = []
        self.failure: ErrorCode | None = None  # of the next append
        self.topics = Topics()
        self.machine = self.reloaded()
        self.machine.after_load(START_MS)

    def reloaded(self) -> GroupCoordinator:
        """Return a coordinator that has seen the log and nothing else."""
        machine = GroupCoordinator(self.config)
        machine.consumers.topics = self.topics
        for entry in self.log:
            replay(machine, entry)
        return machine

    def see_topics(self, facts: dict[str, TopicFacts]) -> None:
        """Let the coordinator know of topics."""
        self.topics = self.machine.consumers.topics = Topics(facts)

    def restart(self, now_ms: int) -> None:
        """Begin anew from the log."""
        self.machine = self.reloaded()
        self.run_all(self.machine.after_load(now_ms))

    def run_all(self, outcomes: list[GroupOutcome]) -> None:
        """Do what outcomes ask for, in their order."""
        for outcome in outcomes:
            self.run(outcome)

    def run(self, outcome: GroupOutcome) -> None:
        """Append, replay, reply."""
        if outcome.records and self.failure is not None:
            code, self.failure = self.failure, None
            if outcome.on_failure is not None:
                failed = outcome.on_failure(code)
                assert isinstance(failed, GroupOutcome)
                self.run(failed)
            return
        producer_id = outcome.producer[0] if outcome.producer else -1
        for key, value in outcome.records:
            self.append(Entry(key, value, producer_id))
        self.sent += outcome.replies

    def append(self, entry: Entry) -> None:
        """Append one entry and replay it."""
        self.log.append(entry)
        replay(self.machine, entry)


def replay(machine: GroupCoordinator, entry: Entry) -> None:
    """Let a coordinator take an entry of the log into account."""
    if entry.key is None:
        machine.end_transaction(entry.producer_id, entry.commits)
    else:
        transactional = entry.producer_id != -1
        machine.replay(
            entry.key,
            entry.value,
            producer_id=entry.producer_id,
            is_transactional=transactional,
        )


class Scenario:
    """A scenario as it is being played."""

    def __init__(self) -> None:
        self.shell = Shell()
        self.clients: dict[str, Client] = {}
        self.tickets: list[tuple[str, Client]] = []  # verb and client, by ticket
        self.now_ms = START_MS
        self.effects: list[str] = []

    def play(self, step: str) -> list[str]:
        """Take a step and return its effects."""
        verb, *words = step.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        names = [word.replace('""', "") for word in words if "=" not in word]
        logged, self.effects = len(self.shell.log), []
        handler: Callable[..., None] = getattr(self, "do_" + verb.replace("-", "_"))
        handler(*names, **options)
        if verb != "wait":
            self.collect(logged)
        return self.effects

    def do_settings(self, **options: str) -> None:
        """Begin with a configuration that is not the default."""
        numbers: dict[str, Any] = {
            name: int(value) if value.isdigit() else value for name, value in options.items()
        }
        self.shell = Shell(GroupConfig(**numbers))

    def do_join(
        self,
        group: str,
        name: str,
        protocols: str = "range",
        kind: str = "consumer",
        topics: str = "t",
        session: str = "10000",
        rebalance: str = "60000",
        static: str | None = None,
        version: str = "9",
        member: str | None = None,
        metadata: str | None = None,
    ) -> None:
        """JoinGroup; `member=` with nothing behind it says that the client has no member id.

        `metadata=ff` says these bytes in place of a subscription.
        """
        client = self.client(name)
        member_id = client.member_id if member is None else member
        client.ids += not member_id
        said = subscription(topics.split("+")) if metadata is None else bytes.fromhex(metadata)
        request = JoinRequest(
            group_id=group,
            member_id=member_id,
            group_instance_id=static,
            protocol_type=kind,
            protocols=tuple((p, said) for p in protocols.split("+") if p),
            session_timeout_ms=int(session),
            rebalance_timeout_ms=int(rebalance),
            client_id=name,
            client_host="/127.0.0.1",
            new_member_id=f"{name}-{client.ids}",
            require_member_id=int(version) >= 4,
            can_skip_assignment=int(version) >= 9,
        )
        ticket = self.ticket("join", client)
        self.shell.run(self.shell.machine.join(request, ticket, self.now_ms))
        self.shell.run_all(self.shell.machine.tick(self.now_ms))  # a new group may wait no time

    def do_sync(
        self,
        group: str,
        name: str,
        member: str | None = None,
        generation: str | None = None,
        protocol: str | None = None,
        static: str | None = None,
        kind: str = "consumer",
        **parts: str,
    ) -> None:
        """SyncGroup; `b=p1` gives client b the part p1."""
        client = self.client(name)
        request = SyncRequest(
            group_id=group,
            generation=client.generation if generation is None else int(generation),
            member_id=client.member_id if member is None else member,
            group_instance_id=static,
            protocol_type=kind,
            protocol_name=client.protocol if protocol is None else protocol,
            assignments=tuple((self.client(k).member_id, v.encode()) for k, v in parts.items()),
        )
        ticket = self.ticket("sync", client)
        self.shell.run(self.shell.machine.sync(request, ticket, self.now_ms))

    def do_heartbeat(
        self,
        group: str,
        name: str,
        member: str | None = None,
        generation: str | None = None,
        static: str | None = None,
    ) -> None:
        """Heartbeat."""
        client = self.client(name)
        error = self.shell.machine.heartbeat(
            group_id=group,
            generation=client.generation if generation is None else int(generation),
            member_id=client.member_id if member is None else member,
            group_instance_id=static,
            now_ms=self.now_ms,
        )
        self.effects.append(f"{name} heartbeat: {shown(error)}")

    def do_leave(self, group: str, *names: str, static: str | None = None) -> None:
        """LeaveGroup of clients; `static=i` alone removes by instance id."""
        members = [(self.client(name).member_id, static) for name in names] or [("", static)]
        ticket = self.ticket("leave", self.client(names[0] if names else "operator"))
        self.shell.run(self.shell.machine.leave(group, members, ticket, self.now_ms))

    def do_commit(
        self,
        group: str,
        name: str,
        member: str | None = None,
        generation: str | None = None,
        static: str | None = None,
        producer: str | None = None,
        retention: str = "-1",
        **offsets: str,
    ) -> None:
        """OffsetCommit, or with `producer=` TxnOffsetCommit; `t-0=5` commits 5 for t-0."""
        client = self.client(name)
        request = CommitRequest(
            group_id=group,
            generation=client.generation if generation is None else int(generation),
            member_id=client.member_id if member is None else member,
            group_instance_id=static,
            offsets={partition(word): (int(offset), -1, "") for word, offset in offsets.items()},
            retention_ms=int(retention),
        )
        ticket, machine = self.ticket("commit", client), self.shell.machine
        if producer is None:
            self.shell.run(machine.commit(request, ticket, self.now_ms))
        else:
            self.shell.run(
                machine.commit_in_transaction(request, int(producer), 0, ticket, self.now_ms)
            )

    def do_end_transaction(self, producer: str, result: str) -> None:
        """Append the marker that ends a producer's transaction: `commit` or `abort`."""
        self.shell.append(Entry(None, None, int(producer), result == "commit"))

    def do_fetch(self, group: str, *words: str) -> None:
        """OffsetFetch of partitions, or of all; `stable` asks for stable offsets."""
        wanted = [partition(word) for word in words if word != "stable"]
        found = self.shell.machine.fetch_offsets(group, wanted or None, "stable" in words)
        for key, value in found.items():
            self.effects.append(f"{key} {shown(value.error)} offset={value.offset}")

    def do_delete_offsets(self, group: str, *words: str) -> None:
        """OffsetDelete."""
        ticket = self.ticket("delete-offsets", self.client("operator"))
        wanted = [partition(word) for word in words]
        self.shell.run(self.shell.machine.delete_offsets(group, wanted, ticket))

    def do_delete_group(self, group: str) -> None:
        """DeleteGroups of one group."""
        ticket = self.ticket("delete-group", self.client("operator"))
        self.shell.run(self.shell.machine.delete_group(group, ticket))

    def do_delete_topics(self, *topics: str) -> None:
        """Topics are gone."""
        self.shell.run_all(self.shell.machine.delete_topics(topics))

    def do_describe(self, group: str) -> None:
        """DescribeGroups of one group."""
        found = self.shell.machine.describe(group)
        members = " ".join(f"{m.member_id}={assignment_shown(m.assignment)}" for m in found.members)
        words = [f"{group} {shown(found.error)} {found.state}"]
        words += [f"type={found.protocol_type}"] * bool(found.protocol_type)
        words += [f"protocol={found.protocol}"] * bool(found.protocol)
        self.effects.append(" ".join([*words, *([members] if members else [])]))

    def do_list(self, **options: str) -> None:
        """ListGroups; `states=` and `types=` filter."""
        filters = {name: value.split("+") for name, value in options.items()}
        for row in self.shell.machine.list_groups(**filters):
            kind = "" if row.group_type == "classic" else f" {row.group_type}"
            self.effects.append(f"{row.group_id} {row.state} type={row.protocol_type}{kind}")

    def do_fail(self, code: str) -> None:
        """Let the next append fail."""
        self.shell.failure = ErrorCode[code]

    def do_restart(self) -> None:
        """End the process, and begin another from the log."""
        self.shell.restart(self.now_ms)

    def do_unload(self) -> None:
        """Leadership is lost."""
        self.shell.run_all(self.shell.machine.unload(self.now_ms))

    def do_wait(self, time_ms: str) -> None:
        """Let time go on, from deadline to deadline."""
        until_ms = self.now_ms + int(time_ms)
        while (due_ms := self.shell.machine.deadline_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            logged, seen = len(self.shell.log), len(self.effects)
            self.shell.run_all(self.shell.machine.tick(self.now_ms))
            self.collect(logged)
            stamp = f"{self.now_ms - START_MS} "
            self.effects[seen:] = [stamp + effect for effect in self.effects[seen:]]
        self.now_ms = until_ms

    def client(self, name: str) -> Client:
        """Return a client by name."""
        return self.clients.setdefault(name, Client(name))

    def ticket(self, verb: str, client: Client) -> int:
        """Return a ticket for a request."""
        self.tickets.append((verb, client))
        return len(self.tickets) - 1

    def collect(self, logged: int) -> None:
        """Take records and replies since the last step for effects."""
        self.effects += [f"record: {self.record(entry)}" for entry in self.shell.log[logged:]]
        for ticket, reply in self.shell.sent:
            verb, client = self.tickets[ticket]
            self.effects.append(f"{client.name} {verb}: {self.reply(client, reply)}")
        self.shell.sent.clear()

    def record(self, entry: Entry) -> str:
        """Return an entry of the log as scenarios write it."""
        return entry_shown(entry)

    def reply(self, client: Client, reply: Any) -> str:
        """Return a reply as scenarios write it; its client remembers it."""
        learn(client, reply)
        return reply_shown(reply)


def learn(client: Client, reply: Any) -> None:
    """Let a client remember what a reply says of its membership, as clients do."""
    if isinstance(reply, JoinReply):
        if reply.error in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            client.member_id, client.generation = reply.member_id, reply.generation
            client.protocol = reply.protocol_name
        elif reply.error is ErrorCode.UNKNOWN_MEMBER_ID:
            client.member_id, client.generation = "", -1


def shown(error: ErrorCode) -> str:
    """Return an error as scenarios write it."""
    return error.name if error else "ok"


def reply_shown(reply: Any) -> str:
    """Return a reply as scenarios write it."""
    match reply:
        case JoinReply(error=ErrorCode.NONE):
            members = ",".join(row.member_id for row in reply.members)
            return (
                f"ok generation={reply.generation} protocol={reply.protocol_name}"
                f" member={reply.member_id} leader={reply.leader}"
                + (f" members={members}" if members else "")
                + (" skip-assignment" if reply.skip_assignment else "")
            )
        case JoinReply():
            return f"{shown(reply.error)} member={reply.member_id}"
        case SyncReply():
            return shown(reply.error) + (
                f" {assignment_shown(reply.assignment)}" * (not reply.error)
            )
        case LeaveReply():
            rows = [
                f"{row.member_id or row.group_instance_id}={shown(row.error)}"
                for row in reply.members
            ]
            return " ".join([shown(reply.error), *rows])
        case DeleteOffsetsReply():
            rows = [f"{key}={shown(code)}" for key, code in reply.partitions.items()]
            return " ".join([shown(reply.error), *rows])
        case ErrorCode():
            return shown(reply)
        case _:
            return " ".join(f"{key}={shown(code)}" for key, code in reply.items())


def assignment_shown(assignment: bytes) -> str:
    """Return an assignment as scenarios write it: a word of theirs, or partitions."""
    if assignment[:1] != b"\0":
        return assignment.decode()
    return "+".join(map(str, sorted(decode_assignment(assignment).partitions)))


def entry_shown(entry: Entry) -> str:
    """Return an entry of the log as scenarios write it."""
    if entry.key is None:
        return f"{'commit' if entry.commits else 'abort'} of producer {entry.producer_id}"
    offset_key = decode_key(entry.key)
    if offset_key is not None:
        name = f"offset {offset_key.group_id} {offset_key.topic}-{offset_key.partition}"
        pending = f" by producer {entry.producer_id}" if entry.producer_id != -1 else ""
        return f"{name} {decode_value(entry.value).offset if entry.value else 'gone'}{pending}"
    group_id = decode_group_key(entry.key)
    if entry.value is None:
        return f"group {group_id} gone"
    saved = decode_group_value(entry.value)
    members = " ".join(f"{m.member_id}={assignment_shown(m.assignment)}" for m in saved.members)
    return (
        f"group {group_id} generation={saved.generation} protocol={saved.protocol}"
        f" leader={saved.leader}" + (f" {members}" if members else "")
    )


def subscription(topics: list[str]) -> bytes:
    """Return a ConsumerProtocolSubscription of version 0."""
    names = b"".join(len(t).to_bytes(2, "big") + t.encode() for t in topics if t)
    count = sum(1 for t in topics if t)
    return b"\0\0" + count.to_bytes(4, "big") + names + b"\xff\xff\xff\xff"


def partition(word: str) -> TopicPartition:
    """Return the partition that a word names: `t-0`."""
    topic, _, index = word.rpartition("-")
    return TopicPartition(topic, int(index))


def played(text: str, scenario: Scenario | None = None) -> str:
    """Return a scenario with the effects that it has now."""
    scenario, lines = scenario or Scenario(), list[str]()
    for line in text.splitlines():
        if line.startswith(INDENT):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            lines += [INDENT + effect for effect in scenario.play(line)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(played(path.read_text("utf-8")), "utf-8")
