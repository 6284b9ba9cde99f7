"""Information measures against plain loops, scikit-learn, shuffles and published tables."""

import csv
import dataclasses
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from clinfonce.errors import InputError
from clinfonce.information import Information, as_ids, entropy, measure
from clinfonce.information._joint import joint_sizes

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "clinfonce-official"
PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=40)


def loop_entropy(values):
    n = len(values)
    return -sum(c / n * math.log2(c / n) for c in Counter(values).values())


def loop_chance(clusters, labels):
    """Equation 24a of Vinh, Epps & Bailey 2010, term by term with exact binomials."""
    n, total = len(clusters), 0.0
    for a in Counter(clusters).values():
        for b in Counter(labels).values():
            for k in range(max(1, a + b - n), min(a, b) + 1):
                mass = math.comb(b, k) * math.comb(n - b, a - k) / math.comb(n, a)
                total += k / n * math.log2(n * k / (a * b)) * mass
    return total


def draw(seed, n, n_clusters, n_labels):
    rng = np.random.default_rng(seed)
    skewed = (rng.pareto(1.0, n) * n_clusters / 20).astype(np.int64)
    return np.minimum(skewed, n_clusters - 1), rng.integers(0, n_labels, n)


@given(PAIRS)
@settings(deadline=None, max_examples=150)
def test_equals_plain_loops(pairs):
    z, t = [p[0] for p in pairs], [p[1] for p in pairs]
    found = measure(z, t)
    joint = loop_entropy(pairs)
    assert found.h_z == pytest.approx(loop_entropy(z), abs=1e-12)
    assert found.h_t == pytest.approx(loop_entropy(t), abs=1e-12)
    assert found.h_z_given_t == pytest.approx(joint - found.h_t, abs=1e-12)
    assert found.h_t_given_z == pytest.approx(joint - found.h_z, abs=1e-12)
    assert found.i_zt == pytest.approx(found.h_z + found.h_t - joint, abs=1e-12)
    assert found.i_zt_chance == pytest.approx(loop_chance(z, t), abs=1e-12)
    assert found.n_clusters == len(set(z))
    assert found.n_singletons == sum(c == 1 for c in Counter(z).values())


@given(PAIRS)
@settings(deadline=None, max_examples=150)
def test_identities(pairs):
    z, t = np.array(pairs).T
    found, swapped = measure(z, t), measure(t, z)
    assert found.h_z == pytest.approx(found.i_zt + found.h_z_given_t, abs=1e-12)
    assert found.h_t == pytest.approx(found.i_zt + found.h_t_given_z, abs=1e-12)
    assert found.i_zt <= min(found.h_z, found.h_t) + 1e-12
    assert found.i_zt_excess == found.i_zt - found.i_zt_chance
    assert swapped.i_zt == pytest.approx(found.i_zt, abs=1e-12)
    assert swapped.i_zt_chance == pytest.approx(found.i_zt_chance, abs=1e-12)
    assert swapped.ami == pytest.approx(found.ami, abs=1e-9)
    assert (swapped.h_z, swapped.h_z_given_t) == (found.h_t, found.h_t_given_z)
    floats = [v for v in dataclasses.astuple(found) if isinstance(v, float)]
    assert all(math.copysign(1, v) == 1 for v in floats if v == 0)


@given(PAIRS)
@settings(deadline=None, max_examples=100)
def test_adjusted_as_scikit_learn(pairs):
    z, t = np.array(pairs).T
    assert measure(z, t).ami == pytest.approx(adjusted_mutual_info_score(t, z), abs=1e-9)


