"""The worked example in docs/format.md against the code."""

from __future__ import annotations

import re
from pathlib import Path

from millstream_log.record.batch import BatchRecord, assign, check, decode, read_header
from millstream_log.record.builder import encode_columns

PAGE = Path(__file__).parents[4] / "docs" / "format.md"


def example() -> bytes:
    """Return the bytes in the first column of the page's example."""
    section = PAGE.read_text().split("### A batch in hex")[1].split("###")[0]
    return bytes.fromhex("".join(re.findall(r"^\| `([0-9a-f ]+)` \|", section, re.MULTILINE)))


def test_example_decodes_to_what_the_page_says() -> None:
    """The batch printed on the page passes its CRC and holds the two records told there."""
    batch = example()
    header = read_header(batch)
    check(batch, 0, header)
    assert (header.size, header.base_offset, header.leader_epoch, header.count) == (94, 42, 5, 2)
    assert header.crc == 0x4C2DD9C1
    assert decode(batch) == [
        BatchRecord(42, 1700000000000, b"user-7", b"open", (("trace", b"\x01"),)),
        BatchRecord(43, 1700000000250, None, None, ()),
    ]


def test_example_is_what_the_builder_writes() -> None:
    """The builder gives the page's bytes once offset and leader epoch are assigned."""
    batch = encode_columns(
        [1700000000000, 1700000000250],
        [b"user-7", None],
        [b"open", None],
        [[("trace", b"\x01")], []],
    )
    assign(batch, 0, 42, 5)
    assert bytes(batch) == example()
