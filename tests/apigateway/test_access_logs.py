"""Formats of access logs, and their lines on the way to CloudWatch Logs."""

from __future__ import annotations

import pytest

from antipodes.services.apigateway.access_logs import AccessLogs, BadFormat, format_of, group_of
from antipodes.wire.errors import NotSupported
from tests.apigateway.conftest import Play, Room

CLF = '$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey" $context.requestId'
JSON = '{"id":"$context.requestId","sub":"$context.authorizer.claims.sub","ms":$context.responseLatency}'
ARN = "arn:aws:logs:us-west-2:000000000000:log-group:/apis/access"


def test_a_line_is_the_format_with_its_variables() -> None:
    values = {"identity.sourceIp": "198.18.0.1", "requestTime": "now", "httpMethod": "GET", "requestId": "r="}
    assert format_of(CLF).line(values.get) == '198.18.0.1 - - [now] "GET -" r='
    line = format_of(JSON).line({"requestId": "r", "authorizer.claims.sub": 'a"b\n', "responseLatency": 12}.get)
    assert line == '{"id":"r","sub":"a\\"b\\n","ms":12}'


def test_a_format_needs_the_requests_id_and_one_line() -> None:
    assert format_of("$context.extendedRequestId\n").parts[1] == "extendedRequestId"
    for bad in ("$context.path", "", "$context.requestId\n$context.path", "$context.requestId" + "x" * 4000):
        with pytest.raises(BadFormat):
            format_of(bad)


def test_destinations_are_log_groups_of_the_region() -> None:
    assert group_of(ARN, "us-west-2") == group_of(ARN + ":*", "us-west-2") == "/apis/access"
    for bad in ("nonsense", ARN.replace("us-west-2", "us-east-1")):
        with pytest.raises(BadFormat):
            group_of(bad, "us-west-2")
    with pytest.raises(NotSupported, match="Firehose"):
        group_of("arn:aws:firehose:us-west-2:000000000000:deliverystream/amazon-apigateway-x", "us-west-2")


def test_lines_go_to_groups_that_are_there(play_once: Play) -> None:
    async def story(room: Room) -> None:
        logs = AccessLogs(room.surroundings)
        logs.write("/apis/access", "s", "one")
        logs.write("/apis/none", "s", "lost")
        logs.write("/apis/access", "s", "two")
        await room.world.sleep(1.0)
        assert room.lines == ["one", "two"]

    play_once(story)