@given(PAIRS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_renaming_ids_and_reordering_rows_change_nothing(pairs, random):
    z, t = np.array(pairs).T
    names = list(range(0, 700, 100))
    random.shuffle(names)
    rows = list(range(len(z)))
    random.shuffle(rows)
    assert measure(np.array(names)[z][rows], t[rows] * 10**12) == measure(z, t)


@pytest.mark.parametrize(
    ("n", "n_clusters", "n_labels"),
    [(50, 4, 3), (1000, 2, 2), (3000, 700, 40), (3000, 2999, 5), (4000, 3000, 2000), (20000, 3, 7)],
)
def test_equals_scikit_learn(n, n_clusters, n_labels):
    z, t = draw(n + n_clusters, n, n_clusters, n_labels)
    found = measure(z, t)
    table = contingency_matrix(z, t, sparse=True)
    expected = expected_mutual_information(table, n) / math.log(2)
    assert found.i_zt == pytest.approx(mutual_info_score(z, t) / math.log(2), abs=1e-12)
    assert found.i_zt_chance == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found.ami == pytest.approx(adjusted_mutual_info_score(t, z), abs=1e-8)


def test_chance_is_the_mean_over_shuffles():
    z, t = draw(3, 600, 80, 12)
    rng = np.random.default_rng(0)
    shuffled = [measure(z, rng.permutation(t)).i_zt for _ in range(300)]
    error = np.std(shuffled) / math.sqrt(len(shuffled))
    assert measure(z, t).i_zt_chance == pytest.approx(np.mean(shuffled), abs=4 * error)
    assert error < 0.002


def test_large_cells_need_their_whole_window():
    """Two balanced halves of a million: E[I] is (K-1)(C-1) / (2 n ln 2) to first order."""
    z = np.repeat([0, 1], 500_000)
    t = np.tile([0, 1], 500_000)
    assert measure(z, t).i_zt_chance == pytest.approx(1 / (2e6 * math.log(2)), rel=1e-5)


def test_nested_partitions_are_exact():
    t = np.random.default_rng(0).integers(0, 37, 5000)
    coarse = measure(t // 3, t)
    assert coarse.h_z_given_t == 0.0
    assert coarse.i_zt == coarse.h_z
    fine = measure(np.arange(5000), t)
    assert fine.i_zt == pytest.approx(fine.h_t, abs=1e-12)
    assert fine.h_t_given_z == 0.0
    assert fine.i_zt_chance == fine.h_t
    assert fine.i_zt_excess == pytest.approx(0, abs=1e-12)
    same = measure(t, 1000 - t)
    assert same.i_zt == same.h_t == same.h_z
    assert same.ami == pytest.approx(1)


def test_one_cluster_says_nothing():
    whole = measure([7, 7, 7, 7], [0, 1, 0, 1])
    assert whole == Information(0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1, 0)
    assert measure([3], [9]).ami == 1.0


@pytest.mark.parametrize("kind", ["list", "int8", "uint64", "bool", "torch", "strided", "readonly"])
def test_accepts_any_integers(kind):
    base = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 1])
    values = {
        "list": base.tolist(),
        "int8": base.astype(np.int8),
        "uint64": base.astype(np.uint64),
        "bool": base.astype(bool),
        "strided": np.repeat(base, 2)[::2],
        "readonly": np.frombuffer(base.tobytes(), dtype=np.int64),
        "torch": None,
    }[kind]
    if kind == "torch":
        values = pytest.importorskip("torch").tensor(base)
    labels = np.arange(10) % 3
    assert measure(values, labels) == measure(base, labels)


@pytest.mark.parametrize(
    ("clusters", "labels", "message"),
    [
        ([], [], "clusters is empty"),
        ([0, 1], [0], "differ in length: 2 and 1"),
        ([0, -1], [0, 1], "clusters must not be negative, got -1 at row 1"),
        ([0, 1], [0, -5], "labels must not be negative, got -5 at row 1"),
        ([0.0, 1.0], [0, 1], "clusters must be integers, got float64"),
        ([0, 1], [0, math.nan], "labels must be integers, got float64"),
        ([[0, 1]], [0, 1], r"clusters must be one-dimensional, got shape \(1, 2\)"),
        (["a", "b"], [0, 1], "clusters must be integers, got <U1"),
        (np.array([2**63], dtype=np.uint64), [0], "clusters must not be negative"),
    ],
)
def test_rejects_what_is_no_partition(clusters, labels, message):
    with pytest.raises(InputError, match=message):
        measure(clusters, labels)


