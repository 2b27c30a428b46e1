"""Writes docs/protocol.md from the code: `python docs/make_protocol.py`.

wire/apis.py       which APIs, in which versions       the keys, the numbers
wire/messages/     "Name (key n): what it is for."     and "Versions: ..."
broker/routes.py   the handler of each                 the first line of its docstring
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import NamedTuple

from millstream_log.broker.routes import HANDLERS
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.schema import VERSION_MAX, Api

PAGE = Path(__file__).with_name("protocol.md")

OPENING = """\
# The protocol

What the broker speaks of Kafka's protocol: what it answers to ApiVersions, and does. What is not
whole is not offered; what Apache Kafka has besides is
[on another page](reference/differences.md#what-is-not-offered). `docs/make_protocol.py` writes this
page from the code, and a test compares the two.

A version is *flexible* when its lengths are compact and tagged fields may follow. A request of an
API or a version that is not in the table closes the connection; only ApiVersions itself is then
answered, in version 0.

"""
MESSAGE = re.compile(
    r"(?P<name>\w+) \(key (?P<key>\d+)\): (?P<purpose>.+?)"
    r"\n\nVersions: (?P<versions>.+?)(?:\n\n|$)",
    re.DOTALL,
)


class Row(NamedTuple):
    """What is said of one API."""

    api: Api
    purpose: str
    versions: str
    done: str


def row(request: type) -> Row:
    """Return what the code says of the API that a request class stands for."""
    api: Api = request.api  # type: ignore[attr-defined]
    said = MESSAGE.match(inspect.getdoc(sys.modules[request.__module__]) or "")
    if said is None or (said["name"], int(said["key"])) != (api.name, api.key):
        raise ValueError(f"the docstring of {request.__module__} does not say what {api.name} is")
    done = (inspect.getdoc(HANDLERS[request]) or "").partition("\n")[0]
    return Row(api, _cell(said["purpose"]), _cell(said["versions"]), _cell(done))


def page() -> str:
    """Return the whole page."""
    rows = [row(request) for request in REQUESTS.values()]
    lines = ["| key | API | versions | flexible from | what it is for | what is done |"]
    lines.append("|---:|---|---|---|---|---|")
    lines += [
        f"| {api.key} | {api.name} | {_span(api)} | {_flexible(api)} | {purpose} | {done} |"
        for api, purpose, _, done in rows
    ]
    lines += ["", "## What the versions brought", "", "| API | versions |", "|---|---|"]
    lines += [f"| {api.name} | {versions} |" for api, _, versions, _ in rows]
    return OPENING + "\n".join(lines) + "\n"


def _span(api: Api) -> str:
    first, last = api.versions
    return str(first) if first == last else f"{first} to {last}"


def _flexible(api: Api) -> str:
    return "never" if api.flexible == VERSION_MAX else str(api.flexible)


def _cell(text: str) -> str:
    return " ".join(text.split()).rstrip(".").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
