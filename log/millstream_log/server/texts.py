"""Texts that are too long to be said.

Error messages quote what clients send, and a name of 32,767 bytes leaves no room for the rest.

Invariants: whatever a handler answers can be written, in every version.
"""

from __future__ import annotations

from typing import Any

from ..wire.primitives import STRING_BYTES_MAX
from ..wire.schema import fields_of


def shorten(message: Any) -> None:
    """Cut every text of an answer that is longer than a string may be."""
    cls: type = type(message)
    for field in fields_of(cls):
        value = getattr(message, field.name)
        if value is None:
            continue
        if field.struct is not None:
            for item in value if field.is_array else [value]:
                shorten(item)
        elif field.type == "string":
            cut = [_cut(item) for item in value] if field.is_array else _cut(value)
            setattr(message, field.name, cut)


def _cut(text: str) -> str:
    return text.encode()[:STRING_BYTES_MAX].decode(errors="ignore")
