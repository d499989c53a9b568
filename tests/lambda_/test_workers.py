"""Worker processes end with their Region."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for a signal at the parent's death")
def test_worker_dies_when_its_region_is_killed(tmp_path: Path) -> None:
    program = Path(__file__).with_name("dying_region.py")
    region = subprocess.Popen(
        [sys.executable, str(program)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    assert region.stdout is not None
    try:
        worker = int(region.stdout.readline())
        os.kill(worker, 0)
        region.send_signal(signal.SIGKILL)
        region.wait(10)
        for _ in range(100):
            if not _runs(worker):
                break
            time.sleep(0.05)
        assert not _runs(worker)
    finally:
        region.kill()
        region.wait(10)
        region.stdout.close()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
