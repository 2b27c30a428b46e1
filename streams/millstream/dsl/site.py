"""Where in the user's own file a verb was called."""

from __future__ import annotations

import os
import sys

from ..errors import Site

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def caller_site() -> Site:
    """Return the innermost line on the stack that is not Millstream's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return Site(frame.f_code.co_filename, frame.f_lineno)
