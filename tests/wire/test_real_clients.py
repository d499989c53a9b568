"""A real botocore client, with its handlers, retries and signers, whose socket is replaced by our wire."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from antipodes.wire import models, sigv2, sigv4
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.operation import Payload
from antipodes.wire.protocols import parse_request, serialize_error, serialize_response

Answer = Callable[[str, Mapping[str, Any]], Mapping[str, Any] | Payload]


class Raw(io.BytesIO):
    def stream(self, amt: int = 1024, decode_content: bool | None = None) -> Any:
        while chunk := self.read(amt):
            yield chunk


class Wire:
    """Plays the server: verifies, parses, answers; keeps what it saw."""

    def __init__(self, service: str, answer: Answer, secret: str = "test") -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[HttpRequest] = []
        self._service = service
        self._answer = answer
        self._secret = secret

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        path = request.url.split("://", 1)[1]
        host, slash, rest = path.partition("/")
        headers = tuple(
            (name, value.decode() if isinstance(value, bytes) else value) for name, value in request.headers.items()
        )
        if not any(name.lower() == "host" for name, _ in headers):
            headers = (("Host", host), *headers)
        body = request.body or b""
        if hasattr(body, "read"):
            body = body.read()
        ours = HttpRequest(request.method, slash + rest, headers, body if isinstance(body, bytes) else body.encode())
        self.requests.append(ours)
        response = self._respond(ours)
        return AWSResponse(request.url, response.status, dict(response.headers), Raw(response.body))

    def _respond(self, request: HttpRequest) -> HttpResponse:
        operation = None
        try:
            scope = sigv4.scope_of(request)
            service = models.service_of(request, scope.service if scope else None)
            assert service == self._service
            sigv4.verify(request, lambda key: self._secret if key == "test" else None, time.time())
            operation, params = parse_request(service, request)
            self.seen.append((operation, params))
            return serialize_response(service, operation, self._answer(operation, params), "request-1")
        except AwsError as error:
            return serialize_error(self._service, operation, error, "request-1")


def client_of(
    service: str, answer: Answer, *, key: str = "test", secret: str = "test", scheme: str = "http", **config: Any
) -> tuple[Any, Wire]:
    session = botocore.session.Session()
    session.set_credentials(key, secret)
    client = session.create_client(
        service,
        region_name="us-west-2",
        endpoint_url=f"{scheme}://127.44.2.1:4566",
        config=Config(retries={"max_attempts": 0}, **config),
    )
    wire = Wire(service, answer)
    client.meta.events.register("before-send", wire)
    return client, wire


def nothing(operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def test_dynamodb_items_pass_as_json() -> None:
    client, wire = client_of("dynamodb", lambda *_: Payload(b'{"Item":{"b":{"B":"AAE="},"n":{"N":"1"}}}'))
    got = client.get_item(TableName="t", Key={"b": {"B": b"\x00\x01"}})
    assert wire.seen == [("GetItem", {"TableName": "t", "Key": {"b": {"B": "AAE="}}})]
    assert got["Item"] == {"b": {"B": b"\x00\x01"}, "n": {"N": "1"}}
    assert got["ResponseMetadata"]["RequestId"] == "request-1"


def test_dynamodb_errors_arrive_as_their_exceptions() -> None:
    def answer(operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ClientFault("ConditionalCheckFailedException", "The conditional request failed", Item={"id": {"S": "1"}})

    client, _ = client_of("dynamodb", answer)
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as caught:
        client.put_item(TableName="t", Item={"id": {"S": "1"}})
    assert caught.value.response["Error"]["Message"] == "The conditional request failed"
    assert caught.value.response["Item"] == {"id": {"S": "1"}}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_streams_are_told_from_dynamodb_by_their_target() -> None:
    client, wire = client_of("dynamodbstreams", lambda *_: {"Streams": []})
    assert client.list_streams()["Streams"] == []
    assert wire.seen == [("ListStreams", {})]


def test_route53_ids_come_without_their_path() -> None:
    zone = {"HostedZone": {"Id": "/hostedzone/Z1", "Name": "a.example.", "CallerReference": "r"}}
    client, wire = client_of("route53", lambda *_: zone)
    assert client.get_hosted_zone(Id="/hostedzone/Z1")["HostedZone"]["Name"] == "a.example."
    assert wire.seen == [("GetHostedZone", {"Id": "Z1"})]


def test_route53_changes() -> None:
    info = {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": 1_700_000_000.5}}
    client, wire = client_of("route53", lambda *_: info)
    record = {
        "Name": "a.example",
        "Type": "A",
        "SetIdentifier": "x",
        "Weight": 0,
        "TTL": 60,
        "ResourceRecords": [{"Value": "192.0.2.1"}],
    }
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    got = client.change_resource_record_sets(HostedZoneId="Z1", ChangeBatch=batch)
    assert wire.seen == [("ChangeResourceRecordSets", {"HostedZoneId": "Z1", "ChangeBatch": batch})]
    assert got["ChangeInfo"]["SubmittedAt"].timestamp() == 1_700_000_000.5


def test_route53_created_zones_have_a_location_and_201() -> None:
    answer = {
        "HostedZone": {"Id": "/hostedzone/Z1", "Name": "a.", "CallerReference": "r"},
        "ChangeInfo": {"Id": "/change/C", "Status": "PENDING", "SubmittedAt": 0.0},
        "DelegationSet": {"NameServers": ["ns-1.example"]},
        "Location": "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1",
    }
    client, _ = client_of("route53", lambda *_: answer)
    got = client.create_hosted_zone(Name="a", CallerReference="r")
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert got["Location"].endswith("/Z1")
    assert got["DelegationSet"]["NameServers"] == ["ns-1.example"]


def test_lambda_invocation_carries_bytes_both_ways() -> None:
    answer = {"StatusCode": 200, "Payload": b'{"ok":true}', "FunctionError": "Unhandled", "ExecutedVersion": "$LATEST"}
    client, wire = client_of("lambda", lambda *_: answer)
    got = client.invoke(FunctionName="f:live", Payload=b'{"a":1}', LogType="Tail")
    assert wire.seen == [("Invoke", {"FunctionName": "f:live", "LogType": "Tail", "Payload": b'{"a":1}'})]
    assert got["Payload"].read() == b'{"ok":true}'
    assert (got["StatusCode"], got["FunctionError"]) == (200, "Unhandled")


def test_lambda_errors_have_the_status_of_the_model() -> None:
    def answer(operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ClientFault("ResourceNotFoundException", "Function not found: f")

    client, _ = client_of("lambda", answer)
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.get_function(FunctionName="f")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["Type"] == "User"


def test_apigateway_lists() -> None:
    client, wire = client_of("apigateway", lambda *_: {"items": [{"id": "a1", "name": "x", "createdDate": 1.7e9}]})
    got = client.get_rest_apis(limit=5)
    assert wire.seen == [("GetRestApis", {"limit": 5})]
    assert got["items"][0]["createdDate"].timestamp() == 1.7e9


def test_cloudformation_stacks() -> None:
    answer = {"StackId": "arn:aws:cloudformation:us-west-2:000000000000:stack/s/1"}
    client, wire = client_of("cloudformation", lambda *_: answer)
    parameters = [{"ParameterKey": "A&B", "ParameterValue": "ü +%"}]
    got = client.create_stack(
        StackName="s", TemplateBody="a: 1\nb: <x>", Parameters=parameters, Capabilities=["CAPABILITY_IAM"]
    )
    assert got["StackId"] == answer["StackId"]
    assert wire.seen[0][1]["Parameters"] == parameters
    assert wire.seen[0][1]["TemplateBody"] == "a: 1\nb: <x>"


def test_s3_objects_by_path() -> None:
    client, wire = client_of("s3", lambda *_: {"ETag": '"x"'}, s3={"addressing_style": "path"})
    client.put_object(Bucket="b", Key="a b/c+d/é", Body=b"hello", Metadata={"k": "v"})
    operation, params = wire.seen[0]
    assert (operation, params["Bucket"], params["Key"]) == ("PutObject", "b", "a b/c+d/é")
    assert params["Body"] == b"hello"
    assert params["Metadata"] == {"k": "v"}
    assert params["ChecksumCRC32"]


def test_s3_streams_in_chunks_with_a_trailing_checksum() -> None:
    client, wire = client_of("s3", lambda *_: {"ETag": '"x"'}, scheme="https", s3={"addressing_style": "path"})
    client.put_object(Bucket="b", Key="k", Body=io.BytesIO(b"x" * 70_000), ContentEncoding="gzip")
    assert wire.requests[0].header("x-amz-content-sha256") == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    params = wire.seen[0][1]
    assert params["Body"] == b"x" * 70_000
    assert params["ContentEncoding"] == "gzip"
    assert params["ChecksumCRC32"]


def test_s3_bucket_of_the_virtual_host() -> None:
    client, _ = client_of(
        "s3", lambda *_: {"Name": "my.bucket", "Contents": [{"Key": "a", "Size": 1}], "IsTruncated": False}
    )
    request = HttpRequest("GET", "/?list-type=2&prefix=a%2F", (("Host", "my.bucket.s3.us-west-2.amazonaws.com"),), b"")
    assert parse_request("s3", request) == ("ListObjectsV2", {"Bucket": "my.bucket", "Prefix": "a/"})
    assert client.list_objects_v2(Bucket="my.bucket")["Contents"][0]["Key"] == "a"


def test_s3_presigned_urls_verify() -> None:
    client, _ = client_of("s3", lambda *_: {}, signature_version="s3v4")
    url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "a b"}, ExpiresIn=60)
    request = HttpRequest("GET", url.split("127.44.2.1:4566", 1)[1], (("Host", "127.44.2.1:4566"),), b"")
    assert sigv4.verify(request, lambda key: "test", time.time()).service == "s3"
    assert parse_request("s3", request) == ("GetObject", {"Bucket": "b", "Key": "a b"})


def test_s3_presigned_urls_of_the_older_kind_verify_until_they_expire() -> None:
    client, _ = client_of("s3", lambda *_: {}, signature_version="s3")
    params = {"Bucket": "b", "Key": "a b/é+", "ResponseContentType": "text/plain"}
    url = client.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    target = url.split("127.44.2.1:4566", 1)[1]
    request = HttpRequest("GET", target, (("Host", "127.44.2.1:4566"),), b"")
    scope = sigv2.scope_of(request, "us-west-2")
    assert scope is not None
    now = time.time()
    assert sigv2.verify(request, scope, lambda key: "test", now).access_key == "test"
    for wrong, at, code in (
        (target.replace("response-content-type=text", "response-content-type=xml"), now, "InvalidSignatureException"),
        (target, now + 61, "AccessDenied"),
    ):
        with pytest.raises(AwsError) as refused:
            sigv2.verify(HttpRequest("GET", wrong, request.headers, b""), scope, lambda key: "test", at)
        assert refused.value.code == code


def test_s3_bucket_location_and_errors() -> None:
    client, _ = client_of("s3", lambda *_: {"LocationConstraint": "us-west-2"})
    assert client.get_bucket_location(Bucket="b")["LocationConstraint"] == "us-west-2"

    def missing(operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ClientFault("NoSuchKey", "The specified key does not exist.", Key="k")

    client, _ = client_of("s3", missing)
    with pytest.raises(client.exceptions.NoSuchKey) as caught:
        client.get_object(Bucket="b", Key="k")
    assert caught.value.response["Error"] == {
        "Code": "NoSuchKey",
        "Message": "The specified key does not exist.",
        "Key": "k",
    }


@pytest.mark.parametrize(
    ("service", "call", "arguments", "wrong_key", "wrong_secret"),
    [
        ("dynamodb", "list_tables", {}, ("UnrecognizedClientException", 400), ("InvalidSignatureException", 400)),
        ("lambda", "list_functions", {}, ("UnrecognizedClientException", 403), ("InvalidSignatureException", 403)),
        ("cloudformation", "describe_stacks", {}, ("InvalidClientTokenId", 403), ("SignatureDoesNotMatch", 403)),
        ("route53", "list_hosted_zones", {}, ("InvalidClientTokenId", 403), ("SignatureDoesNotMatch", 403)),
        ("s3", "list_buckets", {}, ("InvalidAccessKeyId", 403), ("SignatureDoesNotMatch", 403)),
        ("sts", "get_caller_identity", {}, ("InvalidClientTokenId", 403), ("SignatureDoesNotMatch", 403)),
    ],
)
def test_a_wrong_key_and_a_wrong_secret_are_told_in_the_protocols_own_words(
    service: str, call: str, arguments: dict[str, Any], wrong_key: tuple[str, int], wrong_secret: tuple[str, int]
) -> None:
    for key, secret, expected in [("nobody", "test", wrong_key), ("test", "wrong", wrong_secret)]:
        client, _ = client_of(service, nothing, key=key, secret=secret)
        with pytest.raises(ClientError) as caught:
            getattr(client, call)(**arguments)
        response = caught.value.response
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == expected
