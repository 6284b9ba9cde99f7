"""The best of a sweep: found or fixed, and how sure that is."""

import numpy as np
import pytest

from clinfonce.errors import InputError
from clinfonce.results import Store, best_of_sweep
from clinfonce.results import open as open_results
from clinfonce.results.analysis.winner import (
    Contender,
    contenders,
    probability_of_being_best,
)
from tests.results.store.test_store import rows


@pytest.fixture
def write(tmp_path):
    store = Store.create(tmp_path / "store")
    trial, _, clustering = rows()

    def add(name, role, values, source="attributes"):
        for seed, value in enumerate(values):
            row = {"trial_id": f"{name}-{role}-{seed}", "name": name, "role": role, "seed": seed}
            row |= {"sweep": "s", "val_knn": value, "source": source, "status": "complete"}
            store.write_trial(trial | row, [], clustering)
        return open_results(store)

    return add


def test_a_fixed_trial_that_is_better_is_the_best(write):
    write("labels", "fixed", [0.9, 0.9], source="labels")
    write("group", "fixed", [0.60, 0.64])
    results = write("a-b", "confirm", [0.55, 0.57])
    said = best_of_sweep(results, "s", "val_knn")
    assert "Best by val_knn: group, a fixed trial, 62.0%" in said
    assert "6.0 points above the best found, a-b" in said
    results = write("c", "confirm", [0.7, 0.7])
    assert "Best by val_knn: c, found by the search, 70.0%." in best_of_sweep(
        results, "s", "val_knn"
    )


def test_nothing_is_said_without_a_search(write):
    write("group", "fixed", [0.6])
    results = write("other", "search", [0.7])
    assert best_of_sweep(results, "s", "val_knn") is None
    assert [c.name for c in contenders(results, "s", "val_knn")] == ["group"]
    with pytest.raises(InputError, match="metric 'speed' is unknown"):
        contenders(results, "s", "speed")


def test_the_probability_is_how_often_the_first_is_the_best():
    """Of two with known spread, Student's t says it: here by simulating whole sweeps."""
    rng = np.random.default_rng(1)
    right, said = [], []
    for _ in range(400):
        truth = rng.normal(0, 1, 2)
        seen = truth[:, None] + rng.normal(0, 1, (2, 4))
        several = tuple(sorted(
            (Contender(str(i), True, tuple(v)) for i, v in enumerate(seen)), key=lambda c: -c.mean
        ))  # fmt: skip
        said.append(probability_of_being_best(several))
        right.append(int(several[0].name) == truth.argmax())
    assert np.mean(said) == pytest.approx(np.mean(right), abs=0.05)
    sure = np.array(said) > 0.9
    assert np.mean(np.array(right)[sure]) > 0.9


def test_one_seed_each_says_nothing_of_the_odds():
    assert probability_of_being_best((Contender("a", True, (0.6,)),)) is None
