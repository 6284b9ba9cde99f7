"""A table of adapter trials that advice is fitted on and searches are replayed on.

    python benchmarks/advice_trials.py --data digits --data FOLDER … --results DIR
    python benchmarks/advice_trials.py --export benchmarks/results/advice/trials.csv --results DIR

Every data set is taken several times, each time with another of its columns as the label (the label
is an auxiliary column then). Images are replaced by the first 256 principal axes of what ImageNet's
EfficientNet-Lite0 makes of them (digits: their pixels), so a trial takes a second. To the columns
are added what tables of users hold: identifiers, bursts of alike images, noisy and merged labels,
random groups. The list of clusterings is made without looking at any accuracy: every column, pairs,
random subsets, top-k, levels, k-means. One process; rows that are in the store are not trained
again; --export writes the compact table of what was found.
"""

import argparse
import csv
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from clinfonce import data
from clinfonce.clusterings import from_kmeans
from clinfonce.config import TrialSpec, trial_id
from clinfonce.data import Column, ImageTable
from clinfonce.errors import InputError
from clinfonce.evaluation import encode
from clinfonce.models import read_weights
from clinfonce.results import Results, Store
from clinfonce.trial.parts import clustering_of, parts_of
from clinfonce.trial.run import run_trial

AXES = 256
# Columns that stand for the label, beside the label itself.
TARGETS = {
    "digits": ("holes", "prime"), "ucmerced": ("pavement", "trees"), "clothing": ("group",),
    "pomological": ("family",),
}  # fmt: skip
KS = (5, 10, 20, 40, 80, 160)
TOP_KS = (2, 3, 5, 8, 12)
# The first is that of the whole list.
SETTINGS = {
    "m4": {"sampler": {"images_per_cluster": 4}},
    "uniform": {},
    "m16": {"sampler": {"images_per_cluster": 16}, "objective": {"temperature": 0.3}},
    "scratch": {"sampler": {"images_per_cluster": 4}, "optimizer": {"learning_rate": 0.01}},
    "scratch-uniform": {"optimizer": {"learning_rate": 0.01}},
}
SCRATCH = ("scratch", "scratch-uniform")  # new networks on small images, in place of adapters


def embedded(table, home):
    """The first principal axes (n, d) of the images' features, float32, made once."""
    kept = home / f"{table.name}.npy"
    if not kept.exists():
        home.mkdir(parents=True, exist_ok=True)
        np.save(kept, principal_axes(table))
    return np.load(kept)


