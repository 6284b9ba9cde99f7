"""What attracts in a trial: names, keys, pairs, and what is refused before training."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from clinfonce.config import TrialSpec
from clinfonce.data import Column, ImageTable, load
from clinfonce.errors import InputError
from clinfonce.trial.attraction import build_attraction, roles_of
from clinfonce.trial.columns import usable_columns
from clinfonce.trial.rows import describe_clustering
from clinfonce.trial.run import check_trial, run_trial

N = 40


def made_table():
    rng = np.random.default_rng(0)
    present = rng.random(N) < 0.9

    def objects(values):
        found = np.empty(N, dtype=object)
        found[:] = values
        return found

    taxa = [("p", "q" if i % 3 else "r", "st"[i % 2]) for i in range(N)]
    dates = np.array([f"20{10 + i % 9}-0{1 + i % 9}-11" for i in range(N)])
    columns = [
        Column("flag", "boolean", rng.random(N) < 0.5),
        Column("other", "boolean", rng.random(N) < 0.5),
        Column("kind", "categorical", rng.choice(["a", "b", "c"], N)),
        Column("price", "numeric", np.where(present, rng.normal(size=N), np.nan), ~present),
        Column("day", "numeric", rng.integers(0, 9000, N).astype(float)),
        Column("tags", "tags", objects([("x", "y")[: 1 + i % 2] for i in range(N)])),
        Column("taxon", "hierarchy", objects(taxa)),
        Column("latitude", "numeric", rng.uniform(-90, 90, N)),
        Column("longitude", "numeric", rng.uniform(-180, 180, N)),
        Column("id", "categorical", np.arange(N).astype(str)),
        Column("constant", "categorical", np.full(N, "same")),
        Column("when", "categorical", dates),
        Column("text", "categorical", np.array([f"no date {i % 5}" for i in range(N)])),
    ]  # fmt: skip
    labels = np.arange(N) % 4
    return ImageTable(
        "made",
        rng.integers(0, 256, (N, 1, 8, 8), dtype=np.uint8),
        labels.astype(np.int64),
        tuple("wxyz"),
        np.repeat(np.array([0, 0, 1, 2], np.int8), 4)[np.arange(N) % 16],
        {column.name: column for column in columns},
    )


@pytest.fixture(scope="module")
def table():
    return made_table()


def trial(similarity=None, **more):
    values = {"sampler": {"batch_size": 16}, "device": "cpu", **more}
    return TrialSpec.model_validate(values | ({"similarity": similarity} if similarity else {}))


def test_every_kind_of_column_has_a_kernel_and_can_be_predicted(table):
    names = usable_columns(table, table.rows(0))
    assert {"id", "constant"}.isdisjoint(names)
    assert len(names) == 11
    attraction = build_attraction(trial({"columns": "all", "by": "sum"}), table)
    provenance = attraction.clustering.provenance
    assert {n: c["kernel"] for n, c in provenance["columns"].items()}["taxon"] == "common_ancestor"
    json.dumps(provenance)
    predicted = trial({"columns": "all"}, objective={"name": "attribute_prediction"})
    known = build_attraction(predicted, table).sources[0].predicted
    assert {"taxon/2", "taxon/3", "price", "tags"} < known.keys()
    assert (
        known["price"].values.isnan().sum() == (~table.column("price").present[table.rows(0)]).sum()
    )


def test_columns_are_made_of_others_and_of_parts_of_dates(table):
    columns = {
        "place": {"kernel": "great_circle", "of": ["latitude", "longitude"], "bandwidth": 5000},
        "month": {"kernel": "cyclic", "of": ["day"], "part": "month"},
        "year": {"kernel": "gaussian", "of": ["when"], "part": "year", "unit": "value"},
        "flags": {"kernel": "differences", "of": ["flag", "other"]},
    }
    similarity = build_attraction(trial({"columns": columns}), table).sources[0].similarity
    rows = table.rows(0)
    months = (table.column("day").values[rows].astype("datetime64[D]")).astype("datetime64[M]")
    months = months.astype(int) % 12
    apart = np.abs(months[:, None] - months)
    wanted = np.exp(-(np.minimum(apart, 12 - apart) ** 2) / 2)
    alone = build_attraction(trial({"columns": {"month": columns["month"]}}), table)
    n = torch.arange(len(rows))
    found = alone.sources[0].similarity.weights(n, n)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert similarity.weights(n, n).min() >= 0


@pytest.mark.parametrize(
    ("similarity", "said"),
    [
        ({"columns": {"flg": {}}}, "unknown column of 'made': 'flg'; did you mean 'flag'"),
        ({"columns": {"label": {}}}, "'label' is what is to be predicted of made"),
        ({"columns": {"kind": "gaussian"}}, "kernel gaussian takes numeric values"),
        ({"columns": {"price": "differences"}}, "kernel differences takes boolean values"),
        (
            {"columns": {"text": {"kernel": "gaussian", "part": "year"}}},
            "row 0 is 'no date 0': must be a date",
        ),
        (
            {"columns": {"p": {"kernel": "great_circle", "of": ["day", "longitude"]}}},
            "must be -90 to 90 degrees",
        ),
        (
            {"columns": {"text": {"kernel": "cosine", "embeddings": "no.npy"}}},
            "embeddings no.npy: no such file",
        ),
        (
            {"columns": {"day": {"bandwidth": 1e-9}, "flag": {"weight": 0}}, "by": "sum"},
            "no image meets another that it is like",
        ),
        ({"columns": {"id": "equal"}}, "puts each of 24 images into a cluster of its own"),
        ({"columns": {"constant": "equal"}}, "all 24 training images|puts all 24 images"),
        (
            {"columns": {"flag": "equal", "id": {"role": "suppress"}},
             "suppress": {"images_per_condition": 2}},
            "the suppressed columns leave an image 0 negatives of the 11 other images",
        ),
        (
            {"columns": {"flag": "equal", "kind": {"role": "suppress"}}},
            "images_per_condition is 32, more than the batch of 16",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_data_is_refused_in_one_line(table, similarity, said):
    with pytest.raises(InputError, match=said) as error:
        check_trial(trial(similarity), table)
    assert "\n" not in str(error.value)


def test_embeddings_of_a_text_are_compared_by_their_angle(table, tmp_path):
    path = tmp_path / "captions.npy"
    vectors = np.random.default_rng(1).normal(size=(N, 5))
    np.save(path, vectors)
    columns = {"text": {"kernel": "cosine", "embeddings": str(path), "bandwidth": 0.5}}
    attraction = build_attraction(trial({"columns": columns}), table)
    rows = table.rows(0)
    unit = vectors[rows] / np.linalg.norm(vectors[rows], axis=1, keepdims=True)
    n = torch.arange(len(rows))
    found = attraction.sources[0].similarity.weights(n, n)
    np.testing.assert_allclose(found, np.exp((unit @ unit.T - 1) / 0.5), atol=1e-5)
    digest = attraction.clustering.provenance["columns"]["text"]["embeddings_sha256"]
    np.save(path, vectors[:-1])
    with pytest.raises(InputError, match=r"must be floating \(40, d\)"):
        build_attraction(trial({"columns": columns}), table)
    assert len(digest) == 64


def test_kernels_and_roles_make_the_key_and_a_partition_keeps_its_own(table):
    def of(similarity, **more):
        return build_attraction(trial(similarity, **more), table).clustering

    exact = of({"columns": {"flag": "equal", "kind": "equal"}})
    clusters = build_attraction(
        trial(clustering={"source": "attributes", "attributes": ["flag", "kind"]}), table
    ).clustering
    assert exact.clustering_id == clusters.clustering_id
    assert exact.is_partition
    soft = of({"columns": {"flag": {}, "kind": {}}})
    wide = of({"columns": {"flag": {}, "kind": {}}, "bandwidth": 2})
    within = of({"columns": {"flag": {}, "kind": {"role": "suppress"}}})
    keys = {c.clustering_id for c in (exact, soft, wide, within)}
    assert len(keys) == 4
    assert within.name == "similarity(flag) within kind"
    assert roles_of(within.provenance) == {"flag": "attract", "kind": "suppress"}


def test_all_columns_are_not_those_that_hold_the_label_but_they_can_be_named(table):
    names = np.array(list("wxyz"))[table.labels]
    taxonomy = np.empty(N, dtype=object)
    taxonomy[:] = [("group", "ab"[label // 2], "wxyz"[label]) for label in table.labels]
    holding = dataclasses.replace(
        table,
        columns={
            **table.columns,
            "wording": Column("wording", "categorical", names),
            "taxonomy": Column("taxonomy", "hierarchy", taxonomy),
        },
    )
    for fields in ({}, {"objective": {"name": "attribute_prediction"}}):
        taken = build_attraction(trial({"columns": "all"}, **fields), holding).clustering
        plain = build_attraction(trial({"columns": "all"}, **fields), table).clustering
        assert taken.provenance["columns"].keys() == plain.provenance["columns"].keys()
    named = build_attraction(trial({"columns": {"taxonomy": {}}}), holding).clustering
    assert named.provenance["columns"].keys() == {"taxonomy"}
    alone = dataclasses.replace(table, columns={"wording": holding.columns["wording"]})
    with pytest.raises(InputError, match="other than the label itself"):
        build_attraction(trial({"columns": "all"}), alone)


def test_rows_of_weights_tell_of_pairs_and_of_bits_as_partitions_have_them(table):
    soft = build_attraction(trial({"columns": {"flag": {}, "other": {}}}), table).clustering
    row = describe_clustering(soft, table)
    assert row["source"] == "similarity"
    assert "n_clusters" not in row
    rows, labels = table.rows(0), table.labels[table.rows(0)]
    apart = sum(
        (table.column(name).values[rows][:, None] != table.column(name).values[rows]).astype(int)
        for name in ("flag", "other")
    )
    weights = np.exp(-apart.astype(float))
    assert row["h_z"] == pytest.approx(-np.log2(weights.mean(1)).mean(), abs=1e-6)
    near = weights @ np.eye(4)[labels]
    near /= near.sum(1, keepdims=True)
    shares = np.bincount(labels) / len(labels)
    bits = (near * np.log2(near / shares)).sum(1).mean()
    assert row["i_zt"] == pytest.approx(bits, abs=1e-6)
    assert row["i_zt_excess"] == row["i_zt"] - row["i_zt_chance"]
    np.fill_diagonal(weights, 0)
    drawn = weights / weights.sum(1, keepdims=True)
    equal = (drawn * (labels[:, None] == labels)).sum() / len(rows)
    assert row["pairs_equal"] == pytest.approx(equal, abs=1e-6)
    instances = build_attraction(trial(), table).clustering
    assert describe_clustering(instances, table)["i_pairs"] == 0


def test_clusters_within_a_column_are_measured_within_it(table):
    found = build_attraction(
        trial({"columns": {"kind": {"role": "suppress"}}},
              clustering={"source": "column", "column": "flag"}),
        table,
    )  # fmt: skip
    row = describe_clustering(found.clustering, table)
    assert row["source"] == "column"
    assert row["name"].endswith("within kind")
    assert 0 <= row["i_zt_given_c"] <= 2
    n = torch.arange(len(table.rows(0)))
    flags = torch.from_numpy(table.column("flag").values[table.rows(0)])
    assert torch.equal(found.sources[0].similarity.weights(n, n) > 0, flags[:, None] == flags)


def test_a_trial_of_weights_leaves_rows_and_learns_what_attracts():
    digits = load("digits")
    glyph = {name: {} for name, c in digits.columns.items() if c.level == "class"}
    base = {
        "device": "cpu", "augmentation": "digits", "encoder": {"width": 8}, "epochs": 12,
        "evaluation": {"every": 12, "draws": 3}, "objective": {"temperature": 0.3},
        "optimizer": {"learning_rate": 0.01},
    }  # fmt: skip
    found = {
        name: run_trial(TrialSpec.model_validate(base | more), digits, experiment="x")
        for name, more in {
            "instances": {},
            "kernel": {"similarity": {"columns": glyph, "bandwidth": 0.5}},
            "prediction": {
                "similarity": {"columns": glyph}, "objective": {"name": "attribute_prediction"}
            },
        }.items()
    }  # fmt: skip
    told = {
        name: sum(
            row["value"]
            for row in result.factors
            if row["factor"] in glyph and (row["stage"], row["measure"]) == ("after", "bits")
        )
        for name, result in found.items()
    }
    assert min(told["kernel"], told["prediction"]) > told["instances"] + 0.5
    kernel = found["kernel"]
    assert kernel.trial["source"] == "similarity"
    assert kernel.trial["clustering_id"] == kernel.clustering["clustering_id"]
    assert kernel.cluster_ids is None
    assert kernel.clustering["i_pairs"] > 1
