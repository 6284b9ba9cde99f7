"""Time of the twelve ready questions over many trials, and beside Ray Tune's own readers.

    python benchmarks/query.py --out benchmarks/results/query.csv

Part one makes a store of made-up trials and asks every question of docs/queries.md in four states:
`loose` (a file a trial and table, read as they lie), `gathering` (the first question to such a
store, which gathers them), `written` (as trials that end one after another leave it: gathered now
and then), `compacted` (one file a table). Each question opens the store anew; the files are in the
memory of the operating system.

Part two runs a real Ray Tune experiment whose trials report as many epochs and columns, writes the
same trials to a store, and reads both in turn: every trial's last row, and every epoch.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from common import machine, write_rows

from clinfonce.results import Results, Store
from clinfonce.results import open as open_results
from clinfonce.results.store.measures import ACCURACIES
from clinfonce.results.store.parquet import parquet_bytes
from clinfonce.results.store.rows import to_table
from clinfonce.results.store.scores import parted
from clinfonce.results.store.store import _MOST_SINGLE

CLUSTERINGS = 40
COLUMNS = ["trial_id", "clustering", "test_linear_top1_5", "val_linear_top1_5", "seconds"]


def trial_row(i):
    rng = np.random.default_rng(i)
    z = i % CLUSTERINGS
    source = ("instances", "labels", "attributes", "kmeans")[min(z, 2) if z < 20 else 3]
    return {
        "trial_id": f"t{i:06}", "sweep": "made-up", "number": i, "role": "fixed",
        "name": f"clustering {z}", "clustering_id": f"c{z}", "clustering": f"clustering {z}",
        "source": source, "granularity": z, "attributes": ["a", "b"][: z % 3] or None,
        "objective": "cl_infonce", "form": "out", "temperature": 0.2, "seed": i // CLUSTERINGS,
        "epochs": 100, "epochs_run": 100, "data": "made-up", "status": "complete",
        "spec": json.dumps({"made": "up " * 190}),
        "seconds": float(rng.uniform(10, 20)), "loss": 3.0,
        "images_per_second": 1000.0, "peak_memory_mb": 400.0, "val_knn": float(rng.random()),
        **{name: float(rng.random()) for name in ACCURACIES},
    }  # fmt: skip


def epoch_rows(trial_id, epochs):
    rng = np.random.default_rng(epochs)
    return [
        {
            "trial_id": trial_id, "epoch": e, "step": 10 * e, "loss": 5 - e / epochs,
            "learning_rate": 0.1, "val_knn": float(rng.random()) if e % 5 == 0 else None,
            "anchors_without_positive": 0.0, "positives_per_anchor": 4.0, "seconds": 0.1,
        }
        for e in range(1, epochs + 1)
    ]  # fmt: skip


def clustering_row(z):
    bits = {"h_z": 4.0, "h_t": 3.3, "i_zt": z / 13, "h_z_given_t": z / 20, "i_zt_excess": z / 15}
    return {"clustering_id": f"c{z}", "name": f"clustering {z}", "n_clusters": z + 2, **bits}


def write_loose(home, trials, epochs):
    """A file a trial and table, without the gathering that a `Store` would do."""
    store = Store.create(home)
    store.write_trial(trial_row(0), epoch_rows("t000000", epochs), clustering_row(0))
    for z in range(1, CLUSTERINGS):
        content = parquet_bytes(to_table("clusterings", [clustering_row(z)]))
        (home / f"clusterings/c{z}.parquet").write_bytes(content)
    pattern = to_table("epochs", epoch_rows("t", epochs))
    for i in range(1, trials):
        row, scores = parted(trial_row(i))
        scores = [{**score, "trial_id": row["trial_id"]} for score in scores]
        for table, rows in (("trials", [row]), ("scores", scores)):
            file = home / f"{table}/{row['trial_id']}.parquet"
            file.write_bytes(parquet_bytes(to_table(table, rows)))
        ids = pa.array([row["trial_id"]] * epochs)
        content = parquet_bytes(pattern.set_column(0, pattern.schema.field(0), ids))
        (home / f"epochs/{row['trial_id']}.parquet").write_bytes(content)
    return store


def write_gradually(loose, home):
    """The store that its own writers would have left: gathered each time enough lie loose."""
    shutil.copytree(loose / "clusterings", home / "clusterings")
    shutil.copy(loose / "store.json", home)
    names = sorted(path.name for path in (loose / "trials").iterdir())
    for table in ("trials", "scores", "epochs"):
        (home / table).mkdir()
    store = Store.open(home)
    for first in range(0, len(names), _MOST_SINGLE + 1):
        for name in names[first : first + _MOST_SINGLE + 1]:
            for table in ("epochs", "scores", "trials"):
                shutil.copy(loose / table / name, home / table)
        store.gather_loose()


def questions():
    text = Path("docs/queries.md").read_text(encoding="utf-8")
    found = re.findall(r"^## (\d+)\..*?```sql\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    return [(number, query) for number, query in found]


def timed(function):
    start, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - cpu


def ask(home, state, repetitions):
    for number, query in questions():
        taken = [
            timed(lambda q=query: Results(Store.open(home)).sql(q)) for _ in range(repetitions)
        ]
        wall, cpu = zip(*taken, strict=True)
        yield {
            "what": "question", "state": state, "question": number,
            "seconds": round(min(wall), 3), "median_s": round(statistics.median(wall), 3),
            "cpu_s": round(min(cpu), 3),
        }  # fmt: skip


def many_trials(folder, trials, epochs, repetitions):
    sizes = {"trials": trials, "epoch_rows": trials * epochs}
    loose, written = folder / "loose", folder / "written"
    write_loose(loose, trials, epochs)
    write_gradually(loose, written)
    yield from ({**row, **sizes} for row in ask(loose, "loose", 1))
    wall, cpu = timed(lambda: open_results(loose).sql(questions()[0][1]))
    first = {"seconds": round(wall, 3), "median_s": round(wall, 3), "cpu_s": round(cpu, 3)}
    yield {"what": "question", "state": "gathering", "question": "1", **first, **sizes}
    yield from ({**row, **sizes} for row in ask(written, "written", repetitions))
    Store.open(written).compact()
    yield from ({**row, **sizes} for row in ask(written, "compacted", repetitions))


def tune_experiment(folder, trials, epochs):
    """A real experiment: every trial reports an epoch at a time, the last with all columns."""
    from ray import tune

    def train(config):
        row = trial_row(config["i"])
        for epoch in epoch_rows(row["trial_id"], epochs):
            tune.report({**row, **epoch})

    tuner = tune.Tuner(
        train,
        param_space={"i": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(name="experiment", storage_path=str(folder), verbose=0),
    )
    tuner.fit()
    return folder / "experiment"


def read_tune(path):
    """The last row of every trial, and every epoch, as pandas frames."""
    from ray.tune import ExperimentAnalysis

    analysis = ExperimentAnalysis(str(path))
    return analysis.dataframe(), analysis.trial_dataframes


def read_result_grid(path):
    from ray.tune import ExperimentAnalysis, ResultGrid

    grid = ResultGrid(ExperimentAnalysis(str(path)))
    return grid.get_dataframe(), [result.metrics_dataframe for result in grid]


def read_store(home):
    results = open_results(home)
    return results.sql("from trials").to_pandas(), results.sql("from epochs").to_pandas()


def beside_tune(folder, trials, epochs, repetitions):
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    path = tune_experiment(folder, trials, epochs)
    ray.shutdown()
    home = folder / "store"
    write_loose(home, trials, epochs)
    Store.open(home).compact()
    readers = {
        "ExperimentAnalysis": lambda: read_tune(path),
        "ResultGrid": lambda: read_result_grid(path),
        "store": lambda: read_store(home),
    }
    yield from compare(readers, trials, epochs, repetitions)


def compare(readers, trials, epochs, repetitions):
    for reader in readers.values():  # what is imported once is not counted
        last, _ = reader()
        assert len(last) == trials
    taken = {name: [] for name in readers}
    for _ in range(repetitions):
        for name, reader in readers.items():
            taken[name].append(timed(reader))
    mine = [wall for wall, _ in taken["store"]]
    for name, times in taken.items():
        ratios = [wall / own for (wall, _), own in zip(times, mine, strict=True)]
        yield {
            "what": "reading everything", "state": f"{trials} trials", "question": name,
            "trials": trials, "epoch_rows": trials * epochs,
            "seconds": round(min(wall for wall, _ in times), 3),
            "median_s": round(statistics.median(wall for wall, _ in times), 3),
            "cpu_s": round(min(cpu for _, cpu in times), 3),
            "ratio": round(statistics.median(ratios), 1),
        }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--tune-trials", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/query.csv"))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="clinfonce-query-") as folder:
        parts = [many_trials(Path(folder), options.trials, options.epochs, options.repetitions)]
        if options.tune_trials:
            beside = (Path(folder), options.tune_trials, options.epochs, options.repetitions)
            parts.append(beside_tune(*beside))
        for part in parts:
            for row in part:
                rows.append(row | machine("duckdb", "pyarrow", "ray"))
                print(row, flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
