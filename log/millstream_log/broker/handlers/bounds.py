"""How much one request may ask for."""

from __future__ import annotations

from collections.abc import Sized

from ...errors import PolicyViolationError
from ..host import Host


def check_names(host: Host, named: Sized) -> None:
    """Raise PolicyViolationError when a request names more topics than one may."""
    bound = host.config.get_int("max.request.topics")
    if len(named) > bound:
        raise PolicyViolationError(f"a request for {len(named)} names, one may have {bound}")
