"""Partitions as answers name them: topic by topic."""

from __future__ import annotations

from collections.abc import Iterable


def numbers_by_topic(partitions: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Return the partition numbers of each topic, topics and numbers in the order they came."""
    found: dict[str, list[int]] = {}
    for topic, number in partitions:
        found.setdefault(topic, []).append(number)
    return found
