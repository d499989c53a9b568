"""Responder: a DNS message in, the answer's bytes out. The hot path of the data plane.

Rules. Synchronous; knows packets, not zones: what to say comes from the data plane. Its answers are prepared when they
are first asked for, and kept by the data plane until what they lean on changes (services.route53.kept): for each owner,
type, DNSSEC or not, and for each site where place matters. Where policies draw, every way that the draws can fall is
prepared with its probability, and one is drawn for each question.

The hot path slices bytes: a usual header, a name that is prepared, an OPT record that was seen before. Whatever it
does not know goes the long way (`_parsed`), which knows everything, and which the hot path is tested against. Never
longer than the asker takes, never an answer to an answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from antipodes.nameserver.signer import SYNTHETIC, Signer
from antipodes.services.route53.policies import Client
from antipodes.services.route53.zone import DataPlane, Resolution
from antipodes.wire import cookies, dns, edns
from antipodes.wire.dns import Query

SITE_BITS = {0: 0, 1: 24, 2: 48}  # a site's prefix, by address family; which scope Route 53 returns is unverified
MAX_OUTCOMES = 512  # ways that an answer's draws can fall; with more, each question is walked
MAX_TURNS = 16  # orders of the values of one record set
MAX_ASKED = 65_536  # OPT records that are remembered, cookies that are
MAX_NETWORKS = 4_096  # networks with a variant of their own, of one answer
COOKIE_STEP_S = 600
KEEPALIVE = edns.option(edns.KEEPALIVE, (100).to_bytes(2, "big"))  # 10 s in units of 100 ms: edge.dns.TCP_IDLE_S
IDENTITY = edns.option(edns.NSID, b"antipodes")

_UNASKABLE = {0: dns.FORMERR, dns.OPT: dns.FORMERR, 128: dns.FORMERR, 249: dns.FORMERR, dns.TSIG: dns.FORMERR} | {
    251: dns.REFUSED,  # IXFR and AXFR: Route 53 transfers no zones
    252: dns.REFUSED,
    253: dns.NOTIMP,  # MAILB, MAILA: obsolete
    254: dns.NOTIMP,
}
_RD, _CD, _AD = 0x0100, 0x0010, 0x0020
_FLAGS = (0, _RD, _CD, _RD | _CD)  # what an answer's header may take over from the question's
_NO_ADDITIONS, _OPT_ONLY = b"\0\0", b"\0\1"

Heads = tuple[bytes, ...]  # flags and three counts, for each of _FLAGS
Log = Callable[[str, Query, int, bool, str], None]  # zone id, question, rcode, over TCP, client address


@dataclass(slots=True)
class _Asked:
    """What an OPT record says, and what goes back for it. Without one: `edns` False."""

    query: Query  # any that came with it
    client: Client | None  # None: the asker's own address tells
    site_bits: int
    counts: bytes  # of the additional section
    mark: bytes  # which answers it gets, see `_mark`
    opts: dict[int, bytes] = field(default_factory=dict)  # by scope

    def opt(self, scope_bits: int) -> bytes:
        found = self.opts.get(scope_bits)
        if found is None:
            found = self.opts[scope_bits] = dns.opt_record(self.query, dns.NOERROR, scope_bits)
        return found


@dataclass(slots=True)
class _Variant:
    """The answer to one question from one place."""

    found: list[Resolution]
    sums: list[float]  # probabilities, summed up
    located: bool
    network_bits: int
    bodies: list[tuple[Heads, bytes] | None]  # made when first sent


@dataclass(slots=True)
class _Prepared:
    """The answers to one question."""

    logged: str  # the zone's id if its questions are logged
    walked: bool = False  # cannot be prepared: each question is walked
    everywhere: _Variant | None = None
    by_network: bool = False
    variants: dict[str | Client, _Variant] = field(default_factory=dict)  # by site, or by client


class Responder:
    """Use: `answer`, for each message."""

    def __init__(
        self,
        plane: DataPlane,
        signer: Signer,
        *,
        client_of: Callable[[str], Client],
        client_of_subnet: Callable[[edns.Subnet], Client],
        random: Callable[[], float],
        now: Callable[[], float],
        secret: bytes,
        logs: Callable[[str], bool],
        log: Log,
    ) -> None:
        """client_of: where the owner of an address is. random: draws from [0, 1). secret: 16 bytes, for cookies. logs:
        whether a zone's questions are logged; log: by this."""
        self._plane = plane
        self._client_of = client_of
        self._client_of_subnet = client_of_subnet
        self._signer = signer
        self._random = random
        self._now = now
        self._secret = secret
        self._logs = logs
        self._log = log
        self._kept: dict[bytes, dict[bytes, _Prepared]] = plane.kept.by_name
        plain = _Asked(Query(0, 0, b"\0", 0, 0, b""), None, 0, _NO_ADDITIONS, b"", {0: b""})
        self._asked: dict[bytes, _Asked] = {}
        self._heads = _usual_heads({b"": plain}, self._asked)
        self._cookies: dict[tuple[bytes, str, int], bytes] = {}

    def answer(self, message: bytes, client_ip: str, over_tcp: bool = False) -> bytes | None:
        """The answer to a DNS message, or None if none is due."""
        usual = self._heads.get(message[2:12])
        if usual is not None:
            end = message.find(b"\0", 12) + 5
            types = self._kept.get(message[12 : end - 4].lower())
            asked = usual[1].get(message[end:])
            if types is not None and asked is not None:
                prepared = types.get(asked.mark + message[end - 4 : end])
                if prepared is not None and not prepared.logged:
                    answered = self._prepared(message, end, prepared, asked, usual[0], client_ip, over_tcp)
                    if answered is not None:
                        return answered
        return self._parsed(message, client_ip, over_tcp)

    def _prepared(
        self, message: bytes, end: int, prepared: _Prepared, asked: _Asked, flags: int, client_ip: str, over_tcp: bool
    ) -> bytes | None:
        variant, scope_bits = prepared.everywhere, 0
        if variant is None:
            client = asked.client or self._client_of(client_ip)
            variant = prepared.variants.get(client if prepared.by_network else client.site)
            if variant is None:
                return None
            if asked.client is not None:
                scope_bits = max(asked.site_bits if variant.located else 0, variant.network_bits)
        index = 0 if len(variant.sums) == 1 else bisect_right(variant.sums, self._random())
        made = variant.bodies[index]
        if made is None:
            return None
        answered = b"".join(
            (
                message[:2],
                made[0][flags],
                asked.counts,
                message[12:end],
                made[1],
                asked.opts.get(scope_bits) or asked.opt(scope_bits),
            )
        )
        return answered if len(answered) <= (dns.MAX_TCP_BYTES if over_tcp else asked.query.udp_bytes) else None

    # ---------------------------------------------------------------- the long way

    def _parsed(self, message: bytes, client_ip: str, over_tcp: bool) -> bytes | None:
        try:
            query = dns.parse_query(message)
        except dns.Refused as refused:
            return refused.answer
        except dns.Ignored:
            return None
        limit_bytes = dns.MAX_TCP_BYTES if over_tcp else query.udp_bytes
        more = self._options(query, client_ip, over_tcp)
        rcode = _refusal(query)
        if rcode is not None:
            return dns.build_answer(query, rcode, (), authoritative=False, limit_bytes=limit_bytes, more_options=more)
        subnet = query.subnet if query.subnet is not None and query.subnet.prefix_bits else None
        client = self._client_of_subnet(subnet) if subnet else self._client_of(client_ip)
        if not more:
            self._remember(query, message, client if subnet else None)
        found = self._found(query, client)
        scope_bits = 0
        if subnet:
            scope_bits = max(SITE_BITS[subnet.family] if found.located else 0, found.network_bits or 0)
        if found.zone is not None and self._logs(found.zone.zone.id):
            self._log(found.zone.zone.id, query, found.rcode, over_tcp, client_ip)
        return dns.build_answer(
            query,
            found.rcode,
            found.answers,
            found.authority,
            found.additional,
            authoritative=found.authoritative,
            scope_bits=scope_bits,
            limit_bytes=limit_bytes,
            more_options=more,
        )

    def _options(self, query: Query, client_ip: str, over_tcp: bool) -> bytes:
        asked = query.options
        more = b""
        if asked.cookie:
            step = int(self._now()) // COOKIE_STEP_S
            key = (asked.cookie, client_ip, step)
            known = self._cookies.get(key)
            if known is None:
                if len(self._cookies) >= MAX_ASKED:
                    self._cookies.clear()
                known = cookies.server_cookie(self._secret, asked.cookie, client_ip, step * COOKIE_STEP_S)
                self._cookies[key] = known
            more += edns.option(edns.COOKIE, known)
        if asked.keepalive and over_tcp:
            more += KEEPALIVE
        if asked.nsid:
            more += IDENTITY
        return more

    def _remember(self, query: Query, message: bytes, client: Client | None) -> None:
        rest = message[12 + len(query.question) :]
        if query.edns and not query.options.keepalive and message[10:12] == _OPT_ONLY:
            if len(self._asked) >= MAX_ASKED:
                self._asked.clear()
            site_bits = SITE_BITS[query.subnet.family] if query.subnet else 0
            self._asked[rest] = _Asked(query, client, site_bits, _OPT_ONLY, _mark(query))

    def _found(self, query: Query, client: Client) -> Resolution:
        """What to answer; prepared for the next time if it can be."""
        key = _mark(query) + query.question[-4:]
        prepared = self._kept.get(query.name, {}).get(key)
        if prepared is None and self._keepable(query):
            prepared = self._prepare(query, key)
        if prepared is None or prepared.walked:
            return self._sign(query, self._plane.resolve(query.name, query.type, client))
        variant = prepared.everywhere or prepared.variants.get(client if prepared.by_network else client.site)
        if variant is None:
            variant = self._vary(query, key, prepared, client)
            if variant is None:
                return self._sign(query, self._plane.resolve(query.name, query.type, client))
        index = 0 if len(variant.sums) == 1 else bisect_right(variant.sums, self._random())
        found = variant.found[index]
        if variant.bodies[index] is None:
            found = variant.found[index] = self._sign(query, found)
            variant.bodies[index] = _made(query, found)
        return found

    def _keepable(self, query: Query) -> bool:
        """Only owners that exist, and types that are usual: what is kept is bounded by what the zones hold."""
        zone = self._plane.zone_for(query.name, query.type)
        if zone is None or query.name not in zone.groups or zone.cut_above(query.name, query.type) is not None:
            return False
        return query.type in dns.TYPE_NAMES and query.type != dns.ANY

    def _prepare(self, query: Query, key: bytes) -> _Prepared:
        zone = self._plane.zone_for(query.name, query.type)
        assert zone is not None
        prepared = _Prepared(zone.zone.id if self._logs(zone.zone.id) else "")
        self._plane.kept.keep(query.name, key, prepared, ())
        return prepared

    def _vary(self, query: Query, key: bytes, prepared: _Prepared, client: Client) -> _Variant | None:
        """Prepares the answer for a client's place. None: it must be walked."""
        touched: dict[bytes, None] = {}

        def play() -> Resolution:
            return self._plane.resolve(query.name, query.type, client, touched=touched)

        outcomes = self._plane.draws.outcomes(play, MAX_OUTCOMES)
        self._plane.kept.keep(query.name, key, prepared, touched)
        if outcomes is None:
            prepared.walked = True
            return None
        variant = _variant_of(outcomes)
        bits = [found.network_bits for _, found in outcomes if found.network_bits is not None]
        if bits and not prepared.by_network:
            prepared.by_network = True
            prepared.variants.clear()
        if prepared.by_network or variant.located:
            if len(prepared.variants) >= MAX_NETWORKS:
                prepared.variants.clear()
            prepared.variants[client if prepared.by_network else client.site] = variant
        else:
            prepared.everywhere = variant
        return variant

    def _sign(self, query: Query, found: Resolution) -> Resolution:
        if query.dnssec_ok or query.type in SYNTHETIC:
            return self._signer.sign(query, found)
        return found


