"""How often does a scheduler stop the trial that would have won? A replay: none is trained.

    python benchmarks/advice_trials.py --data digits --data FOLDER … --results DIR
    python benchmarks/halving.py --results DIR

Takes the trials that benchmarks/advice_trials.py ran to their end, with their validation kNN
accuracy every second of eight epochs. Of 30 of them in random order, one after the other, each is
judged as ASHA or HyperBand judges it; reports the share of orders in which the one of highest
validation accuracy in the end (the probe with 5 labels, or the kNN that the scheduler itself goes
by) was stopped, how many points that cost, and the share of epochs that were saved.
"""

import argparse
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
from common import write_rows

from clinfonce.config import SchedulerSpec
from clinfonce.results import Results, Store
from clinfonce.scaling.search.halving import Halving

TRIALS = 30
SCHEDULERS = (
    {"name": "asha", "grace_epochs": 2, "reduction_factor": 2.0},
    {"name": "asha", "grace_epochs": 4, "reduction_factor": 2.0},
    {"name": "asha", "grace_epochs": 2, "reduction_factor": 4.0},
    {"name": "hyperband", "grace_epochs": 2, "reduction_factor": 2.0},
)
METRICS = ("val_linear_top1_5", "val_knn")


def curves(results, name):
    """Of every trained clustering: kNN by epoch, and what it reached by each metric."""
    rows = results.sql(
        "select t.trial_id, t.epochs, t.val_linear_top1_5, t.val_knn, e.epoch, e.val_knn as knn "
        "from trials t join epochs e using (trial_id) "
        f"where t.data = '{name}' and t.sweep = 'advice-m4' and t.status = 'complete' "
        "and e.val_knn is not null and t.source <> 'labels' order by t.number, e.epoch"
    ).to_pylist()
    found = defaultdict(dict)
    ends = {}
    for row in rows:
        found[row["trial_id"]][row["epoch"]] = row["knn"]
        ends[row["trial_id"]] = row
    return [(found[key], ends[key]) for key in found]


def replay(trials, scheduler):
    """Which of some trials run to their end, and the share of epochs that all took together."""
    halving = Halving(SchedulerSpec.model_validate(scheduler), len(trials))
    whole, ran = [], 0
    for index, (reached, end) in enumerate(trials):
        seen = {}
        for epoch, accuracy in reached.items():
            seen[epoch] = accuracy
            if halving.should_stop(index, end["epochs"], seen, epoch, visible=index):
                break
        ran += epoch
        halving.settle(index, end["epochs"], seen)
        whole += [index] if epoch == end["epochs"] else []
    return whole, ran / sum(end["epochs"] for _, end in trials)


def measure(trials, scheduler, metric, repeats):
    lost, cost, share = [], [], []
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(len(trials))[:TRIALS]
        some = [trials[i] for i in order]
        whole, epochs = replay(some, scheduler)
        values = np.array([end[metric] for _, end in some])
        best = max(values[i] for i in whole)
        lost.append(best < values.max())
        cost.append(100 * (values.max() - best))
        share.append(epochs)
    return {
        "stopped_the_best": round(statistics.fmean(lost), 3),
        "points_lost": round(statistics.fmean(cost), 2),
        "epochs_run": round(statistics.fmean(share), 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/halving.csv"))
    options = parser.parse_args()
    results, rows = Results(Store.open(options.results)), []
    names = results.sql("select distinct data from trials order by data").to_pydict()["data"]
    for name in (name for name in names if "/" not in name):
        trials = curves(results, name)
        for scheduler in SCHEDULERS:
            for metric in METRICS:
                found = measure(trials, scheduler, metric, options.repeats)
                rows.append({"data": name, **scheduler, "metric": metric, **found})
                print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
