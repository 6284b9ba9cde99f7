"""How many trials until a search has found one of the best clusterings? A replay: none is trained.

    python benchmarks/advice_trials.py --data digits --data FOLDER … --pairs --results DIR
    python benchmarks/search.py --data digits --data FOLDER … --results DIR

The table holds every single part and every pair of parts of each data set (adapters on features),
a random column among them; what is no information is left out, as a search does. A search proposes
clusterings of at most two parts and is told their validation accuracy. "random" takes them in
random order; "tpe" is Optuna's TPE alone; "additive" is what `clustering: {choices: all}` does, the
parts in random order; "advice" the same with advice's clusterings first, from a tenth of the labels
and a relation of the other data sets. Reports, over seeds, after how many trials one within a point
of the best of the whole table was seen, and how far below that best (on the test split) the one
chosen by validation is after 10, 20 and 40 trials.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from advice_trials import problem, singles_and_pairs
from common import write_rows

from clinfonce import data
from clinfonce.advice.bits import Labelled
from clinfonce.advice.search import Scorer
from clinfonce.config import ClusteringSpec, SweepSpec
from clinfonce.data import TRAIN
from clinfonce.results import Results, Store
from clinfonce.results.analysis.gain import fit_gain, read_points
from clinfonce.scaling.search.searcher import OptunaSearcher
from clinfonce.trial.clusterings import build_clustering, labelled_part
from clinfonce.trial.parts import clustering_of, parts_in, parts_of

NEAR = 0.01  # a point of accuracy
AFTER = (10, 20, 40)
TRIALS = 60
COLUMNS = "val_linear_top1_5 as val, test_linear_top1_5 as test"


def key(parts):
    return frozenset(part.name for part in parts)


def accuracies(results, table, parts):
    """Validation and test accuracy by the set of parts, of the whole table."""
    rows = results.sql(
        f"select spec, source, {COLUMNS} from trials where data = '{table.name}' "
        "and sweep = 'advice-m4' and seed = 0 and status = 'complete' and epochs > 0"
    ).to_pylist()
    by_spec = {canonical(json.loads(row["spec"])["clustering"]): row for row in rows}
    found = {}
    for spec in singles_and_pairs(table).values():
        row, of_parts = by_spec.get(canonical(spec)), parts_in(spec, parts)
        if of_parts is not None and row is not None:  # what no clustering can be made of has none
            found[key(of_parts)] = row["val"], row["test"]
    return found


def canonical(spec):
    values = {k: v for k, v in spec.items() if v is not None}
    parsed = ClusteringSpec.model_validate(values)
    names = sorted(parsed.attributes or ())
    return parsed.model_dump_json(exclude={"attributes"}), tuple(names)


def searcher(kind, parts, trials, seed, first):
    sweep = SweepSpec.model_validate({
        "name": "replay", "data": {"name": "replay"}, "metric": "val_linear_top1_5",
        "trial": {"encoder": {"name": "embeddings"}}, "seeds": [1_000_000],
        "search": {
            "trials": trials, "seed": seed, "window": 1,
            "space": {"clustering": {"choices": "all", "largest": 2}},
        },
    })  # fmt: skip
    found = OptunaSearcher(sweep, (), None, first if kind == "advice" else (), parts)
    if kind == "tpe":
        found._proposer = None
    return found


def replay(kind, table, parts, seed, trials, first):
    """Drafts that a search tries, in order, with repetitions where it proposes one again."""
    names, rng = sorted(table, key=sorted), np.random.default_rng(seed)
    if kind == "random":
        return [names[i] for i in rng.permutation(len(names))[:trials]]
    shuffled = [parts[i] for i in rng.permutation(len(parts))]
    search, tried = searcher(kind, shuffled, trials, seed, first), []
    for number in range(trials):
        draft = key(parts_in(search.ask(number)["clustering"], parts))
        if draft in table:
            tried.append(draft)
            search.tell(number, [table[draft][0]], {})
        else:
            search.fail(number)  # all images alone
            tried.append(None)
    return tried


def measure(table, tried, stops=AFTER):
    """Trials until one is near the best on validation; test regret of the chosen one by trials."""
    best_val, best_test = (max(row[i] for row in table.values()) for i in (0, 1))
    reached, chosen, until, regret = -1.0, None, len(tried) + 1, {}
    for number, draft in enumerate(tried, 1):
        if draft is not None and table[draft][0] > reached:
            reached, chosen = table[draft][0], draft
        if reached >= best_val - NEAR:
            until = min(until, number)
        for after in stops:
            if number <= after:  # the last one stands where the table has no more
                regret[after] = best_test - table[chosen][1] if chosen is not None else best_test
    return until, regret


def advised(table, parts, there):
    """The clusterings of the table that advice expects most of, from a tenth of the labels."""
    fit = fit_gain([p for p in read_points() if p.data.partition("/")[0] != table.name])
    rows = table.rows(TRAIN)
    known = np.flatnonzero(labelled_part(len(rows), 0.1, 0))
    scorer = Scorer(Labelled(known, table.labels[rows][known]), fit, "adapter", len(rows))
    by_name = {part.name: part for part in parts}
    gains = {}
    for draft in there:
        spec = clustering_of([by_name[name] for name in sorted(draft)])
        parsed = ClusteringSpec.model_validate(spec)
        built = build_clustering(parsed, table, lambda: (table.images, None))
        gains[draft] = scorer.gain(scorer.labelled.bits(built.ids)), spec
    ranked = sorted(gains, key=lambda draft: -gains[draft][0])
    return [{"clustering": gains[draft][1]} for draft in ranked if draft][: TRIALS // 4]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/search.csv"))
    parser.add_argument("--figure", type=Path, help="an SVG file")
    options = parser.parse_args()
    results, rows = Results(Store.open(options.results)), []
    for place in options.data:
        made = problem(data.load(place), "", options.results / "axes")
        named = {n for s in singles_and_pairs(made).values() for n in names_in(s)}
        parts = [p for p in parts_of(made, include=list(made.columns), features="pretrained")
                 if p.name in named and p.name != "bursts"]  # fmt: skip
        table = accuracies(results, made, parts)
        first = advised(made, parts, table)
        for kind in ("random", "tpe", "additive", "advice"):
            runs = [
                measure(table, replay(kind, table, parts, seed, options.trials, first))
                for seed in range(options.seeds)
            ]
            row = {
                "data": made.name, "search": kind, "clusterings": len(table),
                "near_best": sum(v >= max(table.values())[0] - NEAR for v, _ in table.values()),
                "seeds": options.seeds, "trials": options.trials,
                "trials_until_near": round(statistics.fmean(until for until, _ in runs), 1),
            }  # fmt: skip
            for after in AFTER:
                points = statistics.fmean(100 * regret[after] for _, regret in runs)
                row[f"regret_points_{after}"] = round(points, 2)
            rows.append(row)
            print(row, flush=True)
    write_rows(options.out, rows)
    if options.figure is not None:
        draw(rows, options.figure)


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Trials until one near the best was seen: a group of bars a data set, a bar a search."""
    from matplotlib.figure import Figure

    names, kinds = (list(dict.fromkeys(row[key] for row in rows)) for key in ("data", "search"))
    until = {(row["data"], row["search"]): row["trials_until_near"] for row in rows}
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes, width = figure.subplots(), 0.8 / len(kinds)
    for place, kind in enumerate(kinds):
        at = np.arange(len(names)) + (place - (len(kinds) - 1) / 2) * width
        bars = axes.bar(at, [until[name, kind] for name in names], width, label=kind)
        axes.bar_label(bars, fmt="%.0f", padding=1, fontsize=8)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("trials until near the best")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=len(kinds))
    with mpl.rc_context({"svg.hashsalt": "search", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def names_in(spec):
    """Names of the parts of a clustering."""
    from clinfonce.config.clustering import PartSpec

    match spec["source"]:
        case "attributes":
            return spec["attributes"]
        case "crossing":
            return [PartSpec.model_validate(part).name for part in spec["parts"]]
        case "instances" | "labels":
            return []
        case _:
            values = {k: v for k, v in spec.items() if k != "source"}
            return [PartSpec.model_validate(values).name]


if __name__ == "__main__":
    main()
