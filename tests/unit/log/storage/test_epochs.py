from __future__ import annotations

from millstream_log.storage.epochs import LeaderEpochs


def made(*entries: tuple[int, int]) -> LeaderEpochs:
    """Return epochs with these entries."""
    epochs = LeaderEpochs()
    for epoch, start in entries:
        epochs.assign(epoch, start)
    return epochs


def test_an_epoch_ends_where_the_next_begins() -> None:
    """A follower learns where its leader's epoch ended, or that it is not known."""
    epochs = made((1, 0), (3, 10), (4, 20))
    assert epochs.end_of(4, 25) == (4, 25)
    assert epochs.end_of(3, 25) == (3, 20)
    assert epochs.end_of(2, 25) == (1, 10)
    assert epochs.end_of(0, 25) == (0, 0)
    assert epochs.end_of(5, 25) == (-1, -1)
    assert made().end_of(0, 0) == (-1, -1)


def test_what_contradicts_a_new_epoch_goes() -> None:
    """A lower epoch or an earlier start replaces what came after it."""
    epochs = made((1, 0), (3, 10), (4, 20))
    assert epochs.assign(2, 15)
    assert epochs.entries() == [(1, 0), (2, 15)]
    assert not epochs.assign(2, 30)
    assert epochs.assign(5, 12)
    assert epochs.entries() == [(1, 0), (5, 12)]


def test_cutting_keeps_the_epoch_of_what_stays() -> None:
    """The epoch that holds the new start begins there; those at the cut end are gone."""
    epochs = made((1, 0), (3, 10), (4, 20))
    assert epochs.cut_start(15)
    assert epochs.entries() == [(3, 15), (4, 20)]
    assert epochs.at(15) == 3
    assert epochs.at(14) == -1
    assert epochs.cut_end(20)
    assert epochs.entries() == [(3, 15)]
    assert not epochs.cut_end(20)


def test_the_file_is_kafkas_leader_epoch_checkpoint() -> None:
    """Version, count, then epoch and start offset on a line each."""
    epochs = made((1, 0), (3, 10))
    assert epochs.encode() == b"0\n2\n1 0\n3 10\n"
    assert LeaderEpochs.decode(epochs.encode(), "x").entries() == epochs.entries()
