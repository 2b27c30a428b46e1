"""`millstream topics`: list, create, describe, alter, delete.

Invariants: listing and describing take no lock; the other three need the log for themselves.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ..client.admin import Admin, NewTopic
from ..model import TopicDescription, TopicPartition
from .command import (
    CommandError,
    Family,
    Word,
    add_json,
    add_settings,
    administered,
    find_topic,
    positive,
    read_only,
)
from .output import counted, print_json, print_table
from .position import UNSOUND, Bounds, sound_bounds_of


def topics_family() -> Family:
    """Return `topics` and its words."""
    return Family(
        "topics",
        "list, create, describe, alter and delete topics",
        [
            Word("list", "list the topics", _list_arguments, _list),
            Word("create", "create a topic", _create_arguments, _create),
            Word(
                "describe", "show a topic's partitions and configs", _describe_arguments, _describe
            ),
            Word("alter", "add partitions, change configs", _alter_arguments, _alter),
            Word("delete", "delete topics with their records", _delete_arguments, _delete),
        ],
    )


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--internal",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the log's own topics too",
    )
    add_json(parser)


async def _list(args: argparse.Namespace) -> int:
    show_internal = getattr(args, "internal", False)
    async with administered(read_only(args.log)) as (transport, admin):
        topics = [t for t in await admin.describe_topics() if show_internal or not t.internal]
        bounds = await sound_bounds_of(transport, _partitions_of(topics))
        sizes = await _sizes(admin, topics)
    rows = []
    for topic in topics:
        keys = _partitions_of([topic])
        records = sum(bounds[key].end - bounds[key].start for key in keys if key in bounds)
        size_bytes = sum(sizes.get(key, 0) for key in keys)
        rows.append((topic.name, topic.partitions, records, size_bytes))
    if args.json:
        for topic, (name, partitions, records, size_bytes) in zip(topics, rows, strict=True):
            print_json(
                {
                    "topic": name,
                    "topic_id": topic.topic_id,
                    "partitions": partitions,
                    "records": records,
                    "size_bytes": size_bytes,
                    "internal": topic.internal,
                }
            )
    else:
        print_table(("topic", "partitions", "records", "bytes"), rows)
    return 0


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument(
        "--partitions", type=positive, default=-1, help="how many (default: the log's default)"
    )
    add_settings(parser, "a topic config under Kafka's name, as retention.ms=86400000")


async def _create(args: argparse.Namespace) -> int:
    new = NewTopic(args.topic, args.partitions, topic_configs=dict(args.configs))
    async with administered(args.log) as (_, admin):
        (topic,) = await admin.create_topics([new])
    print(f"created {topic.name} ({counted(topic.partitions, 'partition')})")
    return 0


def _describe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--all", action="store_true", help="show the configs nobody set, too")
    add_json(parser, "one JSON object")


async def _describe(args: argparse.Namespace) -> int:
    async with administered(read_only(args.log)) as (transport, admin):
        topic = await find_topic(admin, args.topic)
        bounds = await sound_bounds_of(transport, _partitions_of([topic]))
        sizes = await _sizes(admin, [topic])
        configs = topic.configs
        if args.all:
            entries = (await admin.describe_configs([topic.name]))[topic.name]
            configs = {name: entry.value or "" for name, entry in sorted(entries.items())}
    if args.json:
        print_json(_described(topic, configs, bounds, sizes))
        return 0
    print(f"topic       {topic.name}{' (internal)' if topic.internal else ''}")
    print(f"topic id    {topic.topic_id}")
    print(f"partitions  {topic.partitions}")
    print(f"configs     {'' if configs else 'all at their defaults'}".rstrip())
    for name, value in configs.items():
        print(f"  {name}={value}")
    print()
    print_table(
        ("partition", "log start", "log end", "records", "bytes"),
        [
            (key.partition, low, high, high - low, sizes.get(key))
            for key, (low, high) in bounds.items()
        ],
    )
    return 0


def _described(
    topic: TopicDescription,
    configs: dict[str, str],
    bounds: dict[TopicPartition, Bounds],
    sizes: dict[TopicPartition, int],
) -> dict[str, object]:
    return {
        "topic": topic.name,
        "topic_id": topic.topic_id,
        "internal": topic.internal,
        "configs": configs,
        "partitions": [
            {
                "partition": key.partition,
                "log_start_offset": low,
                "log_end_offset": high,
                "records": high - low,
                "size_bytes": sizes.get(key),
            }
            for key, (low, high) in bounds.items()
        ],
    }


def _alter_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--partitions", type=positive, help="how many there shall be in all")
    add_settings(parser, "set a config")
    parser.add_argument(
        "--unset", metavar="NAME", action="append", default=[], help="back to the default"
    )


async def _alter(args: argparse.Namespace) -> int:
    changes: dict[str, str | None] = {**dict.fromkeys(args.unset), **dict(args.configs)}
    if not changes and args.partitions is None:
        raise CommandError("nothing to alter: give --partitions, -c NAME=VALUE or --unset NAME")
    async with administered(args.log) as (_, admin):
        topic = await find_topic(admin, args.topic)
        if args.partitions is not None:  # checked before configs change, done after
            await admin.create_partitions({topic.name: args.partitions}, validate_only=True)
        if changes:
            await admin.alter_configs({topic.name: changes})
        if args.partitions is not None:
            await admin.create_partitions({topic.name: args.partitions})
    print(f"altered {topic.name}")
    return 0


def _delete_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topics", metavar="TOPIC", nargs="+")


async def _delete(args: argparse.Namespace) -> int:
    names = list(dict.fromkeys(args.topics))
    async with administered(args.log) as (_, admin):
        for name in names:  # all of them must exist before the first one goes
            await find_topic(admin, name)
        await admin.delete_topics(names)
    print(f"deleted {', '.join(names)}")
    return 0


def _partitions_of(topics: Iterable[TopicDescription]) -> list[TopicPartition]:
    return [TopicPartition(t.name, index) for t in topics for index in range(t.partitions)]


async def _sizes(admin: Admin, topics: list[TopicDescription]) -> dict[TopicPartition, int]:
    """Return sizes in bytes; none when the log cannot measure them."""
    try:
        directories = await admin.describe_log_dirs([topic.name for topic in topics])
    except UNSOUND:
        return {}
    return {key: size for sizes in directories.values() for key, size in sizes.items()}
