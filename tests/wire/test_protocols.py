"""Bytes as AWS sends them, and what becomes of bad input."""

from __future__ import annotations

import zlib

import pytest

from antipodes.wire.errors import AccessDenied, AwsError, ClientFault, NotSupported, ServerFault, ValidationException
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.models import protocol_of, service_of
from antipodes.wire.operation import Payload
from antipodes.wire.protocols import parse_request, serialize_error, serialize_response


def dynamodb(operation: str, body: bytes) -> HttpRequest:
    headers = (("Host", "h"), ("X-Amz-Target", f"DynamoDB_20120810.{operation}"))
    return HttpRequest("POST", "/", headers, body)


def form(body: str) -> HttpRequest:
    return HttpRequest("POST", "/", (("Content-Type", "application/x-www-form-urlencoded"),), body.encode())


def refused(service: str, request: HttpRequest) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        parse_request(service, request)
    return caught.value.code, caught.value.message


# --- JSON ---


def test_dynamodb_answers_carry_their_checksum_and_request_id() -> None:
    response = serialize_response("dynamodb", "GetItem", Payload(b'{"Item":{}}'), "R1")
    assert response.status == 200
    assert response.header("x-amz-crc32") == str(zlib.crc32(b'{"Item":{}}'))
    assert response.header("x-amzn-requestid") == "R1"
    assert response.header("content-type") == "application/x-amz-json-1.0"


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (
            ClientFault("ResourceNotFoundException", "Requested resource not found"),
            b'{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",'
            b'"message":"Requested resource not found"}',
        ),
        (
            ValidationException("One or more"),
            b'{"__type":"com.amazon.coral.validate#ValidationException","message":"One or more"}',
        ),
        (
            ClientFault("SerializationException", "NUMBER_VALUE cannot be converted to String"),
            b'{"__type":"com.amazon.coral.service#SerializationException",'
            b'"Message":"NUMBER_VALUE cannot be converted to String"}',
        ),
        (
            ClientFault("UnknownOperationException", ""),
            b'{"__type":"com.amazon.coral.service#UnknownOperationException"}',
        ),
        (
            ClientFault(
                "TransactionCanceledException", "Transaction cancelled", CancellationReasons=[{"Code": "None"}]
            ),
            b'{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",'
            b'"Message":"Transaction cancelled","CancellationReasons":[{"Code":"None"}]}',
        ),
        (
            NotSupported("CreateBackup"),
            b'{"__type":"UnsupportedOperation","message":"antipodes does not support CreateBackup yet."}',
        ),
    ],
)
def test_dynamodb_errors(error: AwsError, body: bytes) -> None:
    response = serialize_error("dynamodb", "X", error, "R1")
    assert (response.status, response.body) == (400, body)


def test_a_server_fault_keeps_its_status() -> None:
    assert serialize_error("dynamodb", "X", ServerFault("InternalFailure", "x"), "R").status == 500
    assert serialize_error("dynamodb", "X", ServerFault("RegionUnavailable", "x", status=503), "R").status == 503


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"{", ""),
        (b"[]", "Unrecognized collection type class java.util.Map"),
        (b'{"TableName":5}', "NUMBER_VALUE cannot be converted to String"),
        (b'{"TableName":5.5}', "DECIMAL_VALUE cannot be converted to String"),
        (b'{"TableName":true}', "TRUE_VALUE cannot be converted to String"),
        (b'{"TableName":[]}', "Unrecognized collection type class java.lang.String"),
        (b'{"TableName":{}}', "Start of structure or map found where not expected"),
        (b'{"ConsistentRead":"maybe"}', "Unexpected token received from parser"),
        (b'{"AttributesToGet":"a"}', "Unexpected field type"),
        (b'{"Key":"a"}', "Unexpected field type"),
        (b'{"Key":{"a":"b"}}', "Unexpected value type in payload"),
        (
            b'{"Key":[]}',
            "Unrecognized collection type java.util.Map<java.lang.String, "
            "com.amazonaws.dynamodb.v20120810.AttributeValue>",
        ),
        (b'{"Key":{"a":[]}}', "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue"),
    ],
)
def test_wrong_types_are_refused_in_the_words_of_the_parser(body: bytes, message: str) -> None:
    assert refused("dynamodb", dynamodb("GetItem", body)) == ("SerializationException", message)


