from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from millstream_log.errors import ErrorCode
from millstream_log.wire.request import Request
from millstream_log.wire.schema import (
    ALL,
    NEVER,
    VERSION_MAX,
    Api,
    Bytes,
    Error,
    Field,
    Int8,
    Int32,
    String,
    Versions,
    api,
    fields_of,
)


class Part(msgspec.Struct, kw_only=True):
    index: Int32 = 7


class Answer(msgspec.Struct, kw_only=True):
    error_code: Error = ErrorCode.NONE


class Asking(Request[Answer], kw_only=True):
    needed: Int32
    ranged: Annotated[Int8, "3-8"] = -1
    single: Annotated[String, "4"] = "x"
    null_from: Annotated[String | None, "1+ null 12+"] = None
    null_always: Annotated[Bytes | None, "null"] = None
    tagged: Annotated[Part | None, "9+ null tag 3"] = None
    parts: Annotated[list[Part] | None, "2+ null 3+"] = []
    names: list[String] = []
    note: str | None = None  # not on the wire
    codes: list[int] = []  # not on the wire
    error: Annotated[ErrorCode, "int16"] = ErrorCode.NONE


FIELDS = {field.name: field for field in fields_of(Asking)}


def test_fields_travel_in_the_order_in_which_they_stand() -> None:
    """Plain types, the version and the peer stay in the process; the rest keeps its order."""
    assert list(FIELDS) == [
        "needed",
        "ranged",
        "single",
        "null_from",
        "null_always",
        "tagged",
        "parts",
        "names",
        "error",
    ]


@pytest.mark.parametrize(
    ("name", "versions"),
    [("needed", ALL), ("ranged", (3, 8)), ("single", (4, 4)), ("null_from", (1, VERSION_MAX))],
)
def test_versions_are_from_to_both_included(name: str, versions: tuple[int, int]) -> None:
    """3-8, 3+ and 3 are the three ways to say in which versions a field is there."""
    assert FIELDS[name].versions == versions


def test_versions_contain_numbers_alone() -> None:
    """Both ends belong to a range, and nothing belongs to an empty one."""
    assert 3 in Versions(3, 8)
    assert 8 in Versions(3, 8)
    assert 9 not in Versions(3, 8)
    assert None not in Versions(3, 8)
    assert 0 not in NEVER
    assert VERSION_MAX not in NEVER


def test_null_is_allowed_where_the_notation_says_so() -> None:
    """A word `null` alone holds for all versions, one with versions for those, none for none."""
    assert FIELDS["null_always"].nullable == ALL
    assert FIELDS["null_from"].nullable == Versions(12)
    assert FIELDS["parts"].nullable == Versions(3)
    assert FIELDS["names"].nullable == NEVER


def test_tags_and_parts_and_arrays() -> None:
    """A field knows its tag, the class of its parts, and whether it is an array of them."""
    assert FIELDS["tagged"] == Field(
        name="tagged",
        struct=Part,
        type="struct",
        is_array=False,
        versions=Versions(9),
        nullable=ALL,
        tag=3,
        default=None,
    )
    assert (FIELDS["parts"].struct, FIELDS["parts"].is_array) == (Part, True)
    assert (FIELDS["names"].type, FIELDS["names"].is_array) == ("string", True)
    assert FIELDS["needed"].tag == -1


def test_defaults_are_those_of_the_class() -> None:
    """What a version does not have comes out as the class has it; a needed field has none."""
    assert FIELDS["needed"].default is None
    assert FIELDS["single"].default == "x"
    assert FIELDS["parts"].default == []
    assert fields_of(Part)[0].default == 7


def test_an_enum_travels_as_the_number_that_is_said() -> None:
    """The declared type does not matter for the wire, its annotation does."""
    assert (FIELDS["error"].type, FIELDS["error"].struct) == ("int16", None)


def test_an_api_says_its_versions_and_where_it_is_flexible() -> None:
    """The description of an API is written as its versions are."""
    assert api(18, "ApiVersions", "0-4", 3, Answer) == Api(
        18, "ApiVersions", Versions(0, 4), 3, Answer
    )
