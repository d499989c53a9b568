"""`antipodes status`: nothing cut off at 80 columns, whatever the planet looks like."""

from __future__ import annotations

import io

import msgspec

from antipodes.cli import status
from antipodes.cli.screen import Screen
from antipodes.globe.globe import GlobeStatus, HealthStatus, RegionStatus
from antipodes.globe.planet import Planet
from antipodes.region.admin import FunctionReport, PeerReport
from antipodes.world.rules import Partition

NAMES = ("us-east-1", "us-west-2", "eu-west-1")
LONG = "an-app-with-a-long-name-Function" + "x" * 32  # 64 characters: AWS's limit


def shown(now: GlobeStatus) -> str:
    file = io.StringIO()
    status.show(Screen(file), Planet(NAMES), now)
    return file.getvalue()


def planet(*, connected: bool) -> GlobeStatus:
    regions = tuple(
        RegionStatus(
            name,
            "127.44.12.1",
            "up" if connected else "starting",
            0,
            peers=tuple(PeerReport(peer, connected, 3, 30, 1234.5, 40) for peer in NAMES if peer != name),
            functions=(FunctionReport(LONG, 1000, 1000, 1234567, 1234567),),
            tables={"t": 1234567},
        )
        for name in NAMES
    )
    target = "https://abcdefghij.execute-api.ap-northeast-1.amazonaws.com:443/prod/health"
    health = HealthStatus("12345678-aaaa", target, connected, 0, 8, 8, "" if connected else "Failure: refused")
    return GlobeStatus(100_000, regions, (health,), () if connected else (Partition("us-east-1", "us-west-2"),))


def test_status_fits_80_columns_and_cuts_nothing_off() -> None:
    for connected in (True, False):
        text = shown(planet(connected=connected))
        assert max(len(line) for line in text.splitlines()) <= 80
        assert "…" not in text
        assert "https://abcdefghij.execute-api.ap-northeast-1.amazonaws.com/prod/health" in text
        assert LONG[:20] in text
        assert "http://127.0.0.1:4566" in text


def test_a_check_without_checkers_says_what_it_follows() -> None:
    verdict = "1 of 2 children are healthy, 2 are needed"
    check = HealthStatus("12345678-aaaa", "calculated(a, b)", False, 0, 0, 0, "", verdict)
    text = shown(msgspec.structs.replace(planet(connected=True), health=(check,)))
    assert verdict in " ".join(text.split())
    assert "calculated(a, b)" in text and "calculated(a, b):" not in text


def test_status_says_what_is_wrong() -> None:
    text = shown(planet(connected=False))
    assert "us-west-2 cut" in text
    assert "UNHEALTHY (Failure: refused)" in text
    assert "partition: us-east-1 | us-west-2" in text


def test_a_peer_that_is_down_is_told_from_one_that_is_cut_off() -> None:
    now = planet(connected=False)
    one, *others = now.regions
    text = shown(msgspec.structs.replace(now, regions=(msgspec.structs.replace(one, state="down"), *others)))
    assert "us-east-1 down" in text
    assert "us-east-1 cut" not in text
    assert "us-west-2 cut" in text
