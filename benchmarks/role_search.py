"""Every way to give four columns a role, trained: a table that searches are replayed on.

    python benchmarks/role_search.py --data digits --data FOLDER … --results DIR

Adapters of 8 epochs on the first 256 principal axes of EfficientNet-Lite0's features (digits:
pixels), as in benchmarks/advice_trials.py: each of four columns attracts by its kernel, is ignored
or is worked against by an adversary, 81 ways in all, one seed. Rows that are in the store are not
trained again. benchmarks/search_export.py and search.py go on from there.
"""

import argparse
import itertools
import json
from pathlib import Path

import torch
from advice_trials import problem, trial

from clinfonce import data
from clinfonce.config import TrialSpec, trial_id
from clinfonce.errors import InputError
from clinfonce.results import Store
from clinfonce.trial.run import run_trial

# Chosen before anything was trained: what is known to be of use, of the camera, and of nothing.
COLUMNS = {
    "digits": ("loop", "even", "ink", "random 12"),
    "ucmerced": ("pavement", "trees", "water", "random 12"),
    "clothing": ("group", "kids", "contributor", "hierarchy"),
    "pomological": ("family", "artist", "year", "scan_width"),
}  # fmt: skip
ROLES = ("attract", "ignore", "suppress")
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
    """Train what the store lacks."""
    done = store.trial_ids()
    for number, roles in enumerate(ways(columns)):
        spec = specification(roles, epochs)
        if trial_id(EXPERIMENT, spec, table.fingerprint) in done:
            continue
        try:
            result = run_trial(spec, table, experiment=EXPERIMENT)
        except InputError as error:  # nothing attracts, or nothing is left to tell apart
            print(f"{table.name} {roles}: {error}", flush=True)
            continue
        name = json.dumps(roles)
        row = {**result.trial, "number": number, "role": "fixed", "name": name}
        store.write_trial(row, result.epochs, result.clustering, result.scores)
        accuracy, seconds = row["val_linear_top1_5"], row["seconds"]
        print(table.name, name, accuracy, f"{seconds:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    store = Store.create(options.results)
    for place in options.data:
        made = problem(data.load(place), "", options.results / "axes")
        train(made, COLUMNS[made.name], store, options.epochs)


if __name__ == "__main__":
    main()
