"""Where a sweep's Ray runs."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import ray

from clinfonce.errors import RunError
from clinfonce.scaling.connection.authentication import token_file
from clinfonce.scaling.connection.session import ray_session


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Lets a function of its address stand for the start of Ray."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    return lambda init: monkeypatch.setattr(ray, "init", lambda address, **_: init(address))


def test_without_an_address_ray_is_started_anew_whatever_runs_on_the_machine(start):
    asked = []
    start(lambda address: asked.append((address, token_file().stat().st_mode & 0o777)))
    with ray_session():
        pass
    assert asked == [("local", 0o600)]


def test_ray_that_does_not_start_is_told_in_a_line(start):
    attempts = []

    def time_out(address):
        attempts.append(address)
        raise Exception("The current node timed out during startup.\nMore of it.")  # as Ray does

    start(time_out)
    with (
        pytest.raises(
            RunError, match=r"in 2 attempts: The .* startup\. Is .* logs are in /"
        ) as told,
        ray_session(),
    ):
        pass
    assert attempts == ["local"] * 2
    assert "\n" not in str(told.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_dropped_is_seen_later(start):
    class Dropper:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    start(lambda address: None)
    with ray_session() as interruption:
        interruption.check()
        Dropper()
        with pytest.raises(KeyboardInterrupt):
            interruption.check()


SESSION = """
import ray
from clinfonce.scaling.connection.session import ray_session

with ray_session():
    print(ray.get(ray.remote(lambda: "it runs").remote()), flush=True)
    input()
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_start_that_was_late_is_cleared_away_and_tried_again():
    with subprocess.Popen(
        [sys.executable, "-c", SESSION], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        while not (late := below(process.pid, "raylet")):
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(late[0], signal.SIGSTOP)
        assert process.stdout.readline() == "it runs\n"
        assert late[0] not in below(process.pid, "raylet")
        assert len(below(process.pid, "gcs_server")) == 1
        process.stdin.write("\n")


def below(parent, name):
    """The children of a process with a name."""
    children = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):  # of a thread that has ended
            children += task.read_text().split()
    return [int(c) for c in children if Path(f"/proc/{c}/comm").read_text().strip() == name]
