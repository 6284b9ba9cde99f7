"""Does advice order clusterings as training does, and does it save trials?

    python benchmarks/advise_trials.py digits --results DIR --subsets 14
    python benchmarks/advise.py --results DIR [--results …] --data digits [--data FOLDER …]

Takes the clusterings of a store that were trained on, hides their accuracies, and scores each by
its bits on a random part of the training labels, with the relation fitted on the *other* data sets
of the stores given. Nothing is trained here: the complete table of accuracies is replayed. Reports,
over repeats that draw other labels, Spearman's correlation of the expected gain with the accuracy
reached, and after how many trials, in order of advice or at random, one is within a point of the
best. Instances and labels are left out.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
from common import write_rows

from clinfonce import data
from clinfonce.advice.bits import Labelled
from clinfonce.advice.search import expected_gain
from clinfonce.config import ClusteringSpec
from clinfonce.data import TRAIN
from clinfonce.results import Results, Store
from clinfonce.results.analysis.gain import fit_gain, gain_points
from clinfonce.results.analysis.statistics import spearman
from clinfonce.trial.clusterings import build_clustering, labelled_part, labels_of

METRIC = "test_linear_top1_5"
NEAR = 0.01  # a point of accuracy


def trained(results, name, sweep):
    """Clustering specifications and mean accuracies of one sweep on a data set."""
    rows = results.sql(
        f"select any_value(spec) as spec, avg({METRIC}) as accuracy from trials "
        f"where data = '{name}' and sweep = '{sweep}' and status = 'complete' "
        "and objective = 'cl_infonce' and source not in ('instances', 'labels') "
        "group by clustering_id order by clustering_id"
    ).to_pylist()
    specs = [ClusteringSpec.model_validate(json.loads(row["spec"])["clustering"]) for row in rows]
    return specs, np.array([row["accuracy"] for row in rows])


def trials_until_near(order, accuracy):
    reached = accuracy[order] >= accuracy.max() - NEAR
    return int(np.argmax(reached)) + 1


def measure(table, ids, accuracy, fit, fraction, repeats):
    """One row: advice from a fraction of the labels against the accuracies."""
    rows = table.rows(TRAIN)
    correlations, advised, random = [], [], []
    for seed in range(repeats):
        known = np.flatnonzero(labelled_part(len(rows), fraction, seed))
        labelled = Labelled(known, labels_of(table, rows)[known])
        gains = expected_gain([labelled.bits(each) for each in ids], fit, len(rows))
        correlations.append(float(spearman(gains, accuracy)))
        advised.append(trials_until_near(np.argsort(-gains, kind="stable"), accuracy))
        order = np.random.default_rng(seed).permutation(len(accuracy))
        random.append(trials_until_near(order, accuracy))
    return {
        "labels": len(known), "label_fraction": fraction, "repeats": repeats,
        "clusterings": len(accuracy), "near_best": int((accuracy >= accuracy.max() - NEAR).sum()),
        "spearman": round(statistics.fmean(correlations), 3),
        "spearman_sd": round(statistics.pstdev(correlations), 3),
        "trials_advised": statistics.fmean(advised), "trials_random": statistics.fmean(random),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, action="append", required=True)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.05, 0.1, 0.3, 1.0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/advise.csv"))
    options = parser.parse_args()
    stores = [Results(Store.open(home)) for home in options.results]
    points = [point for store in stores for point in gain_points(store, metric=METRIC)]
    rows = []
    for place in options.data:
        table = data.load(place)
        fit = fit_gain([p for p in points if p.data != table.name])
        for store in stores:
            specs, accuracy = trained(store, table.name, f"advise-{table.name}")
            if len(specs) < 3:
                continue
            ids = [build_clustering(spec, table).ids for spec in specs]
            for fraction in options.fractions:
                found = measure(table, ids, accuracy, fit, fraction, options.repeats)
                fitted = " ".join(fit.data)
                rows.append({"data": table.name, "fitted_on": fitted, **found})
                print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
