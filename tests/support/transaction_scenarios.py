"""Text scenarios of the transaction coordinator: steps, and indented below each what it does.

    init t a                          a step at the left margin: a verb, then id and client
        record: t Empty 1000/0
        a init: ok 1000/0             a producer is its id / its epoch
    wait 60000                        time goes on; what comes of it says when (ms since the start)
        60000 record: t PrepareAbort 1000/1 in-0
        60000 markers: t abort 1000/1 in-0
    markers t                         the markers get written, and the coordinator is told

A client remembers the producer that it was made; `as=1000/0` says another. `held` in an `init`
says what the client has been so far. `add`, `commit` and `abort` with `v2` are those of
transactions of version 2; who ends one is told which producer it goes on as. New producer ids are
1000, 1001, ... in the order of the steps that may need one; `epoch` lets one come to an epoch.
Between `hold` and `release` records are on their way. A line that begins with `#` is a
comment; `""` is an empty name. `settings` in the first step
makes the configuration.

Record the effects anew, and read what has changed before you keep it:

    python tests/support/transaction_scenarios.py tests/scenario/transactions/*.txt
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from millstream_log.errors import ErrorCode
from millstream_log.machine import LogRecord
from millstream_log.model import TopicPartition
from millstream_log.transaction.config import TransactionConfig
from millstream_log.transaction.coordinator import TransactionCoordinator
from millstream_log.transaction.records import decode_key, decode_value, encode
from millstream_log.transaction.replies import InitReply, Markers, TxnOutcome
from millstream_log.transaction.transaction import Producer

INDENT = "    "
START_MS = 1_000_000
FIRST_PRODUCER_ID = 1000


class Shell:
    """The least that a coordinator needs around it: a log, and somewhere to send what comes."""

    def __init__(self, config: TransactionConfig | None = None) -> None:
        self.config = config or TransactionConfig()
        self.log: list[LogRecord] = []
        self.sent: list[tuple[int, Any]] = []
        self.markers: dict[str, Markers] = {}  # to be written, by transactional id
        self.handed_out: list[Markers] = []
        self.held: list[TxnOutcome] | None = None  # on their way; None: everything goes at once
        self.failure: ErrorCode | None = None  # of the next append
        self.machine = TransactionCoordinator(self.config)

    def restart(self, now_ms: int) -> None:
        """Begin anew from the log; what was on its way is lost."""
        self.markers, self.held = {}, None
        self.machine = TransactionCoordinator(self.config)
        for key, value in self.log:
            self.machine.replay(key, value)
        self.run_all(self.machine.after_load(now_ms))

    def run_all(self, outcomes: Iterable[TxnOutcome]) -> None:
        """Do what outcomes ask for, in their order."""
        for outcome in outcomes:
            self.run(outcome)

    def run(self, outcome: TxnOutcome) -> None:
        """Append, replay, reply, and take the markers."""
        if outcome.records and self.held is not None:
            self.held.append(outcome)
            return
        if outcome.records and self.failure is not None:
            code, self.failure = self.failure, None
            assert outcome.on_failure is not None
            self.sent += outcome.on_failure(code).replies
            return
        for key, value in outcome.records:
            self.log.append((key, value))
            self.machine.replay(key, value)
        self.sent += outcome.replies
        self.handed_out += outcome.markers
        self.markers.update((row.transactional_id, row) for row in outcome.markers)

    def release(self) -> None:
        """Let what is on its way arrive."""
        held, self.held = self.held or [], None
        self.run_all(held)

    def write_markers(self, transactional_id: str, now_ms: int) -> None:
        """Write the markers of an id, and tell the coordinator."""
        markers = self.markers.pop(transactional_id)
        self.run(
            self.machine.markers_written(
                transactional_id, markers.producer_id, markers.producer_epoch, now_ms
            )
        )


class Scenario:
    """A scenario as it is being played."""

    def __init__(self) -> None:
        self.shell = Shell()
        self.producers: dict[str, Producer] = {}  # what each client has been made
        self.tickets: list[tuple[str, str]] = []  # verb and client, by ticket
        self.next_producer_id = FIRST_PRODUCER_ID
        self.now_ms = START_MS
        self.effects: list[str] = []

    def play(self, step: str) -> list[str]:
        """Take a step and return its effects."""
        verb, *words = step.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        names = [word.replace('""', "") for word in words if "=" not in word]
        logged, self.effects = len(self.shell.log), []
        options = {"producer" if key == "as" else key: value for key, value in options.items()}
        handler: Callable[..., None] = getattr(self, "do_" + verb.replace("-", "_"))
        handler(*names, **options)
        if verb != "wait":
            self.collect(logged)
        return self.effects

    def do_settings(self, **options: str) -> None:
        """Begin with a configuration that is not the default."""
        numbers = {name: int(value) for name, value in options.items()}
        self.shell = Shell(TransactionConfig(**numbers))

    def do_epoch(self, transactional_id: str, number: str) -> None:
        """Put a record into the log after which a producer id has come to an epoch."""
        log = {decode_key(key): value for key, value in self.shell.log}
        value = log[transactional_id]
        assert value is not None
        known = decode_value(transactional_id, value)
        producer = known.producer._replace(epoch=int(number))
        self.shell.run(
            TxnOutcome(
                transactional_id=transactional_id,
                records=[encode(msgspec.structs.replace(known, producer=producer))],
            )
        )

    def do_init(
        self,
        transactional_id: str,
        client: str,
        *words: str,
        timeout: str = "60000",
        producer: str = "",
    ) -> None:
        """InitProducerId."""
        held = Producer(-1, -1)
        if words == ("held",) or producer:
            held = self.producer(client, producer)
        new_producer_id, self.next_producer_id = self.next_producer_id, self.next_producer_id + 1
        self.shell.run(
            self.shell.machine.init_producer_id(
                transactional_id,
                int(timeout),
                *held,
                new_producer_id=new_producer_id,
                ticket=self.ticket("init", client),
                now_ms=self.now_ms,
            )
        )

    def do_add(self, transactional_id: str, client: str, *words: str, producer: str = "") -> None:
        """AddPartitionsToTxn."""
        self.shell.run(
            self.shell.machine.add_partitions(
                transactional_id,
                *self.producer(client, producer),
                [partition(word) for word in words if word != "v2"],
                version=2 if "v2" in words else 0,
                ticket=self.ticket("add", client),
                now_ms=self.now_ms,
            )
        )

    def do_add_offsets(self, transactional_id: str, client: str, number: str) -> None:
        """AddOffsetsToTxn, for a group whose commits go to this partition of their topic."""
        self.shell.run(
            self.shell.machine.add_offsets(
                transactional_id,
                *self.producer(client, ""),
                TopicPartition("__consumer_offsets", int(number)),
                ticket=self.ticket("add-offsets", client),
                now_ms=self.now_ms,
            )
        )

    def do_commit(
        self, transactional_id: str, client: str, *words: str, producer: str = ""
    ) -> None:
        """EndTxn that commits."""
        self.end(transactional_id, client, producer, "commit", words)

    def do_abort(self, transactional_id: str, client: str, *words: str, producer: str = "") -> None:
        """EndTxn that aborts."""
        self.end(transactional_id, client, producer, "abort", words)

    def do_verify(
        self, transactional_id: str, client: str, *words: str, producer: str = ""
    ) -> None:
        """Ask what Produce asks before it takes a batch."""
        found = self.shell.machine.verify(
            transactional_id,
            *self.producer(client, producer),
            [partition(word) for word in words],
        )
        self.effects.append(" ".join(f"{key}={shown(code)}" for key, code in found.items()))

    def do_markers(self, transactional_id: str) -> None:
        """Write the markers of an id."""
        self.shell.write_markers(transactional_id, self.now_ms)

    def do_describe(self, *transactional_ids: str) -> None:
        """DescribeTransactions."""
        for row in self.shell.machine.describe(transactional_ids):
            if row.error:
                self.effects.append(f"{row.transactional_id} {shown(row.error)}")
                continue
            started = "never" if row.start_ms == -1 else str(row.start_ms - START_MS)
            words = [
                f"{row.transactional_id} {row.state} {row.producer_id}/{row.producer_epoch}",
                f"timeout={row.timeout_ms} started={started}",
                *map(str, row.partitions),
            ]
            self.effects.append(" ".join(words))

    def do_list(self, states: str = "", producers: str = "", longer: str = "-1") -> None:
        """ListTransactions."""
        found = self.shell.machine.list_transactions(
            [name for name in states.split("+") if name],
            [int(number) for number in producers.split("+") if number],
            int(longer),
            now_ms=self.now_ms,
        )
        self.effects += [f"{row.transactional_id} {row.state}" for row in found.transactions]
        self.effects += [f"unknown state {name}" for name in found.unknown_states]

    def do_fail(self, code: str) -> None:
        """Let the next append fail."""
        self.shell.failure = ErrorCode[code]

    def do_hold(self) -> None:
        """Let records be on their way from now on."""
        self.shell.held = []

    def do_release(self) -> None:
        """Let the records that are on their way arrive."""
        self.shell.release()

    def do_restart(self) -> None:
        """Let the process end, and another begin from the log."""
        self.shell.restart(self.now_ms)

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

    def end(
        self, transactional_id: str, client: str, producer: str, verb: str, words: tuple[str, ...]
    ) -> None:
        """EndTxn."""
        machine = self.shell.machine
        ends: Callable[..., TxnOutcome] = machine.end_txn
        if words == ("v2",):
            new_producer_id = -1
            if machine.needs_producer_id(transactional_id):
                new_producer_id = self.next_producer_id
                self.next_producer_id += 1
            ends = functools.partial(machine.end_and_bump, new_producer_id=new_producer_id)
        self.shell.run(
            ends(
                transactional_id,
                *self.producer(client, producer),
                verb == "commit",
                ticket=self.ticket(verb, client),
                now_ms=self.now_ms,
            )
        )

    def producer(self, client: str, said: str) -> Producer:
        """Return the producer that a client says it is."""
        if not said:
            return self.producers[client]
        producer_id, _, epoch = said.partition("/")
        return Producer(int(producer_id), int(epoch))

    def ticket(self, verb: str, client: str) -> int:
        """Return a ticket for a request."""
        self.tickets.append((verb, client))
        return len(self.tickets) - 1

    def collect(self, logged: int) -> None:
        """Take records, replies and markers since the last step for effects."""
        self.effects += [f"record: {record_shown(*row)}" for row in self.shell.log[logged:]]
        for ticket, reply in self.shell.sent:
            verb, client = self.tickets[ticket]
            if isinstance(reply, InitReply) and not reply.error:
                self.producers[client] = Producer(reply.producer_id, reply.producer_epoch)
            self.effects.append(f"{client} {verb}: {reply_shown(reply)}")
        self.effects += [f"markers: {markers_shown(row)}" for row in self.shell.handed_out]
        self.shell.sent.clear()
        self.shell.handed_out.clear()


def shown(error: ErrorCode) -> str:
    """Return an error as scenarios write it."""
    return error.name if error else "ok"


def reply_shown(reply: InitReply | ErrorCode) -> str:
    """Return a reply as scenarios write it."""
    if isinstance(reply, ErrorCode):
        return shown(reply)
    return shown(reply.error) if reply.error else f"ok {reply.producer_id}/{reply.producer_epoch}"


def record_shown(key: bytes, value: bytes | None) -> str:
    """Return a record of the log as scenarios write it."""
    transactional_id = decode_key(key)
    assert transactional_id is not None
    if value is None:
        return f"{transactional_id} gone"
    known = decode_value(transactional_id, value)
    partitions = map(str, sorted(known.partitions))
    producer = f"{known.producer.producer_id}/{known.producer.epoch}"
    return " ".join([transactional_id, known.state, producer, *partitions])


def markers_shown(row: Markers) -> str:
    """Return markers as scenarios write them."""
    verb = "commit" if row.commit else "abort"
    producer = f"{row.producer_id}/{row.producer_epoch}"
    return " ".join([row.transactional_id, verb, producer, *map(str, row.partitions)])


def partition(word: str) -> TopicPartition:
    """Return the partition that a word names: `t-0`."""
    topic, _, index = word.rpartition("-")
    return TopicPartition(topic, int(index))


def played(text: str) -> str:
    """Return a scenario with the effects that it has now."""
    scenario, lines = Scenario(), []
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
