"""The benchmarks that can run small, run; and the GPU's needs neither Ray nor pydantic."""

import argparse
import csv
import importlib.util
import os
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from clinfonce.cli import main
from clinfonce.data import load


def run(*command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.parametrize(
    ("missing", "more"),
    [
        pytest.param(["ray", "duckdb"], {"loop"}, id="without ray"),
        pytest.param(
            ["ray", "duckdb", "pydantic", "yaml"],
            set(),
            id="with PyTorch alone",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_gpu_s_benchmark_runs_without_a_gpu(tmp_path, missing, more):
    out = tmp_path / "gpu.csv"
    blocked = f"sys.modules |= dict.fromkeys({missing})"
    arguments = f"['gpu.py', '--quick', '--out', {str(out)!r}]"
    code = (
        f"import sys, runpy; {blocked}; sys.argv = {arguments}; "
        "runpy.run_path('benchmarks/gpu.py', run_name='__main__')"
    )
    run("-c", code)
    rows = rows_of(out)
    kinds = {row["what"] for row in rows}
    always = {"matrix product, bfloat16", "loss", "k-means", "linear probe", "step"}
    assert kinds == always | more
    assert all(float(row["images_per_s"]) > 0 for row in rows if row["what"] in ("step", "loop"))
    steps = [row for row in rows if row["what"] == "step"]
    phases = ("augment", "forward", "loss", "backward", "optimizer")
    assert all(float(step[f"{phase}_ms"]) > 0 for step in steps for phase in phases)
    assert all(float(step["share_of_matrix_rate"]) > 0 for step in steps)
    assert {row["name"] for row in rows if row["what"] == "loss"} == {"clinfonce", "supcontrast"}
    assert all(row["torch"] == torch.__version__ for row in rows)


@pytest.mark.slow
def test_the_step_s_benchmark_runs_small(tmp_path):
    out = tmp_path / "step.csv"
    small = ("--batch", "8", "--stems", "large", "--repetitions", "1", "--rounds", "1")
    run("benchmarks/step.py", *small, "--out", str(out))
    step, workers = rows_of(out)
    assert (step["what"], workers["what"]) == ("step", "workers")
    columns = ("ratio", "cpu_ratio", "ceiling", "cpu_ceiling")
    assert float(step["ratio"]) > 0
    assert all(float(workers[column]) > 0 for column in columns)


@pytest.mark.slow
@pytest.mark.ray
def test_the_cost_of_trials_is_measured(tmp_path):
    cost, many = tmp_path / "cost.csv", tmp_path / "many.csv"
    small = ("--trials", "3", "--recipe-trials", "0", "--seconds", "0.05")
    run("benchmarks/trials.py", *small, "--out", str(cost))
    assert [(row["workers"], row["at_a_time"]) for row in rows_of(cost)] == [("1", "2"), ("2", "1")]
    assert all(float(row["median_s_per_trial"]) > 0 for row in rows_of(cost))
    run("benchmarks/trials.py", "--task", "many", "--trials", "20", "--out", str(many))
    assert [row["trials"] for row in rows_of(many)] == [str(2 * i) for i in range(2, 11)]


@pytest.mark.slow
def test_the_queries_benchmark_runs_small(tmp_path):
    out = tmp_path / "query.csv"
    small = ("--trials", "70", "--epochs", "5", "--repetitions", "1", "--out", str(out))
    run("benchmarks/query.py", "--tune-trials", "0", *small)
    rows = rows_of(out)
    states = Counter(row["state"] for row in rows)
    assert states == {"loose": 12, "gathering": 1, "written": 12, "compacted": 12}
    assert all(float(row["seconds"]) > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.ray
def test_the_queries_benchmark_reads_a_real_tune_experiment(tmp_path):
    out = tmp_path / "query.csv"
    small = ("--trials", "70", "--epochs", "5", "--repetitions", "1", "--out", str(out))
    run("benchmarks/query.py", "--tune-trials", "3", *small)
    readers = {row["question"] for row in rows_of(out) if row["what"] == "reading everything"}
    assert readers == {"ExperimentAnalysis", "ResultGrid", "store"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "needs", "arguments", "rows"),
    [
        ("loss", "pytorch_metric_learning lightly", ["--sizes", "64", "--threads", "1"], 7),
        ("augment", "kornia", ["--sizes", "28", "--repetitions", "1"], 2),
        ("probe", "", ["--sizes", "small"], 1),
        ("similarity", "", ["--sizes", "64", "--weights", "partition", "number, Gaussian"], 4),
    ],
)
def test_a_benchmark_beside_other_packages_runs_small(tmp_path, script, needs, arguments, rows):
    for package in needs.split():
        if importlib.util.find_spec(package) is None:
            pytest.skip("the extra bench is not installed")
    out = tmp_path / f"{script}.csv"
    run(f"benchmarks/{script}.py", *arguments, "--out", str(out))
    assert len(rows_of(out)) == rows


def test_the_walk_s_photographs_and_table_are_taken_as_they_are(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend("benchmarks")
    walk = runpy.run_path("benchmarks/walk.py")
    install, *commands = walk["commands"](walk["PAGE"].read_text(encoding="utf-8"))
    assert "pip install" in install
    words = [command.removeprefix(".venv/bin/clinfonce ").split() for command in commands]
    assert [word[0] for word in words] == ["init", "sweep", "report"]
    small = {"photos": 80, "pixels": "160x120", "archive": None}
    assert walk["make_photos"](tmp_path, argparse.Namespace(**small)) > 0.1
    monkeypatch.chdir(tmp_path)
    assert main(words[0]) == 0
    table = load("prepared/photos")
    kinds = {name: column.kind for name, column in table.columns.items()}
    assert len(table) == 80
    assert kinds["Weight"] == "numeric"
    assert (kinds["Place"], kinds["Wide"]) == ("categorical", "boolean")


def test_the_table_of_the_documentation_is_that_of_the_results():
    table = runpy.run_path("benchmarks/table.py")
    page = Path("docs/benchmarks.md").read_text(encoding="utf-8")
    written = page.split(table["BEGIN"])[1].split(table["END"])[0]
    assert written.strip().splitlines() == list(table["lines"]())


def test_advice_is_measured_on_a_table_of_accuracies(monkeypatch):
    monkeypatch.syspath_prepend("benchmarks")
    from clinfonce.data import TRAIN, attributes
    from clinfonce.results.analysis.gain import fit_gain, read_points

    table = load("digits")
    values = attributes(table, table.rows(TRAIN), names=["even", "loop", "ink", "slant"])
    ids = [*values.values(), table.labels[table.rows(TRAIN)]]
    above = np.array([0.04, 0.05, -0.08, -0.04, 0.13])
    measure = runpy.run_path("benchmarks/advise.py")["measure"]
    row = measure(table, ids, above, fit_gain(read_points()), 0.2, 4)
    assert row["spearman"] > 0.7
    assert row["sign_right"] > 0.7
    assert 0 <= row["brier"] < 0.3
    assert (row["labels"], row["clusterings"], row["differ"]) == (180, 5, 5)


@pytest.mark.slow
def test_all_subsets_are_trained_without_ray_and_go_on_where_they_stopped(tmp_path):
    for package in ("ray", "duckdb", "optuna"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('not on this machine')")
    blocked = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
    out, tables = tmp_path / "subsets.csv", tmp_path / "tables"
    made = ("--data", "digits", "--axes", str(tmp_path / "axes"), "--export", str(tables))
    started = (str(tables), "--seconds", "0.5", "--out", str(out))
    run("benchmarks/subsets.py", *made, *started, **blocked)
    first = rows_of(out)
    run("benchmarks/subsets.py", *started, **blocked)
    rows = rows_of(out)
    assert len(rows) > len(first) > 0
    assert rows[: len(first)] == first
    assert len({(row["data"], row["subset"]) for row in rows}) == len(rows)
    assert all(0.5 < float(row["val"]) < 1 and float(row["knn_2"]) > 0.9 for row in rows)
    named = rows_of(tmp_path / "subsets-attributes.csv")
    entropies = [float(row["entropy"]) for row in named]
    assert len(named) == 10
    assert entropies == sorted(entropies, reverse=True)


@pytest.mark.slow
def test_claims_run_without_ray_and_go_on_where_they_stopped(tmp_path, monkeypatch):
    for package in ("ray", "duckdb", "optuna"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('not on this machine')")
    blocked = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
    (tmp_path / "tiny.yaml").write_text(
        "name: claims-tiny\n"
        "data: {name: digits}\n"
        "trial:\n"
        "  encoder: {name: small_cnn, width: 8}\n"
        "  evaluation: {every: 1, draws: 2, factors: false}\n"
        "  epochs: 1\n"
        "  seed: 0\n"
        "seeds: [1, 2]\n"
        "metric: val_linear_top1_5\n"
        "fixed:\n"
        "  - {name: untrained, trial: {epochs: 0}}\n"
        "  - name: InfoNCE\n"
        "    trial: {clustering: {source: instances}}\n"
        "    choose: {objective.temperature: [0.1, 0.5]}\n"
    )
    script = str(Path("benchmarks/gpu_claims.py").absolute())
    monkeypatch.chdir(tmp_path)
    arguments = (script, "tiny.yaml", "--processes", "1")
    out = tmp_path / "benchmarks/results/claims/tiny.csv"
    stopped = subprocess.run(
        [sys.executable, *arguments, "--seconds", "0"],
        capture_output=True, text=True, check=False, env=os.environ | blocked,
    )  # fmt: skip
    assert stopped.returncode == 1
    assert "the same command goes on" in stopped.stderr
    run(*arguments, **blocked)
    rows = rows_of(out)
    assert Counter(row["role"] for row in rows) == {"choose": 2, "fixed": 3}
    assert [int(row["number"]) for row in rows] == [0, 1, 2, 3, 4]
    best = max(rows[:2], key=lambda row: float(row["val_linear_top1_5"]))
    assert {row["temperature"] for row in rows[3:]} == {best["temperature"]}
    before = out.read_text()
    run(*arguments, **blocked)  # nothing is left to do
    assert out.read_text() == before
    specification = Path("tiny.yaml").read_text()
    Path("tiny.yaml").write_text(specification.replace("epochs: 1\n", "epochs: 2\n"))
    refused = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, check=False, env=os.environ | blocked,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "is of other data or another specification" in refused.stderr
    assert out.read_text() == before
