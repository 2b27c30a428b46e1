"""DescribeConfigs and IncrementalAlterConfigs (keys 32, 44).

Invariants: all changes of one resource hold together or not at all.
"""

from __future__ import annotations

from ...errors import InvalidConfigError, InvalidRequestError, LogError
from ...wire.enums import AlterOp, ResourceType
from ...wire.messages.describe_configs import (
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
from ..config import check_topic_configs, default_topic_config, list_config
from ..host import Host


async def describe_configs(host: Host, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    """Return every config of each resource with its value and source."""
    if host.read_only:
        host.refresh_topics()
    return DescribeConfigsResponse(
        results=[_describe(host, resource) for resource in request.resources]
    )


def _describe(host: Host, resource: ConfigResource) -> DescribeConfigsResult:
    result = DescribeConfigsResult(
        resource_type=resource.resource_type, resource_name=resource.resource_name
    )
    try:
        if resource.resource_type == ResourceType.TOPIC:
            configs = host.config.describe_topic(host.topic(resource.resource_name).configs)
        elif resource.resource_type != ResourceType.BROKER:
            raise InvalidRequestError(f"configs of resource type {resource.resource_type}")
        elif resource.resource_name in ("", str(host.image.node_id)):
            configs = host.config.describe()
        else:
            raise InvalidRequestError(
                f"no broker {resource.resource_name!r}, this is {host.image.node_id}"
            )
    except LogError as error:
        result.error_code = error.code
        result.error_message = str(error)
        return result
    wanted = resource.configuration_keys
    result.configs = [c for c in configs if wanted is None or c.name in wanted]
    return result


async def alter_configs(
    host: Host, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse:
    """Change configs of topics, one resource after the other."""
    responses = []
    for resource in request.resources:
        result = AlterConfigsResult(
            resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        try:
            _alter(host, resource, request.validate_only)
        except LogError as error:
            result.error_code = error.code
            result.error_message = str(error)
        responses.append(result)
    return IncrementalAlterConfigsResponse(responses=responses)


def _alter(host: Host, resource: AlterConfigsResource, validate_only: bool) -> None:
    if resource.resource_type != ResourceType.TOPIC:
        raise InvalidRequestError("configs of the broker are given when it is opened")
    configs = dict(host.topic(resource.resource_name).configs)
    for change in resource.configs:
        check_topic_configs({change.name: None})  # the name alone
        _apply(configs, change, host)
    host.configure_topic(resource.resource_name, configs, validate_only=validate_only)


def _apply(configs: dict[str, str], change: AlterableConfig, host: Host) -> None:
    name, operation = change.name, _operation(change)
    if operation is AlterOp.DELETE:
        configs.pop(name, None)
        return
    if change.value is None:
        raise InvalidConfigError(f"config {name}: {operation.name} needs a value")
    if operation is AlterOp.SET:
        configs[name] = change.value
        return
    if not list_config(name):
        raise InvalidConfigError(f"config {name} is no list, {operation.name} is for lists")
    current = configs.get(name, default_topic_config(host.config, name))
    held = [part for part in current.split(",") if part]
    given = [part.strip() for part in change.value.split(",") if part.strip()]
    if operation is AlterOp.APPEND:
        held += [part for part in given if part not in held]
    else:
        held = [part for part in held if part not in given]
    configs[name] = ",".join(held)


def _operation(change: AlterableConfig) -> AlterOp:
    try:
        return AlterOp(change.operation)
    except ValueError as error:
        raise InvalidRequestError(f"config {change.name}: operation {change.operation}") from error
