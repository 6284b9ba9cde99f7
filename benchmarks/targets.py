"""CPU time of probing all targets of a trial beside one, and its share of an adapter trial.

    python benchmarks/targets.py --out benchmarks/results/targets.csv

Made-up features of the sizes of two data sets: clothing (three targets of classes, images grouped
by 40 contributors) and aerial photos (a class and 17 labels), and both as small as the digits.
*One* is the protocol of a single target with top-1 and top-5 accuracy alone; *all* has every
measure of every target, groups and intervals. The trial is an adapter of 512 on those features, 60
epochs.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from common import machine, write_rows

from clinfonce.config import TrialSpec
from clinfonce.data import Column, ImageTable, Target
from clinfonce.evaluation import evaluate
from clinfonce.trial.encoding import EncodeViews
from clinfonce.trial.probing import probe
from clinfonce.trial.run import run_trial

SIZES = {
    "clothing": (5096, 512, 17),
    "aerial": (2100, 512, 21),
    "small clothing": (1797, 128, 10),
    "small aerial": (1797, 128, 10),
}
GROUPED = {"groups": ["contributor"]}


def made_up(name):
    n, d, classes = SIZES[name]
    rng = np.random.default_rng(0)
    label = np.arange(n) % classes
    centres = rng.normal(size=(classes, d)) / 4
    x = (centres[label] + rng.normal(size=(n, d))).astype(np.float32)
    shares = np.array([0] * 5 + [1] * 2 + [2] * 3, np.int8)
    split = rng.permutation(np.tile(shares, n // 10 + 1)[:n])
    targets = [Target("label", "class", label, tuple(map(str, range(classes))))]
    if name.endswith("clothing"):
        targets.append(Target("group", "class", label % 6, tuple("abcdef")))
        targets.append(Target("kids", "class", (x[:, 0] > 0).astype(np.int64), ("no", "yes")))
    else:
        names = tuple(map(str, range(17)))
        targets.append(Target("attributes", "multilabel", x[:, :17] > 0.3, names))
    column = Column("contributor", "categorical", rng.integers(0, 40, n))
    return ImageTable(
        name, x, label, targets[0].names, split, {"contributor": column},
        {target.name: target for target in targets},
    )  # fmt: skip


def one(table):
    parts = []
    for split in (0, 1, 2):
        rows = table.rows(split)
        parts += [torch.from_numpy(table.images[rows]), torch.from_numpy(table.labels[rows])]
    evaluate(*parts)


def everything(table):
    features = torch.from_numpy(table.images)
    spec = TrialSpec.model_validate({"evaluation": GROUPED}).evaluation
    probe(lambda rows: features[torch.from_numpy(rows)], EncodeViews(None, None), table, spec)


def trial(table, epochs):
    spec = TrialSpec.model_validate(
        {"encoder": {"name": "embeddings", "train": "none"}, "epochs": epochs,
         "clustering": {"source": "column", "column": "contributor"},
         "evaluation": {**GROUPED, "every": epochs, "factors": False}}
    )  # fmt: skip
    run_trial(spec, table, experiment="benchmark")


def best(function, repetitions):
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--data", choices=SIZES, action="append")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.data or SIZES:
        table = made_up(name)
        alone = best(lambda t=table: one(t), options.repetitions)
        together = best(lambda t=table: everything(t), options.repetitions)
        whole = best(lambda t=table: trial(t, options.epochs), 1)
        rows.append(
            {"data": name, "targets": len(table.targets), "one_s": round(alone, 2),
             "all_s": round(together, 2), "ratio": round(together / alone, 2),
             "trial_s": round(whole, 2), "share": round(together / whole, 3), **machine("torch")}
        )  # fmt: skip
        print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