def _refusal(query: Query) -> int | None:
    """The rcode of a question that no zone is asked about."""
    if query.signed:
        return dns.NOTAUTH
    if not query.question:
        return dns.NOERROR
    if query.type in _UNASKABLE:
        return _UNASKABLE[query.type]
    return None if query.qclass == dns.CLASS_IN else dns.REFUSED


def _mark(query: Query) -> bytes:
    """Which of the answers to one question: plain, signed, signed with the rcode of RFC 9824 5.1."""
    return (b"C" if query.compact_ok else b"D") if query.dnssec_ok else b""


def _usual_heads(
    plain: dict[bytes, _Asked], asked: dict[bytes, _Asked]
) -> dict[bytes, tuple[int, dict[bytes, _Asked]]]:
    """Headers (behind the id) that the hot path takes: one question; RD, AD, CD as they like; an OPT record or none."""
    found = {}
    for index, flags in enumerate(_FLAGS):
        for more in (0, _AD):
            for counts, known in ((_NO_ADDITIONS, plain), (_OPT_ONLY, asked)):
                head = (flags | more).to_bytes(2, "big") + b"\0\1\0\0\0\0" + counts
                found[head] = (index, known)
    return found


def _variant_of(outcomes: Sequence[tuple[float, Resolution]]) -> _Variant:
    shares: list[float] = []
    found: list[Resolution] = []
    for share, one in outcomes:
        turns = min(len(one.answers), MAX_TURNS) if one.rotates else 1
        for turn in range(turns):
            at = turn * len(one.answers) // turns
            shares.append(share / turns)
            found.append(one._replace(answers=one.answers[at:] + one.answers[:at]) if turns > 1 else one)
    sums = list(accumulate(shares))
    sums[-1] = 1.0  # rounding must leave no gap at the end
    bits = [one.network_bits or 0 for one in found]
    return _Variant(found, sums, any(one.located for one in found), max(bits), [None] * len(found))


def _made(query: Query, found: Resolution) -> tuple[Heads, bytes]:
    counts = b"".join(len(one).to_bytes(2, "big") for one in (found.answers, found.authority))
    heads = tuple(
        dns.answer_flags(flags, found.rcode, found.authoritative).to_bytes(2, "big") + b"\0\1" + counts
        for flags in _FLAGS
    )
    return heads, dns.sections(query.name, found.answers, found.authority)
