"""Signed zones: the operations, and answers that real validators accept: dnspython; delv and unbound if installed."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.edge.dns import serve_dns
from antipodes.nameserver.responder import Responder
from antipodes.nameserver.signer import Signer
from antipodes.services.route53.keys import KSK_FLAGS, Signing, SigningKey, dnskey, ds_text, key_tag, secret_of
from antipodes.services.route53.records import Zone
from antipodes.services.route53.signing import WINDOW_S
from antipodes.wire import dns as codec
from antipodes.wire.errors import ClientFault
from antipodes.world.disk import MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.world import GLOBE
from tests.ports import free_port
from tests.route53.homes import Planet53, on_planet
from tests.route53.planes import SOA, Plane, alias, plain
from tests.route53.responders import NOW_S, opt, question, responder, subnet

DELV, UNBOUND = shutil.which("delv") or "", shutil.which("unbound", path="/usr/sbin:/usr/bin:/usr/local/sbin") or ""
DO, CO = 0x8000, 0x4000
IP, OTHER = "192.0.2.1", "192.0.2.2"
ORIGIN = dns.name.from_text("example.com.")
NXNAME = 128

KSK = SigningKey("k", "arn", "r", "ACTIVE", secret_of(3**200), 1.0, 1.0)
SIGNING = Signing("ZTEST", "example.com.", secret_of(7**150), True, (KSK,))
CHILD_KSK = SigningKey("c", "arn", "r", "ACTIVE", secret_of(5**170), 1.0, 1.0)
CHILD = Signing("ZCHILD", "child.example.com.", secret_of(11**120), True, (CHILD_KSK,))

RECORDS = (
    plain("api.example.com", IP, SetIdentifier="e", Region="us-east-1"),
    plain("api.example.com", OTHER, SetIdentifier="w", Region="ap-northeast-1"),
    plain("both.example.com", IP, SetIdentifier="a", Weight=1),
    plain("both.example.com", OTHER, SetIdentifier="b", Weight=3),
    plain("www.example.com", "api.example.com.", kind="CNAME"),
    plain("into.example.com", "host.child.example.com.", kind="CNAME"),
    plain("out.example.com", "dynamodb.us-east-1.amazonaws.com.", kind="CNAME"),
    plain("broken.example.com", "nowhere.example.com.", kind="CNAME"),
    plain("*.wild.example.com", IP),
    plain("deep.empty.example.com", IP),
    plain("sub.example.com", "ns1.sub.example.com.", kind="NS"),
    plain("ns1.sub.example.com", IP),
    plain("secure.example.com", "ns.elsewhere.test.", kind="NS"),
    plain("secure.example.com", "1 13 2 " + "AB" * 32, kind="DS"),
    plain("child.example.com", "ns-1.awsdns-00.com.", kind="NS"),
    plain("child.example.com", ds_text("child.example.com.", dnskey(CHILD_KSK.secret, KSK_FLAGS)), kind="DS"),
    plain("fr.example.com", IP, SetIdentifier="x", GeoLocation={"CountryCode": "FR"}),
    plain("multi.example.com", IP, OTHER, "192.0.2.3"),
    plain("text.example.com", '"some text" "more"', kind="TXT"),
    plain("naptr.example.com", '100 50 "s" "z3950+N2L" "" _Z3950._tcp.example.com.', kind="NAPTR"),
    plain("https.example.com", "1 . alpn=h2", kind="HTTPS"),
    alias("tree.example.com", "both.example.com"),
    *(
        plain("many.example.com", f"192.0.2.{n}", SetIdentifier=str(n), MultiValueAnswer=True, ttl=60 + n)
        for n in range(12)
    ),
)
ASKED = (
    *(("api", "A"), ("api", "AAAA"), ("both", "A"), ("www", "A"), ("www", "AAAA"), ("broken", "A"), ("x.wild", "A")),
    *(("x.wild", "TXT"), ("a.b.wild", "A"), ("empty", "A"), ("none", "A"), ("x.y.none", "MX"), ("fr", "A")),
    *(("multi", "A"), ("text", "TXT"), ("naptr", "NAPTR"), ("https", "HTTPS"), ("tree", "A"), ("many", "A")),
    *(("sub", "DS"), ("secure", "DS"), ("child", "DS"), ("api", "NSEC"), ("api", "ANY"), ("x.wild", "NSEC")),
)


def signed() -> tuple[Responder, Plane, Signer]:
    plane = Plane(*RECORDS)
    plane.plane.put_zone(Zone("ZCHILD", "child.example.com.", "r", ("ns-1.awsdns-00.com",), 1.0))
    from antipodes.services.route53.records import record_of

    for name, kind, value in (
        ("child.example.com", "SOA", SOA),
        ("child.example.com", "NS", "ns-1.awsdns-00.com."),
        ("host.child.example.com", "A", IP),
    ):
        plane.plane.set_group("ZCHILD", name + ".", kind, [record_of(plain(name, value, kind=kind))])
    signer = Signer(plane.plane, lambda: NOW_S)
    signer.put("ZTEST", SIGNING)
    signer.put("ZCHILD", CHILD)
    return responder(plane.plane, signer=signer), plane, signer


def ask(server: Responder, name: str, kind: str, *, flags: int = DO, city: str = "New York") -> dns.message.Message:
    text = f"{name}.example.com" if name else "example.com"
    number = int(dns.rdatatype.from_text(kind))
    told = server.answer(question(codec.encode_name(text), number, opt=opt(subnet(city), flags=flags)), "127.0.0.1")
    assert told is not None and len(told) <= codec.MAX_UDP_BYTES
    return dns.message.from_wire(told)


def read_key(data: bytes) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DNSKEY, data, 0, len(data))


def check_signatures(message: dns.message.Message, origin: dns.name.Name = ORIGIN, signing: Signing = SIGNING) -> None:
    """Every record set has its signature, but for the NS records and glue of a delegation."""
    from antipodes.services.route53.signing import ZoneSigner

    keys = dns.rrset.from_rdata_list(origin, 3600, [read_key(one.rdata) for one in ZoneSigner(signing).dnskeys()])
    checked = 0
    for section in (message.answer, message.authority):
        for rrset in section:
            if rrset.rdtype == dns.rdatatype.RRSIG:
                continue
            signatures = message.get_rrset(section, rrset.name, rrset.rdclass, dns.rdatatype.RRSIG, rrset.rdtype)
            if rrset.rdtype == dns.rdatatype.NS and rrset.name != origin:
                assert signatures is None
                continue
            assert signatures is not None, rrset.to_text()
            dns.dnssec.validate(rrset, signatures, {origin: keys}, now=NOW_S)
            checked += 1
    assert checked


def nsec_of(message: dns.message.Message) -> tuple[str, list[int]]:
    """Owner and types of the one NSEC record."""
    (found,) = [rrset for rrset in message.authority if rrset.rdtype == dns.rdatatype.NSEC]
    types = [
        window * 256 + byte * 8 + bit
        for window, bitmap in found[0].windows
        for byte, value in enumerate(bitmap)
        for bit in range(8)
        if value & (0x80 >> bit)
    ]
    assert found[0].next.to_text() == "\\000." + found.name.to_text()
    return found.name.to_text(), types


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(("name", "kind"), ASKED, ids=[" ".join(one) for one in ASKED])
def test_every_record_set_is_signed(name: str, kind: str) -> None:
    server, _, _ = signed()
    for city in ("New York", "Tokyo"):
        for _ in range(3):
            check_signatures(ask(server, name, kind, city=city))


def test_a_name_that_is_not_there_is_denied_compactly() -> None:
    server, _, _ = signed()
    for name in ("none", "x.y.none", "x.api"):
        message = ask(server, name, "A")
        assert message.rcode() == dns.rcode.NOERROR and not message.answer
        assert nsec_of(message) == (f"{name}.example.com.", [46, 47, NXNAME])
        with_co = ask(server, name, "A", flags=DO | CO)  # RFC 9824 5.1
        assert with_co.rcode() == dns.rcode.NXDOMAIN and nsec_of(with_co)[1] == [46, 47, NXNAME]
        assert ask(server, name, "A", flags=0).rcode() == dns.rcode.NXDOMAIN  # no DNSSEC asked for
        check_signatures(with_co)


@pytest.mark.parametrize(
    ("name", "kind", "types"),
    [
        ("api", "AAAA", [1, 46, 47]),
        ("x.wild", "TXT", [1, 46, 47]),
        ("empty", "A", [46, 47]),
        ("fr", "A", [46, 47]),  # for this place there is no A record
        ("sub", "DS", [2, 46, 47]),
        ("", "TXT", [2, 6, 46, 47, 48]),
    ],
)
def test_a_type_that_is_not_there_is_denied_with_those_that_are(name: str, kind: str, types: list[int]) -> None:
    server, _, _ = signed()
    assert nsec_of(ask(server, name, kind))[1] == types


def test_a_delegation_is_proven_secure_or_not() -> None:
    server, _, _ = signed()
    insecure = ask(server, "host.sub", "A")
    check_signatures(insecure)
    assert nsec_of(insecure) == ("sub.example.com.", [2, 46, 47])
    secure = ask(server, "host.secure", "A")
    check_signatures(secure)
    assert [rrset.rdtype for rrset in secure.authority] == [2, 43, 46]


def test_a_chain_is_signed_by_each_of_its_zones() -> None:
    server, _, _ = signed()
    message = ask(server, "into", "A")
    names = [(rrset.name.to_text(), int(rrset.rdtype)) for rrset in message.answer]
    assert names == [("into.example.com.", 5), ("into.example.com.", 46), ("host.child.example.com.", 1),
                     ("host.child.example.com.", 46)]  # fmt: skip
    assert message.answer[3][0].signer.to_text() == "child.example.com."
    out = ask(server, "out", "A")  # AWS's own names are not signed
    assert [int(rrset.rdtype) for rrset in out.answer] == [5, 46, 1]


def test_dnskeys_are_there_with_and_without_do_and_ds_fits() -> None:
    server, _, _ = signed()
    message = ask(server, "", "DNSKEY")
    check_signatures(message)
    keys = message.answer[0]
    assert sorted(key.flags for key in keys) == [256, 257]
    (ksk,) = [key for key in keys if key.flags == 257]
    made = dns.dnssec.make_ds(ORIGIN, ksk, "SHA256")
    assert made.to_text().upper() == ds_text("example.com.", dnskey(KSK.secret, KSK_FLAGS))
    assert dns.dnssec.key_id(ksk) == key_tag(dnskey(KSK.secret, KSK_FLAGS))
    plain_answer = ask(server, "", "DNSKEY", flags=0)
    assert [int(rrset.rdtype) for rrset in plain_answer.answer] == [48]


def test_without_do_nothing_of_dnssec_is_told() -> None:
    server, _, _ = signed()
    for name, kind in ASKED:
        if kind not in ("NSEC", "DS"):
            message = ask(server, name, kind, flags=0)
            assert not [one for one in (*message.answer, *message.authority) if int(one.rdtype) in (46, 47)]


def test_signatures_are_renewed_before_they_end() -> None:
    plane = Plane(*RECORDS)
    clock = [NOW_S]
    signer = Signer(plane.plane, lambda: clock[0])
    signer.put("ZTEST", SIGNING)
    server = responder(plane.plane, signer=signer)

    def ends_in_s() -> float:
        message = ask(server, "api", "A")
        return float(message.answer[1][0].expiration) - clock[0]

    first_s = ends_in_s()
    clock[0] += WINDOW_S
    assert ends_in_s() == first_s - WINDOW_S  # prepared: as it was
    signer.renew()
    assert ends_in_s() == first_s
    assert first_s > 6 * WINDOW_S


def test_a_zone_that_is_no_longer_signed_answers_plainly() -> None:
    server, _, signer = signed()
    assert len(ask(server, "api", "A").answer) == 2
    signer.put("ZTEST", None)
    assert len(ask(server, "api", "A").answer) == 1
    assert not ask(server, "", "DNSKEY").answer


@given(st.data())
def test_any_question_to_a_signed_zone_is_answered_validly_and_within_bounds(data: st.DataObject) -> None:
    server, _, _ = SHARED
    label = st.sampled_from(["api", "www", "wild", "empty", "sub", "secure", "x", "*", "none", "deep", "child", "host"])
    name = ".".join(data.draw(st.lists(label, max_size=3)))
    kind = data.draw(
        st.sampled_from(["A", "AAAA", "CNAME", "NS", "SOA", "DS", "TXT", "NSEC", "DNSKEY", "ANY", "TYPE999"])
    )
    message = ask(server, name, kind, flags=data.draw(st.sampled_from([DO, DO | CO])))
    if not name.endswith("child") or (name, kind) == ("child", "DS"):  # below it, the child signs
        check_signatures(message)


SHARED = signed()

# ---------------------------------------------------------------- the operations

ARN = "arn:aws:kms:us-east-1:000000000000:key/1"


async def with_key(planet: Planet53, zone: str, name: str = "ksk_1", status: str = "ACTIVE", arn: str = ARN) -> Any:
    return await planet.do(
        "CreateKeySigningKey",
        CallerReference=name,
        HostedZoneId=zone,
        KeyManagementServiceArn=arn,
        Name=name,
        Status=status,
    )


def test_a_zone_is_signed_and_unsigned_by_the_api() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        await asyncio.sleep(2)
        made = await with_key(planet, zone)
        key = made["KeySigningKey"]
        assert (key["Flag"], key["SigningAlgorithmType"], key["DigestAlgorithmType"]) == (257, 13, 2)
        assert key["DSRecord"] == f"{key['KeyTag']} 13 2 {key['DigestValue']}"
        info = (await planet.do("EnableHostedZoneDNSSEC", HostedZoneId=zone))["ChangeInfo"]
        assert info["Status"] == "PENDING"
        await planet.in_sync(info["Id"])
        assert (await planet.do("GetDNSSEC", HostedZoneId=zone))["Status"] == {"ServeSignature": "SIGNING"}
        keys = await planet.ask("example.com", kind="TYPE48")
        assert key["PublicKey"].replace("=", "") in "".join(one.value for one in keys.answers).replace(" ", "")
        with pytest.raises(ClientFault) as refused:
            await planet.do("DeactivateKeySigningKey", HostedZoneId=zone, Name="ksk_1")
        assert refused.value.code == "KeySigningKeyInUse"
        with pytest.raises(ClientFault) as refused:
            await planet.do("DeleteHostedZone", Id=zone)
        assert refused.value.code == "HostedZoneNotEmpty" and "Key Signing Keys" in refused.value.message
        info = (await planet.do("DisableHostedZoneDNSSEC", HostedZoneId=zone))["ChangeInfo"]
        await planet.in_sync(info["Id"])
        assert not (await planet.ask("example.com", kind="TYPE48")).answers
        await planet.do("DeactivateKeySigningKey", HostedZoneId=zone, Name="ksk_1")
        await planet.do("DeleteKeySigningKey", HostedZoneId=zone, Name="ksk_1")
        assert (await planet.do("GetDNSSEC", HostedZoneId=zone))["KeySigningKeys"] == []
        await planet.do("DeleteHostedZone", Id=zone)

    on_planet(story)


def test_what_route_53_refuses_of_keys() -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()

        async def code(operation: str, **params: Any) -> str:
            with pytest.raises(ClientFault) as refused:
                await planet.do(operation, **params)
            return refused.value.code

        create = {"CallerReference": "r", "HostedZoneId": zone, "KeyManagementServiceArn": ARN, "Status": "ACTIVE"}
        assert await code("EnableHostedZoneDNSSEC", HostedZoneId=zone) == "DNSSECNotFound"
        assert await code("DisableHostedZoneDNSSEC", HostedZoneId=zone) == "DNSSECNotFound"
        assert await code("CreateKeySigningKey", **create, Name="a-b-c") == "InvalidKeySigningKeyName"
        bad = create | {"KeyManagementServiceArn": ARN.replace("us-east-1", "eu-west-1")}
        assert await code("CreateKeySigningKey", **bad, Name="abc") == "InvalidKMSArn"
        bad = create | {"Status": "WAITING"}
        assert await code("CreateKeySigningKey", **bad, Name="abc") == "InvalidKeySigningKeyStatus"
        bad = create | {"HostedZoneId": "ZNONE"}
        assert await code("CreateKeySigningKey", **bad, Name="abc") == "NoSuchHostedZone"
        await with_key(planet, zone, "abc", "INACTIVE")
        assert await code("EnableHostedZoneDNSSEC", HostedZoneId=zone) == "KeySigningKeyWithActiveStatusNotFound"
        assert await code("CreateKeySigningKey", **create, Name="abd") == "KeySigningKeyAlreadyExists"  # the same ARN
        await with_key(planet, zone, "abd", arn=ARN + "2")
        more = create | {"KeyManagementServiceArn": ARN + "3"}
        assert await code("CreateKeySigningKey", **more, Name="abe") == "TooManyKeySigningKeys"
        assert await code("DeleteKeySigningKey", HostedZoneId=zone, Name="abd") == "InvalidKeySigningKeyStatus"
        assert await code("ActivateKeySigningKey", HostedZoneId=zone, Name="none") == "NoSuchKeySigningKey"

    on_planet(story)


def test_a_key_that_the_parent_vouches_for_goes_on_signing() -> None:
    async def story(planet: Planet53) -> None:
        parent, child = await planet.zone(), await planet.zone("child.example.com")
        key = (await with_key(planet, child))["KeySigningKey"]
        await planet.do("EnableHostedZoneDNSSEC", HostedZoneId=child)
        delegation = plain("child.example.com", key["DSRecord"], kind="DS")
        servers = plain("child.example.com", "ns-1.awsdns-00.com.", kind="NS")
        await planet.change(parent, ("CREATE", servers), ("CREATE", delegation))
        with pytest.raises(ClientFault) as refused:
            await planet.do("DisableHostedZoneDNSSEC", HostedZoneId=child)
        assert refused.value.code == "KeySigningKeyInParentDSRecord"
        await planet.change(parent, ("DELETE", delegation))
        await planet.do("DisableHostedZoneDNSSEC", HostedZoneId=child)

    on_planet(story)


# ---------------------------------------------------------------- real validators


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The signed zones on a port, with signatures of today."""
    world = RealWorld(GLOBE, links=Links(), disk=MemoryDisk())
    plane = signed()[1]
    signer = Signer(plane.plane, world.now)
    signer.put("ZTEST", SIGNING)
    signer.put("ZCHILD", CHILD)
    server = await serve_dns(world, 0, responder(plane.plane, signer=signer).answer, raw_socket=True)
    try:
        yield server.port
    finally:
        server.close()
        await world.close()


