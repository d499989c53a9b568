"""The two services of a Region that are about routing controls: the control plane and the switches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from antipodes.services.contract import Carried, Settings, Surroundings
from antipodes.services.recovery import clusters, controls, panels, states, tags
from antipodes.services.recovery.register import CLUSTER, CONFIG, Register, fault
from antipodes.wire.errors import ValidationException
from antipodes.wire.operation import Operation, Request, Result
from antipodes.wire.validation import validate

Function = Callable[[Register, Request], Awaitable[Result]]

CONFIG_OPERATIONS: Mapping[str, Function] = {
    "CreateCluster": clusters.create_cluster,
    "DescribeCluster": clusters.describe_cluster,
    "ListClusters": clusters.list_clusters,
    "DeleteCluster": clusters.delete_cluster,
    "CreateControlPanel": panels.create_control_panel,
    "DescribeControlPanel": panels.describe_control_panel,
    "ListControlPanels": panels.list_control_panels,
    "UpdateControlPanel": panels.update_control_panel,
    "DeleteControlPanel": panels.delete_control_panel,
    "CreateRoutingControl": controls.create_routing_control,
    "DescribeRoutingControl": controls.describe_routing_control,
    "ListRoutingControls": controls.list_routing_controls,
    "UpdateRoutingControl": controls.update_routing_control,
    "DeleteRoutingControl": controls.delete_routing_control,
    "ListAssociatedRoute53HealthChecks": controls.list_associated_route53_health_checks,
    "ListTagsForResource": tags.list_tags_for_resource,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
}
CLUSTER_OPERATIONS: Mapping[str, Function] = {
    "GetRoutingControlState": states.get_routing_control_state,
    "UpdateRoutingControlState": states.update_routing_control_state,
    "UpdateRoutingControlStates": states.update_routing_control_states,
    "ListRoutingControls": states.list_routing_controls,
}
INTERNAL: Mapping[str, Function] = {"Holds": states.holds}  # other Regions' calls alone


def home_of(settings: Settings) -> str:
    """The Region of the control plane: us-west-2, as on AWS, if the planet has it; else where Route 53's is."""
    return "us-west-2" if "us-west-2" in settings.regions else settings.options.get("home") or settings.regions[0]


class RecoveryControlConfig:
    """The control plane. Fulfils services.contract.Service. A Region that has it not hands on to the one that has."""

    name = CONFIG
    carried: Carried | None = None

    def __init__(self, around: Surroundings) -> None:
        register = Register(around)
        self.switches = RecoveryCluster(register)
        checked = {name: _checked(CONFIG, name, one, register) for name, one in CONFIG_OPERATIONS.items()}
        home = home_of(around.settings)
        elsewhere = {name: _handed_on(name, around, home) for name in checked}
        self.operations = checked if around.region == home else elsewhere

    async def start(self) -> None:
        """Nothing is under way but what the store says."""

    async def stop(self) -> None:
        """Nothing to stop."""


class RecoveryCluster:
    """The switches: the data plane. Fulfils services.contract.Service."""

    name = CLUSTER

    def __init__(self, register: Register) -> None:
        self._register = register
        checked = {name: _checked(CLUSTER, name, one, register) for name, one in CLUSTER_OPERATIONS.items()}
        self.operations = checked | {name: _bound(one, register) for name, one in INTERNAL.items()}

    @property
    def carried(self) -> Carried:
        return self._register.ledger

    async def start(self) -> None:
        """Nothing is under way but what the store says."""

    async def stop(self) -> None:
        """Nothing to stop."""


def _handed_on(name: str, around: Surroundings, home: str) -> Operation:
    async def run(request: Request) -> Result:
        return await around.call(CONFIG, name, request.params, region=home)

    return run


def _bound(function: Function, register: Register) -> Operation:
    async def run(request: Request) -> Result:
        return await function(register, request)

    return run


def _checked(service: str, name: str, function: Function, register: Register) -> Operation:
    """The operation behind the checks that the model alone asks for."""

    async def run(request: Request) -> Result:
        try:
            validate(service, name, request.params)
        except ValidationException as error:
            raise fault("ValidationException", error.message) from None
        return await function(register, request)

    return run
