"""`antipodes down`: ends the planet of a folder; its data stay on disk."""

from __future__ import annotations

import time

from antipodes.cli import pidfile
from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, fail, with_globe

END_TIMEOUT_S = 20.0


def down(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Ends every process of the planet. What was acknowledged stays on disk for the next `up`."""
    if not pidfile.held(data_dir):
        raise fail(f"No planet runs in {data_dir}.")
    with_globe(data_dir, lambda globe: globe.down())
    deadline = time.monotonic() + END_TIMEOUT_S
    while pidfile.held(data_dir):
        if time.monotonic() > deadline:
            raise fail(f"The planet in {data_dir} (pid {pidfile.read(data_dir)}) does not end; see its globe.log.")
        time.sleep(0.05)
    print("The planet is down.")
