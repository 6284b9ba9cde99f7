"""How many trials until a search has found one of the best? A replay: none is trained.

    python benchmarks/search.py --processes 2

Tables that hold a finished trial of every point of a search space are replayed: of "pairs" (every
single part and pair of parts, a random column among them, four data sets), of "subsets" (all 1,023
of ten attributes, two data sets) and of "roles" (all 81 ways to give four columns a role, four data
sets). They are part of the repository; benchmarks/search_export.py and subsets.py made them.

A search proposes a point and is told its validation accuracy (5 labels a class). "random" takes
them in random order; "tpe" and "gp" are Optuna's alone (the product has no "gp" over pairs);
"tpe, advice" begins with what advice expects most of; "additive" is what the product does by
default, its parts in random order; "advice" the same with `seed_with: advice`. Each proposal sees
all results before it (window 1) unless another window is named. With "asha" and "hyperband" trials
are stopped by their kNN accuracy at epochs 2 and 4 of 8 ("asha 4" at 4 alone), as the product's
scheduler does; a stopped trial reached nothing, and what is counted are epochs, in trials of 8.

Over repeats (orders of the parts, seeds of the samplers): after how many trials one within a point
of the best of the whole table was seen (one more than there were, where none was), how far below
the best on validation ("regret") and on test the one chosen by validation is, and how often the
best of all that were proposed had been stopped. `search-curves.csv` has the regret by trials. Rows
of tables and searches that are not replayed stay in the files.
"""

import argparse
import itertools
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import write_rows
from search_tables import EPOCHS, RESULTS, Draft, Table, Trained, read_tables, rows_of

from clinfonce.config import SchedulerSpec
from clinfonce.scaling.search.halving import Halving

NEAR = 0.01  # a point of accuracy
AFTER = (5, 10, 20, 40)
TRIALS = 60
REPEATS = 30
TABLES = ("pairs", "subsets", "roles")
MOST = 4  # proposals of a search that stops trials, in multiples of its trials


Key = tuple[str, str, str]  # table, data set, search


@dataclass(frozen=True)
class Search:
    """A way to search: where points come from, what they may look at, and what is stopped."""

    name: str
    sampler: str = "tpe"
    additive: bool = False
    advised: bool = False
    window: int = 1
    scheduler: Mapping[str, Any] | None = None


ASHA = {"name": "asha", "grace_epochs": 2}
SEARCHES = (
    Search("random", "random"),
    Search("tpe"),
    Search("tpe, window 4", window=4),
    Search("gp", "gp"),
    Search("tpe, advice", advised=True),
    Search("additive", additive=True),
    Search("additive, window 4", additive=True, window=4),
    Search("additive, window 16", additive=True, window=16),
    Search("advice", additive=True, advised=True),
    Search("advice, window 4", additive=True, advised=True, window=4),
    Search("tpe, asha 2", scheduler=ASHA),
    Search("tpe, asha 4", scheduler=ASHA | {"grace_epochs": 4}),
    Search("additive, asha 2", additive=True, scheduler=ASHA),
    Search("additive, asha 4", additive=True, scheduler=ASHA | {"grace_epochs": 4}),
    Search("additive, hyperband", additive=True, scheduler=ASHA | {"name": "hyperband"}),
)


@dataclass(frozen=True)
class Tried:
    """A proposal: its trial, None where none can be made, and the epochs that it ran."""

    trial: Trained | None
    epochs: int

    @property
    def ended(self) -> bool:
        """Whether it has an accuracy."""
        return self.trial is not None and self.epochs == EPOCHS


class Ordered:
    """A search as the product runs it: each proposal sees those a window before it."""

    def __init__(self, table: Table, search: Search, seed: int, trials: int) -> None:
        order = np.random.default_rng(seed).permutation(len(table.names)).tolist()
        self._table, self._search = table, search
        self._given = list(table.advised) if search.advised else []
        most = trials * (MOST if search.scheduler else 1)
        self._searcher = table.searcher(
            order, given=self._given if search.additive else (), sampler=search.sampler,
            trials=most, seed=seed, window=search.window,
        )  # fmt: skip
        if not search.additive:
            self._searcher._proposer = None
        told = {"reduction_factor": 2.0, **(search.scheduler or {"name": "none"})}
        self._halving = Halving(SchedulerSpec.model_validate(told), most)
        self._told = 0
        self.tried: list[Tried] = []

    def step(self) -> None:
        """Propose a point and run its trial."""
        number = len(self.tried)
        visible = max(0, number - self._search.window + 1)
        while self._told < visible:
            self._tell(self._told)
            self._told += 1
        trial = self._table.trained.get(self._propose(number))
        epochs = EPOCHS if trial is None else self._run(number, trial, visible)
        self.tried.append(Tried(trial, epochs))

    def _propose(self, number: int) -> Draft:
        if not self._search.additive and number < len(self._given):
            self._searcher.follow(number, self._table.point(self._given[number]))
            return self._given[number]
        return self._table.draft(self._searcher.ask(number))

    def _run(self, number: int, trial: Trained, visible: int) -> int:
        """The epochs that a trial runs."""
        seen: dict[int, float] = {}
        for epoch, accuracy in trial.curve.items():
            seen[epoch] = accuracy
            if self._halving.should_stop(number, EPOCHS, seen, epoch, visible=visible):
                break
        self._halving.settle(number, EPOCHS, seen)
        return max(seen)

    def _tell(self, number: int) -> None:
        tried = self.tried[number]
        if tried.trial is None:
            self._searcher.fail(number)
            return
        curve = {e: value for e, value in tried.trial.curve.items() if e <= tried.epochs}
        self._searcher.tell(number, [tried.trial.val] if tried.ended else None, curve)


