"""Whatever a client sends, the API answers with a result or with one of AWS's client errors, and lives on."""

from __future__ import annotations

import random
from typing import Any

from antipodes.wire import client, models, protocols
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.wire.http import HttpRequest
from antipodes.wire.operation import Request
from tests.route53.homes import HOME, Planet53, on_planet
from tests.route53.planes import plain

ROUNDS = 1500
DOCUMENT = (
    '{"AWSPolicyFormatVersion":"2015-10-01","RecordType":"A","StartEndpoint":"e",'
    '"Endpoints":{"e":{"Type":"value","Value":"1.2.3.4"}}}'
)
WORDS = (
    "", "a", "example.com", "example.com.", "x.example.com", "*.example.com", "\\052.example.com", "..", ".", "-",
    "a" * 64 + ".com", "a." * 200, "\\999", "\\", "é.com", "192.0.2.1", "2001:db8::1", "::ffff:1.2.3.4", "999", "-1",
    "0", "²", "1e9", "true", "10 mail.example.com", '"text"', '"open', "PRIMARY", "US", "NY", "EU", "*", "us-west-2",
    "us-east-1", "0.0.0.0/0", "198.51.100.0/24", "\n", "\x7f", "null", "/hostedzone/Z",
    "00000000-0000-4000-a000-000000000000", DOCUMENT, DOCUMENT.replace("1.2.3.4", "x"), DOCUMENT.replace("}}", "}]"),
)  # fmt: skip
NUMBERS = (-1, 0, 1, 2, 3, 10, 30, 60, 80, 99, 100, 255, 256, 65_536, 2**31, 2**63, -(2**63))


class Drawer:
    """Values of shapes, odd ones more often than not."""

    def __init__(self, seed: int, known: dict[str, list[str]]) -> None:
        self.chance = random.Random(seed)
        self.known = known

    def draw(self, shape: Any, depth: int = 0) -> Any:
        kind = shape.type_name
        if kind == "structure":
            required = shape.required_members
            return {
                name: self.draw(member, depth + 1)
                for name, member in shape.members.items()
                if self.chance.random() < (0.99 if name in required else 0.2)
            }
        if kind == "list":
            return [self.draw(shape.member, depth + 1) for _ in range(self.chance.choice((0, 1, 1, 2, 3)))]
        if kind in ("integer", "long"):
            if self.chance.random() < 0.8:
                least = shape.metadata.get("min", 0)
                return self.chance.randint(least, min(shape.metadata.get("max", least + 40), least + 40))
            return self.chance.choice(NUMBERS)
        if kind in ("float", "double"):
            return float(self.chance.choice(NUMBERS))
        if kind == "boolean":
            return self.chance.random() < 0.5
        if kind == "timestamp":
            return 0.0
        if self.chance.random() < 0.9 and self.known.get(shape.name):
            return self.chance.choice(self.known[shape.name])
        if shape.enum and self.chance.random() < 0.9:
            return self.chance.choice(list(shape.enum))
        return self.chance.choice(WORDS)


async def known_things(planet: Planet53) -> dict[str, list[str]]:
    zone = (await planet.zone()).rpartition("/")[2]
    await planet.change(zone, ("CREATE", plain("www.example.com", "192.0.2.1")))
    config = {"Type": "HTTP", "IPAddress": "127.44.4.1", "Port": 80}
    check = (await planet.do("CreateHealthCheck", CallerReference="r", HealthCheckConfig=config))["HealthCheck"]["Id"]
    cidrs = (await planet.do("CreateCidrCollection", Name="c", CallerReference="r"))["Collection"]["Id"]
    delegation = (await planet.do("CreateReusableDelegationSet", CallerReference="r"))["DelegationSet"]["Id"]
    policy = (await planet.do("CreateTrafficPolicy", Name="p", Document=DOCUMENT))["TrafficPolicy"]["Id"]
    return {
        "ResourceId": [zone, delegation],
        "HealthCheckId": [check],
        "UUID": [cidrs],
        "TrafficPolicyId": [policy],
        "DNSName": ["www.example.com", "new.example.com"],
        "RData": ["192.0.2.1", "192.0.2.2"],
        "RRType": ["A", "A", "AAAA", "TXT", "CNAME", "MX"],
        "IPAddress": ["127.44.4.1", "2001:db8::1", "198.51.100.7"],
        "Cidr": ["198.51.100.0/24", "10.0.0.0/8", "2001:db8::/48"],
        "CidrLocationNameDefaultAllowed": ["home", "*"],
        "CidrLocationNameDefaultNotAllowed": ["home"],
        "ResourceRecordSetIdentifier": ["a", "b"],
        "ISO31661Alpha2Code": ["US"],
        "HealthCheckType": ["HTTP", "TCP", "HTTPS_STR_MATCH", "CALCULATED", "CLOUDWATCH_METRIC"],
        "TrafficPolicyDocument": [DOCUMENT],
        "Nonce": [f"r{number}" for number in range(30)],
        "HealthCheckNonce": [f"r{number}" for number in range(30)],
        "FullyQualifiedDomainName": ["www.example.com"],
        "ResourcePath": ["/", "/a?b=c"],
    }


def test_odd_parameters_are_refused_and_nothing_breaks() -> None:
    async def story(planet: Planet53) -> None:
        assert planet.service is not None
        drawer = Drawer(7, await known_things(planet))
        names = sorted(planet.service.operations)
        carried_out = 0
        for _ in range(ROUNDS):
            name = drawer.chance.choice(names)
            if name.startswith("Delete") and drawer.chance.random() < 0.9:
                continue  # else there is soon nothing left to ask about
            shape = models.operation_model("route53", name).input_shape
            params = drawer.draw(shape) if shape is not None else {}
            try:
                result = await planet.service.operations[name](Request("route53", name, params, HOME))
                protocols.serialize_response("route53", name, result, "id")
                carried_out += 1
            except ClientFault as error:
                assert 400 <= error.status < 500, (name, params, error)
                protocols.serialize_error("route53", name, error, "id")
        assert carried_out > ROUNDS / 20
        assert (await planet.do("GetHostedZoneCount"))["HostedZoneCount"] >= 0

    on_planet(story)


def test_odd_bytes_are_refused_and_nothing_breaks() -> None:
    async def story(planet: Planet53) -> None:
        assert planet.service is not None
        zone = (await planet.zone()).rpartition("/")[2]
        change = {"Action": "UPSERT", "ResourceRecordSet": plain("www.example.com", "192.0.2.1")}
        params = {"HostedZoneId": zone, "ChangeBatch": {"Changes": [change]}}
        host = "route53.amazonaws.com"
        sent = client.build_request(
            "route53", "ChangeResourceRecordSets", params, region=HOME, host=host, credentials=None, now=0.0
        )
        chance = random.Random(3)
        for _ in range(600):
            body = bytearray(sent.body)
            for _ in range(chance.randrange(1, 6)):
                at = chance.randrange(len(body))
                if chance.random() < 0.5:
                    body[at] = chance.randrange(256)
                else:
                    del body[at : at + chance.randrange(1, 40)]
                if not body:
                    body += b"<"
            asked = HttpRequest(sent.method, sent.target, sent.headers, bytes(body))
            try:
                operation, read = protocols.parse_request("route53", asked)
                await planet.service.operations[operation](Request("route53", operation, read, HOME))
            except AwsError as error:
                assert isinstance(error, ClientFault), error

    on_planet(story)
