from __future__ import annotations

from typing import Any

import pytest
from transaction_scenarios import Shell

from millstream_log.errors import ErrorCode
from millstream_log.model import TopicPartition
from millstream_log.transaction.config import TransactionConfig
from millstream_log.transaction.coordinator import TransactionCoordinator
from millstream_log.transaction.replies import InitReply, Markers, append_error

IN0, IN1 = TopicPartition("in", 0), TopicPartition("in", 1)


def init(
    shell: Shell, transactional_id: str | None = "t", now_ms: int = 0, ticket: int = 1
) -> None:
    """Let a new producer begin; new producer ids are a hundred times its ticket."""
    shell.run(
        shell.machine.init_producer_id(
            transactional_id, 60_000, new_producer_id=ticket * 100, ticket=ticket, now_ms=now_ms
        )
    )


def add(shell: Shell, *partitions: TopicPartition, now_ms: int = 0) -> None:
    """Let the first producer write to partitions."""
    shell.run(shell.machine.add_partitions("t", 100, 0, partitions, ticket=2, now_ms=now_ms))


def end(shell: Shell, commit: bool = True, now_ms: int = 0) -> None:
    """Let the first producer end its transaction."""
    shell.run(shell.machine.end_txn("t", 100, 0, commit, ticket=3, now_ms=now_ms))


def state(shell: Shell, transactional_id: str = "t") -> str:
    """Return the state of an id."""
    return shell.machine.describe([transactional_id])[0].state


def replies(shell: Shell) -> list[Any]:
    """Return the replies since the last call."""
    sent, shell.sent = shell.sent, []
    return [reply for _, reply in sent]


@pytest.fixture
def shell() -> Shell:
    """Return a shell with one producer, 100/0, that has just begun."""
    shell = Shell()
    init(shell)
    assert replies(shell) == [InitReply(producer_id=100, producer_epoch=0)]
    return shell


def test_a_producer_without_transactions_is_answered_at_once() -> None:
    """Without a transactional id every InitProducerId gets a new id, and the log nothing."""
    shell = Shell()
    for ticket in (1, 2):
        init(shell, None, ticket=ticket)
        assert replies(shell) == [InitReply(producer_id=ticket * 100, producer_epoch=0)]
    assert shell.log == []


def test_half_a_producer_is_refused_even_without_transactions() -> None:
    """An id without an epoch, or the other way round, is INVALID_REQUEST, as Kafka checks first."""
    machine = TransactionCoordinator()
    for said in ((5, -1), (-1, 5)):
        out = machine.init_producer_id(None, 1000, *said, new_producer_id=1, ticket=9, now_ms=0)
        assert out.replies == [(9, InitReply(error=ErrorCode.INVALID_REQUEST))]


def test_nothing_changes_until_the_records_are_replayed(shell: Shell) -> None:
    """State moves by replay alone, so memory is never ahead of the log."""
    machine = shell.machine
    out = machine.add_partitions("t", 100, 0, [IN0], ticket=2, now_ms=5)
    assert state(shell) == "Empty"
    assert machine.verify("t", 100, 0, [IN0]) == {IN0: ErrorCode.INVALID_TXN_STATE}
    shell.run(out)
    assert state(shell) == "Ongoing"
    assert machine.verify("t", 100, 0, [IN0]) == {IN0: ErrorCode.NONE}


def test_a_log_makes_the_same_machine_again(shell: Shell) -> None:
    """Replaying the log, or what compaction leaves of it, gives what was in memory."""
    init(shell, "other", ticket=4)
    add(shell, IN0, IN1, now_ms=7)
    before = shell.machine.describe(["t", "other"])
    shell.restart(10)
    assert shell.machine.describe(["t", "other"]) == before
    shell.log = list(dict(shell.log).items())
    shell.restart(10)
    assert shell.machine.describe(["t", "other"]) == before
    assert shell.machine.deadline_ms() == 60_007


def test_markers_say_all_that_a_partition_needs() -> None:
    """Markers name the producer, its epoch, the coordinator's epoch and the partitions, sorted."""
    shell = Shell()
    shell.machine = TransactionCoordinator(coordinator_epoch=9)
    init(shell)
    add(shell, IN1, IN0)
    end(shell)
    assert shell.handed_out == [
        Markers(
            transactional_id="t",
            producer_id=100,
            producer_epoch=0,
            coordinator_epoch=9,
            commit=True,
            partitions=(IN0, IN1),
        )
    ]


