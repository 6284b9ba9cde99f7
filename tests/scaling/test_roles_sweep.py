"""Sweeps of roles for real: on images, and of adapters on embeddings; from YAML to what is said."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinfonce import results

pytestmark = [pytest.mark.ray, pytest.mark.slow]

DIGITS = """
name: roles
data: {name: digits}
trial:
  augmentation: digits
  encoder: {width: 4}
  optimizer: {learning_rate: 0.01}
  evaluation: {every: 2, draws: 3}
  epochs: 2
seeds: [1]
fixed:
  - {name: weights, trial: {similarity: {columns: all}}}
  - {name: prediction, trial: {similarity: {columns: all}, objective: {name: attribute_prediction}}}
  - name: terms
    trial: {terms: [{similarity: {columns: {loop: , even: }}}, {weight: 0.3}]}
    # Two processes train as one.
  - {name: two workers, trial: {similarity: {columns: {loop: , ink: {role: suppress}}}, workers: 2}}
search:
  trials: 9
  trial: {similarity: {suppress: {by: adversary}}}
  space:
    roles: {columns: [loop, even, ink]}
    similarity.bandwidth: {low: 0.3, high: 2.0, log: true}
"""
EMBEDDINGS = """
name: adapters
data: {name: DATA}
trial:
  encoder: {name: embeddings}
  sampler: {batch_size: 64}
  optimizer: {learning_rate: 0.003}
  evaluation: {every: 3, draws: 3}
  epochs: 3
seeds: [1]
resources: {cpus: 2}
search:
  trials: 9
  trial: {similarity: {suppress: {by: adversary}}}
  space:
    roles: {columns: all}
"""


def clinfonce(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "clinfonce", *map(str, arguments)],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(home, sweep, columns):
    """What all such sweeps leave."""
    trials = results.open(home).sql("select * from trials").to_pylist()
    assert {row["status"] for row in trials} == {"complete"}
    said = json.loads(clinfonce("relate", "--results", home, "--sweep", sweep, "--json"))
    assert {row["column"] for row in said["roles"]} == columns
    factors = {row["name"] for row in said["factors"]}
    assert columns | {"label"} <= factors
    assert "Roles of the columns" in clinfonce("relate", "--results", home)
    page = home / "page.html"
    clinfonce("report", "--results", home, "--out", page)
    assert "Roles of the columns" in page.read_text()
    assert "What the encoder ends up knowing" in page.read_text()


def test_roles_of_digits_are_searched_and_said(tmp_path):
    (tmp_path / "sweep.yaml").write_text(DIGITS)
    home = tmp_path / "results"
    clinfonce("sweep", tmp_path / "sweep.yaml", "--results", home)
    check(home, "roles", {"loop", "even", "ink"})
    found = results.open(home)
    kinds = found.sql("select distinct source, objective from trials order by all").to_pylist()
    assert {row["source"] for row in kinds} == {"similarity", "terms"}
    (soft,) = found.sql(
        "select c.* from clusterings c join trials t using (clustering_id) where t.name = 'weights'"
    ).to_pylist()
    assert soft["n_clusters"] is None
    assert soft["i_zt"] > soft["i_zt_chance"]
    assert soft["i_pairs"] > soft["i_pairs_chance"]
    ids = found.sql("select trial_id from trials order by number").column(0).to_pylist()
    clinfonce("sweep", tmp_path / "sweep.yaml", "--results", home)  # nothing is left to do
    again = results.open(home).sql("select trial_id from trials order by number")
    assert again.column(0).to_pylist() == ids


def test_roles_of_embeddings_are_searched_by_adapters(tmp_path):
    rng, n = np.random.default_rng(0), 240
    labels = rng.integers(0, 4, n)
    signs = np.eye(4)[labels] + 0.5 * rng.normal(size=(n, 4))
    columns = {
        "good": rng.permuted([True, False] * (n // 2)) ^ (labels < 2),
        "half": (labels % 2 == 0) ^ (rng.random(n) < 0.1),
        "camera": np.char.add("c", rng.integers(0, 3, n).astype(str)),
        "price": rng.normal(size=n),
        "label": np.char.add("l", labels.astype(str)),
    }
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    np.save(tmp_path / "vectors.npy", (signs @ rng.normal(size=(4, 32))).astype(np.float32))
    clinfonce(
        "prepare", "embeddings", "--table", tmp_path / "table.parquet",
        "--embeddings", tmp_path / "vectors.npy", "--out", tmp_path / "data",
    )  # fmt: skip
    (tmp_path / "sweep.yaml").write_text(EMBEDDINGS.replace("DATA", str(tmp_path / "data")))
    home = tmp_path / "results"
    clinfonce("sweep", tmp_path / "sweep.yaml", "--results", home)
    check(home, "adapters", {"good", "half", "camera", "price"})
