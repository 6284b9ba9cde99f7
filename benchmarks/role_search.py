"""Every way to give four columns a role, trained, and searches for the best of them replayed.

    python benchmarks/role_search.py --data digits --data FOLDER … --results DIR

Adapters of 8 epochs on the first 256 principal axes of EfficientNet-Lite0's features (digits:
pixels), as in benchmarks/advice_trials.py: each of four columns attracts by its kernel, is ignored
or is worked against by an adversary, 81 ways in all, one seed. Searches propose roles and are told
validation accuracy with 5 labels a class: "random" in random order; "tpe" is Optuna's alone;
"additive" is what a search over `roles` does by itself, the columns in random order; "advice" the
same with `seed_with: advice`, a tenth of the labels. Reports, over seeds, after how many trials one
within a point of the best of all was seen, and how far below the best (test split) the one chosen
by validation is. Rows that are in the store are not trained again.
"""

import argparse
import itertools
import json
import statistics
from pathlib import Path

import numpy as np
import torch
from advice_trials import problem, trial
from common import machine, write_rows
from search import NEAR, measure

from clinfonce import data
from clinfonce.config import SweepSpec, TrialSpec, trial_id
from clinfonce.errors import InputError
from clinfonce.results import Results, Store
from clinfonce.scaling.search.searcher import OptunaSearcher
from clinfonce.scaling.search.warm_start import advised_points
from clinfonce.trial.run import run_trial

# Chosen before anything was trained: what is known to be of use, of the camera, and of nothing.
COLUMNS = {
    "digits": ("loop", "even", "ink", "random 12"),
    "ucmerced": ("pavement", "trees", "water", "random 12"),
    "clothing": ("group", "kids", "contributor", "hierarchy"),
    "pomological": ("family", "artist", "year", "scan_width"),
}  # fmt: skip
ROLES = ("attract", "ignore", "suppress")
AFTER = (5, 10, 20)
EXPERIMENT = "roles"


def ways(columns):
    """Every way to give the columns a role."""
    for roles in itertools.product(ROLES, repeat=len(columns)):
        yield dict(zip(columns, roles, strict=True))


def specification(roles, epochs):
    """A trial in which the columns have their roles; instances where none has one."""
    plain = trial({"source": "instances"}, "m4", 0, epochs)
    told = {name: {"role": role} for name, role in roles.items() if role != "ignore"}
    values = plain.model_dump(exclude_unset=True)
    values["evaluation"]["factors"] = False
    if told:
        values["similarity"] = {"columns": told}
    if "suppress" in roles.values():
        values["similarity"]["suppress"] = {"by": "adversary"}
    return TrialSpec.model_validate(values)


def train(table, columns, store, epochs):
    """Train what the store lacks; validation and test accuracy by the roles."""
    found = {}
    done = {
        row["trial_id"]: (row["val_linear_top1_5"], row["test_linear_top1_5"])
        for row in Results(store).sql("select * from trials where status = 'complete'").to_pylist()
    }
    for number, roles in enumerate(ways(columns)):
        try:
            spec = specification(roles, epochs)
            identity = trial_id(EXPERIMENT, spec, table.fingerprint)
            if identity not in done:
                result = run_trial(spec, table, experiment=EXPERIMENT)
                name = json.dumps(roles)
                row = {**result.trial, "number": number, "role": "fixed", "name": name}
                store.write_trial(row, result.epochs, result.clustering, result.scores)
                done[identity] = row["val_linear_top1_5"], row["test_linear_top1_5"]
                print(table.name, name, row["val_linear_top1_5"], f"{row['seconds']:.1f} s",
                      flush=True)  # fmt: skip
            found[key(roles)] = done[identity]
        except InputError as error:  # nothing attracts, or nothing is left to tell apart
            print(f"{table.name} {roles}: {error}", flush=True)
    return found


def key(roles):
    return tuple(sorted(roles.items()))


def searched(name, columns, trials, seed, **fields):
    return SweepSpec.model_validate({
        "name": "replay", "data": {"name": name}, "metric": "val_linear_top1_5",
        "trial": {"encoder": {"name": "embeddings"}}, "seeds": [1_000_000],
        "search": {"trials": trials, "seed": seed, "window": 1,
                   "space": {"roles": {"columns": list(columns)}}, **fields},
    })  # fmt: skip


def replay(kind, table, columns, seed, trials, first):
    """Roles that a search tries, in order."""
    names, rng = sorted(table), np.random.default_rng(seed)
    if kind == "random":
        return [names[i] for i in rng.permutation(len(names))[:trials]]
    shuffled = tuple(columns[i] for i in rng.permutation(len(columns)))
    sweep = searched("replay", shuffled, trials, seed)
    given = first if kind == "advice" else ()
    search = OptunaSearcher(sweep, (), None, given, columns=shuffled)
    if kind == "tpe":
        search._proposer = None
    tried = []
    for number in range(trials):
        roles = key(search.ask(number)["roles"])
        if roles in table:
            search.tell(number, [table[roles][0]], {})
        else:
            search.fail(number)
        tried.append(roles if roles in table else None)
    return tried


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/role_search.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    store, rows = Store.create(options.results), []
    for place in options.data:
        made = problem(data.load(place), "", options.results / "axes")
        columns = COLUMNS[made.name]
        table = train(made, columns, store, options.epochs)
        sweep = searched(made.name, columns, options.trials, 0, seed_with="advice")
        first = advised_points(sweep, made)
        for kind in ("random", "tpe", "additive", "advice"):
            runs = [
                measure(table, replay(kind, table, columns, seed, options.trials, first), AFTER)
                for seed in range(options.seeds)
            ]
            best = max(table, key=lambda roles: table[roles][0])
            row = {
                "data": made.name, "search": kind, "ways": len(table),
                "near_best": sum(v >= table[best][0] - NEAR for v, _ in table.values()),
                "seeds": options.seeds,
                "trials_until_near": round(statistics.fmean(until for until, _ in runs), 1),
            }  # fmt: skip
            for after in AFTER:
                points = statistics.fmean(100 * regret[after] for _, regret in runs)
                row[f"regret_points_{after}"] = round(points, 2)
            row |= {"best": json.dumps(dict(best)), "best_val": round(100 * table[best][0], 1)}
            rows.append({**row, **machine()})
            print(row, flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
