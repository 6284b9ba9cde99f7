"""Trials that start from weights: frozen, adapted, fine-tuned."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from clinfonce.cli import main
from clinfonce.config import ExperimentSpec, SweepSpec, TrialSpec, trial_id
from clinfonce.data import TEST, TRAIN, load
from clinfonce.errors import InputError
from clinfonce.evaluation import encode, evaluate
from clinfonce.features import FeatureCache
from clinfonce.files import Folder
from clinfonce.models import build_encoder, load_encoder, save_encoder
from clinfonce.models.blocks import trained_blocks
from clinfonce.trial.run import check_trial, run_trial
from clinfonce.trial.single import pretrain
from clinfonce.trial.start import Start, WeightsReader

CNN = {"name": "small_cnn", "channels": 1, "image_size": 8, "stem": None, "width": 4}


@pytest.fixture(scope="module")
def table():
    return load("digits")


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, build_encoder(**CNN).state_dict(), CNN)
    return path


def experiment(file, **changes):
    trial = {
        "augmentation": "digits",
        "encoder": {"width": 4, "weights": str(file), "train": "none"},
        "adapter": {"hidden_dim": 16, "out_dim": 16},
        "clustering": {"source": "column", "column": "loop"},
        "sampler": {"batch_size": 256, "images_per_cluster": 4},
        "evaluation": {"draws": 2},
        "epochs": 2,
    }
    return ExperimentSpec.model_validate(
        {"name": "e", "data": {"name": "digits"}, "trial": trial | changes}
    )


def test_the_frozen_row_is_that_of_the_encoders_own_features(file, table, tmp_path):
    row = pretrain(experiment(file, epochs=0, adapter=None), tmp_path / "results")
    network = load_encoder(file).network
    parts = []
    for split in (0, 1, 2):
        rows = table.rows(split)
        features = encode(network, torch.from_numpy(table.images[rows]))
        parts += [features, torch.from_numpy(table.labels[rows])]
    expected = evaluate(*parts, draws=2)
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, abs=2e-3), name
    assert (row["regime"], row["source"], row["objective"]) == ("frozen", "frozen", "frozen")
    assert row["clustering_id"] is None
    assert row["epochs_run"] == 0
    saved = load_encoder(tmp_path / f"results/encoders/{row['trial_id']}.safetensors")
    images = torch.from_numpy(table.images[:5])
    torch.testing.assert_close(encode(saved.network, images), encode(network, images))


def test_an_adapter_is_trained_on_cached_features_and_saved_as_one_network(file, table, tmp_path):
    row = pretrain(experiment(file), tmp_path / "results")
    again = pretrain(experiment(file), tmp_path / "other")
    kept = {n: v for n, v in row.items() if n.startswith(("val_", "test_", "loss", "trial_id"))}
    assert kept == {n: again[n] for n in kept}
    assert row["regime"] == "adapter"
    assert len(row["weights_sha256"]) == 64
    assert len(list((tmp_path / "results/features").glob("*.npy"))) == 1
    place = tmp_path / f"results/encoders/{row['trial_id']}.safetensors"
    saved = load_encoder(place)
    images = torch.from_numpy(table.images[table.rows(TEST)])
    features = encode(saved.network, images)
    assert features.shape == (len(images), 16 + 16)
    train = encode(saved.network, torch.from_numpy(table.images[table.rows(TRAIN)]))
    y, t = (torch.from_numpy(table.labels[table.rows(s)]) for s in (TRAIN, TEST))
    val = table.rows(1)
    v = encode(saved.network, torch.from_numpy(table.images[val]))
    found = evaluate(train, y, v, torch.from_numpy(table.labels[val]), features, t, draws=2)
    assert found["test_knn_top1_all"] == pytest.approx(row["test_knn_top1_all"], abs=3e-3)
    assert place.stat().st_size < 40_000


def test_features_of_copies_are_augmented_images(file, tmp_path):
    spec = experiment(file, adapter={"hidden_dim": 8, "out_dim": 8, "views": 2, "noise": 0})
    row = pretrain(spec, tmp_path / "results")
    (path,) = (tmp_path / "results/features").glob("*.npy")
    assert np.load(path, mmap_mode="r").shape == (3, 1797, 16)
    assert row["status"] == "complete"


def test_fine_tuning_starts_from_the_weights(file, table, tmp_path):
    row = pretrain(
        experiment(
            file,
            adapter=None,
            encoder={"width": 4, "weights": str(file), "train": {"last": 1}},
            epochs=1,
        ),
        tmp_path / "results",
    )
    assert row["regime"] == "fine-tuning"
    saved = load_encoder(tmp_path / f"results/encoders/{row['trial_id']}.safetensors")
    before = load_encoder(file).network.state_dict()
    after = saved.network.state_dict()
    last = trained_blocks(saved.network, 1)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert set(last) <= moved
    assert "blocks.0.weight" not in moved


def test_the_digest_is_part_of_what_a_trial_is(file, table, tmp_path):
    reader = WeightsReader(Folder.at(tmp_path), table)
    spec = experiment(file).trial
    settled = reader.settle(spec)
    digest = settled.encoder.weights_sha256
    assert trial_id("e", settled, "d") != trial_id("e", spec, "d")
    assert reader.settle(settled) == settled
    torch.manual_seed(1)
    save_encoder(file, build_encoder(**CNN).state_dict(), CNN)
    other = WeightsReader(Folder.at(tmp_path), table)
    assert other.settle(spec).encoder.weights_sha256 != digest
    with pytest.raises(InputError, match=r"weights_sha256 is .* were the weights exchanged\?"):
        other.settle(settled)


def test_what_came_later_leaves_the_keys_of_older_trials():
    assert trial_id("digits", TrialSpec(), "abc") == "2280787ce15c"


def test_k_means_of_the_pretrained_features(file, table, tmp_path):
    kmeans = {"source": "kmeans", "n_clusters": 7, "features": "pretrained"}
    spec = experiment(file, clustering=kmeans).trial
    reader = WeightsReader(Folder.at(tmp_path), table)
    spec = reader.settle(spec)
    start = Start(reader.by_digest, FeatureCache(Folder.at(tmp_path)))
    clustering = check_trial(spec, table, start)
    assert clustering.n_clusters == 7
    assert clustering.provenance["features_sha256"] == spec.encoder.weights_sha256
    with pytest.raises(InputError, match=r"features is pretrained, but encoder\.weights is random"):
        check_trial(TrialSpec.model_validate({"clustering": kmeans}), table)


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        ({"encoder": {"train": "none"}}, "train: none keeps the weights as they are"),
        ({"adapter": {}}, "adapter stands on the features of a frozen encoder"),
        ({"encoder": {"name": "embeddings"}, "adapter": {"views": 2}}, "no images to augment"),
        ({"encoder": {"name": "embeddings", "width": 3}}, "takes no further field, not width"),
        ({"encoder": {"weights": "a.pth", "train": {"last": 0}}}, "greater than or equal to 1"),
        ({"encoder": {"freeze_epochs": 5}, "epochs": 5}, "must be below epochs"),
        ({"encoder": {"weights": "a.pth", "layer_decay": 0}}, "greater than 0"),
    ],
)
def test_parts_that_do_not_fit_are_told(trial, words):
    with pytest.raises(ValueError, match=words):
        TrialSpec.model_validate(trial)


def test_more_blocks_than_the_network_has(file, table, tmp_path):
    encoder = {"width": 4, "weights": str(file), "train": {"last": 9}}
    reader = WeightsReader(Folder.at(tmp_path), table)
    spec = reader.settle(experiment(file, encoder=encoder, adapter=None).trial)
    with pytest.raises(InputError, match="last is 9, but the network has 3 blocks"):
        check_trial(spec, table, Start(reader.by_digest))


def sweep(**changes):
    values = {
        "name": "s",
        "data": {"name": "digits"},
        "trial": {"encoder": {"weights": "a.pth", "train": "none"}},
        "fixed": [{"name": "instances", "trial": {}}],
    }
    return SweepSpec.model_validate(values | changes)


def test_a_sweep_from_weights_has_the_frozen_encoder_as_a_fixed_trial():
    found = sweep()
    assert [named.name for named in found.fixed] == ["frozen", "instances"]
    assert found.seeds_of(found.fixed[0]) == (1,)
    assert found.seeds_of(found.fixed[1]) == (1, 2, 3)
    assert SweepSpec.model_validate(found.canonical()) == found
    assert [n.name for n in sweep(frozen=False).fixed] == ["instances"]
    own = [{"name": "as it is", "trial": {"epochs": 0}}, {"name": "instances", "trial": {}}]
    assert [n.name for n in sweep(fixed=own).fixed] == ["as it is", "instances"]
    assert [n.name for n in sweep(trial={}).fixed] == ["instances"]


def test_features_are_embedded_into_a_file(file, table, tmp_path, capsys):
    row = pretrain(experiment(file), tmp_path / "results")
    out = tmp_path / "x.parquet"
    command = ["embed", row["trial_id"][:6], "--data", "digits", "--out", str(out)]
    assert main([*command, "--results", str(tmp_path / "results"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == str(out)
    rows = pq.read_table(out).to_pydict()
    assert rows["split"].count("test") == len(table.rows(TEST))
    assert rows["label"][0] == table.label_names[table.labels[0]]
    saved = load_encoder(tmp_path / f"results/encoders/{row['trial_id']}.safetensors")
    expected = encode(saved.network, torch.from_numpy(table.images[:3]))
    np.testing.assert_allclose(rows["features"][:3], expected.numpy(), rtol=1e-4, atol=1e-5)
    assert main(["embed", str(file), "--data", "digits", "--out", str(out)]) == 0
    assert len(pq.read_table(out)["features"][0]) == 16
    assert main(["embed", str(file), "--data", "digits", "--out", "x.csv"]) == 2
    assert ".parquet" in capsys.readouterr().err


def test_an_exported_adapter_is_one_network(file, table, tmp_path):
    row = pretrain(experiment(file), tmp_path / "results")
    out = tmp_path / "one.safetensors"
    assert (
        main(["export", row["trial_id"], "--results", str(tmp_path / "results"), "--out", str(out)])
        == 0
    )
    whole = load_encoder(out).network
    saved = load_encoder(tmp_path / f"results/encoders/{row['trial_id']}.safetensors").network
    images = torch.from_numpy(table.images[:4])
    assert torch.equal(encode(whole, images), encode(saved, images))


def test_a_trial_without_training_takes_a_new_encoder_as_it_is(table):
    spec = TrialSpec.model_validate(
        {"encoder": {"width": 4}, "epochs": 0, "evaluation": {"draws": 1}, "seed": 3}
    )
    result = run_trial(spec, table, experiment="e")
    assert result.clustering is None
    assert result.trial["train_operations"] == 0
    torch.manual_seed(3)
    assert result.trial["test_knn_top1_all"] > 0.5


@pytest.fixture
def embeddings(tmp_path):
    """A prepared data set of 60 embeddings."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    vectors = (rng.normal(size=(60, 6)) + labels[:, None]).astype(np.float32)
    rows = {
        "path": [f"{i}.png" for i in range(60)],
        "label": [f"c{label}" for label in labels],
        "split": np.repeat(["train", "validation", "test"], 20),
        "even": labels % 2 == 0,
        "embedding": list(vectors),
    }
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    command = ["prepare", "embeddings", "--table", str(tmp_path / "t.parquet")]
    assert main([*command, "--embeddings", "embedding", "--out", str(tmp_path / "made")]) == 0
    return vectors, str(tmp_path / "made")


@pytest.mark.parametrize("epochs", [0, 2])
def test_embeddings_are_probed_adapted_and_written(embeddings, tmp_path, epochs):
    vectors, made = embeddings
    trial = {
        "encoder": {"name": "embeddings"},
        "adapter": {"hidden_dim": 8, "out_dim": 4} if epochs else None,
        "clustering": {"source": "column", "column": "even"},
        "sampler": {"batch_size": 20},
        "evaluation": {"draws": 1},
        "epochs": epochs,
    }
    spec = ExperimentSpec.model_validate({"name": "e", "data": {"name": made}, "trial": trial})
    row = pretrain(spec, tmp_path / "results")
    assert row["regime"] == ("adapter" if epochs else "frozen")
    out = tmp_path / "x.parquet"
    command = ["embed", row["trial_id"], "--data", made, "--out", str(out)]
    assert main([*command, "--results", str(tmp_path / "results")]) == 0
    found = pq.read_table(out).to_pydict()
    assert found["path"][:2] == ["0.png", "1.png"]
    features = np.array(found["features"], np.float32)
    if epochs:  # the adapter's output beside what it was given
        assert features.shape == (60, 10)
    else:
        np.testing.assert_array_equal(features, vectors)