def pooled(table):
    """Images of 24 pixels a side at most: means of blocks, uint8 (n, c, h, w)."""
    side = table.images.shape[2]
    step = max(1, side // 24)
    blocks = np.array_split(np.arange(len(table)), max(1, len(table) // 256))
    parts = []
    for rows in blocks:
        x = table.images[rows].astype(np.float32)
        n, c = x.shape[:2]
        x = x.reshape(n, c, side // step, step, side // step, step).mean((3, 5))
        parts.append(x.round().astype(np.uint8))
    return np.concatenate(parts)


def principal_axes(table):
    """Of the images' features, scaled to a mean variance of one: float32 (n, d)."""
    if table.images.shape[2] < 32:
        x = torch.from_numpy(np.asarray(table.images[:])).flatten(1).double()
    else:
        description = {"name": "python:tests.models.lite0:build", "channels": 3, "image_size": 96}
        network = read_weights("random", description).build().eval()
        blocks = np.array_split(np.arange(len(table)), len(table) // 256)
        device = torch.device("cpu")
        parts = (torch.from_numpy(table.images[rows]) for rows in blocks)
        x = torch.cat([encode(network, part, device=device) for part in parts]).double()
    x = (x - x.mean(0)) / x.std(0).clamp(min=1e-6)
    axes = torch.linalg.eigh(x.mT @ x)[1].flip(1)[:, :AXES]
    x = x @ axes
    return (x / x.std()).float().numpy()


def made_columns(features, labels, seed=0):
    """What tables of users hold besides: codes (n,) by name."""
    rng = np.random.default_rng(seed)
    n = len(labels)
    codes = {f"random {k}": rng.integers(0, k, n) for k in (2, 12, 60)}
    codes["pairs"] = rng.permutation(n) // 2
    codes["quads"] = rng.permutation(n) // 4
    codes["bursts"] = from_kmeans(features, max(2, n // 6), seed=1).ids
    for percent in (10, 30, 60):
        wrong = rng.random(n) < percent / 100
        codes[f"noisy {percent}"] = np.where(wrong, rng.permutation(labels), labels)
    codes["merged"] = labels // 2
    codes["label × random 4"] = labels * 4 + rng.integers(0, 4, n)
    return {name: np.unique(code, return_inverse=True)[1] for name, code in codes.items()}


def problem(table, target, home, *, images=False):
    """The data set with a target, "" for its label: its other columns and the made ones.

    Features take the place of the images, or small images with `images`.
    """
    features = embedded(table, home)
    columns, labels, names, title = dict(table.columns), table.labels, table.label_names, table.name
    if target:
        texts = columns.pop(target).values.astype(str)
        names, labels = np.unique(texts, return_inverse=True)
        columns["class"] = Column("class", "categorical", table.labels)
        title = f"{table.name}/{target}"
    made = made_columns(features, labels)
    columns |= {each: Column(each, "categorical", code) for each, code in made.items()}
    labels, names = labels.astype(np.int64), tuple(map(str, names))
    seen = pooled(table) if images else features
    return ImageTable(title, seen, labels, names, table.split, columns)


def problems(names, home, root=None, *, images=False, targets=True) -> Iterator[ImageTable]:
    """All data sets with their labels, then with their first other target, and so on."""
    tables = [data.load(name, root) for name in names]
    most = 1 + max(map(len, TARGETS.values())) if targets else 1
    for number in range(most):
        for table in tables:
            target = ("", *TARGETS.get(table.name, ()))[number : number + 1]
            if target:
                yield problem(table, target[0], home, images=images)


def clusterings(table):
    """Specifications by name, made without looking at the label."""
    rng = np.random.default_rng(0)
    found = {"instances": {"source": "instances"}, "labels": {"source": "labels"}}
    plain = []
    for c in table.columns.values():
        if c.kind == "hierarchy":
            for level in range(1, max(map(len, c.values)) + 1):
                found[f"{c.name}:{level}"] = {"source": "hierarchy", "column": c.name,
                                              "level": level}  # fmt: skip
        else:
            plain.append(c.name)
            found[c.name] = {"source": "attributes", "attributes": [c.name]}
        if c.kind == "numeric":
            for bins in (4, 10):
                found[f"{c.name}/{bins}"] = {"source": "attributes", "attributes": [c.name],
                                             "bins": bins}  # fmt: skip
    pairs = [(a, b) for i, a in enumerate(plain) for b in plain[:i]]
    for i in rng.permutation(len(pairs))[:20]:
        found["+".join(pairs[i])] = {"source": "attributes", "attributes": list(pairs[i])}
    own = [c for c in plain if not c.startswith(("random", "noisy", "pairs", "quads", "bursts"))]
    for size in rng.integers(3, max(4, min(9, len(own))), 14):
        subset = sorted(rng.choice(own, min(size, len(own)), replace=False))
        found["+".join(subset)] = {"source": "attributes", "attributes": subset}
    for k in TOP_KS:
        found[f"top-{k}"] = {"source": "attributes", "top_k": k}
    for k in KS:
        found[f"k-means {k}"] = {"source": "kmeans", "n_clusters": k}
        if not table.has_images:
            found[f"k-means {k}"]["features"] = "pretrained"
    return found


def singles_and_pairs(table):
    """What an exhaustive search over one and two parts tries, distractors among them."""
    offered = parts_of(table, columns=[*_own(table), "random 12", "bursts"], features="pretrained")
    parts = [p for p in offered if p.spec.bins is None and p.spec.n_clusters in (None, 20)]
    found = {"instances": {"source": "instances"}, "labels": {"source": "labels"}}
    for size in (1, 2):
        for some in itertools.combinations(parts, size):
            if len({part.group for part in some}) == size:
                found["+".join(part.name for part in some)] = clustering_of(some)
    return found


def _own(table):
    """Columns that are information and were not made here."""
    made = {"merged", "pairs", "quads", "bursts", "label × random 4"}
    names = [part.spec.column for part in parts_of(table, features=None)]
    return [
        name
        for name in dict.fromkeys(names)
        if name not in made and not name.startswith(("random", "noisy"))
    ]


def trial(clustering, setting, seed, epochs):
    values = {
        "clustering": clustering, "encoder": {"name": "embeddings"}, "epochs": epochs,
        "adapter": {"hidden_dim": 256, "out_dim": 128},
        "head": {"hidden_dim": 128, "out_dim": 64},
        "optimizer": {"learning_rate": 0.003}, "objective": {"temperature": 0.1},
        "evaluation": {"every": max(1, epochs // 4), "draws": 10}, "seed": seed,
    }  # fmt: skip
    values |= SETTINGS[setting]
    if setting in SCRATCH:
        values |= {"encoder": {"name": "small_cnn", "width": 16}}
        del values["adapter"]
    return TrialSpec.model_validate(values)


def jobs(table, setting, epochs, pairs):
    """What is trained on: the whole list in the first setting, a part of it in the others."""
    if pairs:
        for name, spec in singles_and_pairs(table).items():
            yield name, spec, epochs
        return
    if setting not in SCRATCH:
        yield "frozen", {"source": "instances"}, 0
    for number, (name, spec) in enumerate(clusterings(table).items()):
        simple = setting == "scratch" and "+" not in name
        if setting == "m4" or number < 2 or simple or number % 3 == 0:
            yield name, spec, epochs


def train(options):
    """Train what the store lacks."""
    store = Store.create(options.results)
    done = store.trial_ids()
    for seed, setting in itertools.product(options.seeds, options.setting or SETTINGS):
        images = setting in SCRATCH
        for table in problems(
            options.data, options.results / "axes", options.root, images=images,
            targets=not options.labels_only,
        ):  # fmt: skip
            train_on(table, seed, setting, store, done, options)


def train_on(table, seed, setting, store, done, options):
    """Train what the store lacks on a data set in a setting."""
    listed = list(jobs(table, setting, options.epochs, options.pairs))[: options.most]
    for number, (name, clustering, epochs) in enumerate(listed):
        experiment = f"advice-{setting}"
        spec = trial(clustering, setting, seed, epochs)
        if trial_id(experiment, spec, table.fingerprint) in done:
            continue
        try:
            result = run_trial(spec, table, experiment=experiment)
        except InputError as error:
            print(f"{table.name} {name}: {error}", flush=True)
            continue
        row = {**result.trial, "number": number, "role": "fixed", "name": name}
        store.write_trial(row, result.epochs, result.clustering)
        accuracy, seconds = row["test_linear_top1_5"], row["seconds"]
        print(table.name, setting, name, accuracy, f"{seconds:.1f} s", flush=True)


DEFAULTS = (2, "pixels")  # of bins and features
EXPORTED = (
    "data", "sweep", "name", "seed", "source", "val_knn", "val_linear_top1_5",
    "test_linear_top1_5", "test_knn_top1_all", "test_linear_top1_all",
)  # fmt: skip


def export(options):
    """Accuracies to four digits, with the clustering as a specification has it."""
    results = Results(Store.open(options.results))
    rows = results.sql(
        f"select {', '.join('t.' + name for name in EXPORTED)}, spec, seconds, h_z, h_t, i_zt, "
        "i_zt_chance, n_images, n_clusters "
        "from trials t left join clusterings c using (clustering_id) "
        "where status = 'complete' order by t.data, t.sweep, t.number, seed"
    ).to_pylist()
    options.export.parent.mkdir(parents=True, exist_ok=True)
    with options.export.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            spec = json.loads(row["spec"])["clustering"]
            fields = ("source", "attributes", "column", "top_k", "bins", "level", "n_clusters",
                      "features", "parts")  # fmt: skip
            row["spec"] = json.dumps(
                {k: spec[k] for k in fields if spec.get(k) not in (None, *DEFAULTS)}
            )
            writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--setting", action="append", choices=SETTINGS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--labels-only", action="store_true", help="no other targets")
    parser.add_argument("--pairs", action="store_true", help="all single parts and pairs instead")
    parser.add_argument("--most", type=int, help="trials of each list")
    parser.add_argument("--export", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.data:
        train(options)
    if options.export is not None:
        export(options)


if __name__ == "__main__":
    main()