def replay(table: Table, search: Search, seed: int, trials: int) -> list[Tried]:
    """What a search tries, in order, until it has run the epochs of so many trials."""
    if search.sampler == "random":
        drafts = sorted(table.trained, key=sorted)
        order = np.random.default_rng(seed).permutation(len(drafts))[:trials]
        return [Tried(table.trained[drafts[i]], EPOCHS) for i in order]
    ordered = Ordered(table, search, seed, trials)
    epochs = 0
    while epochs < trials * EPOCHS and len(ordered.tried) < trials * MOST:
        ordered.step()
        epochs += ordered.tried[-1].epochs
    return ordered.tried


@dataclass(frozen=True)
class Found:
    """What a replay found: by trials (trials,), the regret on validation and on test."""

    until: float
    regret: Sequence[float]
    test_regret: Sequence[float]
    stopped_best: bool


def measure(table: Table, tried: Sequence[Tried], trials: int) -> Found:
    """Judge a replay against the best of the whole table."""
    every = table.trained.values()
    best, best_test = max(each.val for each in every), max(each.test for each in every)
    spent = np.cumsum([each.epochs for each in tried]) / EPOCHS
    until, chosen, place = float(trials + 1), None, 0
    regret, test_regret = [], []
    for after in range(1, trials + 1):
        while place < len(tried) and spent[place] <= after:
            each = tried[place]
            if each.ended and (chosen is None or each.trial.val > chosen.val):
                chosen = each.trial
                if chosen.val >= best - NEAR:
                    until = min(until, float(spent[place]))
            place += 1
        regret.append(best if chosen is None else best - chosen.val)
        test_regret.append(best_test if chosen is None else best_test - chosen.test)
    known = [each for each in tried[:place] if each.trial is not None]
    top = max((each.trial.val for each in known), default=0.0)
    ended = max((each.trial.val for each in known if each.ended), default=0.0)
    return Found(until, regret, test_regret, ended < top)


def replayed(table: Table, search: Search, repeats: int, trials: int) -> list[Found]:
    """A replay for each seed."""
    return [measure(table, replay(table, search, seed, trials), trials) for seed in range(repeats)]


def summary(table: Table, search: Search, runs: Sequence[Found], trials: int) -> dict[str, Any]:
    """A row."""
    until = [run.until for run in runs]
    best = max(each.val for each in table.trained.values())
    row = {
        "table": table.kind, "data": table.data, "search": search.name,
        "points": len(table.trained),
        "near_best": sum(each.val >= best - NEAR for each in table.trained.values()),
        "repeats": len(runs), "trials": trials,
        "trials_until_near": round(statistics.fmean(until), 1),
        "standard_error": round(statistics.stdev(until) / len(until) ** 0.5, 1),
        "found": round(statistics.fmean(each <= trials for each in until), 2),
    }  # fmt: skip
    for name in ("regret", "test_regret"):
        for after in AFTER:
            points = [100 * getattr(run, name)[min(after, trials) - 1] for run in runs]
            row[f"{name}_{after}"] = round(statistics.fmean(points), 2)
    row["stopped_best"] = round(statistics.fmean(run.stopped_best for run in runs), 2)
    return row


def curve(table: Table, search: Search, runs: Sequence[Found]) -> dict[str, Any]:
    """The mean regret on validation after 1, 2, … trials, in points."""
    means = 100 * np.mean([run.regret for run in runs], axis=0)
    by_trials = {str(n): round(float(mean), 2) for n, mean in enumerate(means, 1)}
    return {"table": table.kind, "data": table.data, "search": search.name, **by_trials}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the tables are")
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--searches", nargs="+", default=[each.name for each in SEARCHES])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "search.csv")
    parser.add_argument("--figure", type=Path, help="an SVG file")
    options = parser.parse_args()
    tables = [table for table in read_tables(options.results) if table.kind in options.tables]
    searches = [each for each in SEARCHES if each.name in options.searches]
    curves_out = options.out.with_name(f"{options.out.stem}-curves.csv")
    rows, curves = kept(options.out), kept(curves_out)
    with ProcessPoolExecutor(options.processes) as pool:
        running = {
            pool.submit(replayed, *job, options.repeats, options.trials): job
            for job in itertools.product(tables, searches)
            if job[0].kind != "pairs" or job[1].sampler != "gp"  # which the product refuses
        }
        for future in as_completed(running):
            table, search = running[future]
            key = table.kind, table.data, search.name
            rows[key] = summary(table, search, future.result(), options.trials)
            curves[key] = curve(table, search, future.result())
            print(rows[key], flush=True)
    write_rows(options.out, in_order(rows))
    write_rows(curves_out, in_order(curves))
    if options.figure is not None:
        from search_figure import draw

        draw(in_order(curves), options.figure)


def kept(path: Path) -> dict[Key, Mapping[str, Any]]:
    """What was replayed before, by table and search."""
    return {(row["table"], row["data"], row["search"]): row for row in rows_of(path)}


def in_order(rows: Mapping[Key, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """As tables and searches are listed."""
    places = {each.name: place for place, each in enumerate(SEARCHES)}
    return [
        rows[key] for key in sorted(rows, key=lambda k: (TABLES.index(k[0]), k[1], places[k[2]]))
    ]


if __name__ == "__main__":
    main()
