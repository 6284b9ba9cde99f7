"""Every measure of a trial anew from its features, by scikit-learn and torchmetrics.

    clinfonce embed TRIAL --data DATA --results RESULTS --out features.parquet
    python benchmarks/measures.py --trial TRIAL --data DATA --results RESULTS \
        --features features.parquet --out benchmarks/results/measures.csv

Neighbours, retrieval, ridge regressions, ranks and groups are theirs from the features on. The
linear classifiers are ours (tests/evaluation holds them against scikit-learn's), and what is
measured of their answers is theirs. Fine-tuning, LiDAR and alignment need the network: left out.
"""

import argparse
import importlib
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import sklearn.metrics as theirs
import torch
from common import machine, write_rows
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from clinfonce import data
from clinfonce.config import TrialSpec
from clinfonce.evaluation import few_label_draws
from clinfonce.evaluation.linear import STRENGTHS, linear_probe
from clinfonce.evaluation.multilabel import multilabel_probe
from clinfonce.evaluation.space import Space
from clinfonce.results import Store
from clinfonce.results.store.scan import scan
from clinfonce.torchvision_import import import_torchvision
from clinfonce.trial.label_free import held_out_target
from clinfonce.trial.targets import SPLITS, groupings_of, rows_of

import_torchvision()  # which torchmetrics imports
retrieval = importlib.import_module("torchmetrics.functional.retrieval")

KEYS = ("target", "split", "probe", "labels", "measure", "grouped_by", "group")
LEFT_OUT = {("finetuned", None), ("features", "lidar"), ("features", "alignment")}
_FEWEST = 10  # images of a group that can be the worst
_MOST = 2000  # images that RankMe and uniformity look at
_TEMPERATURE = 0.07


def anew(features, table, spec, queries):
    """Every measure that features alone decide, by key.

    Args:
        features: float32 (n, d), of all images.
        table: the data set.
        spec: how features were probed.
        queries: how many images of each split are looked up in retrieval.
    """
    found = {}
    for name, target in table.targets.items():
        rows = rows_of(table, target)
        x = {split: features[part] for split, part in rows.items()}
        y = {split: target.values[part] for split, part in rows.items()}
        groups = groupings_of(table, rows, spec.groups)
        measured = {
            "class": partial(classes, first=name == first_of(table), queries=queries),
            "multilabel": labels,
            "number": number,
        }[target.kind](x, y, target, groups, spec)
        found |= {(name, *key): value for key, value in measured}
    found |= {(None, *key): value for key, value in held_out(features, table, spec)}
    return found | {(None, *key): value for key, value in free(features, table)}


def first_of(table):
    kinds = {name: target.kind for name, target in table.targets.items()}
    return next((name for name, kind in kinds.items() if kind == "class"), next(iter(kinds)))


