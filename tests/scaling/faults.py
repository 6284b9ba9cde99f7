"""A sweep whose processes and machines die, on a real Ray cluster."""

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from pathlib import Path

import ray
import yaml

from clinfonce.config import SweepSpec
from clinfonce.scaling.sweep import prepare_sweep, run_sweep
from clinfonce.trial.run import run_trial
from tests.scaling.sweeps import Quiet, once, reproducible

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
  - {name: last pair, trial: {workers: 2, clustering: {source: instances}}}
  - {name: last, trial: {}}
"""
# More of its trials: two that fail, and one that the same group runs after them.
FAILING = [
    {"name": "broken pair", "trial": {"workers": 2, "optimizer": {"learning_rate": 0.02}}},
    {"name": "diverging pair", "trial": {"workers": 2, "optimizer": {"learning_rate": 1e30}}},
    {"name": "pair after them", "trial": {"workers": 2, "epochs": 2}},
]


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


def sweep(home, run=run, display=None, more=(), **changes):
    """Run the sweep, with more trials at its end or with other changes."""
    values = yaml.safe_load(SWEEP) | changes
    values["fixed"] += more
    specification = SweepSpec.model_validate(values)
    table, store, *_ = prepare_sweep(specification, home)
    run_sweep(specification, table, store, home, display or Quiet(), run=run)


class Clock(Quiet):
    """Knows when each trial ended."""

    def __init__(self):
        self.ends = {}

    def trial(self, row, *, earlier):
        self.ends[row["name"]] = time.monotonic()


def undisturbed_sweep(tmp_path_factory):
    """All rows of the sweep with its failing trials, and how long the one that hangs took.

    It runs once, in whichever process of the tests is the first to ask, on its cluster.
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    home, hung = place / "undisturbed", place / "undisturbed-seconds"
    with (place / "undisturbed-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not hung.exists():
            clock = Clock()
            sweep(home, display=clock, more=FAILING)
            hung.write_text(str(clock.ends["broken pair"] - clock.ends["last pair"]))
    return reproducible(home), float(hung.read_text())


def without_failing(rows):
    """The same rows without those of the trials at its end."""
    at_the_end = {trial["name"] for trial in FAILING}
    left_out = {row["trial_id"] for row in rows["trials"] if row["name"] in at_the_end}
    return {
        name: [row for row in table if row.get("trial_id") not in left_out]
        for name, table in rows.items()
    }


class Disturbs(Quiet):
    """Does something once, at the first epoch of a trial of this name."""

    def __init__(self, disturb, name="pair"):
        self.disturb, self.name, self.done = disturb, name, False

    def epoch(self, trial_id, name, epoch, epochs, accuracy):
        if not self.done and name.startswith(self.name):
            self.done = True
            self.disturb()  # may raise


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