def test_a_transaction_without_partitions_ends_too(shell: Shell) -> None:
    """AddPartitions without any opens a transaction, as in Kafka; its markers are for nobody."""
    add(shell)
    end(shell)
    assert shell.handed_out[0].partitions == ()
    shell.write_markers("t", 0)
    assert state(shell) == "CompleteCommit"


def test_markers_of_another_time_complete_nothing(shell: Shell) -> None:
    """Word of markers that nobody waits for, or of another epoch, changes nothing."""
    machine = shell.machine
    add(shell, IN0)
    for transactional_id, producer_id, epoch in (("t", 100, 0), ("u", 100, 0)):
        out = machine.markers_written(transactional_id, producer_id, epoch, 0)
        assert (out.records, out.replies, out.markers) == ([], [], [])
    end(shell)
    assert machine.markers_written("t", 100, 1, 0).records == []
    assert machine.markers_written("t", 101, 0, 0).records == []
    assert state(shell) == "PrepareCommit"


def test_a_flush_that_fails_after_the_decision_is_gone_on_with(shell: Shell) -> None:
    """The decision was replayed, its markers never written: later it is said and tried again."""
    add(shell, IN0)
    replies(shell)
    out = shell.machine.end_txn("t", 100, 0, True, ticket=3, now_ms=50)
    for key, value in out.records:
        shell.machine.replay(key, value)
    assert out.on_failure is not None
    failed = out.on_failure(ErrorCode.KAFKA_STORAGE_ERROR)
    assert failed.replies == [(3, ErrorCode.NOT_COORDINATOR)]
    assert shell.machine.deadline_ms() == 50 + TransactionConfig().retry_ms
    shell.run_all(shell.machine.tick(20_000))
    assert [row.commit for row in shell.handed_out] == [True]
    shell.write_markers("t", 20_000)
    assert state(shell) == "CompleteCommit"


def test_records_of_others_are_passed_over(shell: Shell) -> None:
    """A key that is none of ours, and markers in this log, are no error and change nothing."""
    before = shell.machine.describe(["t"])
    shell.machine.replay(b"\0\1\0\1t", b"whatever")
    shell.machine.replay(None, b"whatever")
    shell.machine.end_transaction(100, True)
    assert shell.machine.describe(["t"]) == before


def test_an_id_that_no_record_could_hold_is_refused() -> None:
    """An id of more than 32,767 bytes is INVALID_REQUEST, not an error within."""
    shell = Shell()
    init(shell, "t" * 32_768)
    assert replies(shell) == [InitReply(error=ErrorCode.INVALID_REQUEST)]


def test_after_loading_each_decided_end_is_said_once(shell: Shell) -> None:
    """What was open stays open; what was decided is handed out; what is done is left alone."""
    for ticket, name in enumerate(["open", "decided", "done"], 4):
        init(shell, name, ticket=ticket)
        producer_id = ticket * 100
        machine = shell.machine
        shell.run(machine.add_partitions(name, producer_id, 0, [IN0], ticket=8, now_ms=0))
        if name != "open":
            shell.run(machine.end_txn(name, producer_id, 0, False, ticket=9, now_ms=0))
    shell.write_markers("done", 0)
    shell.handed_out.clear()
    shell.restart(100)
    assert [row.transactional_id for row in shell.handed_out] == ["decided"]
    assert [state(shell, name) for name in ("open", "decided", "done")] == [
        "Ongoing",
        "PrepareAbort",
        "CompleteAbort",
    ]


def test_many_ids_wait_for_their_time_without_a_word() -> None:
    """A tick gives those that are due and no others, however many there are."""
    shell = Shell()
    for number in range(1, 501):
        init(shell, f"t{number}", ticket=number)
        name, producer_id = f"t{number}", number * 100
        shell.run(
            shell.machine.add_partitions(name, producer_id, 0, [IN0], ticket=0, now_ms=number)
        )
    assert shell.machine.tick(60_000) == []
    due = shell.machine.tick(60_003)
    assert [out.transactional_id for out in due] == ["t1", "t2", "t3"]
    assert shell.machine.tick(60_003) == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
        (ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION),
    ],
)
def test_a_failed_append_is_told_in_kafkas_words(code: ErrorCode, told: ErrorCode) -> None:
    """Errors of the log that a client would take for its own are told as the coordinator's."""
    assert append_error(code) is told
