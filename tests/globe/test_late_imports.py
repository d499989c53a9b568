"""What takes memory and few Regions need is imported by those that do."""

from __future__ import annotations

import subprocess
import sys

LATE = ("cryptography", "jsonschema", "websockets", "h2", "boto3")


def test_a_region_starts_without_what_it_may_never_need() -> None:
    """Each Region is a process: cryptography alone takes 9 MB."""
    asked = f"import sys, antipodes.region.region; print([one for one in {LATE!r} if one in sys.modules])"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
