"""Processes and machines die in a sweep on a real Ray cluster; its rows are as if none had."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import ray
import yaml

from clinfonce.config import SweepSpec
from clinfonce.errors import InputError
from clinfonce.scaling.execution import placement as placement
from clinfonce.scaling.execution import shortage as waiting
from clinfonce.scaling.sweep import prepare_sweep, run_sweep
from clinfonce.trial.run import run_trial
from tests.scaling.sweeps import (
    Quiet,
    kills_a_machine,
    once,
    ray_cluster,
    reproducible,
    wait_for_the_end,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("default")]

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # Ray's workers cannot import tests

SWEEP = """
name: faults
data: {name: digits}
trial:
  augmentation: digits
  encoder: {width: 4}
  evaluation: {every: 1, draws: 2}
  epochs: 3
  clustering: {source: labels}
seeds: [1]
fixed:
  - {name: pair, trial: {workers: 2}}
  - {name: alone, trial: {clustering: {source: instances}}}
  - {name: broken pair, trial: {workers: 2, optimizer: {learning_rate: 0.02}}}
  - {name: diverging pair, trial: {workers: 2, optimizer: {learning_rate: 1.0e+30}}}
  - {name: last pair, trial: {workers: 2, clustering: {source: instances}}}
  - {name: last, trial: {}}
