"""What `antipodes prove --seeds` leaves when it is ended: no process."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_campaign_that_is_ended_ends_its_processes_at_once(number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "antipodes.cli.main", "prove", "--seeds", "100000"]
    pipes = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipes, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as campaign:
        assert campaign.stdout is not None
        assert "100000 seeds" in campaign.stdout.readline()
        campaign.send_signal(number)
        told = campaign.stdout.read()  # to its end: no process of the campaign holds it any more
        assert campaign.wait() == code
    assert "Ended before all seeds were played." in told and "Traceback" not in told
