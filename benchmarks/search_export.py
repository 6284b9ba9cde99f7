"""The tables that benchmarks/search.py replays, out of stores of trials, as small CSV files.

    python benchmarks/advice_trials.py --data digits --data FOLDER … --pairs --results DIR
    python benchmarks/role_search.py --data digits --data FOLDER … --results ROLES
    python benchmarks/subsets.py TABLES
    python benchmarks/search_export.py --data digits --data FOLDER … --results DIR --roles ROLES
        --subsets TABLES

Every single part and every pair of parts of a data set, a random column among them (what is no
information is left out, as a search does), and every way to give four columns a role; with them
what advice would begin a search with, from a tenth of the labels and a relation that was fitted on
the other data sets.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from advice_trials import problem, singles_and_pairs
from common import write_rows
from role_search import COLUMNS, EXPERIMENT, ways
from search_tables import BETWEEN, IS, RESULTS
from subsets import ATTRIBUTES, names_of, read

from clinfonce import data
from clinfonce.advice.bits import Labelled
from clinfonce.advice.search import Scorer
from clinfonce.clusterings.attributes import cross
from clinfonce.config import ClusteringSpec, SweepSpec
from clinfonce.config.clustering import PartSpec
from clinfonce.data import TRAIN, attributes
from clinfonce.results import Results, Store
from clinfonce.results.analysis.gain import fit_gain, read_points
from clinfonce.scaling.search.warm_start import advised_points
from clinfonce.trial.clusterings import build_clustering, labelled_part
from clinfonce.trial.parts import clustering_of, parts_in, parts_of

ADVISED = 15  # a quarter of 60 trials, as a search that is seeded with advice takes
Row = dict[str, Any]


def finished(results: Results, name: str, sweep: str) -> list[tuple[Row, Row]]:
    """The specification of each trial of a data set, and what it reached by epoch and in all."""
    rows = results.sql(
        "select trial_id, spec, val_linear_top1_5 as val, test_linear_top1_5 as test, epoch, knn "
        "from trials t join (select trial_id, epoch, val_knn as knn from epochs "
        "where val_knn is not null) using (trial_id) "
        f"where data = '{name}' and sweep = '{sweep}' and seed = 0 and status = 'complete' "
        "and t.epochs > 0 order by number, trial_id, epoch"
    ).to_pylist()
    found: dict[str, tuple[Row, Row]] = {}
    for row in rows:
        start = {"val": round(row["val"], 4), "test": round(row["test"], 4)}
        pair = found.setdefault(row["trial_id"], (json.loads(row["spec"]), start))
        pair[1][f"knn_{row['epoch']}"] = round(row["knn"], 4)
    return list(found.values())


def canonical(spec: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Equal for equal clusterings."""
    parsed = ClusteringSpec.model_validate({k: v for k, v in spec.items() if v is not None})
    names = tuple(sorted(parsed.attributes or ()))
    return parsed.model_dump_json(exclude={"attributes"}), names


def names_in(spec: Mapping[str, Any]) -> list[str]:
    """Names of the parts of a clustering."""
    match spec["source"]:
        case "attributes":
            return list(spec["attributes"])
        case "crossing":
            return [PartSpec.model_validate(part).name for part in spec["parts"]]
        case "instances" | "labels":
            return []
        case _:
            values = {k: v for k, v in spec.items() if k != "source"}
            return [PartSpec.model_validate(values).name]


def scorer(table: Any) -> Scorer:
    """What says how promising clusters are, from a tenth of the labels of a data set."""
    fit = fit_gain([p for p in read_points() if p.data.partition("/")[0] != table.name])
    rows = table.rows(TRAIN)
    known = np.flatnonzero(labelled_part(len(rows), 0.1, 0))
    return Scorer(Labelled(known, table.labels[rows][known]), fit, "adapter", len(rows))


def best_of(table: Any, clusters: Mapping[str, Any], kind: str) -> list[Row]:
    """The drafts that advice expects most of, of clusters by draft."""
    judge = scorer(table)
    gains = {draft: judge.gain(judge.labelled.bits(ids)) for draft, ids in clusters.items()}
    ranked = sorted(gains, key=lambda draft: -gains[draft])[:ADVISED]
    return [{"data": table.name, "table": kind, "draft": draft} for draft in ranked]


