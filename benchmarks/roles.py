"""What attracts: a partition, weights, terms, predicted columns, FINO's recipe, and searched roles.

    clinfonce prepare ucmerced --root DIR --out prepared/ucmerced --size 96   # and clothing
    python benchmarks/roles.py --data prepared/ucmerced --results results
    python benchmarks/roles.py --data prepared/clothing --results results
    clinfonce prepare ucmerced --root DIR --out prepared/ucmerced-32 --size 32
    python benchmarks/roles.py --data prepared/ucmerced-32 --results results --scratch
    python benchmarks/roles.py --data prepared/clothing-32 --results results --scratch --epochs 10

Adapters on cached features of EfficientNet-Lite0 (ImageNet) at 96 px, or with --scratch a small
convolutional network of random weights. Each method chooses between two settings by validation
accuracy with 5 labels a class, at seed 0, and then runs with the seeds; the search of roles
proposes --trials configurations, in which the columns that attract make weights or are predicted,
and the best of them runs with the seeds. Everything in this process, one trial after the other, and
the same command goes on where it was interrupted. The rows go to benchmarks/results/roles.csv, what
was found of each column to benchmarks/results/roles-of-columns.csv; rows of other data sets stay
there.
"""

import argparse
import csv
import statistics
import sys
from pathlib import Path

import torch
from common import machine, write_rows

sys.path.insert(0, str(Path(__file__).parent.parent))

from clinfonce import data, results
from clinfonce.config import SweepSpec
from clinfonce.features import FeatureCache
from clinfonce.results import Store
from clinfonce.scaling.search.plan import Plan
from clinfonce.scaling.search.searcher import OptunaSearcher
from clinfonce.trial.columns import all_columns
from clinfonce.trial.run import run_trial
from clinfonce.trial.start import Start, WeightsReader

ACCURACIES = (
    "val_linear_top1_5", "test_linear_top1_1", "test_linear_top1_5", "test_knn_top1_all",
    "test_linear_top1_all",
)  # fmt: skip
TEMPERATURES = {"objective.temperature": [0.07, 0.15]}
BANDWIDTHS = {"similarity.bandwidth": [0.5, 1.0]}
FROM_SCRATCH = {
    "augmentation": "paper",
    "encoder": {"name": "small_cnn", "width": 16},
    "sampler": {"batch_size": 128},
    "optimizer": {"name": "adamw", "learning_rate": 0.003},
}
FOLDER = Path("benchmarks/results")


def sweep(name, table, columns, options):
    """The comparison on one data set.

    Args:
        name: of the sweep.
        table: the data set.
        columns: that tell images apart.
        options: of the command; its nuisance is what a user who knows the data would suppress.
    """
    nuisance = options.nuisance
    crossed = [c for c in columns if table.columns[c].kind not in ("tags", "hierarchy")]
    told = {c: {"role": "suppress" if c in nuisance else "attract"} for c in columns}
    known = {c: {} for c in columns if c not in nuisance}
    of_known = partition([c for c in crossed if c in known])
    similar = {"similarity": {"columns": {c: {} for c in columns}}}
    fixed = [
        ("instances", {"clustering": {"source": "instances"}}, TEMPERATURES),
        ("SupCon", {"clustering": {"source": "labels"}}, TEMPERATURES),
        ("partition", {"clustering": partition(crossed)}, TEMPERATURES),
        ("weights", similar, BANDWIDTHS),
        ("terms", terms(columns), TEMPERATURES),
        ("prediction", {**similar, "objective": {"name": "attribute_prediction"}}, {
            "optimizer.learning_rate": [0.003, 0.01] if options.scratch else [0.001, 0.003]
        }),
        ("FINO's recipe", {**similar, "objective": {"name": "fino"}}, {
            "objective.guide_weight": [0.03, 0.3]
        }),
    ]  # fmt: skip
    if nuisance:
        fixed += [
            ("partition, told", {"clustering": of_known}, TEMPERATURES),
            ("weights, told", {"similarity": {"columns": known}}, BANDWIDTHS),
            ("FINO's recipe, told",
             {"similarity": {"columns": told}, "objective": {"name": "fino"}},
             {"objective.guide_weight": [0.03, 0.3]}),
        ]  # fmt: skip
    return SweepSpec.model_validate({
        "name": name,
        "data": {"name": str(options.data)},
        "trial": {
            **(FROM_SCRATCH if options.scratch else adapted(options.output)),
            "objective": {"temperature": 0.1},
            "evaluation": {"every": options.epochs, "draws": 5},
            "epochs": options.epochs,
            "seed": 0,
        },
        "seeds": list(range(1, options.seeds + 1)),
        "metric": "val_linear_top1_5",
        "fixed": [{"name": n, "trial": t, "choose": c} for n, t, c in fixed],
        "search": {
            "trials": options.trials,
            "trial": {"similarity": {"suppress": {"by": "adversary"}}},
            "space": {
                "roles": {"columns": columns},
                "objective.name": {"choices": ["cl_infonce", "attribute_prediction"]},
                "similarity.bandwidth": {
                    "low": 0.3, "high": 3.0, "log": True, "when": {"objective.name": "cl_infonce"}
                },
            },
            "window": 1,
        },
    })  # fmt: skip


