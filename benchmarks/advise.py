"""Is advice right about direction and order, on data sets that its relation was not fitted on?

    python benchmarks/advice_trials.py --data digits --data FOLDER … --results DIR
    python benchmarks/advise.py --data digits --data FOLDER … --results DIR

Takes the clusterings that benchmarks/advice_trials.py trained adapters on, hides their accuracies,
and scores each by its bits on a random part of the training labels, with the relation fitted on
the points of the *other* images (clinfonce/results/analysis/gain.csv). Nothing is trained here.
Reports, over repeats that draw other labels: how often the sign of the expected gain is that of the
accuracy above instances, among clusterings that differ by more than a point; the same where advice
says helps or harms, and how often it does; Spearman's correlation; and the probabilities beside
what came true. Instances, labels and partitions listed twice are left out.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
from advice_trials import TARGETS, problem
from common import write_rows

from clinfonce import data
from clinfonce.advice.bits import Labelled
from clinfonce.config import ClusteringSpec
from clinfonce.data import TRAIN
from clinfonce.results import Results, Store
from clinfonce.results.analysis.gain import fit_gain, read_points
from clinfonce.results.analysis.statistics import spearman
from clinfonce.trial.clusterings import build_clustering, labelled_part

METRIC = "test_linear_top1_5"
NEAR = 0.01  # a point of accuracy
SURE = 0.8
DRAWS = 1000


def trained(results, name, sweep):
    """Clusterings and their mean accuracy above instances, without instances and labels."""
    rows = results.sql(
        f"select source, any_value(spec) as spec, avg({METRIC}) as accuracy from trials "
        f"where data = '{name}' and sweep = '{sweep}' and status = 'complete' and epochs > 0 "
        "group by clustering_id, source order by min(number)"
    ).to_pylist()
    instances = next(row["accuracy"] for row in rows if row["source"] == "instances")
    label = next(row["accuracy"] for row in rows if row["source"] == "labels")
    kept = [
        r for r in rows if r["source"] not in ("instances", "labels") and r["accuracy"] != label
    ]
    specs = [ClusteringSpec.model_validate(json.loads(row["spec"])["clustering"]) for row in kept]
    return specs, np.array([row["accuracy"] for row in kept]) - instances


def judged(labelled, ids, fit, n_images):
    """Expected gain and probability of helping of each clustering, as `advise` finds them."""
    expected, helps = [], []
    for each in ids:
        bits = labelled.bits(each, with_error=True)
        rng = np.random.default_rng(0)
        share = np.clip(rng.normal(bits.share, bits.share_error, DRAWS), 0, 1)
        useful = share * min(bits.h_z, bits.h_t)
        nuisance = (bits.h_z - useful) / np.log2(n_images)
        drawn = fit.draw(useful / bits.h_t, nuisance, "adapter", rng)
        expected.append(drawn.mean())
        helps.append((drawn > 0).mean())
    return np.array(expected), np.array(helps)


def measure(table, ids, above, fit, fraction, repeats):
    """One row: advice from a fraction of the labels against what was measured."""
    rows = table.rows(TRAIN)
    differ = np.abs(above) > NEAR
    found = []
    for seed in range(repeats):
        known = np.flatnonzero(labelled_part(len(rows), fraction, seed))
        labelled = Labelled(known, table.labels[rows][known])
        expected, helps = judged(labelled, ids, fit, len(rows))
        said = differ & ((helps >= SURE) | (helps <= 1 - SURE))
        right = (expected > 0) == (above > 0)
        found.append({
            "sign_right": right[differ].mean(),
            "said": said[differ].mean(),
            "said_right": ((helps > 0.5) == (above > 0))[said].mean(),
            "spearman": float(spearman(expected, above)),
            "helps_mean": helps[differ].mean(),
            "brier": np.square(helps - (above > 0))[differ].mean(),
        })  # fmt: skip
    means = {k: round(statistics.fmean(float(f[k]) for f in found), 3) for k in found[0]}
    return {
        "labels": len(known), "label_fraction": fraction, "repeats": repeats,
        "clusterings": len(above), "differ": int(differ.sum()),
        "helped": round(float((above > 0)[differ].mean()), 3), **means,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--sweep", default="advice-m4")
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.1, 0.3, 1.0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/advise.csv"))
    options = parser.parse_args()
    results = Results(Store.open(options.results))
    there = set(results.sql("select distinct data from trials").to_pydict()["data"])
    rows = []
    for place in options.data:
        images = data.load(place)
        fit = fit_gain([p for p in read_points() if p.data.partition("/")[0] != images.name])
        for target in ("", *TARGETS.get(images.name, ())):
            table = problem(images, target, options.results / "axes")
            if table.name not in there:
                continue
            specs, above = trained(results, table.name, options.sweep)
            made = [build_clustering(s, table, lambda t=table: (t.images, None)).ids for s in specs]
            for fraction in options.fractions:
                repeats = options.repeats if fraction < 1 else 1
                found = measure(table, made, above, fit, fraction, repeats)
                rows.append({"data": table.name, "sweep": options.sweep, **found})
                print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
