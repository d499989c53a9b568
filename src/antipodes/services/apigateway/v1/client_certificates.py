"""Client certificates: what a stage shows to the HTTP servers behind it, so that they know who calls.

They are self-signed and last 365 days; "only the public key of a certificate is visible" (Developer Guide, "Generate
and configure an SSL certificate for backend authentication"). The private key is kept in the Region's store. A server
is shown the certificate in the TLS handshake, if it asks for one; where the world is simulated no server asks.
"""

from __future__ import annotations

from typing import Any

from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.chest import ClientCertificate
from antipodes.services.apigateway.v1.kinds import Params, Rooted
from antipodes.services.apigateway.v1.listing import answered
from antipodes.services.apigateway.v1.patching import One
from antipodes.services.apigateway.v1.records import bad_request

DAYS = 365
NAME = "ApiGateway"  # its subject's common name (from memory)


def _made(catalogue: Catalogue, params: Params) -> ClientCertificate:
    from antipodes.edge.tls import self_signed  # noqa: PLC0415 - cryptography takes 9 MB, and few Regions need it

    now = catalogue.surroundings.world.now()
    pem, key_pem, expires = self_signed(NAME, now, DAYS)
    return ClientCertificate(
        id=catalogue.new_id(6),
        created=now,
        expires=expires,
        pem=pem,
        key_pem=key_pem,
        description=params.get("description") or "",
        tags=dict(params.get("tags") or {}),
    )


def _shown(certificate: ClientCertificate) -> dict[str, Any]:
    return answered(
        {
            "clientCertificateId": certificate.id,
            "pemEncodedCertificate": certificate.pem.decode(),
            "createdDate": certificate.created,
            "expirationDate": certificate.expires,
        },
        description=certificate.description,
        tags=certificate.tags,
    )


def _check_unused(catalogue: Catalogue, params: Params, certificate: ClientCertificate) -> None:
    used = sorted(
        f"{stage.api_id}/{stage.name}"
        for stage in catalogue.stages.values()
        if stage.client_certificate_id == certificate.id
    )
    if used:  # the words are a guess
        raise bad_request(f"Client certificate {certificate.id} is used by stages: {', '.join(used)}")


CERTIFICATES = Rooted(
    shown=_shown,
    made=_made,
    patches={"/description": One("description", gone="")},
    check_unused=_check_unused,
    found=lambda catalogue, params: catalogue.chest.certificate(params["clientCertificateId"]),
    listed=lambda catalogue, params: [one for _, one in sorted(catalogue.chest.certificates.items())],
    save=lambda catalogue, certificate: catalogue.chest.save(certificate),
    remove=lambda catalogue, certificate: catalogue.chest.delete(certificate),
)