def test_null_is_absence_and_the_unknown_is_ignored() -> None:
    request = dynamodb("GetItem", b'{"TableName":"t","ConsistentRead":null,"Nonsense":1,"Key":{}}')
    assert parse_request("dynamodb", request) == ("GetItem", {"TableName": "t", "Key": {}})


@pytest.mark.parametrize("target", ["DynamoDB_20120810.Nothing", "Other.GetItem", "GetItem", ""])
def test_unknown_json_operations(target: str) -> None:
    request = HttpRequest("POST", "/", (("X-Amz-Target", target),), b"{}")
    assert refused("dynamodb", request) == ("UnknownOperationException", "")


def test_bad_base64_is_refused() -> None:
    headers = (("X-Amz-Target", "CertificateManager.ImportCertificate"),)
    for text, message in [
        ("abc", "Base64 encoded length is expected a multiple of 4 bytes but found: 3"),
        ("a=bc", "Invalid last non-pad Base64 character dectected"),
    ]:
        request = HttpRequest("POST", "/", headers, b'{"Certificate":"%s"}' % text.encode())
        assert refused("acm", request) == ("SerializationException", message)


# --- query ---


def test_query_answers_have_result_and_metadata() -> None:
    response = serialize_response("sts", "GetCallerIdentity", {"Account": "000000000000", "Arn": "a&b"}, "R1")
    assert response.body == (
        b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        b"<GetCallerIdentityResult><Account>000000000000</Account><Arn>a&amp;b</Arn></GetCallerIdentityResult>"
        b"<ResponseMetadata><RequestId>R1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )
    assert response.header("content-type") == "text/xml"


def test_query_errors() -> None:
    response = serialize_error("cloudformation", "CreateStack", ValidationException("Stack <x>"), "R1")
    assert response.status == 400
    assert response.body == (
        b'<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type>'
        b"<Code>ValidationError</Code><Message>Stack &lt;x&gt;</Message></Error>"
        b"<RequestId>R1</RequestId></ErrorResponse>"
    )


def test_query_errors_have_the_models_code_and_status() -> None:
    response = serialize_error("iam", "GetRole", ClientFault("NoSuchEntityException", "none"), "R")
    assert response.status == 404
    assert b"<Code>NoSuchEntity</Code>" in response.body
    same = serialize_error("iam", "GetRole", ClientFault("NoSuchEntity", "none"), "R")
    assert same == response


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("", "MissingAction", "The request must contain the parameter Action"),
        ("Action=Fly&Version=2010-05-15", "InvalidAction", "Could not find operation Fly for version 2010-05-15"),
        (
            "Action=ListStacks&Version=1999-01-01",
            "InvalidAction",
            "Could not find operation ListStacks for version 1999-01-01",
        ),
        (
            "Action=CreateStack&Version=2010-05-15&TimeoutInMinutes=soon",
            "MalformedInput",
            "Value (soon) at 'TimeoutInMinutes' is not of type integer",
        ),
        ("Action=CreateStack&StackName.a=1", "MalformedInput", "Start of list found where not expected"),
        ("Action=CreateStack&" + ".".join("a" * 40) + "=1", "MalformedInput", "Input nested too deeply"),
    ],
)
def test_bad_forms(body: str, code: str, message: str) -> None:
    assert refused("cloudformation", form(body)) == (code, message)


def test_forms_count_by_number_and_may_come_in_the_query_string() -> None:
    names = "&".join(f"Capabilities.member.{index}=C{index}" for index in (10, 2, 1))
    request = HttpRequest("GET", f"/?Action=CreateStack&StackName=s&{names}&Tags=", (), b"")
    params = {"StackName": "s", "Capabilities": ["C1", "C2", "C10"], "Tags": []}
    assert parse_request("cloudformation", request) == ("CreateStack", params)


