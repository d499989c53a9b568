"""What a Region's TLS listener asks for: whose certificate it shows, and who may have signed its clients'."""

from __future__ import annotations

from antipodes.services.acm.service import ACM
from antipodes.services.apigateway.service import ApiGateway


class Doors:
    """Fulfils world.Certificates: ACM has the certificates, custom domain names the truststores."""

    def __init__(self, acm: ACM, gateway: ApiGateway) -> None:
        self.certificate_for = acm.certificate_for
        self.trusted_for = gateway.trusted_for
