"""Joining a Ray cluster that runs already, and being told why not."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from clinfonce.cli import main
from clinfonce.errors import InputError
from clinfonce.memory import ENVIRONMENT as MEMORY
from clinfonce.scaling.connection.address import asks_for_token, check_address
from tests.scaling.storage import SWEEP


@pytest.mark.parametrize("address", ["here", "ray://10.0.0.1:10001", "http://10.0.0.1:8265", "a:b"])
def test_what_is_no_address_is_named(address):
    with pytest.raises(InputError, match="allowed are HOST:PORT"):
        check_address(address)


def test_where_nothing_listens_is_told_at_once():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with pytest.raises(InputError, match=r"can be reached at .*: Connection refused"):
            check_address(f"127.0.0.1:{closed.getsockname()[1]}")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_sweep_elsewhere_writes_nothing_where_nothing_listens(how, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1" if how == "environment" else "")
    option = ["--address", "127.0.0.1:1"] if how == "option" else []
    home = tmp_path / "results"
    assert main(["sweep", "sweeps/digits.yaml", "--results", str(home), *option]) == 2
    assert "no Ray cluster can be reached at 127.0.0.1:1" in capsys.readouterr().err
    assert not home.exists()


def test_what_is_no_ray_cluster_is_told():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(InputError, match="is no Ray cluster"),
    ):
        check_address(f"127.0.0.1:{server.getsockname()[1]}")


def test_no_proxy_is_asked_for_a_machine_of_the_same_network(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("", 0)) as proxy:
        for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with pytest.raises(InputError, match="is no Ray cluster"):
            check_address(f"127.0.0.1:{server.getsockname()[1]}")
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_auto_where_no_ray_runs_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", Found())
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where Ray notes what was started last
    with pytest.raises(InputError, match="no Ray cluster runs on this machine"):
        check_address("auto")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray/ray_current_cluster").write_text("127.0.0.1:1")
    with pytest.raises(InputError, match=r"no Ray cluster can be reached at \S+:1: "):
        check_address("auto")


class Found:
    """What runs of Ray on this machine, on which others may have theirs."""

    def __init__(self, *addresses):
        self.addresses = addresses

    def __call__(self):
        return set(self.addresses)

    def cache_clear(self):
        pass


RAY = """
import ray, sys
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""
TOKEN = "1" * 64
JOINED = """
import json, os, ray
from clinfonce.scaling.connection.session import ray_session
with ray_session():
    print(json.dumps(ray.get(ray.remote(lambda: dict(os.environ)).remote())))
"""


@contextmanager
def ray_elsewhere(**settings):
    """A Ray cluster of another process, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", RAY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | settings,
    )
    with process:  # which closes its input at the end
        yield process.stdout.readline().strip()


@pytest.fixture(scope="module")
def address():
    with ray_elsewhere(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as address:
        yield address


@pytest.fixture
def our_token(monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("our_token")
class TestARunningCluster:
    def test_may_be_joined_with_its_token(self, address):
        assert check_address(address) == address
        assert asks_for_token(address)

    def test_refuses_a_wrong_token(self, address, monkeypatch):
        monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
        with pytest.raises(InputError, match="refuses this token") as refusal:
            check_address(address)
        assert "0" * 64 not in str(refusal.value)

    def test_is_found_by_auto_and_refuses_a_wrong_token(self, address, monkeypatch, tmp_path):
        monkeypatch.setattr("ray._private.services.find_gcs_addresses", Found(address))
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        monkeypatch.setenv("RAY_ADDRESS", "auto")
        assert check_address("auto") == address
        monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
        with pytest.raises(InputError, match=f"the Ray cluster at {address} refuses this token"):
            check_address("auto")

    def test_asks_for_a_token(self, address, monkeypatch, tmp_path):
        monkeypatch.delenv("RAY_AUTH_TOKEN")
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
        with pytest.raises(InputError, match="asks for a token, and there is none"):
            check_address(address)

    def test_runs_processes_that_keep_the_memory_that_they_free(self, address):
        own = {"MALLOC_ARENA_MAX": "2"}
        job = json.dumps({"runtime_env": {"env_vars": own | {"OTHER": "its"}}})  # `ray job submit`
        env = os.environ | own | {"RAY_ADDRESS": address, "RAY_JOB_CONFIG_JSON_ENV_VAR": job}
        command = [sys.executable, "-c", JOINED]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        assert json.loads(done.stdout).items() >= (MEMORY | own | {"OTHER": "its"}).items()

    def test_is_not_joined_by_who_wants_none_with_tokens(self, address, monkeypatch):
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        with pytest.raises(InputError, match="asks for a token, but RAY_AUTH_MODE is 'disabled'"):
            check_address(address)

    def test_of_another_version_is_told(self, address, monkeypatch):
        import ray

        monkeypatch.setattr(ray, "__version__", "2.50.0")
        with pytest.raises(InputError, match=r"runs Ray \S+ on Python \S+, this is Ray 2\.50\.0"):
            check_address(address)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("our_token")
def test_a_cluster_without_tokens_runs_sweeps_of_who_has_one(tmp_path, monkeypatch):
    (tmp_path / "demo.yaml").write_text(SWEEP.split("search:")[0])
    command = [sys.executable, "-m", "clinfonce", "sweep", "demo.yaml", "--address"]
    with ray_elsewhere(RAY_AUTH_MODE="disabled") as address:
        assert not asks_for_token(address)
        done = subprocess.run(
            [*command, address], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        assert "[1/1]" in done.stderr
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        with pytest.raises(InputError, match="runs without a token, but RAY_AUTH_MODE is 'token'"):
            check_address(address)
