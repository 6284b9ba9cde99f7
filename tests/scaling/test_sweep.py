"""Real sweeps on real Ray: the same table each time, also after an interruption."""

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from clinfonce import results
from clinfonce.config import ExperimentSpec
from clinfonce.trial.single import pretrain
from tests.scaling.sweeps import reproducible

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SWEEP = """
name: demo
data: {name: digits}
trial:
  augmentation: digits
  encoder: {width: 4}
  optimizer: {learning_rate: 0.01}
  evaluation: {every: 1, draws: 3}
  epochs: 4
seeds: [1]
fixed:
  - {name: InfoNCE, trial: {clustering: {source: instances}}}
  - {name: SupCon, trial: {clustering: {source: labels}}}
search:
  trials: 6
  trial: {clustering: {source: attributes}}
  space:
    clustering.attributes: {subset: all}
    objective.temperature: {low: 0.05, high: 1.0, log: true}
    sampler.images_per_cluster: {choices: [2, 4]}
  window: 2
scheduler: {name: asha, grace_epochs: 2}
"""


@pytest.fixture
def specification(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(SWEEP)
    return path


def command(*arguments):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "clinfonce", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def sweep(specification, home):
    process = command("sweep", specification, "--results", home)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "demo.yaml").write_text(SWEEP)
    output = sweep(folder / "demo.yaml", folder / "results")
    return folder / "results", output


def test_a_sweep_runs_its_fixed_searched_and_confirmed_trials(undisturbed):
    home, output = undisturbed
    rows = results.open(home).sql("SELECT * FROM trials ORDER BY number").to_pylist()
    assert [row["role"] for row in rows] == ["fixed"] * 2 + ["search"] * 6 + ["confirm"]
    assert {row["status"] for row in rows} <= {"complete", "stopped"}
    complete = [row for row in rows if row["status"] == "complete"]
    assert all(row["epochs_run"] == 4 for row in complete)
    assert all(0.1 < row["test_linear_top1_5"] <= 1 for row in complete)
    stopped = [row for row in rows if row["status"] == "stopped"]
    assert all(row["test_linear_top1_5"] is None for row in stopped)  # the test split is not seen
    assert rows[1]["test_linear_top1_5"] > rows[0]["test_linear_top1_5"]  # SupCon, InfoNCE
    assert not list((home / "checkpoints").iterdir())
    assert "best found" in output
    assert "clinfonce relate" in output
    assert "Traceback" not in output


def test_ray_keeps_to_the_log_file(undisturbed):
    home, output = undisturbed
    assert (home / "logs" / "demo.log").stat().st_size > 0
    assert not [line for line in output.splitlines() if "ray" in line.lower()]


def test_the_same_command_again_runs_nothing_and_shows_the_same(undisturbed, specification):
    home, output = undisturbed
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*.parquet")}
    again = sweep(specification, home)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.parquet")} == before
    assert again.splitlines()[-8:] == output.splitlines()[-8:]


def test_an_interrupted_sweep_goes_on_to_the_rows_of_an_undisturbed_one(
    undisturbed, specification, tmp_path
):
    home = tmp_path / "results"
    process = command("sweep", specification, "--results", home)
    deadline = time.monotonic() + 240
    while len(list(home.glob("trials/[!.]*.parquet"))) < 3:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    kept = {path.name for path in home.glob("trials/[!.]*.parquet")}
    process.send_signal(signal.SIGINT)
    interrupted = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - interrupted < 30
    assert process.returncode == 1
    assert "interrupted" in output
    assert "Traceback" not in output
    sweep(specification, home)
    assert kept < {path.name for path in home.glob("trials/*.parquet")}
    assert reproducible(home) == reproducible(undisturbed[0])


def test_two_workers_make_the_curve_of_one(tmp_path):
    """Through Ray Train, each with half of every batch; and one without Ray."""
    trial = yaml.safe_load(SWEEP)["trial"] | {"clustering": {"source": "column", "column": "loop"}}
    values = {"name": "loops", "data": {"name": "digits"}}
    two = values | {"seeds": [1], "fixed": [{"name": "loops", "trial": {}}]}
    two["trial"] = trial | {"workers": 2}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(two))
    sweep(tmp_path / "two.yaml", tmp_path / "two")
    one = ExperimentSpec.model_validate(values | {"trial": trial | {"seed": 1}})
    pretrain(one, tmp_path / "one")
    curves = []
    for name, workers in (("one", 1), ("two", 2)):
        found = results.open(tmp_path / name)
        (row,) = found.sql("SELECT workers, world_size FROM trials").to_pylist()
        assert row == {"workers": workers, "world_size": workers}
        curves.append(found.sql("SELECT loss, val_knn FROM epochs ORDER BY epoch").to_pydict())
    one, two = curves
    assert len(one["loss"]) == 4
    assert two["loss"] == pytest.approx(one["loss"], abs=1e-3)
    assert two["val_knn"] == pytest.approx(one["val_knn"], abs=0.03)