def classes(x, y, target, groups, spec, *, first, queries):
    """(split, probe, labels, measure, grouped_by, group), value."""
    n = len(target.names)
    ranked, predicted = linear(x, y, n, balanced=spec.balanced)
    for split in ("val", "test"):
        votes = neighbours(x["train"], y["train"], x[split], spec.neighbors, n)
        if spec.balanced:
            votes = votes / np.bincount(y["train"], minlength=n)
        voted = {"linear": (ranked[split][0], predicted[split]),
                 "knn": (rank(votes, y[split]), votes.argmax(1))}  # fmt: skip
        for probe, (ranks, answer) in voted.items():
            yield (split, probe, "all", "top5", None, None), float((ranks < 5).mean())
            for key, value in fair(answer, y[split], target):
                if key[1] is None or split == "test":
                    yield (split, probe, "all", *key), value
            right = (answer == y[split]).astype(float)
            for key, value in grouped(right, groups, split, "top1"):
                yield (split, probe, "all", *key), value
            for key, value in grouped(right, groups, split, "balanced", classes=y[split]):
                yield (split, probe, "all", *key), value
        size = queries[split, target.name]
        for measure, value in retrieved(x, y, split, size):
            yield (split, "retrieval", "all", measure, None, None), value
    draws = spec.draws if first else max(1, spec.draws // 4)
    for count in (1, 5, 10) if first else (5,):
        if count <= np.bincount(y["train"], minlength=n).min():
            yield from few(x, y, n, count, draws, spec.neighbors, by_knn=first)


def linear(x, y, n, **options):
    """Ranks (draws, n) of the right class, and the answers (n,) of one problem, of each split."""
    given = [torch.from_numpy(each[split]) for split in ("train", "val", "test") for each in (x, y)]
    answers = linear_probe(*given, n_classes=n, **options).answers
    ranks = {split: each.ranks.numpy() for split, each in answers.items()}
    return ranks, {s: a.predicted[0].numpy() for s, a in answers.items() if len(a.predicted)}


def neighbours(train_x, train_y, x, k, n):
    """Votes (n, classes) of the nearest training images."""
    model = KNeighborsClassifier(
        min(k, len(train_x)), metric="cosine", algorithm="brute",
        weights=lambda distance: np.exp(-distance / _TEMPERATURE),
    )  # fmt: skip
    model.fit(train_x.astype(np.float64), train_y)
    votes = np.zeros((len(x), n))
    votes[:, model.classes_] = model.predict_proba(x.astype(np.float64))
    return votes


def rank(votes, y):
    """How many classes stand before the right one; of equal votes the first class does."""
    order = np.argsort(-votes, axis=1, kind="stable")
    return (order == y[:, None]).argmax(1)


def few(x, y, n, count, draws, k, *, by_knn):
    drawn = few_label_draws(torch.from_numpy(y["train"]), count, draws, 0)
    ranked, _ = linear(x, y, n, draws=drawn)
    for split in ("val", "test"):
        found = {"linear": ranked[split]}
        if by_knn:
            parts = [(x["train"][rows], y["train"][rows]) for rows in drawn.numpy()]
            found["knn"] = np.stack(
                [rank(neighbours(*part, x[split], k, n), y[split]) for part in parts]
            )
        for probe, ranks in found.items():
            for top in (1, 5):
                value = float((ranks < top).mean(1).mean())
                yield (split, probe, str(count), f"top{top}", None, None), value


def fair(answer, y, target):
    """((measure, grouped_by, group), value)."""
    yield ("top1", None, None), theirs.accuracy_score(y, answer)
    present = np.unique(y)
    recalls = theirs.recall_score(y, answer, labels=present, average=None, zero_division=0)
    yield ("balanced", None, None), float(recalls.mean())
    yield ("macro_f1", None, None), theirs.f1_score(y, answer, average="macro", zero_division=0)
    for code, recall in zip(present, recalls, strict=True):
        yield ("recall", target.name, target.names[code]), float(recall)


def grouped(values, groups, split, measure, worst=min, classes=None):
    """((measure, grouped_by, group), mean of values, each class weighing the same if given)."""
    for column, grouping in groups.items():
        codes = grouping.codes[split].numpy()
        means = {c: float(np.mean(values[codes == c])) for c in np.unique(codes)}
        if classes is not None:
            means = {c: balanced(values[codes == c], classes[codes == c]) for c in means}
        large = [c for c in means if (codes == c).sum() >= _FEWEST] or list(means)
        yield (f"{measure}_worst", column, None), worst(means[c] for c in large)
        yield (f"{measure}_mean", column, None), float(np.mean(list(means.values())))
        if split == "test":
            for code, mean in means.items():
                yield (measure, column, grouping.names[code]), mean


def balanced(right, classes):
    """Balanced accuracy, as that of images told right or taken for no class at all."""
    answer = np.where(right > 0, classes, -1)
    present = np.unique(classes)
    recalls = theirs.recall_score(classes, answer, labels=present, average=None, zero_division=0)
    return float(recalls.mean())


def retrieved(x, y, split, size):
    """(measure, mean over queries) of training images by cosine similarity."""
    queries = np.arange(size) * len(x[split]) // size
    unit = {name: torch.nn.functional.normalize(torch.from_numpy(x[name]), dim=1)
            for name in ("train", split)}  # fmt: skip
    # Above 0: torchmetrics takes what is below for irrelevant.
    similar = (unit[split][queries] @ unit["train"].T).double() + 1
    same = torch.from_numpy(y[split][queries][:, None] == y["train"])
    measures = {
        f"recall_at_{k}": partial(retrieval.retrieval_hit_rate, top_k=k) for k in (1, 5, 10)
    }
    measures["r_precision"] = retrieval.retrieval_r_precision
    for name, measure in measures.items():
        each = [float(measure(s, r)) for s, r in zip(similar, same, strict=True)]
        yield name, float(np.mean(each))
    each = [theirs.average_precision_score(r, s) for s, r in zip(similar, same, strict=True)]
    yield "map", float(np.mean(each))


def labels(x, y, target, groups, spec):
    share = y["train"].mean(0)
    told = (share > 0) & (share < 1)
    y = {split: part[:, told] for split, part in y.items()}
    names = [name for name, kept in zip(target.names, told, strict=True) if kept]
    for split, logits in logits_of(x, y, spec).items():
        truth, given = y[split], logits > 0
        has = truth.any(0)
        each = theirs.average_precision_score(truth[:, has], logits[:, has], average=None)
        f1 = theirs.f1_score(truth, given, average="macro", zero_division=0)
        yield (split, "linear", "all", "map", None, None), float(np.mean(each))
        yield (split, "linear", "all", "macro_f1", None, None), f1
        right = 1 - theirs.hamming_loss(truth, given)
        yield (split, "linear", "all", "label_accuracy", None, None), right
        for key, value in grouped((truth == given).mean(1), groups, split, "label_accuracy"):
            yield (split, "linear", "all", *key), value
        if split == "test":
            present = [name for name, known in zip(names, has, strict=True) if known]
            for name, value in zip(present, np.atleast_1d(each), strict=True):
                yield (split, "linear", "all", "map", target.name, name), float(value)


def logits_of(x, y, spec):
    space = Space(*(torch.from_numpy(x[split]) for split in SPLITS), k=spec.neighbors)
    found = multilabel_probe(space, {split: torch.from_numpy(part) for split, part in y.items()})
    return {split: logits.numpy() for split, logits in found.items()}


def number(x, y, target, groups, spec):
    del target, spec
    middle = y["train"].mean()
    for split, predicted in ridge(x, y).items():
        truth = y[split]
        measured = {
            "r2": theirs.r2_score(truth, predicted),
            "mae": theirs.mean_absolute_error(truth, predicted),
            "mae_of_mean": theirs.mean_absolute_error(truth, np.full(len(truth), middle)),
        }
        for measure, value in measured.items():
            yield (split, "linear", "all", measure, None, None), value
        errors = np.abs(truth - predicted)
        for key, value in grouped(errors, groups, split, "mae", max):
            yield (split, "linear", "all", *key), value


def ridge(x, y):
    """Predictions of the ridge regression that validation chooses."""
    scaler = StandardScaler().fit(x["train"].astype(np.float64))
    x = {split: scaler.transform(part.astype(np.float64)) for split, part in x.items()}
    best = None
    for strength in sorted(STRENGTHS, reverse=True):
        model = Ridge(alpha=len(x["train"]) * strength).fit(x["train"], y["train"])
        reached = theirs.r2_score(y["val"], model.predict(x["val"]))
        if best is None or reached > best[0]:
            best = reached, model
    return {split: best[1].predict(x[split]) for split in ("val", "test")}


def held_out(features, table, spec):
    """What can be read of columns that are held out, and the mean."""
    shares = defaultdict(list)
    for name in spec.held_out:
        target = held_out_target(table.column(name))
        rows = rows_of(table, target)
        x = {split: features[part] for split, part in rows.items()}
        y = {split: target.values[part] for split, part in rows.items()}
        for split, share in readable(x, y, target, spec):
            shares[split].append(max(0.0, share))
            yield (split, "features", "none", "held_out", "held_out", name), max(0.0, share)
    for split, found in shares.items():
        yield (split, "features", "none", "held_out", None, None), float(np.mean(found))


def readable(x, y, target, spec):
    """(split, share of what could be read above chance)."""
    if target.kind == "number":
        for split, predicted in ridge(x, y).items():
            yield split, theirs.r2_score(y[split], predicted)
        return
    if target.kind == "class":
        _, predicted = linear(x, y, len(target.names), balanced=True)
        for split, answer in predicted.items():
            yield split, float(theirs.balanced_accuracy_score(y[split], answer, adjusted=True))
        return
    share = y["train"].mean(0)
    y = {split: part[:, (share > 0) & (share < 1)] for split, part in y.items()}
    for split, logits in logits_of(x, y, spec).items():
        truth = y[split]
        has = truth.any(0) & ~truth.all(0)
        each = theirs.average_precision_score(truth[:, has], logits[:, has], average=None)
        base = truth[:, has].mean(0)
        yield split, float(np.mean((each - base) / (1 - base)))


def free(features, table):
    """RankMe by the singular values, uniformity pair by pair."""
    for split in ("val", "test"):
        rows = table.rows(SPLITS[split])
        count = min(len(rows), _MOST)
        x = features[rows[np.arange(count) * len(rows) // count]].astype(np.float64)
        values = np.linalg.svd(x, compute_uv=False)
        shares = values / values.sum() + 1e-7
        rank_of = float(np.exp(-(shares * np.log(shares)).sum()))
        yield (split, "features", "none", "rankme", None, None), rank_of
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        squared = theirs.pairwise_distances(unit, metric="sqeuclidean")
        kernel = np.exp(-2 * squared[~np.eye(count, dtype=bool)])
        yield (split, "features", "none", "uniformity", None, None), float(np.log(kernel.mean()))


def compare(scores, features, table, spec):
    """Rows that say how far each measure is from theirs: measure, rows, largest difference.

    Args:
        scores: rows of the table `scores` of one trial.
        features: float32 (n, d), of all images of the data set.
        table: the data set.
        spec: the evaluation of the trial.
    """
    ours = {tuple(row.get(key) for key in KEYS): row for row in scores}
    queries = {
        (row["split"], row["target"]): row["images"]
        for row in scores
        if row["probe"] == "retrieval" and row["measure"] == "map"
    }
    expected = anew(features, table, spec, queries)
    measured = {key for key in ours if not {(key[2], None), (key[2], key[4])} & LEFT_OUT}
    if missing := measured - expected.keys():
        raise SystemExit(f"not made anew: {sorted(map(str, missing))}")
    found = defaultdict(list)
    for key in measured:
        scale = max(1.0, abs(expected[key]))  # ranks are no shares
        found[key[2], key[4]].append(abs(ours[key]["value"] - expected[key]) / scale)
    return [
        {"probe": probe, "measure": measure, "rows": len(gaps), "largest": f"{max(gaps):.1e}"}
        for (probe, measure), gaps in sorted(found.items())
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trial", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    store = Store.open(options.results)
    (trial,) = [r for i, r in store.finished().items() if i.startswith(options.trial)]
    scores = scan(store.folder, "scores").to_table().to_pylist()
    scores = [row for row in scores if row["trial_id"] == trial["trial_id"]]
    column = pq.read_table(options.features)["features"].combine_chunks()
    table = data.load(options.data)
    features = np.asarray(column.flatten(), np.float32).reshape(len(table), -1)
    spec = TrialSpec.model_validate_json(trial["spec"]).evaluation
    rows = compare(scores, features, table, spec)
    for row in rows:
        print(*row.values(), sep="\t")
    facts = {"data": table.name, "name": trial["name"], **machine("scikit-learn", "torchmetrics")}
    write_rows(options.out, [{**row, **facts} for row in rows])
    return int(any(float(row["largest"]) > 1e-6 for row in rows))


if __name__ == "__main__":
    sys.exit(main())
