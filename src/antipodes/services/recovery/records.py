"""Clusters, control panels and routing controls, and their ARNs. Pure values.

An ARN is a row's key: that of a panel begins those of its routing controls, so they lie together.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

FORMAT = 1
T = TypeVar("T", bound=msgspec.Struct)

_CLUSTER = re.compile(r"arn:aws:route53-recovery-control::\d{12}:cluster/[0-9a-f-]{36}")
_PANEL = re.compile(r"arn:aws:route53-recovery-control::\d{12}:controlpanel/[0-9a-f]{32}")
_CONTROL = re.compile(_PANEL.pattern + r"/routingcontrol/[0-9a-f]{16}")


class Cluster(msgspec.Struct, frozen=True, omit_defaults=True):
    arn: str
    name: str
    token: str = ""  # ClientToken
    tags: dict[str, str] = {}


class Panel(msgspec.Struct, frozen=True, omit_defaults=True):
    arn: str
    name: str
    cluster: str  # ARN
    default: bool = False
    token: str = ""
    tags: dict[str, str] = {}


class Control(msgspec.Struct, frozen=True, omit_defaults=True):
    """A routing control, without its state."""

    arn: str
    name: str
    token: str = ""

    @property
    def panel(self) -> str:
        """The ARN of its control panel."""
        return self.arn.partition("/routingcontrol/")[0]


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    format: int
    body: msgspec.Raw


def pack(value: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(_Packed(FORMAT, msgspec.Raw(msgspec.msgpack.encode(value))))


def unpack(data: bytes, kind: type[T]) -> T:
    packed = msgspec.msgpack.decode(data, type=_Packed)
    assert packed.format == FORMAT, f"recovery row of format {packed.format}"
    return msgspec.msgpack.decode(packed.body, type=kind)


def cluster_arn(account: str, drawn: int) -> str:
    """drawn: 128 random bits."""
    text = f"{drawn:032x}"
    made = f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
    return f"arn:aws:route53-recovery-control::{account}:cluster/{made}"


def panel_arn(account: str, drawn: int) -> str:
    """drawn: 128 random bits."""
    return f"arn:aws:route53-recovery-control::{account}:controlpanel/{drawn:032x}"


def control_arn(panel: str, drawn: int) -> str:
    """drawn: 64 random bits."""
    return f"{panel}/routingcontrol/{drawn:016x}"


def is_cluster(arn: str) -> bool:
    return _CLUSTER.fullmatch(arn) is not None


def is_panel(arn: str) -> bool:
    return _PANEL.fullmatch(arn) is not None


def is_control(arn: str) -> bool:
    return _CONTROL.fullmatch(arn) is not None


def account_of(arn: str) -> str:
    return arn.split(":")[4]


def cluster_shape(cluster: Cluster, status: str, regions: tuple[str, ...]) -> dict[str, Any]:
    """The Cluster shape. ClusterEndpoints are all Regions of the planet: AWS has always the same five. Their names
    are AWS's, and this planet's DNS leads them to the Regions."""
    label = cluster.arn.rpartition("/")[2][:8]
    return {
        "ClusterArn": cluster.arn,
        "Name": cluster.name,
        "Status": status,
        "Owner": account_of(cluster.arn),
        "NetworkType": "IPV4",
        "ClusterEndpoints": [
            {"Endpoint": f"https://{label}.route53-recovery-cluster.{region}.amazonaws.com/v1", "Region": region}
            for region in regions
        ],
    }


def panel_shape(panel: Panel, status: str, controls: int) -> dict[str, Any]:
    return {
        "ControlPanelArn": panel.arn,
        "ClusterArn": panel.cluster,
        "Name": panel.name,
        "DefaultControlPanel": panel.default,
        "RoutingControlCount": controls,
        "Status": status,
        "Owner": account_of(panel.arn),
    }


def control_shape(control: Control, status: str) -> dict[str, Any]:
    return {
        "RoutingControlArn": control.arn,
        "ControlPanelArn": control.panel,
        "Name": control.name,
        "Status": status,
        "Owner": account_of(control.arn),
    }
