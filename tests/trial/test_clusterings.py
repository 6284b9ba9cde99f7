"""Every source of clusters that a specification can name, on one table."""

import dataclasses

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from clinfonce import clusterings
from clinfonce.config import ClusteringSpec, TrialSpec
from clinfonce.data import TRAIN, Column, ImageTable, attributes, load
from clinfonce.errors import InputError
from clinfonce.models import build_encoder
from clinfonce.models.saved import load_encoder, save_encoder
from clinfonce.trial.clusterings import build_clustering
from clinfonce.trial.run import run_trial


def build(table, **fields):
    return build_clustering(ClusteringSpec.model_validate(fields), table)


@pytest.fixture(scope="module")
def digits():
    table = load("digits")
    tags = np.empty(len(table), dtype=object)
    tags[:] = [("odd", "x") if t % 2 else ("x",) for t in table.labels]
    paths = np.empty(len(table), dtype=object)
    paths[:] = [("root", str(t // 5), str(t)) for t in table.labels]
    columns = {
        **table.columns,
        "tags": Column("tags", "tags", tags),
        "place": Column("place", "hierarchy", paths),
    }
    return ImageTable("digits", table.images, table.labels, table.label_names, table.split, columns)


def test_tags(digits):
    rows = digits.rows(TRAIN)
    tags = digits.columns["tags"].values[rows]
    assert build(digits, source="tags", column="tags").n_clusters == 2
    by = build(digits, source="tags", column="tags", by="commonest")
    assert by.n_clusters == 1
    means = build(digits, source="tags", column="tags", by="kmeans", n_clusters=2, seed=3)
    assert np.array_equal(means.ids, clusterings.from_tags(tags, by="kmeans", n_clusters=2).ids)
    assert means.provenance["seed"] == 3


def test_hierarchy(digits):
    sizes = [
        build(digits, source="hierarchy", column="place", level=level).n_clusters
        for level in (1, 2, 3)
    ]
    assert sizes == [1, 2, 10]
    with pytest.raises(InputError, match=r"level must be in 1\.\.3, got 4"):
        build(digits, source="hierarchy", column="place", level=4)
    with pytest.raises(InputError, match="'tags' holds tags values, and source hierarchy needs"):
        build(digits, source="hierarchy", column="tags", level=1)


def test_synthetic(digits):
    labels = digits.labels[digits.rows(TRAIN)]
    for family, level in (("merged", 1), ("split", 0), ("permuted", 4)):
        found = build(digits, source="synthetic", family=family, level=level, seed=5)
        wanted = clusterings.synthetic(labels, family=family, level=level, seed=5)
        assert found.clustering_id == wanted.clustering_id


def test_selected_attributes_look_at_a_part_of_the_labels(digits):
    fields = {"source": "selected", "top_k": 3, "fraction": 0.2}
    found = build(digits, **fields)
    assert len(found.provenance["attributes"]) == 3
    rows = digits.rows(TRAIN)
    values = attributes(digits, rows)
    best = clusterings.select_by_excess(values, digits.labels[rows], top_k=1)
    assert best[0] in found.provenance["attributes"]
    assert found.clustering_id == build(digits, **fields).clustering_id
    labels = digits.labels.copy()
    unseen = build_mask(len(rows), 0.2)
    labels[rows[~unseen]] = 0  # nobody looks at these
    labels[rows[np.flatnonzero(~unseen)[:10]]] = np.arange(10)
    other = ImageTable(
        "digits", digits.images, labels, digits.label_names, digits.split, digits.columns
    )
    assert build(other, **fields).clustering_id == found.clustering_id


def build_mask(n, fraction, seed=0):
    order = np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")
    return np.isin(np.arange(n), order[: round(fraction * n)])


def test_features_of_a_saved_encoder(digits, tmp_path):
    described = {"name": "small_cnn", "stem": None, "width": 4, "channels": 1, "image_size": 8}
    torch.manual_seed(0)
    network = build_encoder(**described)
    file = tmp_path / "encoder.safetensors"
    save_encoder(file, network.state_dict(), described)
    loaded = load_encoder(file)
    assert (loaded.channels, loaded.image_size) == (1, 8)
    images = torch.rand(3, 1, 8, 8)
    assert torch.equal(loaded.network(images), network.eval()(images))
    fields = {"source": "kmeans", "n_clusters": 7, "features": str(file)}
    found = build(digits, **fields)
    assert found.n_clusters == 7
    assert found.name == "k-means 7 (encoder)"
    assert len(found.provenance["features_sha256"]) == 64
    assert found.clustering_id != build(digits, source="kmeans", n_clusters=7).clustering_id
    larger = described | {"image_size": 16}
    save_encoder(file, build_encoder(**larger).state_dict(), larger)
    with pytest.raises(InputError, match="saw images of 1 x 16 x 16, digits has 1 x 8 x 8"):
        build(digits, **fields)
    save_encoder(file, network.state_dict())
    with pytest.raises(InputError, match="not an encoder that clinfonce saved"):
        build(digits, **fields)
    file.write_bytes(b"rubbish")
    with pytest.raises(InputError, match="not an encoder that clinfonce saved"):
        build(digits, **fields)
    file.unlink()
    with pytest.raises(InputError, match="no such file"):
        build(digits, **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "tags"}, "needs column"),
        ({"source": "tags", "column": "t", "n_clusters": 3}, "n_clusters goes with by: kmeans"),
        ({"source": "tags", "column": "t", "by": "kmeans"}, "n_clusters goes with by: kmeans"),
        ({"source": "hierarchy", "column": "p"}, "needs level"),
        ({"source": "synthetic", "level": 1}, "needs family"),
        ({"source": "selected"}, "needs top_k"),
        ({"source": "selected", "top_k": 2, "fraction": 0.0}, "greater than 0"),
        ({"source": "kmeans", "n_clusters": 2, "features": "nose"}, "pattern"),
        ({"source": "kmeans", "n_clusters": [2, 3]}, "several n_clusters go with"),
        ({"source": "kmeans", "n_clusters": 2, "every": 2}, "every and warmup go with"),
        ({"source": "kmeans", "n_clusters": []}, "at least 1 item"),
        ({"source": "labels", "level": 2}, "takes no further field, not level"),
    ],
)
def test_mistakes(fields, message):
    with pytest.raises(ValidationError, match=message):
        ClusteringSpec.model_validate(fields)


