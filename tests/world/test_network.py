"""Links and their rules."""

from __future__ import annotations

import random

import pytest

from antipodes.world.network import Drop, Links, Pass
from antipodes.world.rules import Down, Full, Partition, Paused, Skewed, Slow, decode_rules, encode_rules
from antipodes.world.world import GLOBE, HERE, SiteDown

A, B, C = "eu-west-1", "us-east-1", "ap-southeast-2"


def median() -> float:
    return 0.0  # the draw that adds no jitter


def test_a_parcel_takes_half_a_round_trip() -> None:
    verdict = Links().judge(A, B, median)
    assert isinstance(verdict, Pass)
    assert verdict.delay_s == pytest.approx(0.035, abs=0.001)
    scaled = Links(scale=0.1).judge(A, B, median)
    assert isinstance(scaled, Pass)
    assert scaled.delay_s == pytest.approx(verdict.delay_s / 10)


def test_jitter_has_a_small_right_tail() -> None:
    links, chance = Links(), random.Random(1)
    median_s = links.median_s(A, B)
    assert median_s
    shares = []
    for _ in range(10_000):
        verdict = links.judge(A, B, chance.random)
        assert isinstance(verdict, Pass)
        shares.append(verdict.delay_s / median_s - 1)
    shares.sort()
    assert shares[0] >= 0
    assert shares[5_000] < 0.01
    assert 0.1 < shares[9_900] <= shares[-1] <= 0.25


def test_a_partition_cuts_both_directions_of_one_pair() -> None:
    links = Links()
    links.partition(A, B)
    assert isinstance(links.judge(A, B, median), Drop)
    assert isinstance(links.judge(B, A, median), Drop)
    assert isinstance(links.judge(A, C, median), Pass)
    assert links.cut(A, B)
    assert not links.cut(A, HERE)
    links.heal()
    assert isinstance(links.judge(A, B, median), Pass)


def test_one_way_cuts_one_direction() -> None:
    links = Links()
    links.partition(A, B, one_way=True)
    assert isinstance(links.judge(A, B, median), Drop)
    assert isinstance(links.judge(B, A, median), Pass)


def test_a_site_that_is_down_is_at_the_same_distance() -> None:
    links = Links()
    before = links.median_s(A, B)
    links.down(B)
    assert isinstance(links.judge(A, B, median), Drop)
    assert isinstance(links.judge(B, B, median), Drop)
    assert links.median_s(A, B) == before
    with pytest.raises(SiteDown):
        links.check_up(B)
    links.heal()
    assert links.is_down(B)
    links.up(B)
    links.check_up(B)


def test_a_slow_link_takes_longer() -> None:
    links = Links()
    before = links.median_s(A, B)
    links.add(Slow(A, B, factor=2.0, extra_ms=100.0))
    assert before is not None
    assert links.median_s(B, A) == pytest.approx(2 * before + 0.1, abs=0.002)


def test_rules_travel_as_bytes() -> None:
    links = Links()
    links.partition(A, B)
    links.down(C)
    links.add(Slow(A, C, factor=3.0))
    other = Links()
    told: list[int] = []
    other.watch(lambda: told.append(1))
    other.set_rules(decode_rules(encode_rules(links.rules())))
    assert other.rules() == links.rules()
    assert other.rules()[0] == Partition(A, B)
    assert told == [1]


def test_making_a_rule_twice_makes_one() -> None:
    links = Links()
    links.partition(A, B)
    links.partition(A, B)
    assert len(links.rules()) == 1


def test_a_rough_link_adds_jitter_and_sends_lost_parcels_again_later() -> None:
    links, chance = Links(), random.Random(1)
    median_s = links.median_s(A, B)
    assert median_s
    links.add(Slow(A, B, extra_ms=100, jitter_ms=40, loss=0.25))
    delays = []
    for _ in range(2000):
        verdict = links.judge(B, A, chance.random)
        assert isinstance(verdict, Pass), "a stream's parcels arrive in the end"
        delays.append(verdict.delay_s)
    assert min(delays) >= median_s + 0.1
    again = [delay for delay in delays if delay > 2 * (median_s + 0.1) + 0.2]
    assert 0.2 < len(again) / len(delays) < 0.3
    once = sorted(delay for delay in delays if delay not in again)
    assert once[-1] - once[0] > 0.035, "jitter"
    datagrams = [links.judge(A, B, chance.random, datagram=True) for _ in range(2000)]
    assert 0.2 < sum(isinstance(one, Drop) for one in datagrams) / 2000 < 0.3
    assert isinstance(links.judge(A, C, chance.random), Pass)
    links.heal()
    assert links.median_s(A, B) == median_s


def test_a_pause_holds_back_replication_of_one_site_or_one_direction_and_cuts_nothing() -> None:
    links = Links()
    links.add(Paused(A))
    assert links.paused(A, B)
    assert links.paused(C, A)
    assert not links.paused(B, C)
    assert not links.paused(A, GLOBE), "the name server is no replica"
    assert isinstance(links.judge(A, B, median), Pass)
    links.heal()
    links.add(Paused(A, toward=B))
    assert links.paused(A, B)
    assert not links.paused(B, A)
    assert not links.paused(A, C)


def test_heal_ends_every_fault_and_raises_nobody_from_the_dead() -> None:
    links = Links()
    for fault in (Partition(A, B), Slow(A, C, 2.0), Paused(B), Skewed(A, -3.5), Full(C)):
        links.add(fault)
    links.add(Skewed(A, 9.0))
    links.down(B)
    assert links.skew_s(A) == 9.0, "a site has one clock"
    assert links.disk_full(C)
    assert decode_rules(encode_rules(links.rules())) == links.rules()
    links.heal()
    assert links.rules() == (Down(B),)
    assert links.skew_s(A) == 0.0
    assert not links.disk_full(C)
