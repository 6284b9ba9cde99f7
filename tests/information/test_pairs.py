import numpy as np
import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.information import _pairs as tiles
from clinfonce.information import entropy, pair_information
from clinfonce.similarity import combine, differences, equal, gaussian

RNG = np.random.default_rng(0)
N = 60
LABELS = RNG.integers(0, 4, size=N)
CLUSTERS = np.where(RNG.random(N) < 0.7, LABELS, RNG.integers(0, 9, size=N))
NUMBERS = RNG.normal(size=N) + LABELS


def by_loop(labels, weights):
    """Coverage times the information of pairs, the share of equal labels, and the coverage."""
    n, classes = len(labels), int(labels.max()) + 1
    joint, drawing = np.zeros((classes, classes)), 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        total = sum(weights[i, j] for j in others)
        if total == 0:
            continue
        drawing += 1
        for j in others:
            joint[labels[i], labels[j]] += weights[i, j] / total
    if drawing == 0:
        return 0.0, 0.0, 0.0
    p = joint / joint.sum()
    bits = 0.0
    for a in range(classes):
        for b in range(classes):
            if p[a, b] > 0:
                bits += p[a, b] * np.log2(p[a, b] / (p[a].sum() * p[:, b].sum()))
    return bits * drawing / n, np.trace(p), drawing / n


def measured(found):
    return found.i_pairs, found.equal, found.covered


SIMILARITIES = {
    "categories": combine({"z": equal(CLUSTERS)}),
    "numbers": combine({"x": gaussian(NUMBERS, bandwidth=0.3)}, dtype=torch.float64),
    "attributes": combine(
        {"b": differences(RNG.random((N, 3)) < 0.4), "z": equal(CLUSTERS)}, dtype=torch.float64
    ),
    "missing": combine({"x": gaussian(NUMBERS, unknown=RNG.random(N) < 0.3)}, dtype=torch.float64),
}


@pytest.mark.parametrize("tile", [1, 150, 1 << 22])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_similarity_is_measured_by_its_pairs(name, tile, monkeypatch):
    monkeypatch.setattr(tiles, "_TILE", tile)
    one = SIMILARITIES[name]
    found = pair_information(one.profiles, LABELS, one.array, n_draws=0)
    every = torch.arange(N)
    expected = by_loop(LABELS, one.weights(every, every).numpy())
    assert measured(found) == pytest.approx(expected)
    assert found.i_pairs_chance is None


@pytest.mark.parametrize("tile", [1, 30, 1 << 22])
def test_a_partition_has_a_closed_form(tile, monkeypatch):
    monkeypatch.setattr(tiles, "_TILE", tile)
    clusters = np.where(np.arange(N) % 7 == 0, 100 + np.arange(N), CLUSTERS)  # some alone
    same = (clusters[:, None] == clusters).astype(float)
    assert measured(pair_information(clusters, LABELS)) == pytest.approx(by_loop(LABELS, same))


def test_instances_tell_nothing_and_labels_all():
    instances = pair_information(np.arange(N), LABELS)
    assert measured(instances) == (0, 0, 0)
    assert instances.i_pairs_chance == 0
    labels = pair_information(LABELS, LABELS)
    # The counts of a label make the weights of its pairs, so that all of H(T) is there.
    assert labels.i_pairs == pytest.approx(entropy(LABELS))
    assert (labels.equal, labels.covered) == (1, 1)
    whole = pair_information(np.zeros(N, dtype=int), LABELS)
    assert whole.i_pairs < 0.01
    assert whole.equal == pytest.approx(whole.equal_chance)


def test_the_chance_level_is_that_of_shuffled_labels():
    clusters = np.arange(N) // 2
    found = pair_information(clusters, LABELS, n_draws=200)
    rng = np.random.default_rng(9)
    shuffled = [pair_information(clusters, rng.permutation(LABELS), n_draws=0) for _ in range(200)]
    bits = [each.i_pairs for each in shuffled]
    assert found.i_pairs_chance == pytest.approx(np.mean(bits), abs=4 * np.std(bits) / 200**0.5)
    assert found.equal_chance == pytest.approx(np.mean([e.equal for e in shuffled]), abs=0.03)
    one, other = (pair_information(clusters, LABELS, seed=s).i_pairs_chance for s in (0, 1))
    assert one != other
    assert pair_information(clusters, LABELS, seed=1).i_pairs_chance == other
    draw = pair_information(clusters, np.random.default_rng(1).permutation(LABELS), n_draws=0)
    first = pair_information(clusters, LABELS, n_draws=1, seed=1)
    assert first.i_pairs_chance == pytest.approx(draw.i_pairs), "the one draw counts"


def test_only_known_labels_count():
    known = RNG.random(N) < 0.5
    hidden = np.where(known, LABELS, -1)
    found = pair_information(CLUSTERS, hidden, known=known, n_draws=0)
    assert found == pair_information(CLUSTERS[known], LABELS[known], n_draws=0)
    assert found.n_images == known.sum()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0]), "profiles and labels differ in length: 2 and 1"),
        (([0], [0]), "pairs need at least 2 known labels, got 1"),
        (([0, -1], [0, 1]), "profiles must not be negative, got -1 at row 1"),
        (([0, 1], [0, -1]), "known labels must not be negative, got -1 at row 1"),
        (([0.5, 1], [0, 1]), "profiles must be integers, got float64"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(InputError, match=f"^{message}"):
        pair_information(*arguments)
    with pytest.raises(InputError, match="n_draws is -1: must be 0 or more"):
        pair_information([0, 0], [1, 1], n_draws=-1)
