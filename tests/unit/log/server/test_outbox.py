import socket
from collections.abc import Iterator

import pytest

from millstream_log.server.outbox import PARTS_MAX, Outbox

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_answers_leave_in_order_of_requests(pair: Pair) -> None:
    """An answer that is ready early waits for those before it."""
    outbox = Outbox(pair[0])
    first, second = outbox.reserve(), outbox.reserve()
    outbox.fill(second, [b"second"])
    assert outbox.send() == 0

    outbox.fill(first, [b"fi", b"rst "])

    assert outbox.send() == 12
    assert pair[1].recv(100) == b"first second"
    assert outbox.held_bytes == 0
    assert len(outbox) == 0


def test_request_without_answer_holds_nobody_up(pair: Pair) -> None:
    """A slot that is filled with nothing lets the next one go."""
    outbox = Outbox(pair[0])
    silent, after = outbox.reserve(), outbox.reserve()
    outbox.fill(silent, [])
    outbox.fill(after, [b"x"])
    assert outbox.send() == 1


def test_slow_reader_gets_all_bytes_in_the_end(pair: Pair) -> None:
    """What the peer does not take stays, is counted, and follows whole."""
    outbox = Outbox(pair[0])
    parts = [bytes([number % 256]) * 5001 for number in range(PARTS_MAX + 300)]
    outbox.fill(outbox.reserve(), list(parts))
    whole = b"".join(parts)
    received = bytearray()
    outbox.send()
    assert outbox.is_blocked
    while len(received) < len(whole):
        received += pair[1].recv(1 << 16)
        outbox.send()
        assert outbox.held_bytes < len(whole) - len(received) + 5001
    assert bytes(received) == whole
    assert not outbox.is_blocked
    assert outbox.held_bytes == 0


def test_an_answer_is_counted_until_its_last_byte_has_gone(pair: Pair) -> None:
    """The memory of an answer that is half sent is held, and counted, as a whole."""
    outbox = Outbox(pair[0])
    outbox.fill(outbox.reserve(), [b"head", bytes(4_000_000)])
    sent = outbox.send()
    assert 4 < sent < 4_000_004
    assert outbox.held_bytes == 4_000_000
    while sent < 4_000_004:
        pair[1].recv(1 << 20)
        sent += outbox.send()
    assert outbox.held_bytes == 0


def test_small_parts_leave_together(pair: Pair) -> None:
    """An answer of more parts than one system call takes goes out in one, if they are small."""
    outbox = Outbox(pair[0])
    outbox.fill(outbox.reserve(), [b"part"] * (2 * PARTS_MAX))
    assert outbox.send() == 8 * PARTS_MAX
    assert pair[1].recv(1 << 20) == b"part" * (2 * PARTS_MAX)
