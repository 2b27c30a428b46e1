"""`millstream groups`: what groups have committed, how far behind they are, and resetting them.

    lag = log end - committed offset

Invariants: list and describe take no lock; reset needs the log for itself, so no app of the
group is running, and it changes nothing when an offset is out of range.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from ..client.admin import Admin
from ..client.transport import Transport
from ..model import OffsetAndMetadata, TopicPartition
from .command import (
    CommandError,
    Family,
    Word,
    add_json,
    administered,
    find_partitions,
    natural,
    read_only,
)
from .output import note, print_json, print_table
from .position import Bounds, bounds_of, parse_position, resolve, sound_bounds_of

Committed = dict[TopicPartition, OffsetAndMetadata]


def groups_family() -> Family:
    """Return `groups` and its words."""
    return Family(
        "groups",
        "list, describe and reset consumer groups",
        [
            Word("list", "list the groups and their lag", add_json, _list),
            Word("describe", "show what a group has committed", _describe_arguments, _describe),
            Word("reset", "set what a group has committed", _reset_arguments, _reset),
        ],
    )


async def _list(args: argparse.Namespace) -> int:
    async with administered(read_only(args.log)) as (transport, admin):
        groups = [group for group, _ in await admin.list_consumer_groups()]
        committed = {group: await admin.list_consumer_group_offsets(group) for group in groups}
        everywhere = {key for offsets in committed.values() for key in offsets}
        bounds = await _bounds(transport, admin, everywhere)
    rows = [
        (group, len({key.topic for key in offsets}), len(offsets), _total_lag(offsets, bounds))
        for group, offsets in committed.items()
    ]
    if args.json:
        for group, topics, partitions, lag in rows:
            print_json({"group": group, "topics": topics, "partitions": partitions, "lag": lag})
    else:
        print_table(("group", "topics", "partitions", "lag"), rows)
    return 0


def _describe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP")
    add_json(parser)


async def _describe(args: argparse.Namespace) -> int:
    async with administered(read_only(args.log)) as (transport, admin):
        committed = await admin.list_consumer_group_offsets(args.group)
        if not committed:
            raise CommandError(await _unknown(admin, args.group))
        bounds = await _bounds(transport, admin, committed)
    rows = []
    for key, (offset, _) in sorted(committed.items()):
        held = bounds.get(key)
        low, high = held or (None, None)
        rows.append((*key, offset, low, high, None if high is None else high - offset))
    if args.json:
        names = ("topic", "partition", "committed", "log_start", "log_end", "lag")
        for row in rows:
            print_json({"group": args.group, **dict(zip(names, row, strict=True))})
    else:
        print_table(("topic", "partition", "committed", "log start", "log end", "lag"), rows)
    return 0


def _reset_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP")
    parser.add_argument("--topic", required=True, metavar="TOPIC")
    parser.add_argument("--partition", type=natural, metavar="N", help="this one alone")
    parser.add_argument(
        "--to",
        required=True,
        metavar="WHERE",
        type=parse_position,
        help="earliest, latest, an offset, or a time: ISO 8601 or epoch ms",
    )
    add_json(parser)


async def _reset(args: argparse.Namespace) -> int:
    read_only(args.log)  # a log that is not there is not made by this
    async with administered(args.log) as (transport, admin):
        partitions = await find_partitions(admin, args.topic, args.partition)
        before = await admin.list_consumer_group_offsets(args.group)
        if not before:
            note(f"group {args.group!r} had committed nothing before")
        bounds = await bounds_of(transport, partitions)
        after = await resolve(transport, args.to, bounds)
        await admin.alter_consumer_group_offsets(args.group, after)
    rows = [
        (*key, before[key].offset if key in before else None, offset)
        for key, offset in sorted(after.items())
    ]
    if args.json:
        for row in rows:
            names = ("topic", "partition", "before", "committed")
            print_json({"group": args.group, **dict(zip(names, row, strict=True))})
    else:
        print_table(("topic", "partition", "before", "now"), rows)
    return 0


async def _unknown(admin: Admin, group: str) -> str:
    known = [name for name, _ in await admin.list_consumer_groups()]
    hint = f"there is {', '.join(known[:10])}" if known else "no group has"
    return f"group {group!r} has committed nothing: {hint}"


async def _bounds(
    transport: Transport, admin: Admin, partitions: set[TopicPartition] | Committed
) -> dict[TopicPartition, Bounds]:
    """Return what partitions hold; those that are gone are left out."""
    counts = {topic.name: topic.partitions for topic in await admin.describe_topics()}
    there = [key for key in sorted(partitions) if key.partition < counts.get(key.topic, 0)]
    return await sound_bounds_of(transport, there)


def _total_lag(committed: Committed, bounds: Mapping[TopicPartition, Bounds]) -> int:
    return sum(bounds[key].end - held.offset for key, held in committed.items() if key in bounds)
