"""AWS Lambda in one Region: the operations over one catalogue and one pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.contract.checking import checked
from antipodes.services.lambda_ import (
    event_invoke,
    functions,
    invoke,
    layers,
    limits,
    permissions,
    provisioned,
    recursion,
    runtimes,
    urls,
    versions,
)
from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.mappings import Mappings
from antipodes.services.lambda_.poller import Pollers
from antipodes.services.lambda_.queue import Queue
from antipodes.services.lambda_.url_door import UrlDoor
from antipodes.wire.operation import Operation, Request, Result

UNCHECKED = frozenset({"Invoke"})  # checks its own parameters: it is the hot path


FAMILIES: Mapping[str, Callable[[Catalogue, Request], Awaitable[Result]]] = MappingProxyType(
    {
        "CreateFunction": functions.create_function,
        "UpdateFunctionCode": functions.update_function_code,
        "UpdateFunctionConfiguration": functions.update_function_configuration,
        "GetFunction": functions.get_function,
        "GetFunctionConfiguration": functions.get_function_configuration,
        "ListFunctions": functions.list_functions,
        "DeleteFunction": functions.delete_function,
        "PublishVersion": versions.publish_version,
        "ListVersionsByFunction": versions.list_versions_by_function,
        "CreateAlias": versions.create_alias,
        "UpdateAlias": versions.update_alias,
        "GetAlias": versions.get_alias,
        "ListAliases": versions.list_aliases,
        "DeleteAlias": versions.delete_alias,
        "PublishLayerVersion": layers.publish_layer_version,
        "GetLayerVersion": layers.get_layer_version,
        "GetLayerVersionByArn": layers.get_layer_version_by_arn,
        "ListLayerVersions": layers.list_layer_versions,
        "ListLayers": layers.list_layers,
        "DeleteLayerVersion": layers.delete_layer_version,
        "AddLayerVersionPermission": layers.add_layer_version_permission,
        "RemoveLayerVersionPermission": layers.remove_layer_version_permission,
        "GetLayerVersionPolicy": layers.get_layer_version_policy,
        "AddPermission": permissions.add_permission,
        "RemovePermission": permissions.remove_permission,
        "GetPolicy": permissions.get_policy,
        "PutFunctionConcurrency": limits.put_function_concurrency,
        "GetFunctionConcurrency": limits.get_function_concurrency,
        "DeleteFunctionConcurrency": limits.delete_function_concurrency,
        "PutProvisionedConcurrencyConfig": provisioned.put_provisioned_concurrency_config,
        "GetProvisionedConcurrencyConfig": provisioned.get_provisioned_concurrency_config,
        "ListProvisionedConcurrencyConfigs": provisioned.list_provisioned_concurrency_configs,
        "DeleteProvisionedConcurrencyConfig": provisioned.delete_provisioned_concurrency_config,
        "GetAccountSettings": limits.get_account_settings,
        "PutFunctionEventInvokeConfig": event_invoke.put_function_event_invoke_config,
        "UpdateFunctionEventInvokeConfig": event_invoke.update_function_event_invoke_config,
        "GetFunctionEventInvokeConfig": event_invoke.get_function_event_invoke_config,
        "ListFunctionEventInvokeConfigs": event_invoke.list_function_event_invoke_configs,
        "DeleteFunctionEventInvokeConfig": event_invoke.delete_function_event_invoke_config,
        "CreateFunctionUrlConfig": urls.create_function_url_config,
        "UpdateFunctionUrlConfig": urls.update_function_url_config,
        "GetFunctionUrlConfig": urls.get_function_url_config,
        "ListFunctionUrlConfigs": urls.list_function_url_configs,
        "DeleteFunctionUrlConfig": urls.delete_function_url_config,
        "ListTags": limits.list_tags,
        "TagResource": limits.tag_resource,
        "UntagResource": limits.untag_resource,
        "GetRuntimeManagementConfig": runtimes.get_runtime_management_config,
        "PutRuntimeManagementConfig": runtimes.put_runtime_management_config,
        "GetFunctionCodeSigningConfig": runtimes.get_function_code_signing_config,
        "GetFunctionRecursionConfig": recursion.get_function_recursion_config,
        "PutFunctionRecursionConfig": recursion.put_function_recursion_config,
        "Invoke": invoke.invoke,
        "InvokeWithResponseStream": invoke.invoke_with_response_stream,
    }
)


@dataclass(frozen=True, slots=True)
class FunctionStats:
    """One function as `status` shows it."""

    name: str
    environments: int
    busy: int
    invocations: int  # since the Region started
    errors: int
    cold_starts: int
    zones: dict[str, int]  # Availability Zone -> environments in it


def _by_resource(of_functions: Operation, of_mappings: Operation) -> Operation:
    """Tags: of a function, or of an event source mapping."""

    async def tags(request: Request) -> Result:
        of_mapping = ":event-source-mapping:" in request.params["Resource"]
        return await (of_mappings if of_mapping else of_functions)(request)

    return checked(tags)


class Lambda:
    """The service (services.contract.Service)."""

    name = "lambda"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._catalogue = catalogue = Catalogue(surroundings)
        catalogue.queue = Queue(
            surroundings,
            partial(invoke.attempt, catalogue),
            partial(invoke.settings_of, catalogue),
            catalogue.is_closed,
            catalogue.meter,
        )
        mappings = self._mappings = Mappings(catalogue)
        self._pollers = Pollers(
            surroundings, mappings, partial(invoke.feed, catalogue), partial(invoke.counted, catalogue)
        )
        mappings.on_change = self._pollers.changed
        self.urls = UrlDoor(catalogue)
        self.operations: dict[str, Operation] = {
            name: partial(operation, self._catalogue)
            if name in UNCHECKED
            else checked(partial(operation, self._catalogue))
            for name, operation in FAMILIES.items()
        }
        self.operations |= {
            "CreateEventSourceMapping": checked(mappings.create_event_source_mapping),
            "UpdateEventSourceMapping": checked(mappings.update_event_source_mapping),
            "GetEventSourceMapping": checked(mappings.get_event_source_mapping),
            "ListEventSourceMappings": checked(mappings.list_event_source_mappings),
            "DeleteEventSourceMapping": checked(mappings.delete_event_source_mapping),
            "ListTags": _by_resource(self.operations["ListTags"], mappings.list_tags),
            "TagResource": _by_resource(self.operations["TagResource"], mappings.tag_resource),
            "UntagResource": _by_resource(self.operations["UntagResource"], mappings.untag_resource),
        }

    async def start(self) -> None:
        self._catalogue.load()
        self._catalogue.queue.load()
        self._mappings.load()

    async def stop(self) -> None:
        self._pollers.stop()
        self._catalogue.queue.stop()
        self._catalogue.pool.stop()
        await self._catalogue.logs.flush()
        await self._catalogue.meter.flush()

    def stats(self) -> list[FunctionStats]:
        """All functions by name, idle ones too."""
        found = []
        for name in sorted(self._catalogue.functions):
            tally = self._catalogue.pool.tally(name)
            places = sorted(environment.plan.zone for environment in tally.environments if not environment.gone)
            zones = {zone: places.count(zone) for zone in places}
            counts = (tally.busy, tally.invocations, tally.errors, tally.cold_starts)
            found.append(FunctionStats(name, len(places), *counts, zones))
        return found
