"""The rows behind docs/claims.md: out of a result store into the repository, and from there."""

import csv
import json
from pathlib import Path
from typing import Any

ROWS = Path("benchmarks/results/claims")
DATA = {
    "digits": "digits", "ucmerced": "UC Merced", "clothing": "clothing",
    "ucmerced-adapters": "UC Merced, pretrained", "clothing-adapters": "clothing, pretrained",
    "pomological-adapters": "watercolours, pretrained",
    "ucmerced-finetuned": "UC Merced, fine-tuned",
    "clothing-finetuned": "clothing, fine-tuned",
    "pomological-finetuned": "watercolours, fine-tuned",
    "ucmerced-64px": "UC Merced, 64 px",
}  # fmt: skip
# By what follows the data set's name in those keys; marks are those of figures.
REGIMES = {
    "": "from scratch, small", "64px": "from scratch, 64 px", "adapters": "adapter",
    "finetuned": "fine-tuned",
}  # fmt: skip
MARKS = {"": "", "64px": " †", "adapters": " *", "finetuned": " **"}
STEPS = "ucmerced-steps"  # trainings from scratch of several lengths
FROZEN = "frozen"
METRICS = {"linear_top1_5": "5 labels a class", "linear_top1_all": "all labels"}
INFORMATION = ("n_clusters", "h_t", "h_z", "i_zt", "i_zt_chance", "i_zt_excess", "h_z_given_t")
TEXTS = {"role", "name", "objective", "source", "clinfonce_version", "torch_version", "trial_id",
         "device"}  # fmt: skip

Row = dict[str, Any]
Trials = list[Row]
Methods = dict[str, Trials]  # name → its trials, one a seed, in the order of the seeds


# Of a trial, and of the sweep that it is in.
KEPT = ("number", "role", "name", "objective", "seed", "temperature", "images_per_cluster",
        "epochs", "source", "spec", *INFORMATION,
        *(f"{split}_{metric}" for metric in METRICS for split in ("val", "test")), "seconds",
        "clinfonce_version", "torch_version", "trial_id")  # fmt: skip


def take_rows(store: Path) -> None:
    """Keep of each sweep what the tables need, one line a trial, grids included."""
    from clinfonce.results import open as open_results  # DuckDB

    results = open_results(store)
    columns = ", ".join(
        f"{'c' if name in INFORMATION else 't'}.{name}" for name in KEPT if name != "number"
    )
    for data in (*DATA, STEPS):
        found = results.sql(
            f"select t.number, {columns} "
            "from trials t left join clusterings c using (clustering_id) "
            f"where sweep = 'claims-{data}' and status = 'complete' order by number"
        ).to_pylist()
        if found:
            write_rows(ROWS / f"{data}.csv", [kept(row) for row in found])


def kept(row: Row) -> Row:
    """What the tables need, with the settings that grids choose in place of the specification."""
    row = {name: row.get(name) for name in KEPT}
    spec = json.loads(row.pop("spec"))
    row["learning_rate"] = spec["optimizer"]["learning_rate"]
    k = spec["objective"].get("prototypes") or spec["clustering"].get("n_clusters")
    row["k"] = k[0] if isinstance(k, list) else k
    return {name: round(v, 5) if isinstance(v, float) else v for name, v in row.items()}


def write_rows(path: Path, rows: Trials) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(data: str) -> Trials:
    """All trials, grids included, by their seeds."""
    path = ROWS / f"{data}.csv"
    text = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [
        {name: value if name in TEXTS else float(value or "nan") for name, value in row.items()}
        for row in csv.DictReader(text)
    ]
    return sorted(rows, key=lambda row: row["seed"])


def read_methods(data: str) -> Methods:
    """The trials that count, of the methods that ran with every seed."""
    found: Methods = {}
    for row in read_rows(data):
        if row["role"] == "fixed":
            found.setdefault(row["name"], []).append(row)
    if FROZEN in found:  # nothing is drawn but the few labels, which are the same for all seeds
        found[FROZEN] *= seeds_of(found)
    return {name: trials for name, trials in found.items() if len(trials) == seeds_of(found)}


def regime_of(data: str) -> str:
    return REGIMES[data.partition("-")[2]]


def marked(data: str) -> str:
    """The name of a data set where there is little room."""
    return DATA[data].partition(", ")[0] + MARKS[data.partition("-")[2]]


def seeds_of(methods: Methods) -> int:
    return max(map(len, methods.values()))
