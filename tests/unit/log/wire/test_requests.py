from __future__ import annotations

import inspect
from types import ModuleType
from typing import get_args

import msgspec
import pytest

from millstream_log.broker.broker import _HANDLERS
from millstream_log.wire import data, groups, topics
from millstream_log.wire.request import Request


def requests(module: ModuleType) -> list[type]:
    """Return the requests that a module defines."""
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Request) and kind is not Request
    ]


@pytest.mark.parametrize("module", [data, topics, groups])
def test_every_request_names_its_answer_and_has_a_handler(module: ModuleType) -> None:
    """The type of a request says what comes back, and the broker knows what to do with it."""
    for kind in requests(module):
        (answer,) = get_args(kind.__orig_bases__[0])  # type: ignore[attr-defined]
        assert answer.__name__ == kind.__name__.replace("Request", "Response")
        assert kind in _HANDLERS


@pytest.mark.parametrize("module", [data, topics, groups])
def test_every_value_is_named_by_field(module: ModuleType) -> None:
    """Fields are given by keyword, so that a later version may put one in between."""
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, msgspec.Struct) and kind is not Request:
            parameters = list(inspect.signature(kind).parameters.values())
            assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
