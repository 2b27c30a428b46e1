"""What a kafka:// URL says, and which ones are refused."""

from __future__ import annotations

import pytest

from millstream_log.errors import InvalidConfigError
from millstream_log.remote.address import Address, Target, parse


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("kafka://127.0.0.1:9092", Target((Address("127.0.0.1", 9092),))),
        ("kafka://broker", Target((Address("broker", 9092),))),
        ("kafka://a:1,b:2/", Target((Address("a", 1), Address("b", 2)))),
        ("kafka://[::1]:7,[::2]", Target((Address("::1", 7), Address("::2", 9092)))),
        (
            "kafka://a?client_id=app&request_timeout_ms=5&metadata_max_age_ms=0",
            Target((Address("a", 9092),), "app", 5, 0),
        ),
    ],
)
def test_a_url_names_brokers_and_options(url: str, expected: Target) -> None:
    """Brokers come by host and port, 9092 where none is named; options have defaults."""
    assert parse(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("kafka://", "names no broker"),
        ("kafka://a:b", "not host:port"),
        ("kafka://a:0", "not host:port"),
        ("kafka://a:65536", "not host:port"),
        ("kafka://:9092", "not host:port"),
        ("kafka://a/topic", "nothing but options"),
        ("kafka://me:secret@a", "without a name"),
        ("kafka://a?flush=ack", "unknown option 'flush', known: client_id"),
        ("kafka://a?security_protocol=SSL", "without authentication"),
        ("kafka://a?request_timeout_ms=0", "from 1 on"),
        ("kafka://a?metadata_max_age_ms=soon", "whole number"),
        ("kafka://a?client_id=", "not be empty"),
    ],
)
def test_what_cannot_be_meant_is_refused(url: str, message: str) -> None:
    """An option that nobody knows, or a value outside its range, is an InvalidConfigError."""
    with pytest.raises(InvalidConfigError, match=message):
        parse(url)


def test_an_address_is_written_as_it_is_read() -> None:
    """IPv6 stands in brackets."""
    assert str(parse("kafka://[::1]:7,a:8")) == "kafka://[::1]:7,a:8"
