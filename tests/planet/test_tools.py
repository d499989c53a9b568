"""Real clients against real processes: boto3, the aws command, dig, curl's bytes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from functools import partial
from pathlib import Path

import dns.message
import dns.query
import pytest
from botocore.exceptions import ClientError

from antipodes.world import geography
from tests.planet.planets import SUITE_KEY, Running, wait_until

pytestmark = [pytest.mark.planet, pytest.mark.timeout(180)]

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
NAME = "api.globaldb.example"


def table_of(planet: Running) -> str:
    names: list[str] = planet.client("dynamodb", "us-east-1").list_tables()["TableNames"]
    return names[0]


@pytest.mark.parametrize("region", REGIONS)
def test_boto3_reads_everywhere_what_it_wrote_in_one_region(planet: Running, region: str) -> None:
    table = table_of(planet)
    key = {"id": {"S": f"from-{region}"}}
    planet.client("dynamodb", region).put_item(TableName=table, Item={**key, "payload": {"S": "é ☃"}})
    for other in REGIONS:
        client = planet.client("dynamodb", other)
        read = partial(client.get_item, TableName=table, Key=key)
        wait_until(lambda read=read: "Item" in read(), f"{key} in {other}")  # type: ignore[misc]
        assert client.get_item(TableName=table, Key=key)["Item"]["payload"] == {"S": "é ☃"}


def test_the_aws_command_works_with_the_environment_that_env_prints(planet: Running) -> None:
    aws = Path(sys.executable).parent / "aws"
    exports = planet.command("env", "--region", "eu-west-1").out
    script = f'{exports}\n"{aws}" dynamodb list-tables --output text && "{aws}" sts get-caller-identity --output text'
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert table_of(planet) in done.stdout
    assert "000000000000" in done.stdout


def test_aws_s3_carries_a_file_in_parts_and_a_url_fetches_it(planet: Running, tmp_path: Path) -> None:
    aws = Path(sys.executable).parent / "aws"
    there = tmp_path / "there"
    there.write_bytes(os.urandom(64 * 1024) * 144)  # 9 MiB: two parts
    client = planet.client("s3", "us-east-1")
    client.create_bucket(Bucket="carried")
    exports = planet.command("env", "--region", "us-east-1").out
    script = f'{exports}\n"{aws}" s3 cp --quiet "{there}" s3://carried/a/b'
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert client.head_object(Bucket="carried", Key="a/b")["ETag"].endswith('-2"')
    with urllib.request.urlopen(
        client.generate_presigned_url("get_object", {"Bucket": "carried", "Key": "a/b"})
    ) as got:
        assert got.read() == there.read_bytes()


def test_an_unknown_key_is_refused_as_aws_refuses_it(planet: Running) -> None:
    client = planet.client("dynamodb", "us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(ClientError, match="The security token included in the request is invalid") as refused:
        client.list_tables()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_a_key_that_the_planet_was_told_of_is_checked_like_its_own(planet: Running) -> None:
    key, _, secret = SUITE_KEY.partition(":")
    known = planet.client("dynamodb", "eu-west-1", aws_access_key_id=key, aws_secret_access_key=secret)
    assert table_of(planet) in known.list_tables()["TableNames"]
    wrong = planet.client("dynamodb", "eu-west-1", aws_access_key_id=key, aws_secret_access_key="test")
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        wrong.list_tables()


def test_an_unsigned_get_is_told_that_dynamodb_is_healthy(planet: Running) -> None:
    for path in ("", "ping"):
        with urllib.request.urlopen(f"http://127.0.0.1:{planet.planet.port}/{path}") as answer:
            assert answer.read() == b"healthy: dynamodb.us-east-1.amazonaws.com "


def test_a_wrong_secret_is_refused(planet: Running) -> None:
    client = planet.client("dynamodb", "us-east-1", aws_secret_access_key="wrong")
    with pytest.raises(ClientError, match="signature we calculated does not match"):
        client.list_tables()


def test_a_region_that_the_planet_does_not_have_is_named(planet: Running) -> None:
    with pytest.raises(ClientError, match="no Region ap-south-1"):
        planet.client("dynamodb", "ap-south-1").list_tables()


def test_an_operation_that_is_not_there_is_refused_by_name(planet: Running) -> None:
    with pytest.raises(ClientError, match="ExportTableToPointInTime"):
        planet.client("dynamodb", "us-east-1").export_table_to_point_in_time(TableArn="x" * 20, S3Bucket="b")


@pytest.mark.parametrize("service", ["ec2", "sqs", "organizations", "eks", "cloudfront"])  # of each protocol one
def test_a_service_that_is_not_there_is_refused_by_name(planet: Running, service: str) -> None:
    client = planet.client(service, "us-east-1")
    ask = {"ec2": "describe_vpcs", "sqs": "list_queues", "organizations": "list_roots", "eks": "list_clusters"}
    with pytest.raises(ClientError, match=f"antipodes does not support the service {service}"):
        getattr(client, ask.get(service, "list_distributions"))()


@pytest.mark.parametrize(
    ("city", "region"),
    [("New York", "us-east-1"), ("San Francisco", "us-west-2"), ("Frankfurt", "eu-west-1"), ("Tokyo", "us-west-2")],
)
def test_dig_sends_each_city_to_its_nearest_region(planet: Running, city: str, region: str) -> None:
    dig = shutil.which("dig")
    subnet = f"{geography.city(city).prefix}.0/24"
    if dig:
        command = [dig, "+short", f"+subnet={subnet}", "-p", str(planet.planet.dns_port), "@127.0.0.1", NAME]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    else:
        answer = resolve_with_subnet(planet, subnet)
    assert answer[-1] == geography.address_of(region)


def resolve_with_subnet(planet: Running, subnet: str) -> list[str]:
    import dns.edns

    option = dns.edns.ECSOption(subnet.partition("/")[0], 24)
    query = dns.message.make_query(NAME, "A", use_edns=0, options=[option])
    answer = dns.query.udp(query, "127.0.0.1", port=planet.planet.dns_port, timeout=5)
    return [str(record) for one in answer.answer for record in one]


def test_dns_answers_over_tcp_too(planet: Running) -> None:
    query = dns.message.make_query(NAME, "A")
    answer = dns.query.tcp(query, "127.0.0.1", port=planet.planet.dns_port, timeout=5)
    assert answer.answer


def test_curl_from_a_city_goes_over_tls_to_the_answered_region(planet: Running) -> None:
    done = planet.command("curl", f"https://{NAME}/health", "--from", "Frankfurt", "--json")
    assert done.code == 0, done.err
    assert '"region": "eu-west-1"' in done.out or '"region":"eu-west-1"' in done.out


def test_status_shows_regions_health_and_lag(planet: Running) -> None:
    shown = planet.command("status").out
    for region in REGIONS:
        assert region in shown
    assert "healthy" in shown


@pytest.mark.parametrize(
    "garbage",
    [b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01"],
)
def test_malformed_http_gets_an_error_and_the_region_lives_on(planet: Running, garbage: bytes) -> None:
    with socket.create_connection((geography.address_of("us-east-1"), planet.planet.port), 5) as raw:
        raw.sendall(garbage)
        raw.shutdown(socket.SHUT_WR)
        raw.settimeout(5)
        answer = raw.recv(4096)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert planet.client("dynamodb", "us-east-1").list_tables()["TableNames"]


@pytest.mark.parametrize(
    "garbage", [b"", b"\0", b"\0" * 12, b"\xff" * 512, b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"]
)
def test_malformed_dns_is_survived(planet: Running, garbage: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        raw.sendto(garbage, ("127.0.0.1", planet.planet.dns_port))
    query = dns.message.make_query(NAME, "A")
    assert dns.query.udp(query, "127.0.0.1", port=planet.planet.dns_port, timeout=5).answer


def test_the_admin_api_is_closed_to_web_pages_and_to_strangers(planet: Running) -> None:
    import urllib.error
    import urllib.request

    def status_of(**headers: str) -> int:
        url = f"http://127.0.0.1:{planet.planet.port}/_antipodes/heal"
        request = urllib.request.Request(url, data=b"{}", headers={k.replace("_", "-"): v for k, v in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                code: int = answer.status
                return code
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    token = planet.planet.token
    assert status_of() == 403
    assert status_of(x_antipodes_token="wrong") == 403
    assert status_of(x_antipodes_token=token, origin="https://elsewhere.example") == 403
    assert status_of(x_antipodes_token=token, host="rebound.example") == 403
    assert status_of(x_antipodes_token=token) == 200
