"""Figures with the peer's beside them: a JSON line for each when it is known, a table at the end.

A rule is one bound on `ratio` (ours divided by the peer's) or on `ours` itself: `ratio >= 2`.
"""

from __future__ import annotations

import json
import operator
import statistics
from collections.abc import Callable
from typing import NamedTuple

SIGNS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


class Figure(NamedTuple):
    """One line of the report."""

    name: str
    unit: str
    ours: float
    peer: float | None  # None where the peer was not asked
    aim: str = ""  # a rule; empty where the figure is only shown

    @property
    def ratio(self) -> float | None:
        """Return ours divided by the peer's."""
        return self.ours / self.peer if self.peer else None

    @property
    def reached(self) -> bool | None:
        """Tell whether the aim is reached; None where there is none."""
        if not self.aim:
            return None
        subject, sign, bound = self.aim.split()
        value = self.ours if subject == "ours" else self.ratio
        return value is not None and SIGNS[sign](value, float(bound))


class Report:
    """The figures of one run."""

    def __init__(self) -> None:
        self._figures: list[Figure] = []

    def add(
        self, name: str, unit: str, ours: list[float], peer: list[float] | None, aim: str = ""
    ) -> None:
        """Take the medians of both sides as a figure, and print its line."""
        theirs = statistics.median(peer) if peer else None
        figure = Figure(name, unit, statistics.median(ours), theirs, aim)
        self._figures.append(figure)
        line: dict[str, object] = {
            "figure": name,
            "unit": unit,
            "ours": short(figure.ours),
            "peer": short(figure.peer),
            "ratio": short(figure.ratio),
            "runs": len(ours),
        }
        if aim:
            line |= {"aim": aim, "reached": figure.reached}
        print(json.dumps(line), flush=True)

    def table(self) -> str:
        """Return all figures as lines of columns, and how many of the aims are reached."""
        wide = max((len(figure.name) for figure in self._figures), default=0)
        head = f"{'figure':{wide}}  {'unit':9}  {'ours':>10}  {'peer':>10}  {'ratio':>7}  aim"
        lines = ["", head]
        for name, unit, ours, peer, aim in self._figures:
            figure = Figure(name, unit, ours, peer, aim)
            verdict = {None: "", True: "reached", False: "MISSED"}[figure.reached]
            lines.append(
                f"{name:{wide}}  {unit:9}  {text(ours):>10}  {text(peer):>10}"
                f"  {text(figure.ratio):>7}  {aim:13}  {verdict}".rstrip()
            )
        judged = [figure.reached for figure in self._figures if figure.aim]
        return "\n".join([*lines, f"{sum(map(bool, judged))} of {len(judged)} aims reached"])


def short(value: float | None) -> float | None:
    """Return a value as exact as it is worth printing."""
    if value is None:
        return None
    return round(value) if value >= 1000 else float(f"{value:.3g}")


def text(value: float | None) -> str:
    """Return a value as a column of the table shows it."""
    rounded = short(value)
    return "-" if rounded is None else f"{rounded:,}"