def how(options):
    """What is trained, as the tables say it."""
    return "scratch" if options.scratch else options.output


def adapted(output):
    """Adapters on what a pretrained encoder makes of the images."""
    return {
        "encoder": {"name": "python:tests.models.lite0:build", "train": "none"},
        "adapter": {"output": output},
        "head": {"hidden_dim": 512, "out_dim": 128},
        "optimizer": {"learning_rate": 0.001},
    }


def partition(columns):
    return {"source": "attributes", "attributes": list(columns)}


def terms(columns):
    return {
        "terms": [
            {"similarity": {"columns": {c: {} for c in columns}}},
            {"clustering": {"source": "instances"}, "weight": 0.3},
        ]
    }


def run(spec, table, home):
    """Run what is missing of a sweep, in this process; the rows of all its trials."""
    store, rows = Store.create(home), []
    reader = WeightsReader(store.folder, table)
    names = tuple(spec.search.space["roles"].columns)
    plan = Plan(spec, table.fingerprint, OptunaSearcher(spec, (), columns=names), reader.settle)
    start, done = Start(reader.by_digest, FeatureCache(store.folder)), store.finished()
    while True:
        try:
            proposal = plan.next()
        except StopIteration:
            return rows
        assert proposal is not None  # nothing runs beside it
        if (row := done.get(proposal.identity)) is None:
            result = run_trial(proposal.spec, table, experiment=spec.name, start=start)
            reader.keep()
            name = proposal.name or result.trial["clustering"]
            row = {
                **result.trial, "number": proposal.number, "role": proposal.role, "name": name
            }  # fmt: skip
            store.write_trial(
                row, result.epochs, result.clustering, result.scores, factors=result.factors
            )
            value, took = row[spec.metric], row["seconds"]
            print(
                f"{proposal.role} {name} {proposal.spec.seed}: {value:.3f}, {took:.0f} s",
                flush=True,
            )
        plan.finish(proposal.identity, row)
        rows.append(row)


def summary(spec, rows, options):
    """Mean and deviation over the seeds of each method."""
    found = {}
    for row in rows:
        if row["role"] in ("fixed", "confirm"):
            name = "roles found by search" if row["role"] == "confirm" else row["name"]
            found.setdefault(name, []).append(row)
    for name, trials in found.items():
        means = {}
        for column in ACCURACIES:
            values = [100 * trial[column] for trial in trials]
            means[column] = round(statistics.fmean(values), 2)
            means[column + "_std"] = round(statistics.stdev(values), 2) if len(values) > 1 else ""
        yield {
            "data": spec.data.name.rsplit("/", 1)[-1], "method": name, "seeds": len(trials),
            **means, "epochs": options.epochs, "output": how(options),
            "searched": options.trials if name.startswith("roles") else 2,
            "seconds_per_trial": round(statistics.fmean(t["seconds"] for t in trials), 1),
        }  # fmt: skip


def columns_found(spec, home, output):
    """What the search says of each column, and what features let one read of it."""
    opened = results.open(home)
    choice = {"metric": "test_linear_top1_5", "sweep": spec.name}
    for row in results.column_roles(opened, **choice):
        yield {
            "data": spec.data.name.rsplit("/", 1)[-1], "output": output, "column": row.column,
            "role": row.role, "certain": row.certain, "gain": row.gain.estimate,
            "low": row.gain.low, "high": row.gain.high, "importance": row.importance.estimate,
            "best": row.best,
        }  # fmt: skip


def keep(path, new):
    """Write rows beside those of other data sets and adapters."""
    old = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            old = list(csv.DictReader(file))
    mine = {(row["data"], str(row.get("output", ""))) for row in new}
    kept = [row for row in old if (row["data"], row.get("output", "")) not in mine]
    write_rows(path, [*kept, *new])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of a prepared data set")
    parser.add_argument("--results", required=True, type=Path, help="result store")
    parser.add_argument(
        "--nuisance", nargs="*", default=[], help="columns that a user would suppress"
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=20, help="of the search")
    parser.add_argument("--output", choices=("join", "replace", "add"), default="replace")
    parser.add_argument("--scratch", action="store_true", help="no pretrained weights, no adapter")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = data.load(str(options.data))
    columns = all_columns(table, table.rows(0))
    name = f"roles-{options.data.name}-{how(options)}"
    spec = sweep(name, table, columns, options)
    rows = run(spec, table, options.results)
    keep(FOLDER / "roles.csv", [{**row, **machine()} for row in summary(spec, rows, options)])
    keep(FOLDER / "roles-of-columns.csv", list(columns_found(spec, options.results, how(options))))


if __name__ == "__main__":
    main()
