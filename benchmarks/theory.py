"""Which number tells how well a clustering will train? Every clustering of every set and regime.

    python benchmarks/theory.py                                       # of the points that are kept
    python benchmarks/theory.py --data digits --data FOLDER … --axes DIR   # measure the points anew

Points are clusterings that encoders were trained on with Cl-InfoNCE: those of
benchmarks/results/advice/trials.csv (adapters and training from scratch) and of the claims
(benchmarks/results/claims, means over seeds). The gain is the share of the way from instances to
labels, in test accuracy with 5 labels a class; where labels are not a point better than instances
it says nothing, and is left out. Each number (and pair of numbers) is fitted to the
gain by least squares on the other data sets, every one of them weighing the same, and asked of the
one that was left out. The error is the root mean square in points of accuracy, a mean over data
sets; ρ is the mean of
Spearman's over the data sets, in a data set with all its targets. "law" is the relation that
`clinfonce advise` uses. For longer trainings from scratch and for fine-tuning, which have few
clusterings, the fit is that of adapters on the other data sets.
"""

import argparse
import csv
import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from claims_rows import ROWS as CLAIMS
from common import write_rows
from scipy.stats import spearmanr

from clinfonce.results.analysis.gain import Point, fit_gain, useful_bits

FOLDER = Path("benchmarks/results")
TRIALS, POINTS, TABLE = (
    FOLDER / name for name in ("advice/trials.csv", "theory-points.csv", "theory.csv")
)
FIGURE = Path("docs/images/theory.png")
REGIMES = {
    "adapters": "adapter", "finetuned": "fine-tuned", "64px": "scratch, 64 px",
    "": "scratch, small",
}  # fmt: skip
SWEEPS = {"advice-m4": "adapter", "advice-scratch": "scratch, small"}
FITTED = ("adapter", "scratch, small")  # regimes with clusterings enough
LEAST_GAP = 0.01  # of accuracy between instances and labels

Row = dict[str, Any]
# Of a clustering's numbers what is comparable between data sets; pairs are fitted together.
NUMBERS: dict[str, Callable[[Row], list[float]]] = {
    "I(Z;T)": lambda p: [p["i_zt"] / p["h_t"]],
    "H(Z|T)": lambda p: [(p["h_z"] - p["i_zt"]) / p["log2_n"]],
    "I(Z;T) and H(Z|T)": lambda p: [*NUMBERS["I(Z;T)"](p), *NUMBERS["H(Z|T)"](p)],
    "I(Z;T) above chance": lambda p: [(p["i_zt"] - p["i_zt_chance"]) / p["h_t"]],
    "AMI": lambda p: [ami(p)],
    "positive pairs": lambda p: [(p["i_pairs"] - p["i_pairs_chance"]) / p["h_t"]],
    "visible bits": lambda p: [p["visible"] / p["log2_n"]],
    "I above chance and visible": lambda p: [
        *NUMBERS["I(Z;T) above chance"](p), *NUMBERS["visible bits"](p)
    ],
    "useful bits": lambda p: [useful(p)],
}  # fmt: skip


def ami(p: Row) -> float:
    """Adjusted mutual information by the arithmetic mean of the entropies."""
    room = (p["h_z"] + p["h_t"]) / 2 - p["i_zt_chance"]
    return (p["i_zt"] - p["i_zt_chance"]) / room if room > 1e-9 else 0.0


def useful(p: Row) -> float:
    """Bits useful of the label over its entropy, as in the relation that advice uses."""
    return useful_bits(p["h_z"], p["h_t"], p["i_zt"], p["i_zt_chance"]) / p["h_t"]


# Points.


def trials() -> Iterator[Row]:
    """Clusterings of the table of trials, without their numbers of pairs and of the features."""
    found = defaultdict(list)
    with TRIALS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["sweep"] in SWEEPS and row["test_linear_top1_5"] and row["h_z"]:
                found[row["data"], row["sweep"]].append(row)
    for (data, sweep), rows in found.items():
        by_spec = defaultdict(list)
        for row in rows:
            by_spec[row["spec"]].append(row)
        accuracies = {s: fmean(float(r["test_linear_top1_5"]) for r in rs) for s, rs in by_spec.items()}  # noqa: E501  # fmt: skip
        ends = {r["source"]: accuracies[r["spec"]] for r in rows if r["name"] in ("instances", "labels")}  # noqa: E501  # fmt: skip
        if ends.keys() != {"instances", "labels"}:
            continue
        for spec, same in by_spec.items():
            if same[0]["source"] not in ends:
                yield point(data, SWEEPS[sweep], same[0], accuracies[spec], ends) | {"spec": spec}


