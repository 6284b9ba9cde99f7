"""What runs on the CPU and on a GPU gives the same on both; the GPU's part where there is one."""

import numpy as np
import pytest
import torch

from clinfonce.augment import POLICIES, two_views
from clinfonce.clusterings import from_kmeans
from clinfonce.evaluation import knn_accuracy, linear_probe
from clinfonce.information import measure
from clinfonce.losses import FORMS, cl_infonce, soft_cl_infonce
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining
from tests.clusterings.test_kmeans import blobs
from tests.evaluation.problems import three_splits
from tests.losses.reference import unit, value_and_gradient
from tests.training.test_loop import N, images, spec

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    ],
)
on_devices = pytest.mark.parametrize("device", ["cpu", CUDA])


@on_devices
@pytest.mark.parametrize("n", [64, 1500])  # one tile, and several
@pytest.mark.parametrize("form", [*FORMS, "soft"])
def test_losses(device, n, form):
    z, clusters = unit(n, 16, seed=0), torch.arange(n) // 4 % 50
    attributes = torch.nn.functional.one_hot(clusters).bool()

    def loss(e):
        if form == "soft":
            return soft_cl_infonce(e, attributes.to(e.device), temperature=0.1)
        old = (z[:9].to(e), clusters[:9].to(e.device))
        ids = clusters.to(e.device)
        return cl_infonce(e, ids, temperature=0.1, form=form, memory=old)

    value, gradient = value_and_gradient(loss, z)
    got, slope = value_and_gradient(loss, z.to(device, torch.float32))
    assert got.device.type == device
    torch.testing.assert_close(got.cpu().double(), value, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(slope.cpu().double(), gradient, rtol=1e-3, atol=1e-5)


@on_devices
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("side", [32, 120])
def test_views(device, policy, side):
    batch = torch.randint(0, 256, (6, 3, side, side), dtype=torch.uint8)
    views = two_views(batch.to(device), policy, torch.Generator().manual_seed(0))
    assert views.device.type == device
    expected = two_views(batch, policy, torch.Generator().manual_seed(0))
    torch.testing.assert_close(views.cpu(), expected, rtol=0, atol=1e-3)


@on_devices
@pytest.mark.parametrize("share", [0.0, 0.9], ids=["read ahead", "kept on the device"])
def test_batches(device, share):
    rows = np.arange(N)[::-1].copy()
    source = ImageSource(images(), rows, torch.device(device), device_share=share)
    batches = [np.arange(start, start + 7) for start in range(0, 35, 7)]
    for batch, streamed in zip(batches, source.stream(batches), strict=True):
        assert streamed.device.type == device
        np.testing.assert_array_equal(streamed.cpu().numpy(), images()[rows[batch]])
        np.testing.assert_array_equal(source.take(batch).cpu().numpy(), images()[rows[batch]])


@on_devices
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lars"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_and_going_on(device, optimizer, precision, tmp_path):
    rate = 5.0 if optimizer == "lars" else 0.01
    trial = spec(
        optimizer={"name": optimizer, "learning_rate": rate, "clip_norm": 1.0},
        objective={"memory": 40},
        precision=precision,
    )

    def training():
        place = torch.device(device)
        source = ImageSource(images(), np.arange(N), place)
        clusters, labels = np.arange(N) % 7, np.arange(N) % 3
        return Pretraining(
            trial,
            ImageInputs.of(trial, source),
            clusters,
            device=place,
            checkpoint=tmp_path / "trial.pt",
            labels=labels,
        )

    first = training()
    epoch = next(iter(first.epochs()))
    assert next(first.encoder.parameters()).device.type == device
    first.save()
    losses = [each.loss for each in training().epochs()]
    assert losses[0] == epoch.loss
    assert len(losses) == 3
    assert np.isfinite(losses).all()


@on_devices
def test_probes(device):
    parts = three_splits()
    moved = {name: x.to(device) for name, x in parts.items()}
    probe, expected = (linear_probe(**each, n_classes=4) for each in (moved, parts))
    assert float(probe.test[1]) == pytest.approx(float(expected.test[1]), abs=0.02)
    knn, expected_knn = (
        knn_accuracy(p["train_x"], p["train_y"], p["test_x"], p["test_y"], n_classes=4)
        for p in (moved, parts)
    )
    assert knn[1] == pytest.approx(expected_knn[1], abs=0.02)


@on_devices
def test_kmeans(device):
    features, truth = blobs(3000, 20, 16, 0.02)
    points = torch.from_numpy(features).to(device)
    found = from_kmeans(points, 20)
    assert measure(found.ids, truth).ami == pytest.approx(1)
    crowded = torch.from_numpy(blobs(3000, 20, 16, 1.0)[0]).to(device)
    first, again = (from_kmeans(crowded, 300, n_init=1) for _ in range(2))
    assert first.clustering_id == again.clustering_id