def test_entropy_ties_are_exact():
    rng = np.random.default_rng(0)
    values = rng.random(10_001) < 0.3
    assert entropy(values) == entropy(~values) == entropy(rng.permutation(values))
    assert 0.87 < entropy(values) < 0.89


def test_as_ids_does_not_copy_what_fits():
    ids = np.arange(5)
    assert as_ids(ids, "ids") is ids


def test_a_million_images_take_no_time():
    """K = 10^4 by C = 10^4: a loop over 10^8 cells would not end within the test run."""
    rng = np.random.default_rng(0)
    z, t = rng.integers(0, 10_000, 10**6), rng.integers(0, 10_000, 10**6)
    assert measure(z, t).i_zt_excess == pytest.approx(0, abs=2e-3)


def test_import_is_light():
    code = (
        "import sys, clinfonce.information; "
        "assert not {'torch', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def read_published(name):
    """Columns of a metadata table, without the row of index -1 that holds counts."""
    with (PUBLISHED / name).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[""] != "-1"]
    return {key: [row[key] for row in rows] for key in rows[0]}


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the authors' tables are not here")
@pytest.mark.parametrize(
    ("table", "published"),
    [
        ("cub/meta_data_train.csv", "cub/meta_data_train_stats_.csv"),
        ("ut-zappos50k/meta_data_train.csv", "ut-zappos50k/meta_data_train_stats_metrics.csv"),
    ],
)
def test_equals_the_published_tables(table, published):
    columns = read_published(table)
    labels = np.array(columns["class"], dtype=np.int64)
    columns["instance_id"] = list(range(len(labels)))
    with (PUBLISHED / published).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 14
    for row in rows:
        found = measure(np.array(columns[row[""]], dtype=np.int64), labels)
        assert found.h_z == pytest.approx(float(row["H(Y)"]), abs=1e-6), row[""]
        assert found.i_zt == pytest.approx(float(row["I(Y;T)"]), abs=1e-6), row[""]
        assert found.h_z_given_t == pytest.approx(float(row["H(Y|T)"]), abs=1e-6), row[""]
        assert found.h_t_given_z == pytest.approx(float(row["H(T|Y)"]), abs=1e-6), row[""]


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the authors' tables are not here")
def test_excess_peaks_inside_for_birds():
    columns = read_published("cub/meta_data_train.csv")
    labels = np.array(columns["class"], dtype=np.int64)
    excess = {
        int(name.rsplit("_", 1)[1]): measure(np.array(ids, dtype=np.int64), labels).i_zt_excess
        for name, ids in columns.items()
        if name.startswith("label_gran")
    }
    assert max(excess, key=excess.__getitem__) == 5
    assert excess[5] == pytest.approx(0.885, abs=1e-3)
    assert excess[3] < excess[5] > excess[7] > excess[10] > excess[300]
    assert excess[300] < 0.01


@pytest.mark.parametrize(
    ("n", "n_z", "n_t", "heavy"),
    [
        (5000, 100, 60, 0),  # small cells: a table of bytes
        (5000, 100, 60, 700),  # one cell beyond 255: the bytes overflow
        (5000, 100, 60, 30),  # sizes beyond those compared one by one
        (3000, 200, 150, 600),  # beyond 255 and too sparse for a table of words
        (9000, 3, 4, 0),  # large cells: a table of words
        (4000, 3000, 2500, 0),  # too sparse for a table: sorted
    ],
)
def test_cells_are_counted_however_many_there_are(n, n_z, n_t, heavy):
    rng = np.random.default_rng(0)
    z = np.concatenate([np.arange(n_z), rng.integers(0, n_z, n), np.zeros(heavy, int)])
    t = np.concatenate([np.arange(n_z) % n_t, rng.integers(0, n_t, n), np.zeros(heavy, int)])
    sizes, times = joint_sizes(z, t, n_z, n_t)
    counts = np.unique(z * n_t + t, return_counts=True)[1]
    expected = np.unique(counts, return_counts=True)
    assert sizes.tolist() == expected[0].tolist()
    assert times.tolist() == expected[1].tolist()