def of_claims() -> Iterator[Row]:
    """Auxiliary clusterings of the claims, likewise."""
    for path in sorted(CLAIMS.glob("*.csv")):
        data, _, kind = path.stem.partition("-")
        if kind not in REGIMES:
            continue
        by_name = defaultdict(list)
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["role"] == "fixed" and row["objective"] == "cl_infonce":
                    by_name[row["name"]].append(row)
        accuracies = {n: fmean(float(r["test_linear_top1_5"]) for r in rs) for n, rs in by_name.items()}  # noqa: E501  # fmt: skip
        ends = {rs[0]["source"]: accuracies[n] for n, rs in by_name.items() if n in ("InfoNCE", "SupCon")}  # noqa: E501  # fmt: skip
        for name, rows in by_name.items():
            if rows[0]["source"] in ("attributes", "column"):
                spec = json.dumps(specification(path.stem, name))
                found = point(data, REGIMES[kind], rows[0], accuracies[name], ends)
                yield found | {"spec": spec, "own": True}


def specification(sweep: str, name: str) -> Row:
    """The clustering of a fixed trial."""
    from clinfonce.config import read_sweep

    spec = read_sweep(f"sweeps/claims-{sweep}.yaml")
    named = next(each for each in spec.fixed if each.name == name)
    return spec.fixed_trial(named, spec.seeds[0]).clustering.model_dump(exclude_none=True)


def point(data: str, regime: str, row: Row, accuracy: float, ends: dict[str, float]) -> Row:
    low, high = ends["instances"], ends["labels"]
    bits = {key: float(row[key]) for key in ("h_z", "h_t", "i_zt", "i_zt_chance")}
    gain = (accuracy - low) / (high - low) if high > low else float("nan")
    return {"data": data, "regime": regime, "clustering": row["name"], **bits,
            "gain": gain, "gap": high - low}  # fmt: skip


def measured(points: list[Row], places: list[str], axes: Path) -> Iterator[Row]:
    """Points with the information of positive pairs, and the bits seen in pretrained features."""
    from advice_trials import problems

    from clinfonce import data
    from clinfonce.config import ClusteringSpec
    from clinfonce.data import TRAIN
    from clinfonce.evaluation.usable import Visibility
    from clinfonce.information import pair_information
    from clinfonce.trial.clusterings import build_clustering

    originals = {table.name: table for table in map(data.load, places)}
    for table in problems(places, axes):
        rows, features = table.rows(TRAIN), torch.as_tensor(table.images)
        visibility = Visibility(features[torch.as_tensor(rows)])
        for each in (p for p in points if p["data"] == table.name):
            spec = ClusteringSpec.model_validate(json.loads(each.pop("spec")))
            if spec.source == "kmeans" and spec.features == "pixels":  # there are features alone
                continue
            columns = originals[table.name].columns if each.pop("own", False) else table.columns
            there = dataclasses.replace(table, columns=columns)
            ids = build_clustering(spec, there, lambda: (features, None)).ids  # noqa: B023
            clusters = np.unique(ids, return_inverse=True)[1]
            share = np.bincount(clusters) / len(clusters)
            if abs(float(-(share * np.log2(share)).sum()) - each["h_z"]) > 0.01:
                print(f"left out, not the clusters of then: {each['data']}, {each['clustering']}")
                continue
            pairs = pair_information(ids, table.labels[rows])
            yield each | {
                "log2_n": float(np.log2(len(rows))), "i_pairs": pairs.i_pairs,
                "i_pairs_chance": pairs.i_pairs_chance,
                "visible": visibility.bits(torch.as_tensor(clusters)),
            }  # fmt: skip


# What they tell.


def of_set(p: Row) -> str:
    """The images, whatever the label is."""
    return str(p["data"]).partition("/")[0]


def fit(points: list[Row], number: str) -> Callable[[Row], float]:
    """The gain by a number, each data set weighing the same."""
    if number == "mean":
        mean = fmean(fmean(p["gain"] for p in points if of_set(p) == name) for name in sets(points))
        return lambda _: mean
    if number == "law":
        law = fit_gain([as_point(p) for p in points])
        return lambda p: float(
            law.predict(np.array([useful(p)]), np.array([nuisance(p)]), "adapter")[0]
        )
    of = NUMBERS[number]
    x = np.array([[1.0, *of(p)] for p in points])
    y = np.array([p["gain"] for p in points])
    counts = {name: sum(of_set(p) == name for p in points) for name in sets(points)}
    weight = np.array([counts[of_set(p)] ** -0.5 for p in points])
    coefficients = np.linalg.lstsq(x * weight[:, None], y * weight, rcond=None)[0]
    return lambda p: float(np.dot([1.0, *of(p)], coefficients))


