"""Which operations the services of a Region have, beside those that AWS's models know. As the page docs/operations.md.

The services themselves are asked: a Region is assembled over an empty disk, and not started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap

from antipodes.region.region import Region
from antipodes.services.contract import Settings
from antipodes.wire import models
from antipodes.world.disk import MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld

SITE = "us-east-1"
NAMED = 50  # not more refused operations are told by name
WIDTH = 120
HEAD = """# Operations

What each service of a Region carries out, of what AWS's own models (those of the installed botocore) list. Any other
operation is refused by its name: `UnsupportedOperation`, "antipodes does not support ... yet". Made by
`antipodes operations`; a test keeps it true.
"""


def assembled() -> Mapping[str, frozenset[str]]:
    """Service -> the operations that it has, AWS's alone."""
    world = RealWorld(SITE, links=Links(), disk=MemoryDisk())
    region = Region(world, Settings((SITE,)), token="", authority=None, set_links=lambda rules: None)
    return {
        name: frozenset(service.operations) & frozenset(models.service_model(name).operation_names)
        for name, service in region.services.items()
    }


def page() -> str:
    """The whole page, Markdown."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    found = assembled()
    for service in sorted(found):
        known = models.service_model(service).operation_names
        there = [name for name in known if name in found[service]]
        rest = [name for name in known if name not in found[service]]
        yield f"## {service}: {len(there)} of {len(known)}\n"
        yield "\n".join(wrap(", ".join(there), WIDTH)) + "\n"
        if rest and len(rest) <= NAMED:
            yield "\n".join(wrap(f"Refused: {', '.join(rest)}", WIDTH)) + "\n"
