"""Train an encoder on every clustering of a fixed list, so that advice can be held against it.

    python benchmarks/advise_trials.py DATA --results DIR --epochs 40 --augmentation digits

The list is made without labels: instances and labels, every single column, the top-k attributes of
highest entropy, random subsets of the attributes, crossings of a few columns, k-means of the
pixels. One process, one thread; rows that are in the store already are not trained again.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

from clinfonce import data
from clinfonce.config import TrialSpec, trial_id
from clinfonce.results import Store
from clinfonce.trial.run import run_trial

TOP_KS = (2, 3, 5, 8, 12)
KS = (5, 10, 20, 40, 80)


def clusterings(table, subsets):
    """Specifications by name; equal ones are listed once."""
    names = [c.name for c in table.columns.values() if c.kind not in ("tags", "hierarchy")]
    chosen = [(name,) for name in names]
    if len(names) <= 4:
        chosen += [c for k in range(2, len(names) + 1) for c in itertools.combinations(names, k)]
    else:
        rng = np.random.default_rng(0)
        sizes = rng.integers(2, min(9, len(names)), subsets)
        chosen += [tuple(sorted(rng.choice(names, size, replace=False))) for size in sizes]
    found = {"instances": {"source": "instances"}, "labels": {"source": "labels"}}
    for k in (k for k in TOP_KS if k < len(names)):
        found[f"top-{k}"] = {"source": "attributes", "top_k": k}
    for each in sorted(dict.fromkeys(chosen), key=len, reverse=True):
        found["+".join(each)] = {"source": "attributes", "attributes": list(each)}
    for k in KS:
        found[f"k-means {k}"] = {"source": "kmeans", "n_clusters": k}
    return found


def trial(clustering, options, seed):
    return TrialSpec.model_validate({
        "clustering": clustering, "augmentation": options.augmentation, "epochs": options.epochs,
        "encoder": {"name": "small_cnn", "width": 16}, "objective": {"temperature": 0.3},
        "sampler": {"batch_size": 256, "images_per_cluster": 4},
        "optimizer": {"name": "adamw", "learning_rate": 0.01},
        "evaluation": {"every": options.epochs}, "seed": seed,
    })  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--augmentation", default="digits")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--subsets", type=int, default=16, help="random subsets of attributes")
    options = parser.parse_args()
    table = data.load(options.data, options.root)
    store, sweep = Store.create(options.results), f"advise-{table.name}"
    done = store.trial_ids()
    listed = clusterings(table, options.subsets)
    for seed, (number, name) in itertools.product(options.seeds, enumerate(listed)):
        spec = trial(listed[name], options, seed)
        if trial_id(sweep, spec, table.fingerprint) in done:
            continue
        result = run_trial(spec, table, experiment=sweep)
        row = {**result.trial, "number": number, "role": "fixed", "name": name}
        store.write_trial(row, result.epochs, result.clustering)
        accuracy, seconds = row["test_linear_top1_5"], row["seconds"]
        print(f"{name} (seed {seed}): {accuracy:.1%}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