"""


def run(spec, table, *, on_epoch, deaths=None, **rest):
    """Run a trial, with a mistake in one worker of the broken pair; perhaps die in epoch 2.

    Args:
        spec: of the trial.
        table: the data.
        on_epoch: is given each epoch.
        deaths: folder that remembers who died already; None: nobody dies.
        rest: of the arguments of `run_trial`.
    """
    import torch.distributed as dist

    rank = dist.get_rank() if dist.is_initialized() else 0

    def die_or_go_on(epoch):
        on_epoch(epoch)
        last = rank == spec.workers - 1
        if deaths is not None and epoch.epoch == 1 and last and once(deaths / f"{spec.workers}"):
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()

    if spec.optimizer.learning_rate == 0.02 and rank == 1:  # the other waits for its gradients
        raise ArithmeticError("one worker has a mistake")
    return run_trial(spec, table, on_epoch=die_or_go_on, **rest)


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster(2, 2) as cluster:
        yield cluster


def sweep(home, run=run, display=None, **changes):
    specification = SweepSpec.model_validate(yaml.safe_load(SWEEP) | changes)
    table, store, _ = prepare_sweep(specification, home)
    run_sweep(specification, table, store, home, display or Quiet(), run=run)


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed") / "results"
    began = time.monotonic()
    sweep(home)
    return home, time.monotonic() - began


def test_an_error_of_one_worker_fails_its_trial_alone_and_at_once(undisturbed):
    home, seconds = undisturbed
    trials = {row["name"]: row for row in reproducible(home)["trials"]}
    outcomes = {name: (row["status"], row["error"]) for name, row in trials.items()}
    assert outcomes.pop("broken pair") == ("failed", "ArithmeticError: one worker has a mistake")
    status, error = outcomes.pop("diverging pair")
    assert status == "failed"
    assert "the loss is" in error
    assert set(outcomes.values()) == {("complete", None)}
    assert seconds < 400  # the other worker would wait ten minutes


def test_killed_workers_and_trial_processes_leave_no_trace(undisturbed, tmp_path):
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    sweep(tmp_path / "results", functools.partial(run, deaths=deaths))
    assert {path.name for path in deaths.iterdir()} == {"1", "2"}
    assert reproducible(tmp_path / "results") == reproducible(undisturbed[0])


def test_a_killed_raylet_leaves_no_trace(undisturbed, cluster, tmp_path):
    def run_and_die(spec, table, *, on_epoch, **rest):
        def tell(epoch):
            if epoch.epoch == 2 and spec.workers == 2:
                wait_for_the_end(tmp_path)
            on_epoch(epoch)

        return run(spec, table, on_epoch=tell, **rest)

    with kills_a_machine(cluster, tmp_path):
        sweep(tmp_path / "results", run_and_die)
    cluster.add_node(num_cpus=2)
    assert reproducible(tmp_path / "results") == reproducible(undisturbed[0])


class Disturbs(Quiet):
    """Does something once, at the first epoch of a pair."""

    def __init__(self, disturb):
        self.disturb, self.done = disturb, False

    def epoch(self, trial_id, name, epoch, epochs, accuracy):
        if not self.done and "pair" in name:
            self.done = True
            self.disturb()  # may raise


def test_killed_desks_leave_no_trace(undisturbed, tmp_path):
    killed = []

    def kill():
        for queue in below(os.getpid(), "ray::_GroupQueue"):
            os.kill(queue, signal.SIGKILL)
            killed.append(queue)

    sweep(tmp_path / "results", display=Disturbs(kill))
    assert killed
    assert reproducible(tmp_path / "results") == reproducible(undisturbed[0])


def test_deaths_in_several_trials_of_a_group_are_of_each_alone(cluster, tmp_path):
    """Four trials in one group of workers as large as the cluster; each loses one once."""

    def run_and_die(spec, table, *, on_epoch, **rest):
        import torch.distributed as dist

        def tell(epoch):
            on_epoch(epoch)
            if epoch.epoch == 1 and dist.get_rank() == 1 and once(tmp_path / f"{spec.seed}"):
                os.kill(os.getpid(), signal.SIGKILL)

        return run_trial(spec, table, on_epoch=tell, **rest)

    fixed, seeds = [{"name": "pair", "trial": {"workers": 2, "epochs": 2}}], [1, 2, 3, 4]
    sweep(tmp_path / "results", run_and_die, fixed=fixed, seeds=seeds, resources={"cpus": 2.0})
    assert all((tmp_path / f"{seed}").exists() for seed in seeds)
    rows = reproducible(tmp_path / "results")["trials"]
    assert sorted((row["seed"], row["status"]) for row in rows) == [(s, "complete") for s in seeds]


def test_a_sweep_interrupted_while_a_group_trains_ends_in_order_and_goes_on(undisturbed, tmp_path):
    """A thread of this process that waited for the group would end it, without a word."""

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path / "results", display=Disturbs(interrupt))
    assert not ray.is_initialized()
    sweep(tmp_path / "results")
    assert reproducible(tmp_path / "results") == reproducible(undisturbed[0])


def test_a_sweep_says_what_it_waits_for_and_goes_on_once_it_is_there(
    cluster, tmp_path, monkeypatch
):
    """Two trios, on machines of two CPUs; one of which is lost after epoch 1."""
    monkeypatch.setattr(waiting, "_PATIENCE", 5.0)
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
    assert reproducible(tmp_path / "results") == reproducible(undisturbed[0])


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


def below(parent, name):
    """The processes below one whose title begins so."""
    found = []
    with contextlib.suppress(OSError):  # of a process that has ended meanwhile
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            for child in task.read_text().split():
                found += below(child, name)
                if Path(f"/proc/{child}/cmdline").read_text().startswith(name):
                    found.append(int(child))
    return found


def test_the_death_of_a_process_kept_for_the_next_trial_is_one_death(cluster, tmp_path):
    alone = {"fixed": [{"name": "alone", "trial": {}}], "seeds": [1, 2, 3, 4, 5, 6]}
    killer = KillsKept()
    sweep(tmp_path / "killed", display=killer, **alone)
    sweep(tmp_path / "whole", **alone)
    assert killer.killed
    assert reproducible(tmp_path / "killed") == reproducible(tmp_path / "whole")


def test_after_a_killed_driver_the_same_command_makes_the_same_rows(cluster, tmp_path):
    specification = tmp_path / "driver.yaml"
    lines = [line for line in SWEEP.splitlines() if "broken" not in line]
    specification.write_text("\n".join(lines))
    homes = tmp_path / "killed", tmp_path / "whole"
    commands = [
        [sys.executable, "-m", "clinfonce", "sweep", specification, "--results", home]
        for home in homes
    ]
    driver = subprocess.Popen(commands[0], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(homes[0].glob("checkpoints/[!.]*.pt")):
        assert driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    for command in commands:
        subprocess.run(command, check=True, timeout=900, capture_output=True)
    assert reproducible(homes[0]) == reproducible(homes[1])


def test_what_no_machine_has_is_said_at_once(cluster, tmp_path):
    with pytest.raises(InputError, match=r"takes 3 CPUs .* the largest has 2 CPUs"):
        sweep(tmp_path / "cpus", resources={"cpus": 3.0})
    with pytest.raises(InputError, match=r"takes 1 CPU and 1 GPU"):
        sweep(tmp_path / "gpus", resources={"gpus": 1.0})
    fixed = [{"name": "wide", "trial": {"workers": 5}}]
    with pytest.raises(InputError, match=r"takes 5 workers .* room for 4"):
        sweep(tmp_path / "workers", fixed=fixed)
