"""How well measures without labels would have chosen among clusterings, on data that have labels.

    python benchmarks/label_free.py --data digits --data FOLDER … --results DIR --out CSV

Every data set is a table of features (see advice_trials.py) with its columns, a third of which are
held out of all clusterings; an adapter is trained on each clustering of the rest. Of each measure
on validation there is its rank correlation with the test accuracy of a linear probe with 5 labels
a class, and how many points of that are lost by taking the clustering that the measure likes best.
Those made of the labels themselves are not to be chosen.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch
from advice_trials import clusterings, problem, trial
from common import machine, write_rows
from scipy.stats import spearmanr

from clinfonce import data
from clinfonce.config import TrialSpec
from clinfonce.errors import InputError
from clinfonce.trial.run import run_trial

TEST = "test_linear_top1_5"
# Name → its sign: more is better, or less.
MEASURES = {
    "val_linear_top1_5": 1, "val_features_held_out": 1, "val_features_rankme": 1,
    "val_features_lidar": 1, "val_features_alignment": -1, "val_features_uniformity": -1,
}  # fmt: skip


def held_out(table):
    """Every third of the data set's own columns that are neither ids nor the label in disguise."""
    own = [
        c.name for c in table.columns.values() if c.kind in ("boolean", "categorical", "numeric")
    ]
    return sorted(own)[1::3]


def specification(clustering, held, epochs):
    values = trial(clustering, "m4", 0, epochs).model_dump(exclude_unset=True)
    values["evaluation"] |= {"held_out": held, "label_free": True, "every": max(1, epochs)}
    return TrialSpec.model_validate(values)


def rows_of(name, options):
    table = data.load(name, options.root)
    held = held_out(table)
    table = problem(table, "", options.results / "axes")
    seen = {n: c for n, c in table.columns.items() if n not in held}
    listed = {"frozen": {"source": "instances"}}
    listed |= clusterings(dataclasses.replace(table, columns=seen))
    for number, (title, clustering) in enumerate(listed.items()):
        if number > 2 and number % options.step:
            continue
        spec = specification(clustering, held, 0 if title == "frozen" else options.epochs)
        try:
            row = run_trial(spec, table, experiment="label-free").trial
        except InputError as error:
            print(f"{table.name} {title}: {error}", flush=True)
            continue
        measured = {key: round(row[key], 4) for key in (TEST, *MEASURES)}
        print(f"{table.name} {title}: {measured}", flush=True)
        yield {"data": table.name, "clustering": title, "held_out": " ".join(held), **measured}


def verdicts(rows):
    """A line for each data set and measure."""
    for name in dict.fromkeys(row["data"] for row in rows):
        own = [r for r in rows if r["data"] == name]
        free = [r for r in own if r["clustering"] != "labels" and "label" not in r["clustering"]]
        reached = np.array([r[TEST] for r in free])
        for measure, sign in MEASURES.items():
            values = sign * np.array([r[measure] for r in free])
            chosen = free[int(values.argmax())]
            yield {
                "data": name, "measure": measure, "clusterings": len(free),
                "rho": round(float(spearmanr(values, reached).statistic), 2),
                "chosen": chosen["clustering"], "test": chosen[TEST],
                "lost": round(100 * float(reached.max() - chosen[TEST]), 1),
                "lost_at_random": round(100 * float(reached.max() - reached.mean()), 1),
            }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--results", type=Path, required=True, help="where features are kept")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--step", type=int, default=1, help="take one clustering in so many")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = [row for name in options.data for row in rows_of(name, options)]
    write_rows(options.out, found)
    summary = [{**row, **machine("torch")} for row in verdicts(found)]
    write_rows(options.out.with_name(options.out.stem + "-chosen.csv"), summary)
    for row in summary:
        print(row)


if __name__ == "__main__":
    main()
