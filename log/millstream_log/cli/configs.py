"""`millstream configs`: what topics and brokers are configured to do, and changing it.

    --topic NAME     the configs of a topic
    --broker ID      the configs of one broker
    --broker         list: of the broker that answers; set, unset: of all brokers at once

Invariants: listing takes no lock; changes of one call hold together or not at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import NamedTuple

from ..client.admin import Admin
from ..client.transport import Transport
from ..errors import ErrorCode, error_for
from ..wire.enums import AlterOp, ConfigSource, ResourceType
from ..wire.messages.describe_configs import (
    ConfigEntry,
    ConfigResource,
    DescribeConfigsRequest,
)
from ..wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from .command import (
    CommandError,
    Family,
    Word,
    add_json,
    administered,
    find_topic,
    read_only,
    setting,
)
from .output import print_json, print_table

ALL_BROKERS = ""
_SOURCES = {
    ConfigSource.TOPIC: "topic",
    ConfigSource.DYNAMIC_BROKER: "broker",
    ConfigSource.DYNAMIC_DEFAULT_BROKER: "all brokers",
    ConfigSource.STATIC_BROKER: "broker's file",
    ConfigSource.DEFAULT: "default",
}


class Owner(NamedTuple):
    """Whose configs."""

    kind: ResourceType
    name: str  # of a topic, or the id of a broker; empty for all brokers

    def __str__(self) -> str:
        if self.kind is ResourceType.TOPIC:
            return f"topic {self.name}"
        return f"broker {self.name}" if self.name else "all brokers"


def configs_family() -> Family:
    """Return `configs` and its words."""
    return Family(
        "configs",
        "list and change the configs of topics and brokers",
        [
            Word("list", "show the configs in force", _list_arguments, _list),
            Word("set", "set configs", _set_arguments, _set),
            Word("unset", "put configs back to what holds without them", _unset_arguments, _unset),
        ],
    )


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    _add_owner(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show those too that stand at their default",
    )
    add_json(parser)


async def _list(args: argparse.Namespace) -> int:
    owner = _owner(args)
    async with administered(read_only(args.log)) as (transport, admin):
        entries = await _entries(transport, admin, owner)
    if not getattr(args, "all", False):
        entries = [entry for entry in entries if entry.source != ConfigSource.DEFAULT]
    if args.json:
        for entry in entries:
            print_json(
                {
                    "config": entry.name,
                    "value": entry.value,
                    "source": _source(entry),
                    "read_only": entry.read_only,
                    "sensitive": entry.is_sensitive,
                }
            )
    else:
        rows = [(entry.name, _value(entry), _source(entry)) for entry in entries]
        print_table(("config", "value", "set by"), rows)
    return 0


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("changes", metavar="NAME=VALUE", type=setting, nargs="+")
    _add_owner(parser)


async def _set(args: argparse.Namespace) -> int:
    return await _change(args, dict(args.changes))


def _unset_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="+")
    _add_owner(parser)


async def _unset(args: argparse.Namespace) -> int:
    return await _change(args, dict.fromkeys(args.names))


def _add_owner(parser: argparse.ArgumentParser) -> None:
    owner = parser.add_mutually_exclusive_group()
    owner.add_argument("--topic", metavar="NAME", default=argparse.SUPPRESS, help="of this topic")
    owner.add_argument(
        "--broker",
        metavar="ID",
        nargs="?",
        const=ALL_BROKERS,
        type=_broker_id,
        default=argparse.SUPPRESS,
        help="of this broker; without an ID, list shows one and a change is for all",
    )


def _broker_id(text: str) -> str:
    if text != ALL_BROKERS and not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no broker's id; put --broker behind it")
    return text


def _owner(args: argparse.Namespace) -> Owner:
    """Return whose configs are meant. Raises CommandError where nobody's are."""
    if hasattr(args, "topic"):
        return Owner(ResourceType.TOPIC, args.topic)
    if hasattr(args, "broker"):
        return Owner(ResourceType.BROKER, args.broker)
    raise CommandError("whose configs? name --topic NAME or --broker [ID]")


async def _entries(transport: Transport, admin: Admin, owner: Owner) -> list[ConfigEntry]:
    if owner.kind is ResourceType.TOPIC:
        await find_topic(admin, owner.name)
    elif owner.name == ALL_BROKERS:
        found = await admin.describe_broker_configs()
        return sorted(found.values(), key=lambda entry: entry.name)
    resource = ConfigResource(resource_type=owner.kind, resource_name=owner.name)
    (result,) = (await transport.send(DescribeConfigsRequest(resources=[resource]))).results
    _raise(result.error_code, result.error_message, owner)
    return sorted(result.configs, key=lambda entry: entry.name)


async def _change(args: argparse.Namespace, changes: Mapping[str, str | None]) -> int:
    """Set configs of one owner, None back to what holds without them."""
    owner = _owner(args)
    read_only(args.log)  # a log that is not there is not made by this
    configs = [
        AlterableConfig(
            name=name, operation=AlterOp.DELETE if value is None else AlterOp.SET, value=value
        )
        for name, value in changes.items()
    ]
    resource = AlterConfigsResource(
        resource_type=owner.kind, resource_name=owner.name, configs=configs
    )
    async with administered(args.log) as (transport, admin):
        if owner.kind is ResourceType.TOPIC:
            await find_topic(admin, owner.name)
        request = IncrementalAlterConfigsRequest(resources=[resource])
        (result,) = (await transport.send(request)).responses
    _raise(result.error_code, result.error_message, owner)
    words = [name if value is None else f"{name}={value}" for name, value in changes.items()]
    verb = "unset" if None in changes.values() else "set"
    print(f"{verb} {', '.join(words)} for {owner}")
    return 0


def _raise(code: ErrorCode, message: str | None, owner: Owner) -> None:
    if code is not ErrorCode.NONE:
        raise error_for(code, message or f"configs of {owner}")


def _value(entry: ConfigEntry) -> str | None:
    return "(hidden)" if entry.is_sensitive else entry.value


def _source(entry: ConfigEntry) -> str:
    return _SOURCES.get(entry.source, "unknown")
