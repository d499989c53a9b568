"""Responder: a DNS message in, the answer's bytes out. The hot path of the data plane.

Rules. Synchronous; knows packets, not zones: what to say comes prepared (`prepared`), or from the data plane's walk.

The hot path slices bytes: a usual header, a name that is prepared, an OPT record that was seen before. Whatever it
does not know goes the long way (`_parsed`), which knows everything, and which the hot path is tested against. Never
longer than the asker takes, never an answer to an answer.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from antipodes.edge.dns import TCP_IDLE_S
from antipodes.nameserver.prepared import CD, FLAGS, RD, Made, Prepared, Preparer, mark_of, sample
from antipodes.nameserver.signer import Signer
from antipodes.services.route53.policies import Client
from antipodes.services.route53.zone import DataPlane
from antipodes.wire import cookies, dns, edns
from antipodes.wire.dns import Query

log = logging.getLogger(__name__)

SITE_BITS = {0: 0, 1: 24, 2: 48}  # a site's prefix, by address family; which scope Route 53 returns is unverified
MAX_ASKED = 65_536  # OPT records that are remembered, cookies that are
COOKIE_STEP_S = 600
KEEPALIVE = edns.option(edns.KEEPALIVE, int(TCP_IDLE_S * 10).to_bytes(2, "big"))  # in units of 100 ms
IDENTITY = edns.option(edns.NSID, b"antipodes")

_UNASKABLE = {0: dns.FORMERR, dns.OPT: dns.FORMERR, 128: dns.FORMERR, 249: dns.FORMERR, dns.TSIG: dns.FORMERR} | {
    251: dns.REFUSED,  # IXFR and AXFR: Route 53 transfers no zones
    252: dns.REFUSED,
    253: dns.NOTIMP,  # MAILB, MAILA: obsolete
    254: dns.NOTIMP,
}
_AD, _TC = 0x0020, 0x02  # TC in a header's third byte
_NO_ADDITIONS, _OPT_ONLY = b"\0\0", b"\0\1"

Log = Callable[[str, Query, int, bool, str], None]  # zone id, question, rcode, over TCP, client address


@dataclass(slots=True)
class _Asked:
    """What an OPT record says, and what goes back for it. Without one: `edns` False."""

    query: Query  # any that came with it
    client: Client | None  # None: the asker's own address tells
    site_bits: int
    counts: bytes  # of the additional section
    mark: bytes  # which answers it gets, see prepared.mark_of
    udp_bytes: int
    opts: dict[int, bytes] = field(default_factory=dict)  # by scope

    def opt(self, scope_bits: int) -> bytes:
        found = self.opts.get(scope_bits)
        if found is None:
            found = self.opts[scope_bits] = dns.opt_record(self.query, dns.NOERROR, scope_bits)
        return found


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
        self._preparer = Preparer(plane, signer, random, logs)
        self._kept = self._preparer.kept
        plain = _Asked(Query(0, 0, b"\0", 0, 0, b""), None, 0, _NO_ADDITIONS, b"", dns.PLAIN_UDP_BYTES, {0: b""})
        self._asked: dict[bytes, _Asked] = {}
        self._heads = _usual_heads({b"": plain}, self._asked)
        self._cookies: dict[tuple[bytes, str, int], bytes] = {}

    def answer(self, message: bytes, client_ip: str, over_tcp: bool = False) -> bytes | None:
        """The answer to a DNS message, or None if none is due. What goes wrong in here becomes SERVFAIL."""
        try:
            return self._answer(message, client_ip, over_tcp)
        except Exception:
            log.exception("a DNS question from %s could not be answered: %s", client_ip, message.hex())
            return dns.bare_answer(message, dns.SERVFAIL)

    def _answer(self, message: bytes, client_ip: str, over_tcp: bool) -> bytes | None:
        usual = self._heads.get(message[2:12])
        if usual is not None:
            end = message.find(b"\0", 12) + 5
            asked = usual[1].get(message[end:])
            if asked is not None:
                found = self._kept.get(message[12 : end - 4].lower() + message[end - 4 : end] + asked.mark)
                scope_bits = 0
                if type(found) is Prepared:
                    found, scope_bits = self._chosen(found, asked, client_ip)
                if type(found) is Made:
                    opt = asked.opts.get(scope_bits)
                    if opt is None:
                        opt = asked.opt(scope_bits)
                    answered = b"".join(
                        (message[:2], found.heads[usual[0]], asked.counts, message[12:end], found.body, opt)
                    )
                    if len(answered) <= (dns.MAX_TCP_BYTES if over_tcp else asked.udp_bytes):
                        return answered
        return self._parsed(message, client_ip, over_tcp)

    def _chosen(self, prepared: Prepared, asked: _Asked, client_ip: str) -> tuple[Made | None, int]:
        """What is prepared for this asker, and the scope of it; None: nothing is yet."""
        variant, scope_bits = prepared.everywhere, 0
        if prepared.logged:
            return None, 0
        if variant is None:
            client = asked.client or self._client_of(client_ip)
            variant = prepared.variants.get(client if prepared.by_network else client.site)
            if variant is None:
                return None, 0
            if asked.client is not None:
                scope_bits = max(asked.site_bits if variant.located else 0, variant.network_bits)
        if variant.sampled:
            return sample(variant, self._random), scope_bits
        if variant.missing:
            return None, 0
        ways = variant.ways
        made = ways[0 if len(ways) == 1 else bisect_right(variant.sums, self._random())]
        return (made, scope_bits) if type(made) is Made else (None, 0)

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
        site_bits = SITE_BITS[subnet.family] if subnet else 0
        ready = self._preparer.find(query, client)
        if ready is not None:
            variant, made = ready
            if variant.logged:
                self._log(variant.logged, query, made.rcode, over_tcp, client_ip)
            scope_bits = max(site_bits if variant.located else 0, variant.network_bits) if subnet else 0
            return _assembled(message, query, made, dns.opt_record(query, made.rcode, scope_bits, more), limit_bytes)
        found = self._preparer.walk(query, client)
        if found.zone is not None and self._logs(found.zone.zone.id):
            self._log(found.zone.zone.id, query, found.rcode, over_tcp, client_ip)
        return dns.build_answer(
            query,
            found.rcode,
            found.answers,
            found.authority,
            found.additional,
            authoritative=found.authoritative,
            scope_bits=max(site_bits if found.located else 0, found.network_bits or 0) if subnet else 0,
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
        if query.edns and rest not in self._asked and not query.options.keepalive and message[10:12] == _OPT_ONLY:
            if len(self._asked) >= MAX_ASKED:
                self._asked.clear()
            site_bits = SITE_BITS[query.subnet.family] if query.subnet else 0
            self._asked[rest] = _Asked(query, client, site_bits, _OPT_ONLY, mark_of(query), query.udp_bytes)


def _assembled(message: bytes, query: Query, made: Made, opt: bytes, limit_bytes: int) -> bytes:
    """A prepared answer with the question's id, flags and case; truncated if it is too long."""
    head = made.heads[FLAGS.index(query.flags & (RD | CD))]
    length = 12 + len(query.question) + len(made.body) + len(opt)
    counts = _OPT_ONLY if opt else _NO_ADDITIONS
    if length <= limit_bytes:
        return b"".join((message[:2], head, counts, query.question, made.body, opt))
    truncated = bytes((head[0] | _TC,)) + head[1:4] + b"\0\0\0\0"
    return b"".join((message[:2], truncated, counts, query.question, opt))


def _refusal(query: Query) -> int | None:
    """The rcode of a question that no zone is asked about."""
    if query.signed:
        return dns.NOTAUTH
    if not query.question:
        return dns.NOERROR
    if query.type in _UNASKABLE:
        return _UNASKABLE[query.type]
    return None if query.qclass == dns.CLASS_IN else dns.REFUSED


def _usual_heads(
    plain: dict[bytes, _Asked], asked: dict[bytes, _Asked]
) -> dict[bytes, tuple[int, dict[bytes, _Asked]]]:
    """Headers (behind the id) that the hot path takes: one question; RD, AD, CD as they like; an OPT record or none."""
    found = {}
    for index, flags in enumerate(FLAGS):
        for more in (0, _AD):
            for counts, known in ((_NO_ADDITIONS, plain), (_OPT_ONLY, asked)):
                head = (flags | more).to_bytes(2, "big") + b"\0\1\0\0\0\0" + counts
                found[head] = (index, known)
    return found
