"""k-means: quality beside scikit-learn, determinism, empty clusters, degenerate features."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from clinfonce.clusterings import from_kmeans
from clinfonce.errors import InputError
from clinfonce.information import measure

torch = pytest.importorskip("torch")
from clinfonce.clusterings import _lloyd  # noqa: E402  # needs torch


def inertia(features, ids):
    features = features.astype(np.float64)
    clusters = (features[ids == k] for k in range(ids.max() + 1))
    return sum(((c - c.mean(axis=0)) ** 2).sum() for c in clusters)


def blobs(n, n_clusters, dims, spread, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_clusters, n)
    centres = rng.normal(size=(n_clusters, dims))
    return (centres[truth] + spread * rng.normal(size=(n, dims))).astype(np.float32), truth


@pytest.mark.parametrize("n_clusters", [2, 10, 32, 100, 300])
def test_inertia_as_scikit_learn_on_digits(n_clusters):
    features = load_digits().data.astype(np.float32)
    found = from_kmeans(features, n_clusters)
    other = KMeans(n_clusters, n_init=3, random_state=0).fit(features)
    assert found.n_clusters == n_clusters
    assert inertia(features, found.ids) < 1.02 * other.inertia_


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_finds_separate_blobs_far_from_the_origin_too(offset):
    features, truth = blobs(2000, 20, 16, 0.02)
    found = from_kmeans(features + np.float32(offset), 20)
    assert measure(found.ids, truth).ami == pytest.approx(1)


def test_every_image_is_at_its_nearest_centre():
    features, _ = blobs(1500, 30, 8, 0.5)
    ids = from_kmeans(features, 12, max_iter=300, tolerance=0).ids
    centres = np.stack([features[ids == k].mean(axis=0) for k in range(12)])
    distances = ((features[:, None] - centres) ** 2).sum(axis=2)
    assert (distances[np.arange(1500), ids] <= distances.min(axis=1) + 1e-4).all()


def test_same_seed_same_ids():
    features, _ = blobs(800, 10, 4, 0.8)
    first = from_kmeans(features, 15, seed=3)
    assert first.clustering_id == from_kmeans(torch.tensor(features), 15, seed=3).clustering_id
    others = {from_kmeans(features, 15, seed=s, n_init=1).clustering_id for s in range(4)}
    assert len(others) > 1


def test_more_restarts_are_never_worse():
    features, _ = blobs(600, 40, 4, 0.3)
    costs = [inertia(features, from_kmeans(features, 40, n_init=r).ids) for r in (1, 4, 8)]
    assert costs[0] >= costs[1] - 1e-3 >= costs[2] - 2e-3


def test_blocks_do_not_change_the_assignment(monkeypatch):
    features, _ = blobs(700, 10, 6, 0.5)
    points, centres = torch.tensor(features), torch.tensor(features[:9])
    whole = _lloyd.assign(points, centres)
    monkeypatch.setattr(_lloyd, "_BLOCK", 100)
    blocked = _lloyd.assign(points, centres)
    expected = torch.cdist(points.double(), centres.double()).square().min(dim=1)
    assert torch.equal(whole[0], blocked[0])
    assert torch.equal(whole[0], expected.indices)
    torch.testing.assert_close(blocked[1].double(), expected.values, rtol=1e-4, atol=1e-4)


def test_an_empty_cluster_takes_the_farthest_point():
    points = torch.tensor([[0.0], [0.2], [0.4], [9.0], [0.0]])
    centres = torch.tensor([[0.0], [100.0], [200.0], [300.0]])
    ids, distances = _lloyd.assign(points, centres)
    assert ids.tolist() == [0, 0, 0, 0, 0]
    filled = _lloyd.fill_empty(ids, distances, 4)
    assert filled.tolist() == [0, 3, 2, 1, 0]
    assert ids.tolist() == [0, 0, 0, 0, 0]
    torch.testing.assert_close(
        _lloyd.means(points, filled, centres), torch.tensor([[0.0], [9.0], [0.4], [0.2]])
    )
    alike = _lloyd.fill_empty(ids, torch.tensor([0.0, 0.0, 0.0, 9.0, 0.0]), 4)
    assert alike.tolist() == [0, 0, 0, 1, 0]
    assert _lloyd.means(points, alike, centres)[3].item() == 300


def test_as_many_clusters_as_images():
    features, _ = blobs(40, 40, 3, 0.5)
    assert from_kmeans(features, 40).n_clusters == 40
    assert from_kmeans(features, 1).n_clusters == 1


def test_fewer_distinct_rows_than_clusters():
    features = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    found = from_kmeans(features, 8)
    assert found.n_clusters == 3
    assert found.name == "k-means 8"
    assert from_kmeans(np.ones((9, 2)), 4).n_clusters == 1


@pytest.mark.parametrize(
    ("features", "n_clusters", "message"),
    [
        (np.zeros((3, 2)), 4, r"n_clusters must be in 1\.\.3, got 4"),
        (np.zeros((3, 2)), 0, r"n_clusters must be in 1\.\.3, got 0"),
        (np.zeros(3), 1, r"must be \(n, d\), got shape \(3,\)"),
        (np.zeros((0, 2)), 1, r"must be \(n, d\), got shape \(0, 2\)"),
        (np.array([[0.0], [np.nan]]), 1, "not finite in row 1"),
        (np.array([[np.inf], [0.0]]), 1, "not finite in row 0"),
    ],
)
def test_refusals(features, n_clusters, message):
    with pytest.raises(InputError, match=message):
        from_kmeans(features, n_clusters)


def test_refuses_no_restart():
    with pytest.raises(InputError, match="must be >= 1, got 0, 50"):
        from_kmeans(np.zeros((3, 2)), 1, n_init=0)


def test_a_point_alone_in_its_cluster_stays_there():
    ids = torch.tensor([0, 1, 1, 1])
    distances = torch.tensor([9.0, 1.0, 3.0, 2.0])
    assert _lloyd.fill_empty(ids, distances, 4).tolist() == [0, 1, 2, 3]
    assert _lloyd.fill_empty(ids, torch.zeros(4), 4).tolist() == ids.tolist()


def cluster_as_worker(features, n_clusters):
    _lloyd._BLOCK = 64 * n_clusters  # several blocks for each worker
    return from_kmeans(features, n_clusters, n_init=2, data_parallel=True).ids


@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers_find_the_same_clusters(gloo, monkeypatch, workers):
    features, _ = blobs(700, 10, 6, 3.0)
    monkeypatch.setattr(_lloyd, "_BLOCK", 64 * 9)
    alone = from_kmeans(features, 9, n_init=2).ids
    for ids in gloo.run(workers, cluster_as_worker, features, 9):
        assert np.array_equal(ids, alone)
