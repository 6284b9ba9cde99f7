"""What every source of clusters must keep, whatever it clusters by."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from clinfonce import clusterings
from clinfonce.clusterings import Clustering
from clinfonce.errors import InputError

N = 240


def toy_data() -> dict[str, Any]:
    """Data for every source, from one fixed stream."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 8, N)
    words = np.array(["ash", "birch", "cedar", "dogwood", "elm"])
    tags = [tuple(rng.choice(words, size=rng.integers(0, 4))) for _ in range(N)]
    return {
        "labels": labels,
        "words": words[rng.integers(0, 5, N)],
        "tags": [tuple(str(t) for t in entry) for entry in tags],
        "attributes": {f"a{i}": rng.integers(0, 2 + i % 3, N) for i in range(6)},
        "paths": [("root", *(f"{d}{v}" for d, v in enumerate(bits))) for bits in _bits(labels)],
        "features": rng.normal(size=(N, 5)).astype(np.float32) + labels[:, None],
    }


def _bits(labels):
    """Three binary steps; every fifth image stops early."""
    for row, label in enumerate(labels):
        yield [(label >> s) & 1 for s in (2, 1, 0)][: 1 if row % 5 == 0 else 3]


@dataclass(frozen=True)
class Case:
    """One source: how to build it, what to rebuild it from, and its granularities.

    `levels` run from coarse to fine, each refining the one before; None where that is not claimed.
    """

    build: Callable[..., Clustering]
    given: str
    levels: tuple[Any, ...] | None = None


C = clusterings
CASES = {
    "instances": Case(lambda d: C.from_instances(len(d["labels"])), "n"),
    "labels": Case(lambda d: C.from_labels(d["labels"], names=tuple("abcdefgh")), "labels"),
    "crossing": Case(lambda d: C.from_crossing(d["attributes"]), "attributes"),
    "column": Case(lambda d: C.from_column(d["words"], name="tree"), "words"),
    "attributes": Case(
        lambda d, level=3: C.from_attributes(d["attributes"], top_k=level),
        "attributes",
        (1, 2, 3, 4, 5, 6),
    ),
    "named attributes": Case(
        lambda d: C.from_attributes(d["attributes"], names=["a4", "a1"]), "attributes"
    ),
    "selected attributes": Case(
        lambda d, level=3: C.from_selected_attributes(
            d["attributes"], d["labels"], top_k=level, labelled=np.arange(N) < N // 2
        ),
        "attributes",
        (1, 2, 3, 4),
    ),
    "kmeans": Case(lambda d: C.from_kmeans(d["features"], 7, seed=5, n_init=2), "features"),
    "tag sets": Case(lambda d: C.from_tags(d["tags"]), "tags"),
    "commonest tags": Case(lambda d: C.from_tags(d["tags"], by="commonest"), "tags"),
    "tag vectors": Case(lambda d: C.from_tags(d["tags"], by="kmeans", n_clusters=4), "tags"),
    "hierarchy": Case(
        lambda d, level=3: C.from_hierarchy(d["paths"], level=level), "paths", (1, 2, 3, 4)
    ),
    "merged": Case(
        lambda d, level=1: C.synthetic(d["labels"], family="merged", level=level, seed=3),
        "labels",
        (3, 2, 1, 0),
    ),
    "split": Case(
        lambda d, level=2: C.synthetic(d["labels"], family="split", level=level, seed=3),
        "labels",
        (5, 4, 3, 2, 1, 0),
    ),
    "permuted": Case(
        lambda d: C.synthetic(d["labels"], family="permuted", level=4, seed=3), "labels"
    ),
}


@pytest.fixture(scope="module")
def data():
    return toy_data()


@pytest.fixture(params=CASES)
def case(request):
    if request.param in ("kmeans", "tag vectors"):
        pytest.importorskip("torch")
    return CASES[request.param]


def test_one_id_an_image_dense_and_by_first_appearance(case, data):
    found = case.build(data)
    assert found.ids.shape == (N,)
    assert found.ids.dtype == np.int64
    first_seen = list(dict.fromkeys(found.ids.tolist()))
    assert first_seen == list(range(found.n_clusters))
    assert found.sizes.sum() == N
    assert 1 < found.n_clusters <= N
    found.check_trainable()


def test_name_is_one_short_line(case, data):
    name = case.build(data).name
    assert 0 < len(name) < 60
    assert name.isprintable()


def test_provenance_is_json_and_rebuilds_the_ids(case, data):
    found = case.build(data)
    provenance = json.loads(json.dumps(dict(found.provenance)))
    assert provenance == dict(found.provenance)
    assert provenance["source"]
    again = clusterings.rebuild(provenance, N if case.given == "n" else data[case.given])
    assert again.clustering_id == found.clustering_id
    assert again.ids.tolist() == found.ids.tolist()


def test_input_is_left_alone(case, data):
    before = repr(data)
    case.build(data)
    assert repr(data) == before


def test_order_of_images_does_not_matter_to_the_partition(case, data):
    """Sources that draw at random may differ; the others cluster reordered images alike."""
    found = case.build(data)
    if "seed" in found.provenance:
        pytest.skip("this source draws at random")
    rng = np.random.default_rng(0)  # halves apart: the first one may be the labelled part
    order = np.concatenate([rng.permutation(N // 2), N // 2 + rng.permutation(N - N // 2)])
    moved = {
        key: {k: v[order] for k, v in value.items()}
        if isinstance(value, dict)
        else [value[i] for i in order]
        for key, value in data.items()
    }
    moved["labels"] = data["labels"][order]
    again = case.build(moved)
    assert again.clustering_id == clusterings.from_column(found.ids[order], name="x").clustering_id


def refines(fine, coarse):
    """Whether every cluster of `fine` lies inside one of `coarse`."""
    return len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == fine.max() + 1


def test_finer_levels_refine_coarser_ones(case, data):
    if case.levels is None:
        pytest.skip("has no levels that nest")
    chain = [case.build(data, level) for level in case.levels]
    counts = [c.n_clusters for c in chain]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
    for coarse, fine in itertools.pairwise(chain):
        assert refines(fine.ids, coarse.ids)


PRINT_ALL = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("conformance", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["conformance"] = module
spec.loader.exec_module(module)
data = module.toy_data()
for name, case in module.CASES.items():
    print(name, case.build(data).clustering_id)
"""


def test_same_ids_in_every_process(data):
    pytest.importorskip("torch")
    expected = [f"{name} {case.build(data).clustering_id}" for name, case in CASES.items()]
    for hash_seed in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, "-c", PRINT_ALL, __file__],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert printed.splitlines() == expected


def test_unknown_source():
    with pytest.raises(InputError, match="'label'; did you mean 'labels'"):
        clusterings.rebuild({"source": "label"}, [0, 1])
