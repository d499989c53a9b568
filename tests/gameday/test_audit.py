"""The audit: good histories pass, known-bad ones must not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from antipodes.gameday.audit import Audit, Cut, audit
from antipodes.gameday.history import Copy, Snapshot, Write

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
CRASH = Cut(10.0, 40.0, (("us-west-2", "us-east-1"), ("us-west-2", "eu-west-1")))
PARTITION = Cut(10.0, 40.0, (("us-west-2", "us-east-1"), ("us-east-1", "us-west-2")))


def write(id_: str, item: str, started: float, ended: float | None, region: str = "us-east-1") -> Write:
    return Write(item, id_, started, ended, region if ended is not None else None)


def scan(region: str, at: float, holds: Mapping[str, str]) -> Snapshot:
    return Snapshot(at, at + 0.1, region, {item: Copy(id_, f"content of {id_}") for item, id_ in holds.items()})


def everywhere(holds: Mapping[str, str], at: float = 100.0) -> list[Snapshot]:
    return [scan(region, at, holds) for region in REGIONS]


def fates(found: Audit) -> tuple[int, int, int, int]:
    return (found.everywhere, found.overwritten, found.partial, found.lost)


def test_a_write_that_all_replicas_hold_is_seen_everywhere() -> None:
    found = audit([write("w1", "a", 1, 2)], everywhere({"a": "w1"}))
    assert fates(found) == (1, 0, 0, 0)
    assert found.replicas_equal
    assert found.acknowledged == 1


def test_a_later_write_of_the_same_item_overwrites() -> None:
    found = audit([write("w1", "a", 1, 2), write("w2", "a", 3, 4)], everywhere({"a": "w2"}))
    assert fates(found) == (1, 1, 0, 0)


def test_of_two_concurrent_writes_either_may_win() -> None:
    writes = [write("w1", "a", 1, 5), write("w2", "a", 3, 4)]
    assert fates(audit(writes, everywhere({"a": "w1"}))) == (1, 1, 0, 0)
    assert fates(audit(writes, everywhere({"a": "w2"}))) == (1, 1, 0, 0)


def test_an_item_that_went_back_to_an_older_write_has_lost_the_newer_one() -> None:
    found = audit([write("w1", "a", 1, 2), write("w2", "a", 3, 4)], everywhere({"a": "w1"}))
    assert found.lost_writes == ("w2",)
    assert fates(found) == (1, 0, 0, 1)
    assert found.replicas_equal  # equal, and wrong: equality alone proves nothing


def test_a_known_difference_of_clocks_is_not_called_a_loss() -> None:
    writes = [write("w1", "a", 1, 2), write("w2", "a", 2.5, 4)]
    assert audit(writes, everywhere({"a": "w1"})).lost == 1
    assert audit(writes, everywhere({"a": "w1"}), clock_skew_s=0.5).lost == 0


def test_a_write_without_acknowledgement_may_win_at_any_time_after_it_began() -> None:
    writes = [write("w1", "a", 1, None), write("w2", "a", 3, 4)]
    found = audit(writes, everywhere({"a": "w1"}))
    assert fates(found) == (0, 1, 0, 0)
    assert found.unacknowledged == 1


def test_a_write_without_acknowledgement_promises_nothing() -> None:
    found = audit([write("w1", "a", 1, None)], everywhere({}))
    assert (found.acknowledged, found.lost) == (0, 0)


def test_an_acknowledged_write_whose_item_is_nowhere_is_lost() -> None:
    assert audit([write("w1", "a", 1, 2)], everywhere({})).lost_writes == ("w1",)


def test_an_item_that_holds_a_write_nobody_made_has_lost_the_acknowledged_one() -> None:
    assert audit([write("w1", "a", 1, 2)], everywhere({"a": "w99"})).lost == 1


def test_a_write_of_another_item_excuses_nothing() -> None:
    writes = [write("w1", "a", 1, 2), write("w2", "b", 3, 4)]
    assert audit(writes, everywhere({"a": "w2", "b": "w2"})).lost_writes == ("w1",)


def test_a_write_that_one_replica_lacks_is_partial_and_replicas_differ() -> None:
    scans = [*everywhere({"a": "w1"})[:2], scan("eu-west-1", 100, {})]
    found = audit([write("w1", "a", 1, 2)], scans)
    assert fates(found) == (0, 0, 1, 0)
    assert not found.replicas_equal
    assert found.differences[0].writes == {"us-east-1": "w1", "us-west-2": "w1", "eu-west-1": None}


def test_replicas_with_the_same_write_but_other_content_differ() -> None:
    scans = everywhere({"a": "w1"})
    scans[1] = Snapshot(100, 101, "us-west-2", {"a": Copy("w1", "half of it")})
    found = audit([write("w1", "a", 1, 2)], scans)
    assert (found.replicas_equal, found.differing_items) == (False, 1)


def test_no_replica_read_at_all_is_not_equality() -> None:
    found = audit([write("w1", "a", 1, 2)], [])
    assert not found.replicas_equal
    assert found.lost == 1


def test_one_id_for_two_writes_is_refused() -> None:
    with pytest.raises(ValueError, match="two writes carry the id 'w1'"):
        audit([write("w1", "a", 1, 2), write("w1", "b", 1, 2)], [])


def test_a_write_that_no_survivor_has_is_stranded_until_it_is_back() -> None:
    writes = [write("w1", "a", 8, 9.9, "us-west-2")]
    during = [scan("us-east-1", 30, {}), scan("eu-west-1", 30, {})]
    after = [
        scan("us-east-1", 41, {}),
        scan("eu-west-1", 41, {"a": "w1"}),
        scan("us-east-1", 43, {"a": "w1"}),
        scan("eu-west-1", 43, {"a": "w1"}),
    ]
    found = audit(writes, everywhere({"a": "w1"}), during, after, CRASH)
    assert (found.stranded, found.partly_sent, found.stranded_back) == (1, 0, 1)
    assert found.longest_stranded_s == pytest.approx(43.1 - 9.9)
    assert fates(found) == (1, 0, 0, 0)


def test_a_write_that_one_survivor_has_is_partly_sent() -> None:
    writes = [write("w1", "a", 8, 9, "us-west-2")]
    during = [scan("us-east-1", 30, {"a": "w1"}), scan("eu-west-1", 30, {})]
    found = audit(writes, everywhere({"a": "w1"}), during, [], CRASH)
    assert (found.stranded, found.partly_sent) == (0, 1)


def test_a_stranded_write_that_was_overwritten_meanwhile_counts_as_back() -> None:
    writes = [write("w1", "a", 8, 9, "us-west-2"), write("w2", "a", 31, 32)]
    during = [scan("us-east-1", 30, {}), scan("eu-west-1", 30, {})]
    found = audit(writes, everywhere({"a": "w2"}), during, [], CRASH)
    assert (found.stranded, found.stranded_back) == (1, 1)
    assert fates(found) == (1, 1, 0, 0)


def test_a_survivor_that_holds_a_later_write_was_not_waiting_for_the_stranded_one() -> None:
    writes = [write("w1", "a", 8, 9, "us-west-2"), write("w2", "a", 20, 21)]
    during = [scan("us-east-1", 30, {"a": "w2"}), scan("eu-west-1", 30, {"a": "w2"})]
    assert audit(writes, everywhere({"a": "w2"}), during, [], CRASH).stranded == 0


def test_a_survivor_that_holds_an_older_write_does_wait() -> None:
    writes = [write("w0", "a", 1, 2), write("w1", "a", 8, 9, "us-west-2")]
    during = [scan("us-east-1", 30, {"a": "w0"}), scan("eu-west-1", 30, {"a": "w0"})]
    assert audit(writes, everywhere({"a": "w1"}), during, [], CRASH).stranded == 1


def test_writes_of_survivors_are_never_stranded_by_a_crash() -> None:
    writes = [write("w1", "a", 20, 21, "us-east-1")]
    during = [scan("us-east-1", 30, {"a": "w1"}), scan("eu-west-1", 30, {})]
    assert audit(writes, everywhere({"a": "w1"}), during, [], CRASH).stranded == 0


def test_a_scan_from_before_the_acknowledgement_says_nothing_about_the_write() -> None:
    writes = [write("w1", "a", 29, 31, "us-west-2")]
    during = [scan("us-east-1", 30, {}), scan("eu-west-1", 30, {})]
    assert audit(writes, everywhere({"a": "w1"}), during, [], CRASH).stranded == 0


def test_a_partition_strands_both_ways_but_only_between_the_two() -> None:
    writes = [
        write("west", "a", 20, 21, "us-west-2"),
        write("east", "b", 20, 21, "us-east-1"),
        write("eu", "c", 20, 21, "eu-west-1"),
    ]
    during = [
        scan("us-east-1", 30, {"b": "east", "c": "eu"}),
        scan("us-west-2", 30, {"a": "west", "c": "eu"}),
        scan("eu-west-1", 30, {}),
    ]
    found = audit(writes, everywhere({"a": "west", "b": "east", "c": "eu"}), during, [], PARTITION)
    assert [one.write for one in found.stranded_writes] == ["west", "east"]


def test_what_only_a_destroyed_disk_held_is_lost_and_excused() -> None:
    cut = Cut(10.0, 40.0, CRASH.directions, destroyed="us-west-2")
    writes = [write("w1", "a", 8, 9, "us-west-2")]
    during = [scan("us-east-1", 30, {}), scan("eu-west-1", 30, {})]
    found = audit(writes, everywhere({}), during, [], cut)
    assert (found.lost, found.lost_unexpectedly, found.stranded, found.stranded_back) == (1, (), 1, 0)


def test_what_a_survivor_held_and_then_lost_is_not_excused_by_the_destroyed_disk() -> None:
    cut = Cut(10.0, 40.0, CRASH.directions, destroyed="us-west-2")
    writes = [write("w1", "a", 8, 9, "us-west-2"), write("w2", "b", 8, 9, "us-east-1")]
    during = [scan("us-east-1", 30, {"a": "w1", "b": "w2"}), scan("eu-west-1", 30, {"b": "w2"})]
    found = audit(writes, everywhere({}), during, [], cut)
    assert found.lost_unexpectedly == ("w1", "w2")


def test_the_same_loss_without_a_destroyed_disk_is_not_excused() -> None:
    writes = [write("w1", "a", 8, 9, "us-west-2")]
    during = [scan("us-east-1", 30, {}), scan("eu-west-1", 30, {})]
    assert audit(writes, everywhere({}), during, [], CRASH).lost_unexpectedly == ("w1",)
