"""HTTP APIs for the tests."""

from __future__ import annotations

from typing import Any

from antipodes.wire.http import HttpResponse
from tests.apigateway.conftest import Room

ECHO = "import json\ndef handler(event, c):\n    return event\n"


async def made(room: Room, function: str, *keys: str, payload: str = "2.0", stage: str = "$default", **api: Any) -> str:
    """An API whose routes all lead to the function, on a stage with AutoDeploy; its id."""
    api_id = str((await room.ask2("CreateApi", Name="a", ProtocolType="HTTP", **api))["ApiId"])
    integration = await room.ask2(
        "CreateIntegration",
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=function,
        PayloadFormatVersion=payload,
    )
    await room.ask2("CreateStage", ApiId=api_id, StageName=stage, AutoDeploy=True)
    for key in keys:
        await room.ask2(
            "CreateRoute", ApiId=api_id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}"
        )
    return api_id


def told(response: HttpResponse) -> tuple[int, bytes]:
    return response.status, response.body
