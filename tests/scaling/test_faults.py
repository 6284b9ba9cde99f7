"""Processes and machines die in a sweep on a real Ray cluster; its rows are as if none had."""

import functools
import os
import signal
import sys

import pytest
import ray

from clinfonce.scaling.limits import MOST_DEATHS
from clinfonce.trial.run import run_trial
from tests.scaling.faults import Disturbs, below, run, sweep, undisturbed_sweep, without_failing
from tests.scaling.sweeps import (
    kills_a_machine,
    once,
    ray_cluster,
    reproducible,
    wait_for_the_end,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("default")]

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # Ray's workers cannot import tests


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster(2, 2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    return undisturbed_sweep(tmp_path_factory)


@pytest.fixture(scope="module")
def expected(undisturbed):
    return without_failing(undisturbed[0])


def test_an_error_of_one_worker_fails_its_trial_alone_and_at_once(undisturbed):
    rows, seconds = undisturbed
    outcomes = {row["name"]: (row["status"], row["error"]) for row in rows["trials"]}
    assert outcomes.pop("broken pair") == ("failed", "ArithmeticError: one worker has a mistake")
    status, error = outcomes.pop("diverging pair")
    assert status == "failed"
    assert "the loss is" in error
    assert set(outcomes.values()) == {("complete", None)}
    assert seconds < 400  # the other worker would wait ten minutes


def test_killed_workers_trial_processes_and_queues_leave_no_trace(expected, tmp_path):
    """A worker of the first pair, a trial with one worker, and the queue of the last pair."""
    deaths, killed = tmp_path / "deaths", []
    deaths.mkdir()

    def kill():
        for queue in below(os.getpid(), "ray::_GroupQueue"):
            os.kill(queue, signal.SIGKILL)
            killed.append(queue)

    sweep(
        tmp_path / "results",
        functools.partial(run, deaths=deaths),
        display=Disturbs(kill, "last pair"),
    )
    assert {path.name for path in deaths.iterdir()} == {"1", "2"}
    assert killed
    assert reproducible(tmp_path / "results") == expected


def test_a_killed_raylet_leaves_no_trace(expected, cluster, tmp_path):
    def run_and_die(spec, table, *, on_epoch, **rest):
        def tell(epoch):
            if epoch.epoch == 2 and spec.workers == 2:
                wait_for_the_end(tmp_path)
            on_epoch(epoch)

        return run(spec, table, on_epoch=tell, **rest)

    with kills_a_machine(cluster, tmp_path):
        sweep(tmp_path / "results", run_and_die)
    cluster.add_node(num_cpus=2)
    assert reproducible(tmp_path / "results") == expected


def test_deaths_in_several_trials_of_a_group_are_of_each_alone(cluster, tmp_path):
    """Trials in one group of workers as large as the cluster; each loses one once.

    As many as a trial of its own may lose before it is given up. What leads the group dies too, and
    what it reserved has to be given back before the group can start anew.
    """
    led = []

    def kill_the_leader():
        for process in below(os.getpid(), "ray::TrainController"):
            os.kill(process, signal.SIGKILL)
            led.append(process)

    def run_and_die(spec, table, *, on_epoch, **rest):
        import torch.distributed as dist

        def tell(epoch):
            on_epoch(epoch)
            if epoch.epoch == 1 and dist.get_rank() == 1 and once(tmp_path / f"{spec.seed}"):
                os.kill(os.getpid(), signal.SIGKILL)

        return run_trial(spec, table, on_epoch=tell, **rest)

    fixed = [{"name": "pair", "trial": {"workers": 2, "epochs": 2}}]
    seeds = list(range(1, MOST_DEATHS + 1))
    large = {"fixed": fixed, "seeds": seeds, "resources": {"cpus": 2.0}}
    sweep(tmp_path / "results", run_and_die, display=Disturbs(kill_the_leader), **large)
    assert led
    assert all((tmp_path / f"{seed}").exists() for seed in seeds)
    rows = reproducible(tmp_path / "results")["trials"]
    assert sorted((row["seed"], row["status"]) for row in rows) == [(s, "complete") for s in seeds]