def pairs(table: Any, results: Results) -> tuple[list[Row], list[Row], list[Row]]:
    """Of singles and pairs: the parts, what was reached, and the drafts that are advised."""
    listed = singles_and_pairs(table)
    named = {name for spec in listed.values() for name in names_in(spec)}
    offered = parts_of(table, include=list(table.columns), features="pretrained")
    parts = [part for part in offered if part.name in named and part.name != "bursts"]
    reached = {canonical(spec["clustering"]): row
               for spec, row in finished(results, table.name, "advice-m4")}  # fmt: skip
    rows, clusters = [], {}
    for spec in listed.values():
        inside, row = parts_in(spec, parts), reached.get(canonical(spec))
        if inside is None or row is None or spec["source"] == "labels":
            continue  # no clustering can be made of it
        draft = BETWEEN.join(sorted(part.name for part in inside))
        rows.append({"data": table.name, "parts": draft, **row})
        if inside:
            parsed = ClusteringSpec.model_validate(clustering_of(inside))
            clusters[draft] = build_clustering(parsed, table, lambda: (table.images, None)).ids
    of_parts = [
        {"data": table.name, "group": part.group,
         "spec": json.dumps(part.spec.model_dump(exclude_unset=True))}
        for part in parts
    ]  # fmt: skip
    return of_parts, rows, best_of(table, clusters, "pairs")


def subsets(table: Any) -> list[Row]:
    """The subsets that are advised."""
    values = attributes(table, table.rows(TRAIN))
    clusters = {}
    for number in range(1, 2**ATTRIBUTES):
        names = names_of(table, number)
        clusters[BETWEEN.join(names)] = cross(values, names)
    return best_of(table, clusters, "subsets")


def roles(table: Any, results: Results) -> tuple[list[Row], list[Row]]:
    """What every way to give columns a role reached, and the ways that are advised."""
    columns = COLUMNS[table.name]
    reached = {}
    for spec, row in finished(results, table.name, EXPERIMENT):
        told = (spec.get("similarity") or {}).get("columns") or {}
        given = {name: told[name]["role"] if name in told else "ignore" for name in columns}
        reached[tuple(given.values())] = row
    rows = [
        {"data": table.name, "roles": _as_text(way), **reached[tuple(way.values())]}
        for way in ways(columns)
        if tuple(way.values()) in reached
    ]
    sweep = SweepSpec.model_validate({
        "name": "replay", "data": {"name": table.name}, "metric": "val_linear_top1_5",
        "trial": {"encoder": {"name": "embeddings"}},
        "search": {"trials": 4 * ADVISED, "space": {"roles": {"columns": list(columns)}},
                   "seed_with": "advice"},
    })  # fmt: skip
    first = [
        {"data": table.name, "table": "roles", "draft": _as_text(point["roles"])}
        for point in advised_points(sweep, table)
    ]
    return rows, first


def _as_text(way: Mapping[str, str]) -> str:
    return BETWEEN.join(f"{name}{IS}{role}" for name, role in way.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--roles", type=Path, required=True)
    parser.add_argument("--subsets", type=Path, required=True)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--out", type=Path, default=RESULTS / "search")
    options = parser.parse_args()
    of_pairs, of_roles = (Results(Store.open(p)) for p in (options.results, options.roles))
    found: dict[str, list[Row]] = {"parts": [], "pairs": [], "roles": [], "advised": []}
    for place in options.data:
        table = problem(data.load(place), "", options.results / "axes")
        parts, rows, first = pairs(table, of_pairs)
        found["parts"] += parts
        found["pairs"] += rows
        found["advised"] += first
        rows, first = roles(table, of_roles)
        found["roles"] += rows
        found["advised"] += first
        print(table.name, {name: len(rows) for name, rows in found.items()}, flush=True)
    for file in sorted(options.subsets.glob("*.npz")):
        found["advised"] += subsets(read(file))
    for name, rows in found.items():
        write_rows(options.out / f"{name}.csv", rows)


if __name__ == "__main__":
    main()
