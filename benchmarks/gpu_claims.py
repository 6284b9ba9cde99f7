"""Sweeps of fixed trials on one GPU, several at a time, without Ray: rows of docs/claims.md.

    python benchmarks/gpu_claims.py sweeps/claims-ucmerced-64px.yaml … --seconds 480

Small networks leave a GPU waiting for Python, so some processes share it (better with NVIDIA's
multi-process service, docs/benchmarks.md, and --processes 16). Trials, their order and their rows
are those of `make sweep`; the rows go to benchmarks/results/claims, with the device's name, each as
it is done, and what stands there is not run again. With too few --seconds for
everything the rows of the first seeds are complete. Needs no Ray, no DuckDB and no Optuna.
"""

import argparse
import csv
import itertools
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from claims_rows import ROWS, Row, kept, write_rows

sys.path.insert(0, str(Path(__file__).parent.parent))
import without_duckdb  # noqa: F401

from clinfonce import data
from clinfonce.config import SweepSpec, TrialSpec, read_sweep
from clinfonce.data import ImageTable
from clinfonce.scaling.search.plan import Plan, Proposal
from clinfonce.trial.run import run_trial


@cache
def table(name: str, root: str | None) -> ImageTable:
    """Read once a process."""
    return data.load(name, root)


def train(spec: TrialSpec, name: str, root: str | None, experiment: str) -> Row:
    """Run one trial; what the tables need of it."""
    torch.set_num_threads(1)
    result = run_trial(spec, table(name, root), experiment=experiment)
    return {**(result.clustering or {}), **result.trial}


class Sweep:
    """One specification, what of it has run, and what can run now."""

    def __init__(self, path: Path) -> None:
        self.spec: SweepSpec = read_sweep(path)
        if self.spec.search is not None:
            raise SystemExit(f"{path}: a search needs `make sweep`; fixed trials alone run here")
        self.place = str(self.spec.data.name), self.spec.data.root
        self.plan = Plan(self.spec, table(*self.place).fingerprint, None)
        self.out = ROWS / f"{self.spec.name.removeprefix('claims-')}.csv"
        self.rows = self._done()
        self._known = {row["trial_id"]: row for row in self.rows}
        self._numbers = {int(row["number"]) for row in self.rows}
        self._over = False

    def _done(self) -> list[Row]:
        if not self.out.exists():
            return []
        with self.out.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def ready(self) -> Iterator[Proposal]:
        """Trials that wait for no other, without those that have a row."""
        while not self._over:
            try:
                proposal = self.plan.next()
            except StopIteration:
                self._over = True
                return
            if proposal is None:
                return
            row = self._known.get(proposal.identity)
            if row is None:
                self._check_free(proposal)
                yield proposal
                continue
            metric = self.spec.metric
            self.plan.finish(
                proposal.identity, {**row, "status": "complete", metric: float(row[metric])}
            )

    def _check_free(self, proposal: Proposal) -> None:
        if proposal.number in self._numbers:  # a second row would count as another seed
            raise SystemExit(
                f"{self.out}: trial {proposal.number} ({proposal.name}) there is of other data or "
                f"another specification than here: move the file away to begin anew"
            )

    def finish(self, proposal: Proposal, row: Row) -> None:
        """Keep the row of a trial."""
        place = {"number": proposal.number, "role": proposal.role, "name": proposal.name}
        self.rows.append(kept({**row, **place}) | {"device": row["device"]})
        self.rows.sort(key=lambda each: int(each["number"]))
        write_rows(self.out, self.rows)
        self.plan.finish(proposal.identity, row)


def run(sweeps: list[Sweep], processes: int, deadline: float) -> int:
    """Run what is missing, grids and low seeds first; how many trials are still without a row."""
    failed = 0
    waiting: list[tuple[Sweep, Proposal]] = []
    running: dict[Future[Row], tuple[Sweep, Proposal]] = {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        while True:
            waiting += itertools.chain(*([(s, p) for p in s.ready()] for s in sweeps))
            waiting.sort(key=lambda each: (each[1].spec.seed, each[1].number))
            while waiting and len(running) < processes and time.monotonic() < deadline:
                sweep, proposal = waiting.pop(0)
                future = pool.submit(train, proposal.spec, *sweep.place, sweep.spec.name)
                running[future] = sweep, proposal
            if not running:
                return len(waiting) + failed
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                sweep, proposal = running.pop(future)
                if (error := future.exception()) is not None:  # its grid waits for it
                    print(f"{sweep.spec.name}: {proposal.name}: {error}", flush=True)
                    failed += 1
                    continue
                row = future.result()
                sweep.finish(proposal, row)
                say(sweep, proposal, row)


def say(sweep: Sweep, proposal: Proposal, row: dict[str, Any]) -> None:
    """A line for a trial."""
    reached, took = row[sweep.spec.metric], row["seconds"]
    words = f"{sweep.spec.name}: {proposal.role} {proposal.name}, seed {proposal.spec.seed}"
    print(f"{words}: {100 * reached:.1f} %, {took:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweeps", nargs="+", type=Path)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=480, help="no trial begins after that")
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    missing = run([Sweep(path) for path in options.sweeps], options.processes, deadline)
    if missing:
        raise SystemExit(f"{missing} or more trials are missing: the same command goes on")


if __name__ == "__main__":
    main()
