"""A trial goes on with fewer workers once machines are lost, if its sweep allows it."""

import pytest
import yaml

from clinfonce import results
from clinfonce.config import ExperimentSpec, SweepSpec
from clinfonce.scaling.sweep import prepare_sweep, run_sweep
from clinfonce.trial.run import run_trial
from clinfonce.trial.single import pretrain
from tests.scaling.sweeps import Quiet, kills_a_machine, ray_cluster, wait_for_the_end

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("default")]

SWEEP = """
name: elastic
data: {name: digits}
trial:
  augmentation: digits
  encoder: {width: 4}
  evaluation: {every: 1, draws: 2}
  epochs: 4
  clustering: {source: labels}
  workers: 2
seeds: [1]
resources: {min_workers: 1}
fixed: [{name: pair, trial: {}}]
"""


def sweep(home, run):
    specification = SweepSpec.model_validate(yaml.safe_load(SWEEP))
    table, store, _ = prepare_sweep(specification, home)
    run_sweep(specification, table, store, home, Quiet(), run=run)
    sql = "SELECT status, world_size, workers FROM trials"
    (row,) = results.open(home).sql(sql).to_pylist()
    return row, losses(home)


def losses(home):
    return results.open(home).sql("SELECT epoch, loss FROM epochs ORDER BY epoch").to_pydict()


def curve_of_one(home):
    """The losses of the trial with one worker, without Ray."""
    values = yaml.safe_load(SWEEP)
    trial = values["trial"] | {"workers": 1, "seed": 1}
    pretrain(
        ExperimentSpec.model_validate({"name": "one", "data": values["data"], "trial": trial}), home
    )
    return losses(home)


def test_a_trial_goes_on_with_the_workers_that_are_left(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "10")  # it waits a minute for two

    def run_and_die(spec, table, *, on_epoch, **rest):
        def tell(epoch):
            if epoch.epoch == 2:
                wait_for_the_end(tmp_path)
            on_epoch(epoch)

        return run_trial(spec, table, on_epoch=tell, **rest)

    with ray_cluster(1, 1) as cluster, kills_a_machine(cluster, tmp_path):
        left, shorter = sweep(tmp_path / "left", run_and_die)
    assert left == {"status": "complete", "world_size": 1, "workers": 2}
    curve = curve_of_one(tmp_path / "whole")  # two workers have it too: tests/scaling/test_sweep.py
    assert shorter["epoch"] == curve["epoch"] == [1, 2, 3, 4]
    assert shorter["loss"] == pytest.approx(curve["loss"], abs=1e-3)
