"""The click job: JSON clicks, bots dropped, 1-minute tumbling counts by page, to a topic."""

from __future__ import annotations

import sys

import millstream as ms
from millstream import F


class Click(ms.Record):
    """One click, as shared/peers/gen_clicks.py makes them."""

    user: str
    page: str
    ts: int
    referrer: str
    duration_ms: int


def make_app(log: str, *, final: bool = False) -> ms.App:
    """Return the job on `log`; `final` sends each window once instead of updates."""
    app = ms.App("clicks-job", log=log, codec="json")
    clicks = app.topic("clicks", value=Click, timestamp="ts")

    @app.stream(clicks)
    def counts(clicks):
        table = (
            clicks.filter(F.referrer != "bot")
            .group_by(F.page)
            .window(ms.tumbling("1m"))
            .agg(count=ms.count())
        )
        (table.final() if final else table.current()).to("counts")

    return app


if __name__ == "__main__":
    report = make_app(sys.argv[1]).run(until="end", show=False)
    print(report)
