from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from millstream_log.errors import InvalidConfigError
from millstream_log.server.options import Options, add_arguments, options_of


def options(*words: str) -> Options:
    """Return what a command line asks for."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return options_of(parser.parse_args(words))


def test_no_words_are_a_whole_command_line() -> None:
    """Without a word a broker serves ./data on loopback, and advertises what was reached."""
    assert options() == Options("./data", "127.0.0.1", 9092, None, "interval", 1000, {})


def test_words_come_before_single_configs_before_the_file(tmp_path: Path) -> None:
    """What stands on the command line holds over the file; of -o the last one holds."""
    file = tmp_path / "server.properties"
    file.write_text(
        "# a comment\n! and another\n\n"
        "listeners = PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n"
        "advertised.listeners=PLAINTEXT://there:3\n"
        "log.dirs=/from/file\nnum.partitions=7\nlog.retention.ms = 5\n"
    )
    found = options("--config", str(file), "-o", "num.partitions=1", "-o", "num.partitions=8")
    assert found.configs["num.partitions"] == "8"
    assert found.configs["log.retention.ms"] == "5"
    assert (found.data, found.host, found.port) == ("/from/file", "127.0.0.1", 1)
    assert found.advertised == ("there", 3)

    words = ["--data", "d", "--listen", "[::1]:4", "--advertise", "other:5"]
    found = options("--config", str(file), *words)
    assert (found.data, found.host, found.port) == ("d", "::1", 4)
    assert found.advertised == ("other", 5)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], {}),
        (["--advertise", "there:3"], {"advertised.listeners": "PLAINTEXT://there:3"}),
        (["--advertise", "[::1]:3"], {"advertised.listeners": "PLAINTEXT://[::1]:3"}),
        (
            ["-o", "advertised.listeners=PLAINTEXT://there:3,SSL://there:4"],
            {"advertised.listeners": "PLAINTEXT://there:3"},
        ),
    ],
)
def test_an_advertised_address_is_among_the_configs(
    words: list[str], shown: dict[str, str]
) -> None:
    """Whoever describes the broker's configs is told the address that it was given."""
    assert options(*words).configs == shown


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.1:9092", "[::]:1", "example.org:1"])
def test_other_addresses_than_loopback_have_to_be_meant(address: str) -> None:
    """Without authentication only --insecure lets a broker listen where others may reach it."""
    with pytest.raises(InvalidConfigError, match="--insecure"):
        options("--listen", address)
    assert options("--listen", address, "--insecure").port in (0, 1, 9092)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.9.9.9:1", "localhost:1", "[::1]:1"])
def test_loopback_is_listened_on_at_once(address: str) -> None:
    """Every loopback address may be listened on."""
    assert options("--listen", address).port in (0, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "num.partitions"], "-o num.partitions: must be KEY=VALUE"),
        (["--listen", "9092"], "listen '9092': must be HOST:PORT"),
        (["--listen", "127.0.0.1:65536"], "the port 0 to 65535"),
        (["--listen", "SSL://127.0.0.1:1"], "only PLAINTEXT listeners"),
        (["--advertise", "there"], "advertise 'there': must be HOST:PORT"),
    ],
)
def test_wrong_words_are_told_with_their_value(words: list[str], message: str) -> None:
    """Whatever cannot be understood is named together with what was expected."""
    with pytest.raises(InvalidConfigError, match=message):
        options(*words)


def test_wrong_line_of_the_file_is_told_by_its_number(tmp_path: Path) -> None:
    """A line of the config file without a value is named by file and number."""
    file = tmp_path / "server.properties"
    file.write_text("a=1\nnonsense\n")
    with pytest.raises(InvalidConfigError, match=r"server.properties, line 2: 'nonsense'"):
        options("--config", str(file))
