"""A Ray that a sweep starts: no other user of the machine and nobody on the network gets at it."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clinfonce.errors import RunError
from clinfonce.memory import ENVIRONMENT as MEMORY
from clinfonce.scaling.connection import private
from clinfonce.scaling.connection.private import private_folder

ANOTHER = 65534  # nobody


@pytest.fixture
def base(tmp_path_factory, monkeypatch):
    """A short folder for temporary files, as a machine has it."""
    place = Path(f"/tmp/cl{os.getpid()}")
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    yield place
    for left in place.iterdir():
        left.rmdir()
    place.rmdir()


def test_the_folder_is_its_owners_alone_and_gone_at_the_end(base):
    with private_folder() as folder:
        assert folder.parent == base
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "r").mkdir()
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), private_folder() as folder:
        raise KeyboardInterrupt
    assert not folder.exists()


def test_the_folder_has_room_for_the_name_of_a_socket(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/tmp/" + "scratch-of-a-batch-system/" * 4)
    with private_folder() as folder:
        socket = folder / "r/session_2026-11-26_17-53-26_966299_1234567/sockets/plasma_store"
        assert len(str(socket)) <= 107
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RunError, match=r"short enough for Ray's sockets.*18 characters in TMPDIR"):
        private_folder().__enter__()


def test_a_folder_that_a_killed_sweep_left_is_removed_by_the_next_and_no_other(base):
    long_ago = time.time() - 10_000
    abandoned, young = base / "clinfonce-ray-abandoned", base / "clinfonce-ray-young"
    strange, other = base / "clinfonce-ray-strange", base / "other"
    for folder in (abandoned, young, strange, other):
        folder.mkdir()
    for folder in (abandoned, strange, other):
        os.utime(folder, (long_ago, long_ago))
    if os.getuid() == 0:
        os.chown(strange, ANOTHER, ANOTHER)
    with private_folder() as first:
        os.utime(first, (long_ago, long_ago))
        with private_folder():
            assert first.exists()  # it is in use
    assert not abandoned.exists()
    assert young.exists()
    assert other.exists()
    assert strange.exists() == (os.getuid() == 0)


def test_the_logs_of_a_ray_that_failed_stay_for_a_while(base):
    with pytest.raises(RunError), private_folder() as folder:
        raise RunError("Ray did not start")
    assert folder.exists()


SESSION = """
import json, os, sys
import ray
from clinfonce.scaling.connection.session import ray_session
import psutil  # Ray brings it

class Actor:
    def niceness(self):
        return os.nice(0)

    def environment(self):
        return dict(os.environ)

with ray_session(niceness=3):
    actor = ray.remote(Actor).remote()
    niceness = ray.get(actor.niceness.remote())
    environment = ray.get(actor.environment.remote())
    this = psutil.Process()
    processes = [this, *this.children(recursive=True)]
    ports = [[c.laddr.ip, c.laddr.port] for p in processes for c in p.net_connections("inet")
             if c.status == "LISTEN"]
    place = ray._private.worker._global_node.get_session_dir_path()
    own = [niceness, ray.util.get_node_ip_address(), environment]
    print(json.dumps([place, ports, *own]), flush=True)
    input()
"""


@pytest.fixture(scope="module")
def session():
    """A Ray as a sweep starts it: its folder, where it listens, its address; of a worker, the
    niceness and the environment."""
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "TMPDIR": "/tmp"}
    environment.pop("RAY_ADDRESS", None)
    with subprocess.Popen(
        [sys.executable, "-c", SESSION],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        lines = iter(process.stdout.readline, "")
        yield next(json.loads(line) for line in lines if line.startswith("["))
        process.communicate("\n")


@pytest.mark.ray
@pytest.mark.slow
def test_all_of_a_local_ray_listens_on_loopback_alone_and_serves_no_metrics(session):
    _, ports, niceness, address, _ = session
    assert len(ports) > 5
    assert {ip.removeprefix("::ffff:") for ip, _ in ports} == {"127.0.0.1"}
    assert not {44217, 44227} & {port for _, port in ports}
    assert niceness == os.nice(0) + 3
    assert address == "127.0.0.1"


@pytest.mark.ray
@pytest.mark.slow
def test_processes_that_train_keep_the_memory_that_they_free(session):
    assert session[-1].items() >= MEMORY.items()


ATTACK = """
import os, socket, sys
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
place = sys.argv[1]
for attempt in (lambda: os.listdir(place), lambda: open(place + "/logs/raylet.out", "a"),
                lambda: os.unlink(place + "/sockets/plasma_store"),
                lambda: socket.socket(socket.AF_UNIX).connect(place + "/sockets/raylet")):
    try:
        attempt()
    except PermissionError:
        print("refused")
"""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_another_user_of_the_machine_gets_at_no_file_and_no_socket(session):
    place = session[0]
    assert (Path(place) / "sockets/plasma_store").is_socket()
    command = [sys.executable, "-S", "-c", ATTACK.format(uid=ANOTHER), place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["refused"] * 4, done.stderr


def test_metrics_are_served_to_who_asks_for_them(monkeypatch):
    monkeypatch.setenv("RAY_enable_metrics_collection", "1")
    monkeypatch.setenv("AUTOSCALER_METRIC_PORT", "44217")
    monkeypatch.delenv("DASHBOARD_METRIC_PORT", raising=False)
    with private.to_itself(niceness=0):
        assert os.environ["RAY_enable_metrics_collection"] == "1"  # noqa: SIM112
        assert os.environ["AUTOSCALER_METRIC_PORT"] == "44217"
        assert os.environ["DASHBOARD_METRIC_PORT"] == "-1"
    assert "DASHBOARD_METRIC_PORT" not in os.environ
