"""docs/protocol.md says what the code says: `python docs/make_protocol.py` writes it anew."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from millstream_log.broker.routes import HANDLERS
from millstream_log.wire.apis import REQUESTS


@pytest.fixture(scope="module")
def generator(root: Path) -> dict[str, Any]:
    """Return the names of the program that writes the page."""
    return runpy.run_path(str(root / "docs" / "make_protocol.py"))


def test_the_page_is_up_to_date(generator: dict[str, Any]) -> None:
    """The page is what the program writes from the code as it stands."""
    assert generator["PAGE"].read_text("utf-8") == generator["page"](), (
        "run: python docs/make_protocol.py"
    )


def test_what_is_listed_is_answered() -> None:
    """Every API of which there are messages has a handler, and every handler has an API."""
    assert set(REQUESTS.values()) == set(HANDLERS)


def test_an_api_must_say_what_it_is(generator: dict[str, Any]) -> None:
    """A request class whose module does not name the API and its versions is refused."""

    class Strange:
        api = REQUESTS[0].api

    with pytest.raises(ValueError, match="does not say what Produce is"):
        generator["row"](Strange)
