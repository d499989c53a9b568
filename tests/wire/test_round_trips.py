"""botocore is the judge: what its serializers write we read, what we write its parsers read, for drawn parameters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antipodes.wire import client, models
from antipodes.wire.protocols import parse_request, serialize_response
from antipodes.wire.protocols.values import FLOATS, INTEGERS

OPERATIONS = {
    "json": [("acm", "RequestCertificate"), ("acm", "DescribeCertificate"), ("logs", "PutLogEvents"),
             ("logs", "FilterLogEvents"), ("cloudwatch", "PutMetricData")],
    "query": [("cloudformation", "CreateStack"), ("cloudformation", "CreateChangeSet"),
              ("cloudformation", "DescribeStacks"), ("cloudformation", "DescribeStackEvents"), ("iam", "CreateRole"),
              ("iam", "GetRole"), ("sts", "AssumeRole")],
    "rest-json": [("lambda", "CreateFunction"), ("lambda", "UpdateFunctionConfiguration"), ("lambda", "Invoke"),
                  ("lambda", "CreateEventSourceMapping"), ("lambda", "ListFunctions"), ("apigateway", "CreateRestApi"),
                  ("apigateway", "PutIntegration"), ("apigateway", "CreateDomainName"), ("apigateway", "UpdateStage"),
                  ("apigateway", "GetResources")],
    "rest-xml": [("route53", "CreateHostedZone"), ("route53", "ChangeResourceRecordSets"),
                 ("route53", "CreateHealthCheck"), ("route53", "ListResourceRecordSets"), ("s3", "PutObject"),
                 ("s3", "PutBucketReplication"), ("s3", "DeleteObjects"), ("s3", "ListObjectsV2"),
                 ("s3", "CompleteMultipartUpload"), ("s3", "PutBucketAcl"), ("s3", "GetObject")],
}  # fmt: skip
CASES = [(protocol, *case) for protocol, cases in OPERATIONS.items() for case in cases]

TEXT = st.text("abcXYZ019 -_.:/<>&\"'+%=éß日", max_size=12)
# A header keeps no space at its ends, and a comma there separates lists.
HEADER = st.text("abcXYZ019-_.:/<>&+%=", min_size=1, max_size=12)
LABEL = st.text("abcXYZ019-_:+ é%", min_size=1, max_size=12).map(lambda text: "l" + text)
SKIP = object()


class Drawing:
    """Draws a value of a shape; SKIP where none fits (an empty structure has no form in the query protocol)."""

    def __init__(self, data: st.DataObject, max_depth: int = 4) -> None:
        self._data = data
        self._max_depth = max_depth

    def value(self, shape: Any, depth: int = 0, location: str | None = None) -> Any:
        kind = shape.type_name
        draw = self._data.draw
        if kind == "structure":
            return self._structure(shape, depth)
        if kind == "list":
            found = [self.value(shape.member, depth + 1, location) for _ in range(draw(st.integers(1, 2)))]
            return SKIP if SKIP in found else found
        if kind == "map":
            key = HEADER.map(str.lower) if location == "headers" else LABEL
            values = {draw(key): self.value(shape.value, depth + 1, location) for _ in range(draw(st.integers(1, 2)))}
            return SKIP if SKIP in values.values() else values
        if kind in INTEGERS:
            return draw(st.integers(-(2**31), 2**31 - 1))
        if kind in FLOATS:
            return draw(st.floats(-1e6, 1e6).map(lambda number: round(number, 3)))
        if kind == "boolean":
            return draw(st.booleans())
        if kind == "timestamp":
            return float(draw(st.integers(0, 4_000_000_000)))
        if kind == "blob":
            return draw(st.binary(min_size=1, max_size=12))  # an empty payload is no payload
        if shape.metadata.get("enum"):
            return draw(st.sampled_from(shape.metadata["enum"]))
        return draw({"uri": LABEL, "header": HEADER, "headers": HEADER}.get(location or "", TEXT))

    def _structure(self, shape: Any, depth: int) -> Any:
        if shape.is_document_type:
            return {"a": [1, "b"]}
        members = dict(shape.members)
        if shape.is_tagged_union:
            names = [self._data.draw(st.sampled_from(list(members)))]
        elif depth >= self._max_depth:
            names = [n for n, m in members.items() if m.type_name not in {"structure", "list", "map"}][:1]
        else:
            names = [n for n in members if n in shape.required_members or self._data.draw(st.integers(0, 3)) == 0]
        values = {}
        for name in names:
            member = members[name]
            if depth >= self._max_depth and member.type_name in {"structure", "list", "map"}:
                continue
            value = self.value(member, depth + 1, member.serialization.get("location"))
            if value is not SKIP:
                values[name] = value
        return values if values or depth == 0 else SKIP


ROUND_TRIP = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize(("protocol", "service", "operation"), CASES)
@ROUND_TRIP
@given(data=st.data())
def test_what_botocore_writes_is_read_back(protocol: str, service: str, operation: str, data: st.DataObject) -> None:
    assert models.protocol_of(service) == protocol
    shape = models.operation_model(service, operation).input_shape
    params = Drawing(data).value(shape)
    if service == "route53":
        params = {k: v.replace("/", "") if isinstance(v, str) else v for k, v in params.items()}
    if operation == "PutObject":
        params.setdefault("Body", b"")  # S3 always has one
        params.pop("ContentEncoding", None)
    request = client.build_request(
        service, operation, params, region="us-east-1", host="localhost", credentials=None, now=0.0
    )
    assert parse_request(service, request) == (operation, params)


@pytest.mark.parametrize(("protocol", "service", "operation"), CASES)
@ROUND_TRIP
@given(data=st.data())
def test_what_we_write_botocore_reads(protocol: str, service: str, operation: str, data: st.DataObject) -> None:
    shape = models.operation_model(service, operation).output_shape
    result = Drawing(data).value(shape) if shape is not None else {}
    for name, member in shape.members.items() if shape is not None else ():
        if member.serialization.get("location") == "statusCode":
            result[name] = 200
        if member.serialization.get("location") == "headers":
            result.setdefault(name, {})  # botocore always gives the map
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload is not None and shape.members[payload].type_name == "blob":
        result.setdefault(payload, b"")
    if operation == "GetObject":
        result["ContentType"] = "text/plain"  # never without one: S3's own default stands in
    response = serialize_response(service, operation, result, "request-1")
    assert client.parse_response(service, operation, response) == result
