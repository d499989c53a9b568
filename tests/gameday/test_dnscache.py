"""The stub resolver's cache: TTLs a record, chains, absence, loops."""

from __future__ import annotations

from antipodes.gameday.dnscache import Ask, Dead, DnsCache, Known
from antipodes.wire.dns_client import Answer, Answered

NAME, ALIAS = "api.globaldb.example", "x.execute-api.us-east-1.amazonaws.com"


def answer(*records: tuple[str, str, int, str], rcode: str = "NOERROR", soa_ttl: int | None = None) -> Answer:
    found = tuple(Answered(f"{name}.", kind, ttl, value) for name, kind, ttl, value in records)
    soa = (Answered("example.", "SOA", 900, f"ns. host. 1 7200 900 1209600 {soa_ttl}"),) if soa_ttl is not None else ()
    return Answer(1, rcode, True, False, "", found, soa, None)


def test_an_unknown_name_must_be_asked() -> None:
    assert DnsCache().look(NAME + ".", 0) == Ask(NAME)


def test_an_address_is_known_until_its_ttl_ends() -> None:
    cache = DnsCache()
    cache.learn(NAME, answer((NAME, "A", 10, "127.44.1.1")), now=100)
    assert cache.look(NAME.upper(), 109.9) == Known(("127.44.1.1",), (NAME,), 109.9 - 100, 110 - 109.9)
    assert cache.look(NAME, 110) == Ask(NAME)


def test_each_link_of_a_chain_has_its_own_ttl() -> None:
    cache = DnsCache()
    cache.learn(NAME, answer((NAME, "CNAME", 10, ALIAS + "."), (ALIAS, "A", 60, "127.44.1.1")), now=0)
    known = cache.look(NAME, 9)
    assert isinstance(known, Known)
    assert (known.addresses, known.chain, known.age_s, known.ttl_s) == (("127.44.1.1",), (NAME, ALIAS), 9, 1)
    assert cache.look(NAME, 10) == Ask(NAME)
    cache.learn(NAME, answer((NAME, "CNAME", 10, ALIAS)), now=12)
    known = cache.look(NAME, 13)  # the new CNAME leads to the address that was kept
    assert isinstance(known, Known)
    assert (known.addresses, known.age_s) == (("127.44.1.1",), 13)


def test_a_chain_whose_end_is_unknown_asks_for_the_end() -> None:
    cache = DnsCache()
    cache.learn(NAME, answer((NAME, "CNAME", 10, ALIAS)), now=0)
    assert cache.look(NAME, 1) == Ask(ALIAS)


def test_a_failover_answer_replaces_the_old_one() -> None:
    cache = DnsCache()
    cache.learn(NAME, answer((NAME, "A", 10, "127.44.1.1")), now=0)
    cache.learn(NAME, answer((NAME, "A", 10, "127.44.2.1")), now=11)
    known = cache.look(NAME, 12)
    assert isinstance(known, Known)
    assert known.addresses == ("127.44.2.1",)


def test_absence_is_remembered_briefly() -> None:
    cache = DnsCache()
    cache.learn(NAME, answer(rcode="NXDOMAIN", soa_ttl=86400), now=0)
    assert cache.look(NAME, 4) == Dead(f"{NAME}: NXDOMAIN")
    assert cache.look(NAME, 6) == Ask(NAME)
    cache.learn(NAME, answer(), now=10)
    assert cache.look(NAME, 10) == Ask(NAME)  # no SOA: not to be kept (RFC 2308 5)


def test_the_smallest_ttl_of_a_record_set_counts() -> None:
    cache = DnsCache()
    cache.learn(NAME, answer((NAME, "A", 10, "127.44.1.1"), (NAME, "A", 5, "127.44.2.1")), now=0)
    assert cache.look(NAME, 6) == Ask(NAME)


def test_a_loop_is_found() -> None:
    cache = DnsCache()
    cache.learn(
        "a.example", answer(("a.example", "CNAME", 10, "b.example"), ("b.example", "CNAME", 10, "a.example")), 0
    )
    found = cache.look("a.example", 1)
    assert isinstance(found, Dead)
    assert "chain" in found.reason