# --- REST ---


@pytest.mark.parametrize(
    ("method", "target", "headers", "operation"),
    [
        ("GET", "/", (), "ListBuckets"),
        ("GET", "/b", (), "ListObjects"),
        ("GET", "/b/", (), "ListObjects"),
        ("GET", "/b?list-type=2", (), "ListObjectsV2"),
        ("GET", "/b?acl", (), "GetBucketAcl"),
        ("GET", "/b?uploads", (), "ListMultipartUploads"),
        ("GET", "/b/k", (), "GetObject"),
        ("GET", "/b/k?acl", (), "GetObjectAcl"),
        ("GET", "/b/k?uploadId=1", (), "ListParts"),
        ("HEAD", "/b", (), "HeadBucket"),
        ("HEAD", "/b/k/", (), "HeadObject"),
        ("PUT", "/b", (), "CreateBucket"),
        ("PUT", "/b/k", (), "PutObject"),
        ("PUT", "/b/k?x-id=PutObject", (), "PutObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", (), "UploadPart"),
        ("PUT", "/b/k", (("x-amz-copy-source", "/b/o"),), "CopyObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", (("x-amz-copy-source", "/b/o"),), "UploadPartCopy"),
        ("POST", "/b?delete", (), "DeleteObjects"),
        ("POST", "/b/k?uploads", (), "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=u", (), "CompleteMultipartUpload"),
        ("DELETE", "/b/k", (), "DeleteObject"),
        ("DELETE", "/b/k?uploadId=u", (), "AbortMultipartUpload"),
        ("DELETE", "/b?replication", (), "DeleteBucketReplication"),
    ],
)
def test_s3_operations_by_path_query_and_headers(
    method: str, target: str, headers: tuple[tuple[str, str], ...], operation: str
) -> None:
    request = HttpRequest(method, target, (("Host", "s3.us-east-1.amazonaws.com"), *headers), b"")
    assert parse_request("s3", request)[0] == operation


def test_unknown_paths() -> None:
    assert refused("lambda", HttpRequest("GET", "/nowhere", (), b"")) == ("UnknownOperationException", "")
    assert refused("s3", HttpRequest("PATCH", "/b", (), b""))[0] == "UnknownOperationException"
    error = models_error("s3", HttpRequest("PATCH", "/b", (), b""))
    assert (error.status, b"<Code>MethodNotAllowed</Code>" in error.body) == (405, True)
    assert models_error("lambda", HttpRequest("GET", "/nowhere", (), b"")).status == 404


def models_error(service: str, request: HttpRequest) -> HttpResponse:
    with pytest.raises(AwsError) as caught:
        parse_request(service, request)
    return serialize_error(service, None, caught.value, "R")


