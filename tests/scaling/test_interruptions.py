"""Signals, others' work, lost room: what a sweep on a real Ray cluster gets through."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import ray

from clinfonce.errors import InputError
from clinfonce.scaling.execution import placement, shortage
from tests.scaling.faults import (
    SWEEP,
    Disturbs,
    below,
    sweep,
    undisturbed_sweep,
    without_failing,
)
from tests.scaling.sweeps import Quiet, ray_cluster, reproducible

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster(2, 2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    return without_failing(undisturbed_sweep(tmp_path_factory)[0])


# Those that need no undisturbed sweep come first: it may run for tests/scaling/test_faults.py.


def test_a_sweep_says_what_it_waits_for_and_goes_on_once_it_is_there(
    cluster, tmp_path, monkeypatch
):
    """Two trios, on machines of two CPUs; one of which is lost after epoch 1."""
    monkeypatch.setattr(shortage, "_PATIENCE", 5.0)
    lines, lost = [], threading.Event()

    class Display(Quiet):
        def epoch(self, trial_id, name, epoch, epochs, accuracy):
            if not lost.is_set():
                lost.set()
                cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

        def say(self, text):
            if "waiting" in text:
                lines.append(text)
                cluster.add_node(num_cpus=2)

    fixed = [{"name": "trio", "trial": {"workers": 3}}]
    sweep(tmp_path / "results", display=Display(), fixed=fixed, seeds=[1, 2])
    assert ["waiting for room for 3 workers" in line for line in lines] == [True]
    assert "has room for 2" in lines[0]
    outcomes = [
        (row["status"], row["epochs_run"]) for row in reproducible(tmp_path / "results")["trials"]
    ]
    assert outcomes == [("complete", 3)] * 2


class KillsKept(Quiet):
    """Kills the processes of trials when the first one has ended and is kept for the next."""

    def __init__(self):
        self.killed = 0

    def trial(self, row, *, earlier):
        if not self.killed:
            for process in below(os.getpid(), "ray::ImplicitFunc"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    self.killed += 1


def test_the_death_of_a_process_kept_for_the_next_trial_is_one_death(cluster, tmp_path):
    # Two at a time, each with a machine of its own.
    alone = {"fixed": [{"name": "alone", "trial": {}}], "seeds": [1, 2, 3, 4]}
    alone |= {"resources": {"cpus": 2.0}}
    killer = KillsKept()
    sweep(tmp_path / "killed", display=killer, **alone)
    sweep(tmp_path / "whole", **alone)
    assert killer.killed
    assert reproducible(tmp_path / "killed") == reproducible(tmp_path / "whole")


def test_what_no_machine_has_is_said_at_once(cluster, tmp_path):
    with pytest.raises(InputError, match=r"takes 3 CPUs .* the largest has 2 CPUs"):
        sweep(tmp_path / "cpus", resources={"cpus": 3.0})
    with pytest.raises(InputError, match=r"takes 1 CPU and 1 GPU"):
        sweep(tmp_path / "gpus", resources={"gpus": 1.0})
    fixed = [{"name": "wide", "trial": {"workers": 5}}]
    with pytest.raises(InputError, match=r"takes 5 workers .* room for 4"):
        sweep(tmp_path / "workers", fixed=fixed)


def test_a_sweep_interrupted_while_a_group_trains_ends_in_order_and_goes_on(undisturbed, tmp_path):
    """A thread of this process that waited for the group would end it, without a word."""

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path / "results", display=Disturbs(interrupt))
    assert not ray.is_initialized()
    sweep(tmp_path / "results")
    assert reproducible(tmp_path / "results") == undisturbed


def test_a_sweep_gets_through_beside_another_job(undisturbed, tmp_path, monkeypatch):
    """It counts on four CPUs, of which the other job has two."""
    monkeypatch.setattr(placement, "_REST", 3.0)
    code = (
        "import ray, time; from ray.util import placement_group; ray.init(log_to_driver=False); "
        "ray.get(placement_group([{'CPU': 1}] * 2).ready()); print('there', flush=True); "
        "time.sleep(900)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        try:
            assert b"there" in other.stdout.readline()
            sweep(tmp_path / "results")
            assert other.poll() is None
        finally:
            other.kill()
    assert reproducible(tmp_path / "results") == undisturbed


def test_after_a_killed_driver_the_same_command_makes_the_same_rows(undisturbed, tmp_path):
    (tmp_path / "driver.yaml").write_text(SWEEP)
    home = tmp_path / "results"
    command = [sys.executable, "-m", "clinfonce", "sweep", tmp_path / "driver.yaml"]
    command += ["--results", home]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(home.glob("checkpoints/[!.]*.pt")):
        assert driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    subprocess.run(command, check=True, timeout=900, capture_output=True)
    assert reproducible(home) == undisturbed
