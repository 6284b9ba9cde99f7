"""Adapters on every subset of ten attributes: a table that searches are replayed on.

    python benchmarks/subsets.py --data digits --data FOLDER --axes DIR --export TABLES
    python benchmarks/subsets.py TABLES --processes 2 --seconds 3600

The ten attributes are those of highest entropy, and there are 1,023 subsets of them; the empty one,
all images alone, is trained too. Features, setting and seed are those of
benchmarks/advice_trials.py (list "m4"). The first command makes a small file of each data set:
features, labels, split and the ten columns. The second trains from these files alone, on CPUs, and
needs neither Ray, Optuna nor DuckDB. Each row is written as it is done, subsets in an order drawn
at random and data sets by turns; what the file has is not trained again. A subset is written as a
number whose bit i says that attribute i of `subsets-attributes.csv` is in.
"""

import argparse
import csv
import itertools
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import without_duckdb  # noqa: F401
from common import write_rows

ATTRIBUTES = 10
EPOCHS = 8
COLUMN = "column"  # begins the names of columns in a file of a data set
ROWS = Path("benchmarks/results/subsets.csv")

_tables: dict[str, Any] = {}  # of this process, by name


def export(place: str, axes: Path, folder: Path) -> None:
    """Write what the trials of a data set need to a file."""
    from advice_trials import embedded

    from clinfonce import data
    from clinfonce.clusterings.attributes import top_by_entropy
    from clinfonce.data import TRAIN, attributes

    table = data.load(place)
    names = top_by_entropy(attributes(table, table.rows(TRAIN)), ATTRIBUTES)
    columns = {}
    for name in names:
        column = table.columns[name]
        if column.missing is not None:
            raise SystemExit(f"{table.name}: {name} has missing values, which the file can't say")
        columns[f"{COLUMN}:{column.kind}:{name}"] = column.values
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / f"{table.name}.npz",
        features=embedded(table, axes),
        labels=table.labels,
        label_names=np.array(table.label_names),
        split=table.split,
        **columns,
    )


def read(file: Path) -> Any:
    """The table that a file holds, its columns by entropy."""
    from clinfonce.data import Column, ImageTable

    with np.load(file) as kept:
        columns = {}
        for key in kept.files:
            if key.startswith(COLUMN):
                _, kind, name = key.split(":", 2)
                columns[name] = Column(name, kind, kept[key])
        names = tuple(map(str, kept["label_names"]))
        return ImageTable(
            file.stem, kept["features"], kept["labels"], names, kept["split"], columns
        )


def names_of(table: Any, subset: int) -> list[str]:
    """The attributes that a number stands for."""
    return [name for bit, name in enumerate(table.columns) if subset >> bit & 1]


def train(name: str, subset: int) -> dict[str, Any]:
    """A row: what an adapter on a subset reached."""
    from advice_trials import trial

    from clinfonce.trial.run import run_trial

    table, started = _tables[name], time.process_time()
    chosen = names_of(table, subset)
    clustering = {"source": "attributes", "attributes": chosen} if chosen else {
        "source": "instances"
    }  # fmt: skip
    spec = trial(clustering, "m4", 0, EPOCHS)
    evaluation = spec.evaluation.model_copy(update={"factors": False})
    spec = spec.model_copy(update={"device": "cpu", "evaluation": evaluation})
    result = run_trial(spec, table, experiment="subsets")
    row, bits = result.trial, result.clustering or {}
    found = {
        "val": row["val_linear_top1_5"], "test": row["test_linear_top1_5"],
        **{f"knn_{e['epoch']}": e["val_knn"] for e in result.epochs if e["val_knn"] is not None},
        "clusters": bits["n_clusters"], "h_z": bits["h_z"], "i_zt": bits["i_zt"],
        "i_zt_chance": bits["i_zt_chance"],
    }  # fmt: skip
    short = {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}
    return {"data": name, "subset": subset, **short,
            "cpu_s": round(time.process_time() - started, 1)}  # fmt: skip


def begin(files: list[Path]) -> None:
    """Read the tables into a process that trains."""
    import torch

    torch.set_num_threads(1)
    _tables.update({file.stem: read(file) for file in files})


def jobs(names: list[str], done: set[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """What there is to train, data sets by turns."""
    order = np.random.default_rng(0).permutation(2**ATTRIBUTES).tolist()
    for subset, name in itertools.product(order, names):
        if (name, subset) not in done:
            yield name, subset


def run(files: list[Path], out: Path, processes: int, seconds: float) -> None:
    """Train what the table lacks until the time is over, a row after the other."""
    until, kept = time.monotonic() + seconds, []
    if out.exists():
        kept = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    done = {(row["data"], int(row["subset"])) for row in kept}
    waiting = jobs([file.stem for file in files], done)
    out.parent.mkdir(parents=True, exist_ok=True)
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=begin, initargs=(files,)
    )
    with pool, out.open("a", newline="", encoding="utf-8") as file:
        running: set[Future[dict[str, Any]]] = set()
        written = len(kept)
        while True:
            if time.monotonic() < until:
                some = itertools.islice(waiting, 2 * processes - len(running))
                running |= {pool.submit(train, *job) for job in some}
            if not running:
                break
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for row in (future.result() for future in ended):
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                if not written:
                    writer.writeheader()
                writer.writerow(row)
                written += 1
            file.flush()
    print(f"{written} of {len(files) * 2**ATTRIBUTES} rows are in {out}", flush=True)


def describe(files: list[Path], out: Path) -> None:
    """Write which attribute each bit stands for."""
    from clinfonce.data import TRAIN, attributes
    from clinfonce.information import entropy

    rows = []
    for table in map(read, files):
        values = attributes(table, table.rows(TRAIN))
        rows += [
            {"data": table.name, "bit": bit, "attribute": name, "entropy": round(entropy(codes), 4)}
            for bit, (name, codes) in enumerate(values.items())
        ]
    write_rows(out, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="?", help="folder of the files of data sets")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start none after")
    parser.add_argument("--out", type=Path, default=ROWS)
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--axes", type=Path, help="folder of features, as advice_trials keeps them")
    parser.add_argument("--export", type=Path, help="folder for the files of data sets")
    options = parser.parse_args()
    if options.export is not None:
        for place in options.data:
            export(place, options.axes, options.export)
    if options.tables is not None:
        files = sorted(options.tables.glob("*.npz"))
        describe(files, options.out.with_name(f"{options.out.stem}-attributes.csv"))
        run(files, options.out, options.processes, options.seconds)


if __name__ == "__main__":
    main()
