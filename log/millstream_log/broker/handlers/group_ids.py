"""Which texts may be the id of a group, or a transactional id."""

from __future__ import annotations

from ...errors import InvalidGroupIdError

ID_BYTES_MAX = 32_767  # what its length field in the log can say


def check_group_id(group_id: object) -> None:
    """Raise InvalidGroupIdError when a group may not have this id."""
    if not isinstance(group_id, str) or not group_id:
        raise InvalidGroupIdError(f"group id {group_id!r} is empty or not text")
    size = len(group_id.encode())
    if size > ID_BYTES_MAX:
        raise InvalidGroupIdError(f"group id has {size} bytes, at most {ID_BYTES_MAX}")
