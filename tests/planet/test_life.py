"""A planet's life as processes: start, end, faults; what goes wrong says so and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planet.planets import antipodes, free_ports, processes_of, running, up_arguments, wait_until

pytestmark = [pytest.mark.planet, pytest.mark.timeout(120)]


def test_an_unknown_region_is_named_with_what_was_meant(tmp_path: Path) -> None:
    done = antipodes("up", "--data-dir", str(tmp_path / "p"), "--regions", "us-east-1,us-wset-2")
    assert done.code == 2
    assert "us-wset-2" in done.err
    assert "us-west-2" in done.err
    assert not processes_of(tmp_path / "p")


@pytest.mark.parametrize(("address", "option"), [("127.44.1.1", "--port"), ("127.0.0.1", "--dns-port")])
def test_a_port_in_use_is_named_and_nothing_is_left(tmp_path: Path, address: str, option: str) -> None:
    port, https_port, dns_port = free_ports(3)
    with socket.socket(type=socket.SOCK_STREAM if option == "--port" else socket.SOCK_DGRAM) as taken:
        taken.bind((address, port if option == "--port" else dns_port))
        if option == "--port":
            taken.listen()
        for more in ([], ["--detach"]):
            done = antipodes(
                *("up", "--data-dir", str(tmp_path / "p"), "--regions", "us-east-1,us-west-2", *more),
                *("--port", str(port), "--https-port", str(https_port), "--dns-port", str(dns_port)),
            )
            assert (done.code, done.out) == (1, "")
            assert f"{taken.getsockname()[1]} is in use by another program; choose another with {option}." in done.err
    assert not processes_of(tmp_path / "p")
    assert [one.name for one in (tmp_path / "p").iterdir()] == ["globe.pid"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_disk_that_is_full_is_named(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "ca.pem").symlink_to("/dev/full")
    for more in ([], ["--detach"]):
        done = antipodes(*up_arguments(tmp_path / "p", "us-east-1"), *more)
        assert (done.code, done.err.count("\n")) == (1, 1)
        assert "No space left on device" in done.err
    assert "There is no planet" in antipodes("status", "--data-dir", str(tmp_path / "p")).err


def test_commands_without_a_planet_say_how_to_start_one(tmp_path: Path) -> None:
    done = antipodes("status", "--data-dir", str(tmp_path))
    assert done.code == 1
    assert "antipodes up" in done.err
    assert "Traceback" not in done.err


def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    data_dir = tmp_path / "p"
    command = [sys.executable, "-m", "antipodes.cli.main", *up_arguments(data_dir, "us-east-1")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "up" in line, process.communicate(timeout=10)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0
    wait_until(lambda: not processes_of(data_dir), "all processes gone", 10)


@pytest.mark.parametrize("file", ["globe.log", "ready"])
def test_a_demo_that_is_interrupted_leaves_no_process_and_no_folder(tmp_path: Path, file: str) -> None:
    """While the planet starts, and when it is up; and the second Ctrl-C of the impatient changes nothing."""
    port, https_port, dns_port = free_ports(3)
    command = [
        *(sys.executable, "-m", "antipodes.cli.main", "demo", "--port", str(port)),
        *("--https-port", str(https_port), "--dns-port", str(dns_port)),
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, **quiet) as process:  # type: ignore[call-overload]
        wait_until(lambda: [*tmp_path.glob(f"antipodes-demo-*/{file}")], "the planet's folder")
        (folder,) = tmp_path.iterdir()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    assert not processes_of(folder)
    assert not [*tmp_path.iterdir()]


def test_region_processes_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    data_dir = tmp_path / "p"
    with running(data_dir, "us-east-1,us-west-2") as planet:
        supervisor = int((data_dir / "globe.pid").read_text())
        assert len(planet.processes()) >= 3
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: not planet.processes(), "orphans to end", 15)


def test_a_planet_keeps_its_data_over_down_and_up_and_two_run_side_by_side(tmp_path: Path) -> None:
    with running(tmp_path / "one", "us-east-1") as one, running(tmp_path / "two", "us-east-1") as two:
        client = one.client("dynamodb", "us-east-1")
        client.create_table(
            TableName="kept",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.get_waiter("table_exists").wait(TableName="kept", WaiterConfig={"Delay": 1})
        client.put_item(TableName="kept", Item={"id": {"S": "a"}})
        assert two.client("dynamodb", "us-east-1").list_tables()["TableNames"] == []
        assert one.command("down").code == 0
        assert not one.processes()
        assert two.processes()
    with running(tmp_path / "one", "us-east-1") as again:
        assert again.client("dynamodb", "us-east-1").get_item(TableName="kept", Key={"id": {"S": "a"}})["Item"]


def test_a_second_up_in_a_folder_leaves_the_planet_that_runs_there_alone(tmp_path: Path) -> None:
    with running(tmp_path / "p", "us-east-1") as planet:
        before = (tmp_path / "p" / "planet.json").read_bytes()
        for more in ([], ["--detach"]):
            done = antipodes(*up_arguments(tmp_path / "p", "us-west-2"), *more)
            assert done.code == 1
            assert "already runs" in done.err
        demo = antipodes("demo", "--data-dir", str(tmp_path / "p"))
        assert (demo.code, demo.err.count("already runs")) == (1, 1)
        assert (tmp_path / "p" / "planet.json").read_bytes() == before
        assert "us-east-1  up" in planet.command("status").out


def test_down_ends_a_planet_that_does_not_answer(tmp_path: Path) -> None:
    with running(tmp_path / "p", "us-east-1") as planet:
        record = tmp_path / "p" / "planet.json"
        record.write_text(record.read_text().replace(str(planet.planet.port), "1"))
        assert planet.command("status").code == 1
        assert planet.command("down").code == 0
        assert not planet.processes()


def test_faults_on_the_wrong_region_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with running(tmp_path / "p", "us-east-1,us-west-2") as planet:
        assert "no Region mars-north-1" in planet.command("kill", "mars-north-1").err
        assert planet.command("restore", "us-west-2").code == 1
        assert planet.command("kill", "us-west-2").code == 0
        assert "already down" in planet.command("kill", "us-west-2").err
        down = planet.client("dynamodb", "us-west-2")
        with pytest.raises(Exception, match="antipodes restore us-west-2"):
            down.list_tables()
        assert planet.command("restore", "us-west-2").code == 0
        assert down.list_tables()["TableNames"] == []


def test_a_region_killed_from_outside_is_noticed(tmp_path: Path) -> None:
    with running(tmp_path / "p", "us-east-1,us-west-2") as planet:
        import json

        regions = json.loads(planet.command("status", "--json").out)["regions"]
        victim = next(region for region in regions if region["name"] == "us-west-2")
        os.kill(victim["pid"], signal.SIGKILL)

        def is_down() -> bool:
            seen = json.loads(planet.command("status", "--json").out)["regions"]
            return any(region["name"] == "us-west-2" and region["state"] == "down" for region in seen)

        wait_until(is_down, "us-west-2 seen as down", 10)
        assert planet.command("restore", "us-west-2").code == 0
