"""Gather the points that advice is fitted on, clinfonce/results/analysis/gain.csv, of real trials.

    python benchmarks/advice_trials.py --data … --results DIR
    python benchmarks/advice_points.py --results DIR    # without --results its adapters are kept

Adapters: the trials of benchmarks/advice_trials.py, a data set once with each of its targets.
Fine-tuning and training from scratch: those of benchmarks/results/claims/*.csv (means of five
seeds), and from scratch those that gain.csv holds already.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from clinfonce.results import Results, Store
from clinfonce.results.analysis.gain import (
    DEFAULT_POINTS,
    Point,
    gain_points,
    read_points,
    useful_bits,
    write_points,
)

CLAIMS = Path(__file__).parent / "results/claims"
SCRATCH = ("clothing", "digits", "ucmerced")  # of the claims, those trained from scratch
FINE_TUNED = ("clothing", "pomological", "ucmerced")
SETTING = "advice-m4"
REMARKS = (
    "What clinfonce advise is fitted on unless a store refits it: real trials, test accuracy with",
    "5 labels a class. Written by benchmarks/advice_points.py; the columns are those of",
    "clinfonce.results.analysis.gain.Point.",
    "adapter: benchmarks/advice_trials.py (8 epochs, batches of 256 with 4 images a cluster,",
    "temperature 0.1, one seed or two); DATA/COLUMN has that column as the label.",
    "scratch: digits, sweeps/synthetic-*.yaml, digits-granularity.yaml and others (small_cnn of",
    "width 16, 40 epochs, temperature 0.3, 4 images a cluster); clothing-16, the same at 16 px",
    "(10 epochs); *-claims, the fixed trials of benchmarks/results/claims.",
    "fine-tuning: likewise, the last two blocks of EfficientNet-Lite0 (20 epochs), *-finetuned.csv",
)  # fmt: skip


def claims(name, data, regime):
    """Points of the fixed Cl-InfoNCE trials of a claims table, as those of a data set."""
    path = CLAIMS / f"{name}.csv"
    by_name = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["role"] == "fixed" and row["objective"] == "cl_infonce" and row["i_zt"]:
                by_name[row["name"]].append(row)
    accuracy = {n: fmean(float(r["test_linear_top1_5"]) for r in rs) for n, rs in by_name.items()}
    low = next(accuracy[n] for n, rs in by_name.items() if rs[0]["source"] == "instances")
    high = next(accuracy[n] for n, rs in by_name.items() if rs[0]["source"] == "labels")
    log2_n = next(float(rs[0]["h_z"]) for rs in by_name.values() if rs[0]["source"] == "instances")
    for clustering, rows in by_name.items():
        h_z, h_t, i_zt, chance = (float(rows[0][k]) for k in ("h_z", "h_t", "i_zt", "i_zt_chance"))
        useful = useful_bits(h_z, h_t, i_zt, chance)
        shares = useful / h_t, (h_z - useful) / log2_n
        gain = (accuracy[clustering] - low) / (high - low)
        yield Point(data, regime, clustering, *shares, gain, accuracy[clustering], len(rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path)
    parser.add_argument("--out", type=Path, default=DEFAULT_POINTS)
    options = parser.parse_args()
    known = read_points()
    adapters = [p for p in known if p.regime == "adapter"]
    if options.results:
        adapters = gain_points(Results(Store.open(options.results)), sweep=SETTING)
    kept = [p for p in known if p.regime == "scratch" and not p.data.endswith("-claims")]
    of_claims = [
        *(p for name in SCRATCH for p in claims(name, f"{name}-claims", "scratch")),
        *(p for name in FINE_TUNED for p in claims(f"{name}-finetuned", name, "fine-tuning")),
    ]
    points = [*adapters, *kept, *of_claims]
    write_points(points, options.out, REMARKS)
    for name in sorted({(p.regime, p.data) for p in points}):
        print(*name, sum((p.regime, p.data) == name for p in points))


if __name__ == "__main__":
    main()
