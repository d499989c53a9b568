"""The same zone in a name server of another school (NSD): the same answers, word for word."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from antipodes.wire import masterfile
from tests.ports import free_port
from tests.route53.planes import SOA, Plane, plain
from tests.route53.responders import responder

NSD = shutil.which("nsd", path="/usr/sbin:/usr/bin:/usr/local/sbin") or ""
LABELS = ("a", "b", "c", "*", "_x")
TYPES = ("A", "AAAA", "TXT", "MX", "NS", "CNAME", "SOA", "DS")
CONFIG = """
server:
  ip-address: 127.0.0.1@{port}
  port: {port}
  username: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/pid"
  xfrdfile: "{folder}/xfrd"
  zonelistfile: "{folder}/list"
  xfrdir: "{folder}"
  server-count: 1
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: example.com
  zonefile: zone
"""


def a_name(chance: random.Random, depth: int) -> str:
    return ".".join([*(chance.choice(LABELS) for _ in range(chance.randint(1, depth))), "example.com"])


def a_zone(chance: random.Random) -> list[dict[str, Any]]:
    """Records of all kinds: wildcards at every height, empty non-terminals, chains, delegations with glue."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for _ in range(45):
        name, kind = a_name(chance, 3), chance.choice(["A", "A", "TXT", "CNAME", "NS", "MX", "AAAA"])
        held = [key[1] for key in found if key[0] == name]
        if (kind == "CNAME" and held) or "CNAME" in held or (kind == "NS" and name.startswith("*")):
            continue
        values = {
            "A": f"192.0.2.{chance.randint(1, 99)}",
            "TXT": '"text"',
            "CNAME": a_name(chance, 3) + ".",
            "NS": chance.choice([a_name(chance, 2) + ".", "ns.other.test."]),
            "MX": f"10 {a_name(chance, 2)}.",
            "AAAA": "2001:db8::1",
        }
        found[name, kind] = plain(name, values[kind], kind=kind)
    return list(found.values())


@contextmanager
def nsd(folder: Path, records: list[dict[str, Any]]) -> Iterator[int]:
    apex = [plain("example.com", SOA, kind="SOA", ttl=900)]
    apex.append(plain("example.com", "ns-1.awsdns-00.com.", kind="NS", ttl=172800))
    dotted = [{**shape, "Name": shape["Name"].replace("*", "\\052") + "."} for shape in (*apex, *records)]
    (folder / "zone").write_text(masterfile.write("ZTEST", "example.com.", dotted))
    port = free_port()
    (folder / "nsd.conf").write_text(CONFIG.format(folder=folder, port=port))
    with (folder / "words").open("w") as words:
        process = subprocess.Popen([NSD, "-d", "-c", str(folder / "nsd.conf")], stdout=words, stderr=words)
    try:
        for _ in range(100):
            try:
                if dns.query.udp(
                    dns.message.make_query("example.com", "SOA"), "127.0.0.1", port=port, timeout=0.2
                ).answer:
                    break
            except OSError:
                time.sleep(0.1)
            except dns.exception.Timeout:
                pass
        else:
            raise AssertionError(f"nsd does not answer: {(folder / 'words').read_text()}")
        yield port
    finally:
        process.terminate()
        process.wait()


def said(message: dns.message.Message) -> tuple[str, bool, list[str], list[str], list[str]]:
    sections = [
        sorted(line.lower() for rrset in section for line in rrset.to_text().split("\n"))
        for section in (message.answer, message.authority, message.additional)
    ]
    return dns.rcode.to_text(message.rcode()), bool(message.flags & dns.flags.AA), *sections  # type: ignore[return-value]


@pytest.mark.skipif(not NSD, reason="nsd is not installed here (Debian: nsd)")
@pytest.mark.parametrize("seed", [4, 7])
def test_nsd_says_the_same(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    records = a_zone(chance)
    server = responder(Plane(*records).plane)
    names = dict.fromkeys([*(a_name(chance, 4) for _ in range(80)), *(shape["Name"] for shape in records)])
    with nsd(tmp_path, records) as port:
        for name in names:
            for kind in TYPES:
                asked = dns.message.make_query(name, kind)
                ours = dns.message.from_wire(server.answer(asked.to_wire(), "127.0.0.1") or b"")
                theirs = dns.query.udp(asked, "127.0.0.1", port=port, timeout=10)
                assert said(ours) == said(theirs), (name, kind)
