"""What the operations take and give, through the wire both ways: a client's request and its reading of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.wire import client, protocols
from antipodes.wire.errors import AwsError
from antipodes.wire.operation import Request
from tests.route53.homes import HOME, Planet53, on_planet
from tests.route53.planes import plain


async def call(planet: Planet53, operation: str, **params: Any) -> dict[str, Any]:
    assert planet.service is not None
    asked = client.build_request(
        "route53", operation, params, region=HOME, host="route53.amazonaws.com", credentials=None, now=0.0
    )
    found, read = protocols.parse_request("route53", asked)
    try:
        result = await planet.service.operations[found](Request("route53", found, read, HOME))
        answer = protocols.serialize_response("route53", found, result, "r")
    except AwsError as error:
        answer = protocols.serialize_error("route53", found, error, "r")
    return client.parse_response("route53", operation, answer)


def test_the_api_through_xml() -> None:
    async def story(planet: Planet53) -> None:
        made = await call(planet, "CreateHostedZone", Name="example.com", CallerReference="r")
        zone = made["HostedZone"]["Id"].rpartition("/")[2]
        assert len(made["DelegationSet"]["NameServers"]) == 4 and made["ChangeInfo"]["Status"] == "PENDING"
        config: dict[str, Any] = {"Type": "HTTPS", "FullyQualifiedDomainName": "a.example.com", "EnableSNI": True}
        config["Regions"] = ["us-east-1", "us-west-1", "us-west-2"]
        check = (await call(planet, "CreateHealthCheck", CallerReference="r", HealthCheckConfig=config))["HealthCheck"]
        assert check["HealthCheckConfig"]["Port"] == 443 and len(check["HealthCheckConfig"]["Regions"]) == 3
        record = plain("api.example.com", "192.0.2.1", SetIdentifier="a", Weight=0, HealthCheckId=check["Id"])
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        info = await call(planet, "ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch=batch)
        await planet.in_sync(info["ChangeInfo"]["Id"])
        change = await call(planet, "GetChange", Id=info["ChangeInfo"]["Id"].rpartition("/")[2])
        assert change["ChangeInfo"]["Status"] == "INSYNC"
        listed = (await call(planet, "ListResourceRecordSets", HostedZoneId=zone))["ResourceRecordSets"]
        assert listed[-1] == record | {"Name": "api.example.com."}
        with pytest.raises(AwsError) as refused:
            await call(planet, "ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch=batch)
        assert refused.value.code == "InvalidChangeBatch" and "it already exists" in refused.value.message
        with pytest.raises(AwsError) as refused:
            await call(planet, "GetHostedZone", Id="ZNONE")
        assert (refused.value.code, refused.value.status) == ("NoSuchHostedZone", 404)
        await call(planet, "ChangeTagsForResource", ResourceType="healthcheck", ResourceId=check["Id"],
                   AddTags=[{"Key": "Name", "Value": "x"}])  # fmt: skip
        tags = await call(planet, "ListTagsForResource", ResourceType="healthcheck", ResourceId=check["Id"])
        assert tags["ResourceTagSet"]["Tags"] == [{"Key": "Name", "Value": "x"}]
        asked = {"HostedZoneId": zone, "RecordName": "api.example.com", "RecordType": "A"}
        assert (await call(planet, "TestDNSAnswer", **asked))["RecordData"] == ["192.0.2.1"]
        assert "HealthCheckObservations" in await call(planet, "GetHealthCheckStatus", HealthCheckId=check["Id"])

    on_planet(story)
