"""Commands that train: sweep and pretrain, here or on a Ray cluster."""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinfonce.cli.common import (
    DEFAULT_RESULTS,
    add_command,
    add_specification,
    add_tracker,
    open_store,
    say,
    show_progress,
)

if TYPE_CHECKING:
    from clinfonce.config import SweepSpec


def add_commands(commands: Any) -> None:
    """Add sweep and pretrain."""
    sweep = add_command(commands, "sweep", _sweep, "run a sweep, or go on with one")
    add_specification(sweep, "YAML file, or the name of one that comes with clinfonce: digits")
    sweep.add_argument("--fresh", action="store_true", help="forget this sweep's earlier rows")
    add_tracker(sweep, "--track")
    where = sweep.add_mutually_exclusive_group()
    where.add_argument("--cluster", metavar="FILE", help="run it there, such as on cluster.yaml")
    where.add_argument("--address", metavar="HOST:PORT", help="of a Ray cluster with this machine")

    pretrain = add_command(commands, "pretrain", _pretrain, "run one trial, without a search")
    add_specification(pretrain, "YAML file with name, data and trial")


def _sweep(arguments: argparse.Namespace) -> int:
    from clinfonce.config import read_sweep

    sweep = read_sweep(arguments.spec, arguments.settings)
    print(f"clinfonce: sweep {sweep.name} into {arguments.results}", file=sys.stderr, flush=True)
    if arguments.cluster:
        return _run_sweep_there(arguments, sweep)
    if arguments.address:
        os.environ["RAY_ADDRESS"] = arguments.address
    if address := os.environ.get("RAY_ADDRESS"):
        from clinfonce.scaling.connection.address import check_address

        os.environ["RAY_ADDRESS"] = check_address(address)  # before anything is written
    return _run_sweep(arguments, sweep)


def _run_sweep_there(arguments: argparse.Namespace, sweep: "SweepSpec") -> int:
    from clinfonce.config import specification_text
    from clinfonce.scaling.cluster.launcher import run_sweep_there

    text = specification_text(arguments.spec, arguments.settings)
    place, home = Path(arguments.cluster), arguments.results
    try:
        status = run_sweep_there(place, sweep, text, home, show_progress, fresh=arguments.fresh)
    except KeyboardInterrupt:
        show_progress(
            f"\nclinfonce: the sweep goes on there; the same command follows it again, and "
            f"`clinfonce cluster stop {place} {sweep.name}` ends it\n"
        )
        raise
    return status or _summarize(arguments, sweep.name, sweep.metric)


def _run_sweep(arguments: argparse.Namespace, sweep: "SweepSpec") -> int:
    from clinfonce.cli.display import SweepDisplay
    from clinfonce.results.track import Live
    from clinfonce.scaling.connection.session import terminal_apart
    from clinfonce.scaling.sweep import prepare_sweep, run_sweep

    home, tracker = arguments.results, _tracker_of(arguments)
    table, store, reader = prepare_sweep(sweep, home, fresh=getattr(arguments, "fresh", False))
    here = store.folder.local
    log = (here or Path.cwd()) / "logs" / f"{sweep.name}.log"
    if here is None:
        print(f"clinfonce: the log is in {log}", file=sys.stderr, flush=True)
    with terminal_apart(log) as terminal, SweepDisplay(terminal, sweep.metric) as display:
        if tracker is None:
            rows = run_sweep(sweep, table, store, home, display, reader)
        else:
            live = Live(display, tracker, store, sweep.name)
            try:
                rows = run_sweep(sweep, table, store, home, live, reader)
            finally:
                live.close()
        store.check_there()
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        print(f"clinfonce: {len(failed)} trials failed; {log} says more", file=sys.stderr)
    return _summarize(arguments, sweep.name, sweep.metric)


def _tracker_of(arguments: argparse.Namespace) -> Any:
    """Where the sweep is tracked; None where it is not."""
    from clinfonce.results.track import open_tracker

    given = getattr(arguments, "track", None)
    return None if given is None else open_tracker(*given)


def _pretrain(arguments: argparse.Namespace) -> int:
    from clinfonce.config import SweepSpec, read_experiment

    experiment = read_experiment(arguments.spec, arguments.settings)
    print(
        f"clinfonce: trial {experiment.name} into {arguments.results}", file=sys.stderr, flush=True
    )
    if experiment.trial.workers > 1:
        return _run_sweep(arguments, SweepSpec.of_one_trial(experiment))
    from clinfonce.trial.single import pretrain

    def show(epoch: Any) -> None:
        if epoch.val_knn is not None:
            print(
                f"epoch {epoch.epoch}/{experiment.trial.epochs}  loss {epoch.loss:.4f}  "
                f"validation kNN {epoch.val_knn:.1%}",
                file=sys.stderr,
            )

    pretrain(experiment, arguments.results, show)
    return _summarize(arguments, experiment.name)


def _summarize(arguments: argparse.Namespace, sweep: str, metric: str | None = None) -> int:
    """Print what came out of a sweep, by which metric it selected, and what to type next."""
    from clinfonce import results
    from clinfonce.results.analysis.summary import summary

    store = open_store(arguments.results)
    results.write_table(
        summary(store, sweep, metric), "json" if arguments.json else "table", sys.stdout
    )
    if not arguments.json:
        if metric is not None and (line := results.best_of_sweep(store, sweep, metric)):
            say(line)
        place = shlex.quote(arguments.results)
        option = "" if arguments.results == DEFAULT_RESULTS else f" --results {place}"
        alone = store.sql("SELECT count(DISTINCT sweep) = 1 AS it FROM trials").to_pydict()["it"][0]
        which = "" if alone else f" --sweep {shlex.quote(sweep)}"
        print(f"\nWhat follows from which bits:   clinfonce relate{option}{which}")
        print(f"The page to look at and share:  clinfonce report{option}")
    return 0
