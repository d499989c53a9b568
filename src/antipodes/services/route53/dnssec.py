"""DNSSEC: key-signing keys, and signing of zones on and off. The name server follows what is written here, and signs.

Rules. One row a zone holds its keys and whether it is signed; it is born with the first key-signing key. What AWS
refuses is refused with its codes; the texts are from memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.route53.desk import Desk
from antipodes.services.route53.keys import (
    KSK_FLAGS,
    Signing,
    SigningKey,
    digest,
    dnskey,
    key_shape,
    secret_of,
    status_shape,
)
from antipodes.services.route53.ledger import DNSSEC, ZONES
from antipodes.services.route53.records import RecordSet, Zone, bare_id, name_key, pack, unpack
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request

MAX_KEYS = 2
_NAME = re.compile(r"[A-Za-z0-9_]{3,128}")
_KMS_ARN = re.compile(r"arn:aws[a-z-]*:kms:us-east-1:\d{12}:(key|alias)/[A-Za-z0-9/_-]+")


class Dnssec:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_key_signing_key(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        zone = self._desk.zone(params["HostedZoneId"])
        name, arn, status = params["Name"], params["KeyManagementServiceArn"], params["Status"]
        if not _NAME.fullmatch(name):
            raise ClientFault("InvalidKeySigningKeyName", f"The key-signing key name {name} isn't a valid name.")
        if status not in ("ACTIVE", "INACTIVE"):
            raise ClientFault("InvalidKeySigningKeyStatus", f"The status {status} isn't valid: ACTIVE or INACTIVE.")
        if not _KMS_ARN.fullmatch(arn):
            raise ClientFault(
                "InvalidKMSArn",
                f"The KeyManagementServiceArn {arn} isn't valid to use with DNSSEC signing: an ECC_NIST_P256 key in "
                "us-east-1 is wanted.",
            )
        signing = self._find(zone) or Signing(zone.id, zone.name, self._draw_secret())
        if any(key.name == name or key.kms_arn == arn for key in signing.keys):
            raise ClientFault(
                "KeySigningKeyAlreadyExists",
                "You've already created a key-signing key (KSK) with this name or with the same customer managed key "
                "ARN.",
                status=409,
            )
        if len(signing.keys) >= MAX_KEYS:
            raise ClientFault(
                "TooManyKeySigningKeys",
                "You've reached the limit for the number of key-signing keys (KSKs). Remove at least one KSK, and then "
                "try again.",
            )
        now_s = self._desk.around.world.now()
        key = SigningKey(name, arn, params["CallerReference"], status, self._draw_secret(), now_s, now_s)
        signing = msgspec.structs.replace(signing, keys=(*signing.keys, key))
        return {
            "ChangeInfo": await self._submit(signing),
            "KeySigningKey": key_shape(signing, key),
            "Location": f"https://route53.amazonaws.com/2013-04-01/keysigningkey/{zone.id}/{name}",
        }

    async def activate_key_signing_key(self, request: Request) -> Mapping[str, Any]:
        signing, key = self._key(request)
        return {"ChangeInfo": await self._submit(self._with(signing, key, "ACTIVE"))}

    async def deactivate_key_signing_key(self, request: Request) -> Mapping[str, Any]:
        signing, key = self._key(request)
        if signing.serving and signing.active == (key,):
            raise ClientFault(
                "KeySigningKeyInUse",
                "The key-signing key (KSK) that you specified can't be deactivated because it's the only KSK for a "
                "currently-enabled DNSSEC. Disable DNSSEC signing, or add or enable another KSK.",
            )
        if signing.serving:
            self._check_parent(signing, (key,))
        return {"ChangeInfo": await self._submit(self._with(signing, key, "INACTIVE"))}

    async def delete_key_signing_key(self, request: Request) -> Mapping[str, Any]:
        signing, key = self._key(request)
        if key.status == "ACTIVE":
            raise ClientFault(
                "InvalidKeySigningKeyStatus",
                f"The key-signing key {key.name} is ACTIVE: deactivate it before deletion.",
            )
        left = tuple(one for one in signing.keys if one.name != key.name)
        return {"ChangeInfo": await self._submit(msgspec.structs.replace(signing, keys=left))}

    async def enable_hosted_zone_dnssec(self, request: Request) -> Mapping[str, Any]:
        signing = self._find(self._desk.zone(request.params["HostedZoneId"]))
        if signing is None or not signing.keys:
            raise _no_dnssec()
        if not signing.active:
            raise ClientFault(
                "KeySigningKeyWithActiveStatusNotFound", "A key-signing key (KSK) with ACTIVE status wasn't found."
            )
        return {"ChangeInfo": await self._submit(msgspec.structs.replace(signing, serving=True))}

    async def disable_hosted_zone_dnssec(self, request: Request) -> Mapping[str, Any]:
        signing = self._find(self._desk.zone(request.params["HostedZoneId"]))
        if signing is None or not signing.serving:
            raise _no_dnssec()
        self._check_parent(signing, signing.keys)
        return {"ChangeInfo": await self._submit(msgspec.structs.replace(signing, serving=False))}

    async def get_dnssec(self, request: Request) -> Mapping[str, Any]:
        signing = self._find(self._desk.zone(request.params["HostedZoneId"]))
        await self._desk.settle()
        keys = [key_shape(signing, key) for key in signing.keys] if signing else []
        return {"Status": status_shape(signing), "KeySigningKeys": keys}

    # ---------------------------------------------------------------- rows

    def _find(self, zone: Zone) -> Signing | None:
        data = self._desk.ledger.get(DNSSEC, zone.id.encode())
        return None if data is None else unpack(data, Signing)

    def _key(self, request: Request) -> tuple[Signing, SigningKey]:
        zone_id, name = bare_id(request.params["HostedZoneId"]), request.params["Name"]
        data = self._desk.ledger.get(DNSSEC, zone_id.encode())
        for key in unpack(data, Signing).keys if data is not None else ():
            if key.name == name:
                assert data is not None
                return unpack(data, Signing), key
        raise ClientFault("NoSuchKeySigningKey", f"The key-signing key {name} doesn't exist.", status=404)

    def _with(self, signing: Signing, key: SigningKey, status: str) -> Signing:
        now_s = self._desk.around.world.now()
        changed = msgspec.structs.replace(key, status=status, modified_s=now_s)
        return msgspec.structs.replace(
            signing, keys=tuple(changed if one is key or one == key else one for one in signing.keys)
        )

    async def _submit(self, signing: Signing) -> dict[str, Any]:
        return await self._desk.submit([(DNSSEC, signing.zone_id.encode(), pack(signing))])

    def _draw_secret(self) -> bytes:
        return secret_of(self._desk.around.world.chance.getrandbits(320))

    def _check_parent(self, signing: Signing, keys: tuple[SigningKey, ...]) -> None:
        """A key that a parent zone here vouches for must go on signing. (AWS asks the DNS; we know our zones.)"""
        digests = [digest(signing.zone_name, dnskey(key.secret, KSK_FLAGS)).hex() for key in keys]
        for zone in self._desk.zones():
            if zone.name == signing.zone_name or not signing.zone_name.endswith("." + zone.name):
                continue
            start = name_key(zone.id, signing.zone_name) + b"DS\0"
            for _, data in self._desk.ledger.scan(ZONES, start, start[:-1] + b"\1"):
                told = ["".join(value.split()[3:]).lower() for value in unpack(data, RecordSet).values]
                if any(one in told for one in digests):
                    raise ClientFault(
                        "KeySigningKeyInParentDSRecord",
                        f"The key-signing key (KSK) is specified in a parent DS record: in hosted zone {zone.id}.",
                    )


def _no_dnssec() -> ClientFault:
    return ClientFault("DNSSECNotFound", "The hosted zone doesn't have any DNSSEC resources.")
