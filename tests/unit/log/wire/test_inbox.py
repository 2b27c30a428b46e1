import random

import pytest

from millstream_log.errors import ProtocolError
from millstream_log.wire.inbox import Inbox

FRAMES = [b"", b"a", b"bc" * 300, bytes(range(256)) * 40, b"z" * 5]
STREAM = b"".join(len(frame).to_bytes(4, "big") + frame for frame in FRAMES)


def feed(inbox: Inbox, data: bytes, scratch: memoryview) -> list[bytes]:
    room = inbox.room(scratch)
    count = min(len(room), len(data))
    room[:count] = data[:count]
    inbox.filled(count)
    frames = []
    while (frame := inbox.next_frame()) is not None:
        frames.append(bytes(frame))
    inbox.settle()
    return frames + (feed(inbox, data[count:], scratch) if count < len(data) else [])


def test_whole_stream_in_one_read_gives_every_frame() -> None:
    """Frames that come together are handed out one by one, in order."""
    assert feed(Inbox(1 << 20), STREAM, memoryview(bytearray(1 << 16))) == FRAMES


@pytest.mark.parametrize("seed", range(5))
def test_stream_in_pieces_gives_the_same_frames(seed: int) -> None:
    """How bytes are cut on their way, byte by byte too, changes nothing."""
    chance = random.Random(seed)
    inbox, scratch = Inbox(1 << 20), memoryview(bytearray(1 << 16))
    found, at = [], 0
    while at < len(STREAM):
        size = 1 if seed == 0 else chance.choice([1, 2, 3, 5, 100, 5000])
        found += feed(inbox, STREAM[at : at + size], scratch)
        at += size
    assert found == FRAMES


def test_nothing_is_held_between_whole_frames() -> None:
    """A connection that has sent whole frames alone keeps no memory."""
    inbox = Inbox(1 << 20)
    feed(inbox, STREAM, memoryview(bytearray(1 << 16)))
    assert inbox.held_bytes == 0


def test_memory_goes_with_bytes_that_came() -> None:
    """A frame that announces 100 MB and sends 10 bytes takes a few kilobytes."""
    inbox, scratch = Inbox(100 << 20), memoryview(bytearray(1 << 16))
    feed(inbox, (100 << 20).to_bytes(4, "big") + b"0123456789", scratch)
    inbox.room(scratch)
    assert inbox.held_bytes < 8192


@pytest.mark.parametrize("size", [-1, (1 << 20) + 1, 2**31 - 1])
def test_size_out_of_bounds_is_refused(size: int) -> None:
    """A frame below zero or above the bound is an error as soon as its size is there."""
    inbox = Inbox(1 << 20)
    with pytest.raises(ProtocolError, match=str(size)):
        feed(inbox, size.to_bytes(4, "big", signed=True), memoryview(bytearray(64)))


def test_frames_not_taken_survive_the_scratch() -> None:
    """What a muted connection has not taken yet is its own once it has settled."""
    inbox, scratch = Inbox(1 << 20), memoryview(bytearray(1 << 16))
    scratch[: len(STREAM)] = STREAM
    inbox.room(scratch)
    inbox.filled(len(STREAM))
    first = inbox.next_frame()
    assert first is not None
    assert bytes(first) == FRAMES[0]
    inbox.settle()
    scratch[:] = bytes(len(scratch))

    taken = []
    while (frame := inbox.next_frame()) is not None:
        taken.append(bytes(frame))
        inbox.settle()

    assert taken == FRAMES[1:]
