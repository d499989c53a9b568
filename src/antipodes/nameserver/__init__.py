"""NameServer: Route 53's data plane. `server` answers and follows the zones, `watch` probes and judges health."""

from antipodes.nameserver.server import NameServer
from antipodes.nameserver.watch import CheckStatus

__all__ = ["CheckStatus", "NameServer"]
