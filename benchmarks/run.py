"""All benchmarks in one run: `make bench`. Figures are of this machine and this minute; the ratios are what holds."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import dns_peers, dynamodb, planet, replication, serverless


def main() -> None:
    planet.measure()
    serverless.measure()
    replication.measure([])
    dns_peers.measure()
    dynamodb.measure()


if __name__ == "__main__":
    main()
