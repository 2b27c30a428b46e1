from __future__ import annotations

import pytest

from millstream_log.errors import InvalidTopicError
from millstream_log.metadata.names import check_collision, check_name


@pytest.mark.parametrize("name", ["clicks", "a", "A.b_c-9", "...", "x" * 249])
def test_a_legal_name_comes_back_as_it_was(name: str) -> None:
    """Every name that Kafka's rules allow is taken unchanged."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "a b", "ä", "a\n", "x" * 250, "a\0b", "a:b"]
)
def test_a_name_that_could_leave_the_directory_or_break_the_rules_is_refused(name: str) -> None:
    """No name outside Kafka's rules passes, above all none with a path in it."""
    with pytest.raises(InvalidTopicError):
        check_name(name)


def test_a_name_that_is_not_text_is_refused() -> None:
    """Something that is not text is an InvalidTopicError and not a TypeError."""
    with pytest.raises(InvalidTopicError, match="not text"):
        check_name(3)


def test_names_that_differ_in_dot_and_underscore_alone_collide() -> None:
    """`a.b` and `a_b` cannot both be topics, and a name does not collide with itself."""
    with pytest.raises(InvalidTopicError, match="collides"):
        check_collision("a.b", ["x", "a_b"])
    check_collision("a.b", ["a.b", "a-b"])