def test_bad_bodies() -> None:
    create = HttpRequest("POST", "/2015-03-31/functions", (), b"{")
    assert refused("lambda", create)[0] == "InvalidRequestContentException"
    zone = HttpRequest("POST", "/2013-04-01/hostedzone", (), b"<a>")
    assert refused("route53", zone)[0] == "SerializationException"
    assert b"<Code>MalformedInput</Code>" in models_error("route53", zone).body
    laughs = HttpRequest("POST", "/2013-04-01/hostedzone", (), b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    assert refused("route53", laughs)[0] == "SerializationException"
    error = models_error("s3", HttpRequest("POST", "/b?delete", (), b"nonsense"))
    assert b"<Code>MalformedXML</Code>" in error.body
    wrong = HttpRequest("POST", "/2015-03-31/functions", (), b'{"MemorySize":"big"}')
    assert refused("lambda", wrong) == ("SerializationException", "STRING_VALUE cannot be converted to Integer")
    query = HttpRequest("GET", "/2015-03-31/functions?MaxItems=many", (), b"")
    assert refused("lambda", query) == ("SerializationException", "The value of 'MaxItems' is not a valid integer")


@pytest.mark.parametrize(
    "body", [b"", b"5", b"5\r\nabc", b"5\r\nhelloXX0\r\n\r\n", b"zz\r\n", b"-1\r\n\r\n", b"ff\r\nshort\r\n0\r\n\r\n"]
)
def test_broken_chunks_are_refused(body: bytes) -> None:
    headers = (("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),)
    assert refused("s3", HttpRequest("PUT", "/b/k", headers, body))[0] == "IncompleteBody"


def test_chunks_that_do_not_add_up_are_refused() -> None:
    headers = (("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("x-amz-decoded-content-length", "6"))
    body = b"5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n"
    assert refused("s3", HttpRequest("PUT", "/b/k", headers, body))[0] == "IncompleteBody"


def test_route53_zone_as_xml() -> None:
    result = {"HostedZone": {"Id": "/hostedzone/Z1", "Name": "a.", "CallerReference": "r"}}
    response = serialize_response("route53", "GetHostedZone", result, "R1")
    assert response.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<GetHostedZoneResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZone>'
        b"<Id>/hostedzone/Z1</Id><Name>a.</Name><CallerReference>r</CallerReference></HostedZone></GetHostedZoneResponse>"
    )


def test_route53_invalid_change_batch_lists_its_messages() -> None:
    error = ClientFault("InvalidChangeBatch", "[one]", messages=["one"])
    body = serialize_error("route53", "ChangeResourceRecordSets", error, "R").body
    assert b"<Code>InvalidChangeBatch</Code><Message>[one]</Message><messages><Message>one</Message></messages>" in body


def test_apigateway_throttling_says_when_to_come_again() -> None:
    error = ClientFault("TooManyRequestsException", "slow down", retryAfterSeconds="3")
    response = serialize_error("apigateway", "X", error, "R")
    assert (response.status, response.header("Retry-After")) == (429, "3")
    assert response.header("x-amzn-ErrorType") == "TooManyRequestsException"
    assert response.body == b'{"message":"slow down"}'


def test_an_unknown_service_gets_a_json_error() -> None:
    response = serialize_error("", None, AccessDenied("MissingAuthenticationTokenException", "x"), "R")
    assert (response.status, response.body) == (403, b'{"message":"x"}')


def test_every_service_gets_its_errors_though_its_protocol_is_not_spoken() -> None:
    refusal = NotSupported("the service ec2")
    response = serialize_error("ec2", None, refusal, "R")
    assert response.status == 400
    assert b"<Errors><Error><Code>UnsupportedOperation</Code><Message>antipodes does not support" in response.body
    for service in ("cloudwatchomni", "no-such-service"):  # CBOR only; unknown
        assert serialize_error(service, None, refusal, "R").status == 400


@pytest.mark.parametrize(
    ("host", "target", "scope", "service"),
    [
        ("h", "DynamoDBStreams_20120810.ListStreams", "dynamodb", "dynamodbstreams"),
        ("h", None, "monitoring", "cloudwatch"),
        ("h", None, "route53", "route53"),
        ("h", None, "nonsense", None),
        ("b.s3.us-west-2.amazonaws.com", None, None, "s3"),
        ("sts.amazonaws.com", None, None, "sts"),
        ("api.example", None, None, None),
    ],
)
def test_service_of_a_request(host: str, target: str | None, scope: str | None, service: str | None) -> None:
    headers = (("Host", host), *((("X-Amz-Target", target),) if target else ()))
    assert service_of(HttpRequest("POST", "/", headers, b""), scope) == service


def test_cloudwatch_is_spoken_in_json_and_in_query() -> None:
    assert protocol_of("cloudwatch") == "json"
    request = form("Action=DescribeAlarms&Version=2010-08-01&AlarmNames.member.1=a")
    assert parse_request("cloudwatch", request) == ("DescribeAlarms", {"AlarmNames": ["a"]})
    response = serialize_response("cloudwatch", "DescribeAlarms", {"MetricAlarms": []}, "R", protocol="query")
    assert response.body.startswith(b"<DescribeAlarmsResponse")
