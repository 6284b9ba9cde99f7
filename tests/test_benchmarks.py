"""The benchmarks that can run small, run; and the GPU's needs neither Ray nor pydantic."""

import csv
import subprocess
import sys

import pytest
import torch


def run(*command):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_gpu_s_benchmark_runs_without_a_gpu_and_without_ray(tmp_path):
    out = tmp_path / "gpu.csv"
    blocked = "sys.modules |= dict.fromkeys(['ray', 'pydantic', 'duckdb', 'yaml'])"
    arguments = f"['gpu.py', '--quick', '--out', {str(out)!r}]"
    code = (
        f"import sys, runpy; {blocked}; sys.argv = {arguments}; "
        "runpy.run_path('benchmarks/gpu.py', run_name='__main__')"
    )
    run("-c", code)
    rows = rows_of(out)
    kinds = {row["what"] for row in rows}
    assert kinds == {"matrix product, bfloat16", "loss", "step"}
    steps = [row for row in rows if row["what"] == "step"]
    phases = ("augment", "forward", "loss", "backward", "optimizer")
    assert all(float(step[f"{phase}_ms"]) > 0 for step in steps for phase in phases)
    assert all(float(step["share_of_matrix_rate"]) > 0 for step in steps)
    assert {row["name"] for row in rows if row["what"] == "loss"} == {"clinfonce", "supcontrast"}
    assert all(row["torch"] == torch.__version__ for row in rows)


@pytest.mark.slow
def test_the_step_s_benchmark_runs_small(tmp_path):
    out = tmp_path / "step.csv"
    run("benchmarks/step.py", "--batch", "8", "--repetitions", "1", "--out", str(out))
    rows = rows_of(out)
    assert [row["what"] for row in rows] == ["step", "workers"]
    assert all(float(row["ratio"]) > 0 for row in rows)
