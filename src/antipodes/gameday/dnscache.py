"""The cache of a stub resolver: records kept for their TTL, CNAME chains followed record by record.

Decides: what is known of a name now, and which name to ask for next. Refuses to know: packets, who is asked. Pure:
`now` is an argument. Each record of a chain expires on its own, so a CNAME of 10 seconds is asked again while the
address behind it is still known (which is how a failover by CNAME reaches users after the CNAME's TTL).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from antipodes.wire.dns_client import Answer, Answered

MAX_CHAIN = 8  # BIND follows 16, Unbound 11; a longer chain than this is a loop or a mistake
MAX_NEGATIVE_TTL_S = 5.0  # stub resolvers keep "there is none" briefly


@dataclass(frozen=True, slots=True)
class Known:
    """A name that leads to addresses. `age_s`: of the oldest record used; `ttl_s`: what is left of the shortest."""

    addresses: tuple[str, ...]
    chain: tuple[str, ...]  # the names passed, the one asked for first
    age_s: float
    ttl_s: float


@dataclass(frozen=True, slots=True)
class Ask:
    """`name` must be asked for before the answer is known."""

    name: str


@dataclass(frozen=True, slots=True)
class Dead:
    """The name leads nowhere: it does not exist, has no address, or its chain has no end."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Kept:
    values: tuple[str, ...]
    since: float
    until: float


class DnsCache:
    """Records by (name, type). One owner: the resolver of one city's user."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._absent: dict[str, tuple[str, float]] = {}  # name -> (rcode, until)

    def look(self, name: str, now: float) -> Known | Ask | Dead:
        """What is known of `name` (text, any case, final dot or not) at `now`."""
        at, chain, used = _plain(name), [_plain(name)], []
        while len(chain) <= MAX_CHAIN:
            addresses = self._live(at, "A", now)
            if addresses is not None:
                used.append(addresses)
                return Known(
                    addresses=addresses.values,
                    chain=tuple(chain),
                    age_s=now - min(one.since for one in used),
                    ttl_s=min(one.until for one in used) - now,
                )
            alias = self._live(at, "CNAME", now)
            if alias is None:
                absent = self._absent.get(at)
                return Dead(f"{at}: {absent[0]}") if absent and absent[1] > now else Ask(at)
            used.append(alias)
            at = _plain(alias.values[0])
            chain.append(at)
        return Dead(f"{_plain(name)}: more than {MAX_CHAIN} names in a chain")

    def learn(self, asked: str, answer: Answer, now: float) -> None:
        """Keeps an answer's records; an answer without a record for the name asked keeps that there is none."""
        grouped: dict[tuple[str, str], list[Answered]] = {}
        for record in answer.answers:
            grouped.setdefault((_plain(record.name), record.type), []).append(record)
        for key, records in grouped.items():
            self._keep(key, records, now)
        name = _plain(asked)
        self._absent.pop(name, None)
        if (name, "A") not in grouped and (name, "CNAME") not in grouped:
            rcode = "no address" if answer.rcode == "NOERROR" else answer.rcode
            self._absent[name] = (rcode, now + min(answer.ttl_s, MAX_NEGATIVE_TTL_S))

    def _keep(self, key: tuple[str, str], records: Sequence[Answered], now: float) -> None:
        # RFC 2181 5.2: the records of one set have one TTL; where they do not, the smallest counts.
        ttl_s = min(record.ttl_s for record in records)
        self._kept[key] = _Kept(tuple(record.value for record in records), now, now + ttl_s)

    def _live(self, name: str, kind: str, now: float) -> _Kept | None:
        kept = self._kept.get((name, kind))
        return kept if kept is not None and kept.until > now else None


def _plain(name: str) -> str:
    return name.removesuffix(".").lower()
