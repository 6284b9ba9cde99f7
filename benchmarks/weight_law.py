"""Does the law of partitions hold for weights? Trials on kernels, told by bits alone.

    python benchmarks/weight_law.py --data digits --data FOLDER … --results DIR

The relation that `clinfonce advise` ships is of partitions. Here adapters train on weights:
products and sums of the kernels of random sets of columns at random bandwidths, drawn without
looking at any accuracy, with instances and labels as the ends, in the setting of
benchmarks/advice_trials.py
(8 epochs on the first 256 principal axes of EfficientNet-Lite0's features; digits: pixels). Their
bits are `clinfonce.information.weighted_information`. Fits, each without the data set that it is
asked of, and their error (root mean square, of the gain) on partitions and on weights:
"partitions" is the law fitted on partitions alone, "both" on partitions and weights, "pairs" a
line in the information of positive pairs, (I − chance) / H(T), "mean" the mean gain. Rows that are
in the store are not trained again.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from advice_trials import problem, trial
from common import machine, write_rows
from scipy import stats

from clinfonce import data
from clinfonce.config import TrialSpec, trial_id
from clinfonce.data import TRAIN
from clinfonce.errors import InputError
from clinfonce.information import pair_information, weighted_information
from clinfonce.results import Results, Store
from clinfonce.results.analysis.gain import Point, fit_gain, read_points, useful_bits
from clinfonce.trial.attraction import build_attraction
from clinfonce.trial.columns import usable_columns
from clinfonce.trial.run import run_trial

EXPERIMENT = "weights"
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
LEFT_OUT = ("label × random 4", "merged", "pairs", "quads")  # made of the label, or single images
POINTS = Path("benchmarks/results/weight_law-points.csv")


def kernels(table, count):
    """Similarities by name: random sets of columns, made ones among them, random bandwidths."""
    rng = np.random.default_rng(0)
    usable = [c for c in usable_columns(table, table.rows(TRAIN)) if c not in LEFT_OUT]
    own = [c for c in usable if not c.startswith(("random", "noisy", "bursts"))]
    found = {}
    while len(found) < count:
        among = own if rng.random() < 0.7 else usable
        size = int(rng.integers(1, min(len(among), 17) + 1))
        names = sorted(rng.choice(among, size, replace=False))
        by, bandwidth = (
            str(rng.choice(["product", "product", "sum"])),
            float(rng.choice(BANDWIDTHS)),
        )
        name = f"{by} {bandwidth:g}: {', '.join(names)}"
        found[name] = {"columns": {str(n): {} for n in names}, "by": by, "bandwidth": bandwidth}
    return found


def specification(fields, epochs):
    values = trial({"source": "instances"}, "m4", 0, epochs).model_dump(exclude_unset=True)
    values["evaluation"]["factors"] = False
    return TrialSpec.model_validate(values | fields)


def train(table, store, options):
    """Train what the store lacks; (name, fields, test accuracy) of all."""
    rows = Results(store).sql("select * from trials where status = 'complete'").to_pylist()
    done = {row["trial_id"]: row["test_linear_top1_5"] for row in rows}
    listed = {
        "instances": {}, "labels": {"clustering": {"source": "labels"}},
        **{name: {"similarity": k} for name, k in kernels(table, options.kernels).items()},
    }  # fmt: skip
    for number, (name, fields) in enumerate(listed.items()):
        spec = specification(fields, options.epochs)
        identity = trial_id(EXPERIMENT, spec, table.fingerprint)
        if identity not in done:
            try:
                result = run_trial(spec, table, experiment=EXPERIMENT)
            except InputError as error:  # nothing attracts, or nothing is left to tell apart
                print(f"{table.name} {name}: {error}", flush=True)
                continue
            row = {**result.trial, "number": number, "role": "fixed", "name": name}
            store.write_trial(row, result.epochs, result.clustering, result.scores)
            done[identity] = row["test_linear_top1_5"]
            print(table.name, name, done[identity], f"{row['seconds']:.1f} s", flush=True)
        yield name, spec, done[identity]


def points(table, store, options):
    """A row for each kernel: its bits and its gain."""
    trained = list(train(table, store, options))
    ends = {name: accuracy for name, _, accuracy in trained[:2]}
    low, high = ends["instances"], ends["labels"]
    labels = table.labels[table.rows(TRAIN)]
    for name, spec, accuracy in trained[2:]:
        (source,) = build_attraction(spec, table).sources
        alike = source.similarity
        profiles = alike.profiles.numpy()
        bits = weighted_information(profiles, labels, alike.array)
        pairs = pair_information(profiles, labels, alike.array)
        useful = useful_bits(bits.h_z, bits.h_t, bits.i_zt, bits.i_zt_chance)
        yield {
            "data": table.name, "similarity": name, "partition": alike.partition,
            "h_z": bits.h_z, "i_zt": bits.i_zt, "i_zt_chance": bits.i_zt_chance,
            "useful": useful / bits.h_t, "nuisance": (bits.h_z - useful) / np.log2(len(labels)),
            "pairs": (pairs.i_pairs - pairs.i_pairs_chance) / bits.h_t,
            "gain": (accuracy - low) / (high - low), "accuracy": accuracy,
        }  # fmt: skip


def as_points(rows):
    return [
        Point(r["data"], "adapter", r["similarity"], r["useful"], r["nuisance"], r["gain"],
              r["accuracy"], 1)
        for r in rows
    ]  # fmt: skip


def evaluate(rows, names):
    """Errors of each fit on the weights of data sets that it has not seen, and on partitions."""
    shipped = [p for p in read_points() if p.regime == "adapter"]
    everything = as_points(rows)
    for name in names:
        own = [r for r in rows if r["data"] == name]
        others = [p for p in shipped if family(p.data) != name]
        other_weights = [p for p in everything if p.data != name]
        of_data = [p for p in shipped if p.data == name]
        asked = {"weights": as_points(own), "partitions": of_data}
        fits = {"partitions": fit_gain(others), "both": fit_gain(others + other_weights)}
        for kind, these in asked.items():
            gains = np.array([p.gain for p in these])
            u, v = (np.array([getattr(p, f) for p in these]) for f in ("useful", "nuisance"))
            guesses = {k: fit.predict(u, v, "adapter") for k, fit in fits.items()}
            mean = float(np.mean([p.gain for p in (others if kind == "partitions"
                                                   else other_weights)]))  # fmt: skip
            guesses["mean"] = np.full(len(gains), mean)
            if kind == "weights":
                x, y = ([r[f] for r in rows if r["data"] != name] for f in ("pairs", "gain"))
                line = np.polynomial.Polynomial.fit(x, y, 1)
                guesses["pairs"] = line(np.array([r["pairs"] for r in own]))
            for fit, guess in guesses.items():
                rho = stats.spearmanr(guess, gains)[0] if np.ptp(guess) > 0 else float("nan")
                yield {
                    "data": name, "asked": kind, "n": len(gains), "fit": fit,
                    "error": round(float(np.sqrt(np.mean((guess - gains) ** 2))), 3),
                    "rho": "" if np.isnan(rho) else round(float(rho), 2),
                }  # fmt: skip


def family(name):
    return name.partition("/")[0].partition("-")[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--kernels", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/weight_law.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    store, rows, names = Store.create(options.results), [], []
    for place in options.data:
        made = problem(data.load(place), "", options.results / "axes")
        names.append(made.name)
        rows += points(made, store, options)
    write_rows(POINTS, [
        {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows
    ])  # fmt: skip
    found = [{**row, **machine()} for row in evaluate(rows, names)]
    write_rows(options.out, found)
    for row in found:
        print({k: row[k] for k in ("data", "asked", "n", "fit", "error", "rho")})


if __name__ == "__main__":
    main()
