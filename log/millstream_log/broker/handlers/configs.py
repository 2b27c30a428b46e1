"""Describing, listing and altering configs (keys 32, 74, 44 and 33).

    owner     name in the request
    topic     its name
    broker    its id, or "" for what was set on all brokers at once

Invariants: all changes of one owner hold together or not at all; an owner or a config that stands
in a request twice is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from ...errors import ErrorCode, InvalidConfigError, InvalidRequestError, LogError
from ...metadata.image import ALL_BROKERS
from ...metadata.names import check_name
from ...wire.enums import AlterOp, ConfigType, ResourceType
from ...wire.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResponse,
    ConfigsReplacement,
)
from ...wire.messages.describe_configs import (
    ConfigEntry,
    ConfigResource,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)
from ...wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResult,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ...wire.messages.list_config_resources import (
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
    ListedResource,
)
from ..config import BROKER_CONFIGS
from ..config_def import ConfigDef, Value, find
from ..config_topics import TOPIC_CONFIGS
from ..host import Host
from .bounds import check_names

# -- describing


async def describe_configs(host: Host, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    """Return the configs of each owner with their values and sources."""
    if host.read_only:
        host.refresh_topics()
    return DescribeConfigsResponse(
        results=[_describe(host, request, resource) for resource in request.resources]
    )


def _describe(
    host: Host, request: DescribeConfigsRequest, resource: ConfigResource
) -> DescribeConfigsResult:
    result = DescribeConfigsResult(
        resource_type=resource.resource_type, resource_name=resource.resource_name
    )
    try:
        check_names(host, request.resources)
        result.configs = _entries(host, resource)
    except LogError as error:
        result.error_code = error.code
        result.error_message = str(error)
    for entry in result.configs:
        if not request.include_synonyms:
            entry.synonyms = []
        if not request.include_documentation:
            entry.documentation = None
    return result


def _entries(host: Host, resource: ConfigResource) -> list[ConfigEntry]:
    names = resource.configuration_keys or None  # an empty list asks for all too
    name = resource.resource_name
    if resource.resource_type == ResourceType.TOPIC:
        return host.config.describe_topic(host.topic(check_name(name)).configs, names)
    broker = _broker(host, resource)
    if broker == ALL_BROKERS:
        return host.config.describe_all_brokers(names)
    return host.config.describe(names)


def _broker(
    host: Host, resource: ConfigResource | AlterConfigsResource | ConfigsReplacement
) -> str:
    """Return the broker that a resource means: this one, or ALL_BROKERS."""
    kind, name = resource.resource_type, resource.resource_name
    if kind != ResourceType.BROKER:
        raise InvalidRequestError(f"resource type {kind} has no configs here")
    if name == ALL_BROKERS:
        return ALL_BROKERS
    node = host.image.node_id
    try:
        if int(name) == node:
            return str(node)
    except ValueError:
        raise InvalidRequestError(f"broker id {name!r} is no whole number") from None
    raise InvalidRequestError(f"there is no broker {name}, this is {node}")


async def list_config_resources(
    host: Host, request: ListConfigResourcesRequest
) -> ListConfigResourcesResponse:
    """Say which brokers and topics there are; of the other types there is nothing here."""
    if request.version == 0:
        return ListConfigResourcesResponse()  # it knows client metrics alone
    wanted = set(request.resource_types or ResourceType)
    if not wanted <= set(ResourceType):
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    if host.read_only:
        host.refresh_topics()
    here = {ResourceType.BROKER: [str(host.image.node_id)], ResourceType.TOPIC: host.image.topics}
    return ListConfigResourcesResponse(
        config_resources=[
            ListedResource(resource_name=name, resource_type=kind)
            for kind, names in here.items()
            if kind in wanted
            for name in names
        ]
    )


# -- altering


async def incremental_alter_configs(
    host: Host, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse:
    """Change the configs that are named, one owner after the other."""
    twice = _twice((r.resource_type, r.resource_name) for r in request.resources)
    responses = []
    for resource in request.resources:
        result = _result(resource)
        try:
            check_names(host, request.resources)
            _check_once(resource, twice)
            _set(host, resource, _changed(host, resource), request.validate_only)
        except LogError as error:
            result.error_code = error.code
            result.error_message = str(error)
        responses.append(result)
    return IncrementalAlterConfigsResponse(responses=responses)


async def alter_configs(host: Host, request: AlterConfigsRequest) -> AlterConfigsResponse:
    """Put all configs of an owner in place of those it has, one owner after the other."""
    twice = _twice((r.resource_type, r.resource_name) for r in request.resources)
    responses = []
    for resource in request.resources:
        result = _result(resource)
        try:
            check_names(host, request.resources)
            _check_once(resource, twice)
            configs = {config.name: _text(config.name, config.value) for config in resource.configs}
            _set(host, resource, configs, request.validate_only)
        except LogError as error:
            result.error_code = error.code
            result.error_message = str(error)
        responses.append(result)
    return AlterConfigsResponse(responses=responses)


def _result(resource: AlterConfigsResource | ConfigsReplacement) -> AlterConfigsResult:
    return AlterConfigsResult(
        resource_type=resource.resource_type, resource_name=resource.resource_name
    )


def _twice(owners: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
    return {owner for owner, count in Counter(owners).items() if count > 1}


def _check_once(
    resource: AlterConfigsResource | ConfigsReplacement, twice: set[tuple[int, str]]
) -> None:
    if (resource.resource_type, resource.resource_name) in twice:
        raise InvalidRequestError(f"{resource.resource_name!r} stands twice in one request")
    names = Counter(config.name for config in resource.configs)
    for name, count in names.items():
        if count > 1:
            raise InvalidRequestError(f"config {name} stands {count} times in one request")


def _set(
    host: Host,
    resource: AlterConfigsResource | ConfigsReplacement,
    configs: Mapping[str, str],
    validate_only: bool,
) -> None:
    """Let an owner have these configs, and no others of its own."""
    if resource.resource_type == ResourceType.TOPIC:
        host.configure_topic(_topic(resource), configs, validate_only=validate_only)
    else:
        host.configure_broker(_broker(host, resource), configs, validate_only=validate_only)


def _topic(resource: AlterConfigsResource | ConfigsReplacement) -> str:
    if not resource.resource_name:
        raise InvalidRequestError("there are no configs of all topics at once")
    return check_name(resource.resource_name)


def _changed(host: Host, resource: AlterConfigsResource) -> dict[str, str]:
    """Return all configs of an owner as the changes leave them."""
    if resource.resource_type == ResourceType.TOPIC:
        held = host.topic(_topic(resource)).configs
        return _apply(
            held, resource, TOPIC_CONFIGS, lambda name: host.config.topic_value(name, held)
        )
    held = host.image.broker_configs.get(_broker(host, resource), {})
    return _apply(held, resource, BROKER_CONFIGS, host.config.get)


def _apply(
    held: Mapping[str, str],
    resource: AlterConfigsResource,
    definitions: Mapping[str, ConfigDef],
    value_of: Callable[[str], Value],
) -> dict[str, str]:
    configs = dict(held)
    for change in resource.configs:
        operation = _operation(change)
        if operation is AlterOp.DELETE:
            configs.pop(change.name, None)
            continue
        configs[change.name] = text = _text(change.name, change.value)
        if operation is not AlterOp.SET:
            definition = find(definitions, change.name, "list")
            if definition.type is not ConfigType.LIST:
                raise InvalidConfigError(
                    f"config {change.name} is no list, {operation.name} is for lists"
                )
            if definition.dynamic:  # any other is refused when it is set
                now = definition.format(value_of(change.name))
                configs[change.name] = _combine(operation, now, text)
    return configs


def _combine(operation: AlterOp, now: str, text: str) -> str:
    """Return a list with items appended or subtracted."""
    held = [part for part in now.split(",") if part]
    given = [part.strip() for part in text.split(",") if part.strip()]
    if operation is AlterOp.APPEND:
        held += [part for part in dict.fromkeys(given) if part not in held]
    else:
        held = [part for part in held if part not in given]
    return ",".join(held)


def _text(name: str, value: str | None) -> str:
    if value is None:
        raise InvalidRequestError(f"config {name}: null is no value")
    return value


def _operation(change: AlterableConfig) -> AlterOp:
    try:
        return AlterOp(change.operation)
    except ValueError as error:
        raise InvalidRequestError(f"config {change.name}: operation {change.operation}") from error