async def said_by(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    return (await process.communicate())[0].decode()


@pytest.mark.skipif(not DELV, reason="delv is not installed here (Debian: bind9-dnsutils)")
def test_delv_validates_answers_and_denials(tmp_path: Path) -> None:
    public = read_key(dnskey(KSK.secret, KSK_FLAGS)).to_text().split(" ", 3)[3].replace(" ", "")
    anchor = tmp_path / "anchor"
    anchor.write_text(f'trust-anchors {{ example.com. static-key 257 3 13 "{public}"; }};\n')

    async def story() -> None:
        async with served() as port:
            server = ("@127.0.0.1", "-p", str(port), "-a", str(anchor), "+root=example.com")
            for name, kind in ASKED:
                if kind in ("ANY", "NSEC"):
                    continue
                said = await said_by(DELV, *server, f"{name}.example.com", kind)
                assert "fully validated" in said, (name, kind, said)
            tampered = tmp_path / "tampered"
            tampered.write_text(anchor.read_text().replace(public[:4], "AAAA"))
            said = await said_by(DELV, *server[:3], "-a", str(tampered), "+root=example.com", "api.example.com", "A")
            assert "fully validated" not in said

    run_real(lambda: asyncio.wait_for(story(), 60))


@pytest.mark.skipif(not UNBOUND, reason="unbound is not installed here (Debian: unbound)")
def test_unbound_validates_as_a_resolver(tmp_path: Path) -> None:
    """It asks as a resolver does: DS and DNSKEY by itself, with the child's keys proven by the parent."""
    key = dnskey(KSK.secret, KSK_FLAGS)

    async def story() -> None:
        async with served() as port:
            free = free_port()
            (tmp_path / "anchor").write_text(f"example.com. IN DS {ds_text('example.com.', key)}\n")
            (tmp_path / "unbound.conf").write_text(UNBOUND_CONF.format(folder=tmp_path, port=free, server=port))
            words = (tmp_path / "words").open("w")
            process = await asyncio.create_subprocess_exec(
                *(UNBOUND, "-d", "-c", str(tmp_path / "unbound.conf")),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=words,
            )
            try:
                for name, kind in (*ASKED, ("host.child", "A"), ("none.child", "A"), ("into", "A")):
                    if kind not in ("ANY", "NSEC"):
                        message = await resolved(free, f"{name}.example.com", kind)
                        assert message.flags & dns.flags.AD, (name, kind, message.to_text())
            finally:
                words.close()
                print((tmp_path / "words").read_text())  # shown if the test fails
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                await process.wait()

    run_real(lambda: asyncio.wait_for(story(), 60))


UNBOUND_CONF = """
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1@{port}
  do-not-query-localhost: no
  do-ip6: no
  module-config: "validator iterator"
  trust-anchor-file: "{folder}/anchor"
  num-threads: 1
remote-control:
  control-enable: no
stub-zone:
  name: example.com
  stub-addr: 127.0.0.1@{server}
"""


async def resolved(port: int, name: str, kind: str) -> dns.message.Message:
    asked = dns.message.make_query(name, kind, want_dnssec=True)
    world = RealWorld("here", links=Links(), disk=MemoryDisk())
    try:
        for _ in range(50):  # it takes a moment until it listens
            try:
                return dns.message.from_wire(await world.ask("127.0.0.1", port, asked.to_wire(), timeout_s=5))
            except Exception:  # refused, or no answer yet
                await asyncio.sleep(0.1)
    finally:
        await world.close()
    raise AssertionError("unbound did not answer")
