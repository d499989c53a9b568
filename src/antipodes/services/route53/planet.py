"""Names that AWS itself answers: every `....<region>.amazonaws.com` of a Region of this planet leads to its address.

Rules. Pure. Also global endpoints (`route53.amazonaws.com`: the home Region), Lambda's function URLs (`<id>.lambda-url.
<region>.on.aws`) and zones' name servers (`ns-....awsdns-...`: where DNS is served). A Region that this planet does not
have is not answered. TTL 60, as API Gateway's regional names have (from memory).
"""

from __future__ import annotations

from antipodes.services.contract import Settings
from antipodes.services.route53.ledger import home_of
from antipodes.wire.dns import labels_of
from antipodes.world.geography import address_of

TTL_S = 60
WEBSITES = b"s3-website-"


class Planet:
    """Which names lead to which address."""

    def __init__(self, settings: Settings) -> None:
        self._addresses = {region.encode(): address_of(region) for region in settings.regions}
        self._home_address = address_of(home_of(settings.regions))
        self._dns_address = settings.dns_address

    def address_of(self, name: bytes) -> str | None:
        """The IPv4 address of a wire name; None: not such a name, or not a Region of this planet."""
        labels = labels_of(name)
        if labels[-2:] == [b"amazonaws", b"com"]:
            if len(labels) == 3:
                website = self._addresses.get(labels[0].removeprefix(WEBSITES))
                return website if website and labels[0].startswith(WEBSITES) else self._home_address
            if len(labels) > 3 and labels[-3].startswith(
                WEBSITES
            ):  # older Regions' websites: "bucket.s3-website-us-east-1"
                return self._addresses.get(labels[-3].removeprefix(WEBSITES))
            return self._addresses.get(labels[-3]) if len(labels) > 3 else None
        if labels[-2:] == [b"on", b"aws"] and len(labels) > 3:
            return self._addresses.get(labels[-3])
        if len(labels) >= 3 and labels[0].startswith(b"ns-") and labels[1].startswith(b"awsdns-"):
            return self._dns_address
        return None