def nuisance(p: Row) -> float:
    return float((p["h_z"] - useful(p) * p["h_t"]) / p["log2_n"])


def as_point(p: Row) -> Point:
    return Point(of_set(p), "adapter", p["clustering"], useful(p), nuisance(p), p["gain"], 0.0, 1)


def sets(points: list[Row]) -> list[str]:
    return list(dict.fromkeys(map(of_set, points)))


def rank(asked: list[Row], predicted: list[float]) -> float:
    """The mean of Spearman's over data sets and targets."""
    found = []
    for name in dict.fromkeys(p["data"] for p in asked):
        both = [(y, p["gain"]) for p, y in zip(asked, predicted, strict=True) if p["data"] == name]
        if len(both) >= 3 and len({y for y, _ in both}) > 1:
            found.append(float(spearmanr(*zip(*both, strict=True)).statistic))
    return fmean(found) if found else float("nan")


def told(points: list[Row]) -> Iterator[Row]:
    """Of each regime and number: the error on each data set, fitted on the others."""
    for regime in dict.fromkeys(REGIMES.values()):
        asked = [p for p in points if p["regime"] == regime]
        if not asked:
            continue
        known = asked if regime in FITTED else [p for p in points if p["regime"] == "adapter"]
        for number in ("mean", *NUMBERS, "law"):
            row: Row = {"regime": regime, "number": number, "clusterings": len(asked)}
            order, predicted = [], []
            for name in sets(asked):
                predict = fit([p for p in known if of_set(p) != name], number)
                own = [p for p in asked if of_set(p) == name]
                order += own
                predicted += (there := [predict(p) for p in own])
                errors = [100 * p["gap"] * (y - p["gain"]) for p, y in zip(own, there, strict=True)]
                row[name] = round(fmean(e * e for e in errors) ** 0.5, 2)
            row["error"] = round(fmean(row[name] for name in sets(asked)), 2)
            row["rho"] = round(rank(order, predicted), 2)
            yield row


_COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e5ea2")
_MARKS = {"adapter": ".", "scratch, small": "+", "fine-tuned": "D", "scratch, 64 px": "^"}


def figure(points: list[Row]) -> Any:
    """The gain by six numbers; a colour for each data set, a mark for each regime."""
    from matplotlib.figure import Figure

    shown = ("I(Z;T)", "H(Z|T)", "I(Z;T) above chance", "AMI", "positive pairs", "visible bits")
    whole = Figure(figsize=(9, 5.6), layout="constrained")
    for axes, number in zip(whole.subplots(2, 3, sharey=True).flat, shown, strict=True):
        for (name, colour), (regime, mark) in (
            (a, b) for a in zip(sets(points), _COLOURS, strict=False) for b in _MARKS.items()
        ):
            own = [p for p in points if of_set(p) == name and p["regime"] == regime]
            axes.scatter([NUMBERS[number](p)[0] for p in own], [p["gain"] for p in own],
                         c=colour, marker=mark, s=14 if mark in ".+" else 30, linewidths=0.7,
                         alpha=0.6 if mark in ".+" else 1, label=f"{name}, {regime}" if own else None)  # noqa: E501  # fmt: skip
        axes.axhline(0, color="#999999", linewidth=0.7)
        axes.set(xlabel=number, ylim=(-1.5, 1.3))
    for axes in whole.axes[::3]:
        axes.set_ylabel("gain")
    whole.legend(*whole.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4,
                 frameon=False, fontsize=7)  # fmt: skip
    return whole


def read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {k: v if k in ("data", "regime", "clustering") else float(v) for k, v in row.items()}
            for row in csv.DictReader(file)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--axes", type=Path, help="folder of the features of advice_trials.py")
    options = parser.parse_args()
    if options.data:
        known = [p for p in (*trials(), *of_claims()) if p["gap"] >= LEAST_GAP]
        made = list(measured(known, options.data, options.axes))
        write_rows(POINTS, [{k: round(v, 5) if isinstance(v, float) else v for k, v in p.items()}
                            for p in made])  # fmt: skip
    points = read(POINTS)
    rows = list(told(points))
    write_rows(TABLE, rows)
    for row in rows:
        print(*(f"{value}" for value in row.values()), sep=" | ")
    figure(points).savefig(FIGURE, dpi=130)


if __name__ == "__main__":
    main()