def alternating(**changes):
    return TrialSpec.model_validate(
        {
            "clustering": {"source": "kmeans", "n_clusters": [8, 20], "features": "encoder"},
            "augmentation": "digits",
            "encoder": {"width": 4},
            "evaluation": {"every": 2, "draws": 3},
            "epochs": 2,
        }
        | changes
    )


def test_the_row_of_an_alternation_is_that_of_the_last_clustering(digits):
    result = run_trial(alternating(), digits, experiment="demo")
    assert result.trial["clustering_id"] == result.clustering["clustering_id"]
    assert result.trial["clustering"] == "k-means 8, 20 (encoder)"
    assert result.trial["granularity"] == 20
    assert result.clustering["n_clusters"] == 8
    assert 0 < result.clustering["i_zt"] < 3.1
    assert result.clustering["n_singletons"] < 8


def test_an_alternation_must_have_time_and_images(digits):
    with pytest.raises(ValidationError, match=r"warmup \(1\) must be below epochs \(1\)"):
        alternating(epochs=1)
    many = {"source": "kmeans", "n_clusters": 1000, "features": "head"}
    with pytest.raises(InputError, match="n_clusters is 1000, but there are"):
        run_trial(alternating(clustering=many), digits, experiment="demo")


@pytest.mark.parametrize("fields", [{"attributes": ["loop", "same"]}, {"top_k": 10**3}])
def test_an_attribute_of_one_value_is_no_part_of_a_clustering(digits, fields):
    same = Column("same", "categorical", np.full(len(digits), "x"))
    table = dataclasses.replace(digits, columns={**digits.columns, "same": same})
    if "top_k" in fields:
        fields = {"top_k": len(attributes(table, table.rows(TRAIN)))}
    with pytest.raises(InputError, match="attribute 'same' has the same value in all training"):
        build(table, source="attributes", **fields)
