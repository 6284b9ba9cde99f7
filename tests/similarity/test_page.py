"""docs/similarity.md runs, names every kernel, and its table of costs is that of the benchmark."""

import csv
import re
from pathlib import Path

import pytest
import torch

from clinfonce.similarity import KERNELS

PAGE = Path("docs/similarity.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def scope():
    torch.manual_seed(0)
    found: dict[str, object] = {}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.M)), found)
    return found


def test_the_code_runs(scope):
    assert scope["total"].isfinite()
    assert scope["z"].grad.isfinite().all()
    assert scope["weights"].shape == (5, 200)
    assert scope["left"].negatives > 1
    assert scope["pairs"].i_pairs > scope["pairs"].i_pairs_chance
    assert scope["rest"].i_zt_given_c > 0


def test_every_kernel_is_on_the_page(scope):
    used = {type(column.kernel).__name__ for column in scope["columns"].values()}
    assert len(used) == len(KERNELS)
    for kernel in KERNELS:
        assert f"| `{kernel}` |" in PAGE


def test_the_costs_are_those_of_the_benchmark():
    results = Path("benchmarks/results/similarity.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(results.splitlines()) if row["embeddings"] == "8192"]
    table = PAGE.split("<!-- costs -->")[1].split("<!-- end of costs -->")[0]
    expected: dict[str, list[str]] = {}
    for row in rows:
        expected.setdefault(row["weights"], []).append(f"{float(row['times_partition']):.2f}")
    for weights, ratios in expected.items():
        if weights != "partition":
            assert f"| {weights} | {' | '.join(ratios)} |" in table
