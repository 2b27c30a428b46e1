from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest

from millstream_log.broker.routes import HANDLERS
from millstream_log.wire import messages
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.messages.api_versions import ApiVersionsRequest
from millstream_log.wire.request import Request

MODULES = {
    info.name: import_module(f"{messages.__name__}.{info.name}")
    for info in pkgutil.iter_modules(messages.__path__)
}


def structs(module: ModuleType) -> list[type]:
    """Return the messages and parts that a module defines."""
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
    ]


@pytest.mark.parametrize("kind", REQUESTS.values(), ids=lambda kind: kind.__name__)
def test_every_request_names_its_answer(kind: Any) -> None:
    """The type of a request, its name and its file say what comes back."""
    (answer,) = get_args(kind.__orig_bases__[0])
    assert kind.api.response is answer
    assert kind.__name__ == f"{kind.api.name}Request"
    assert answer.__name__ == f"{kind.api.name}Response"
    file = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.api.name).lower()
    assert kind.__module__.rpartition(".")[2] == file


def test_requests_stand_in_order_of_their_keys() -> None:
    """Each key leads to the class that has it, and every request that there is stands there."""
    assert list(REQUESTS) == sorted(REQUESTS)
    assert all(cls.api.key == key for key, cls in REQUESTS.items())
    defined = {kind for module in MODULES.values() for kind in structs(module)}
    assert {kind for kind in defined if issubclass(kind, Request)} == set(REQUESTS.values())


def test_every_handler_takes_a_request() -> None:
    """The broker knows what to do with a request by its type."""
    assert set(HANDLERS) <= set(REQUESTS.values())


def test_apiversions_needs_nothing() -> None:
    """One of a version that is not ours is answered without a look at its body."""
    assert ApiVersionsRequest().client_software_name == ""


@pytest.mark.parametrize("name", MODULES)
def test_every_value_is_named_by_field(name: str) -> None:
    """Fields are given by keyword, so that a later version may put one in between."""
    for kind in structs(MODULES[name]):
        parameters = list(inspect.signature(kind).parameters.values())
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
