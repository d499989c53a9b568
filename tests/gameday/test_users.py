"""Users: what one call sees, how failures are named, what the ledger remembers."""

from __future__ import annotations

import pytest

from antipodes.gameday.app import App, served_region
from antipodes.gameday.history import Outcome, Write
from antipodes.gameday.traffic import Ledger, request
from antipodes.gameday.users import BadUrl, Caller, DnsFailed, dig, fetch, subnet_of, why_not
from antipodes.wire.http import HttpRequest
from antipodes.world.geography import UnknownPlace, address_of
from antipodes.world.world import HERE
from tests.gameday.fakes import PaperGlobe, on_paper

URL = "https://api.globaldb.example/items/1?full=yes"


def test_a_city_shows_its_own_prefix_and_a_tool_shows_none() -> None:
    assert subnet_of("Tokyo") == "198.18.21.0/24"
    assert subnet_of("us-east-1") == "127.44.1.1/24"
    assert subnet_of(HERE) is None
    with pytest.raises(UnknownPlace, match="Tokyo"):
        subnet_of("Tokio")


def test_dns_leads_each_city_to_its_region() -> None:
    async def main(globe: PaperGlobe) -> list[tuple[str, ...]]:
        return [(await dig(globe, "api.globaldb.example", city)).addresses() for city in ("New York", "Frankfurt")]

    assert on_paper(1, main)[0] == [(address_of("us-east-1"),), (address_of("eu-west-1"),)]


def test_fetch_says_where_dns_led_and_what_it_took() -> None:
    async def main(globe: PaperGlobe) -> None:
        fetched = await fetch(globe, URL, "New York")
        assert (fetched.response.status, fetched.region) == (404, "us-east-1")
        assert fetched.known.chain == ("api.globaldb.example", "x.execute-api.us-east-1.amazonaws.com")
        assert 0 < fetched.dns_ms < fetched.total_ms < 200

    on_paper(1, main)


def test_an_answer_without_a_record_says_why() -> None:
    assert why_not("REFUSED", "a.example", "A") == "the planet's DNS has no zone for a.example; is its app deployed?"
    assert why_not("NXDOMAIN", "a.example", "A") == "there is no name a.example"
    assert why_not("NOERROR", "a.example", "TXT") == "no TXT record of a.example"


@pytest.mark.parametrize("url", ["ftp://api.globaldb.example/", "api.globaldb.example", "https:///x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    async def main(globe: PaperGlobe) -> None:
        with pytest.raises(BadUrl):
            await fetch(globe, url, "New York")

    on_paper(1, main)


def test_a_name_that_is_no_name_and_a_type_that_is_none_are_refused() -> None:
    async def main(globe: PaperGlobe) -> None:
        with pytest.raises(DnsFailed, match="label"):
            await dig(globe, f"{'a' * 64}.example", "Tokyo")
        with pytest.raises(DnsFailed):
            await dig(globe, "api.globaldb.example", "Tokyo", "NONSENSE")

    on_paper(1, main)


def test_a_silent_name_server_is_a_dns_failure() -> None:
    async def main(globe: PaperGlobe) -> None:
        globe.dns_port = 5999
        with pytest.raises(DnsFailed, match="does not answer"):
            await fetch(globe, URL, "Tokyo")

    on_paper(1, main)


def test_a_cached_answer_is_used_until_its_ttl_even_if_the_region_is_dead() -> None:
    async def main(globe: PaperGlobe) -> None:
        caller, ledger, app = Caller(globe, "San Francisco"), Ledger(), App()
        world = globe.world("San Francisco")

        async def post() -> Outcome:
            return await request(caller, app, ledger, world.monotonic, "new", "item", 3.0)

        first = await post()
        assert (first.ok, first.region, first.dns_age_s) == (True, "us-west-2", 0)
        await globe.kill("us-west-2")
        await world.sleep(5)
        dead = await post()
        assert (dead.ok, dead.status, dead.addresses) == (False, None, ())
        assert dead.error in ("Refused", "ConnectionLost")
        await world.sleep(16)
        moved = await post()
        assert (moved.ok, moved.region) == (True, "us-east-1")
        acknowledged = [one.acknowledged for one in ledger.all()]
        assert acknowledged == [True, False, True]
        assert [one.region for one in ledger.all()] == ["us-west-2", None, "us-east-1"]
        caller.close()

    on_paper(1, main)


def test_the_ledger_gives_every_write_its_own_id() -> None:
    ledger = Ledger()
    ids = [ledger.begin("same", float(at)) for at in range(3)]
    ledger.acknowledge(ids[1], 9.0, "us-east-1")
    assert len(set(ids)) == 3
    assert ledger.all()[1] == Write("same", ids[1], 1.0, 9.0, "us-east-1")
    assert not ledger.all()[0].acknowledged


def test_a_read_that_finds_nothing_yet_is_served_but_a_write_is_not() -> None:
    read = Outcome("Tokyo", "get", 0, 1, 404)
    assert read.ok
    assert not Outcome("Tokyo", "new", 0, 1, 404).ok
    assert not Outcome("Tokyo", "get", 0, 1, 503).ok
    assert not Outcome("Tokyo", "get", 0, 1, None, "Refused").ok


def test_the_app_speaks_json_and_reads_regions() -> None:
    app = App()
    message: HttpRequest = app.create("a b", "w1")
    assert (message.method, message.target, message.header("host")) == ("POST", "/items", "api.globaldb.example")
    assert app.read("a b/c").target == "/items/a%20b%2Fc"
    assert served_region(b'{"region": "us-east-1"}') == "us-east-1"
    assert [served_region(body) for body in (b"", b"[]", b'{"region": 1}', b"<html>")] == [None] * 4


def test_copies_compare_by_content_not_by_the_order_of_members_or_sets() -> None:
    app = App()
    one = app.copy_of({"id": {"S": "a"}, "write": {"S": "w1"}, "tags": {"SS": ["x", "y"]}})
    other = app.copy_of({"tags": {"SS": ["y", "x"]}, "write": {"S": "w1"}, "id": {"S": "a"}})
    assert one == other
    assert one[1].write == "w1"
    listed = app.copy_of({"id": {"S": "a"}, "write": {"S": "w1"}, "tags": {"L": [{"S": "y"}, {"S": "x"}]}})
    turned = app.copy_of({"id": {"S": "a"}, "write": {"S": "w1"}, "tags": {"L": [{"S": "x"}, {"S": "y"}]}})
    assert listed != turned
