"""The planet's own figures: start-up, memory, replication lag beyond the link, an API call through Lambda, DNS."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

import boto3
import orjson

from antipodes.world import geography
from benchmarks import load, planet_dns, planets

EXAMPLE = Path(__file__).parent.parent / "examples" / "globaldb"
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
NAME = "api.globaldb.example"


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def start_up(planet: planets.Running, took_s: float) -> None:
    status = orjson.loads(planet.antipodes("status", "--json"))
    memory = [resident_mb(region["pid"]) for region in status["regions"]]
    print(f"start-up     {len(memory)} Regions in {took_s:.2f} s; a Region's memory {statistics.median(memory):.0f} MB")


def replication_lag(planet: planets.Running, writes: int = 500) -> None:
    """Puts in one Region; each Region's own lag figures against half the median round trip of the link."""
    client = boto3.client("dynamodb", region_name="us-east-1", **credentials(planet))
    table = client.list_tables()["TableNames"][0]
    for number in range(writes):
        client.put_item(TableName=table, Item={"id": {"S": f"lag-{number}"}, "payload": {"S": "x" * 500}})
    time.sleep(0.5)
    for region in orjson.loads(planet.antipodes("status", "--json"))["regions"]:
        for peer in region["peers"]:
            if peer["peer"] == "us-east-1" and peer["lag_p50_ms"] is not None:
                link = geography.round_trip_ms("us-east-1", region["name"]) / 2
                print(
                    f"replication  us-east-1 to {region['name']:10} link {link:5.1f} ms   beyond it: "
                    f"p50 {peer['lag_p50_ms'] - link:5.1f} ms   p99 {peer['lag_p99_ms'] - link:5.1f} ms"
                )


def credentials(planet: planets.Running) -> dict[str, str]:
    return {
        "endpoint_url": f"http://127.0.0.1:{planet.port}",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }


def api_host(planet: planets.Running, region: str) -> str:
    client = boto3.client("apigateway", region_name=region, **credentials(planet))
    api = client.get_rest_apis()["items"][0]["id"]
    return f"{api}.execute-api.{region}.amazonaws.com"


def api_call(planet: planets.Running, seconds: float = 3.0) -> None:
    """An API call that runs a Python handler which reads one item: cold once, then warm at 1 and 8 connections."""
    host = api_host(planet, "us-east-1")
    table = boto3.client("dynamodb", region_name="us-east-1", **credentials(planet))
    table.put_item(TableName=table.list_tables()["TableNames"][0], Item={"id": {"S": "warm"}, "payload": {"S": "here"}})
    request = f"GET /prod/items/warm HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    address = planet.address("us-east-1")
    cold = load.run(address, planet.port, [request], connections=1, seconds=0.01)
    print(f"API call     cold {cold.p50_ms:7.1f} ms (first request; health checks may have warmed one environment)")
    for connections in (1, 8):
        figures = load.run(address, planet.port, [request], connections=connections, seconds=seconds, expect=b"warm")
        if figures.bad:
            raise SystemExit(f"{figures.bad} bad answers of {figures.answers}")
        print(
            f"API call     warm, {connections} connections {figures.per_second:7,.0f}/s   "
            f"p50 {figures.p50_ms:5.2f} ms   p99 {figures.p99_ms:5.2f} ms"
        )


def measure() -> None:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        with planets.planet(Path(folder) / "planet", REGIONS) as planet:
            start_up(planet, time.perf_counter() - begin)
            begin = time.perf_counter()
            planet.antipodes("deploy", os.fspath(EXAMPLE))
            print(f"deploy       examples/globaldb to {len(REGIONS)} Regions in {time.perf_counter() - begin:.1f} s")
            api_call(planet)
            replication_lag(planet)
            rate, p99_us = planet_dns.measure(planet, NAME)
            print(f"DNS          {rate:,.0f} policy-routed answers/s, 8 sockets, p99 {p99_us:.0f} us")


if __name__ == "__main__":
    measure()
