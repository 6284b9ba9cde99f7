"""A sweep, from its specification to the rows of all its trials."""

import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray

from clinfonce import data
from clinfonce.config import Fleet, SweepSpec, TrialSpec, points_to_try, read_fleet
from clinfonce.data import TRAIN, ImageTable
from clinfonce.errors import InputError, RunError
from clinfonce.files import Folder
from clinfonce.results.store.claim import claimed
from clinfonce.results.store.store import Store
from clinfonce.scaling.bookkeeping.cleanup import forget_sweep, remove_checkpoints_of_stopped
from clinfonce.scaling.bookkeeping.specification import as_noted, check_sweep, register_sweep
from clinfonce.scaling.bookkeeping.state import Progress, SweepState
from clinfonce.scaling.connection.session import Interruption, joins_cluster, ray_session
from clinfonce.scaling.execution.capacity import Capacity, WorkerResources, machines
from clinfonce.scaling.execution.features import (
    FeaturesToMake,
    features_to_make,
    make_features_with_ray,
)
from clinfonce.scaling.execution.placement import Placement
from clinfonce.scaling.execution.tune_loop import run_with_tune
from clinfonce.scaling.execution.worker import RunTrial, SweepContext
from clinfonce.scaling.execution.worker_group import WorkerGroup
from clinfonce.scaling.search.encoders import encoder_trials
from clinfonce.scaling.search.metric import columns_of
from clinfonce.scaling.search.offered import offered
from clinfonce.trial.columns import resolve
from clinfonce.trial.held_out import check_search_holds_out, without_held_out
from clinfonce.trial.rows import Row
from clinfonce.trial.run import check_trial, find_device, run_trial
from clinfonce.trial.start import Start, WeightsReader
from clinfonce.trial.storable import check_storable

_AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")


def prepare_sweep(
    sweep: SweepSpec, home: str | os.PathLike[str], *, fresh: bool = False
) -> tuple[ImageTable, Store, WeightsReader]:
    """Find the user's mistakes before anything is written, then open the result store.

    Args:
        sweep: the specification.
        home: folder or URI of the result store; made where there is none.
        fresh: forget an earlier run of this sweep, finished trials and half-run ones.

    Raises:
        InputError: a trial that always runs does not fit data or machine, the folder is no
            result store, or it holds another sweep of this name.
        RunError: another process runs the sweep that is to be forgotten.
    """
    table = data.load(sweep.data.name, sweep.data.root)
    if not fresh:
        table = as_noted(home, sweep.name, table)
    columns_of(sweep, table)
    if sweep.scheduler.name != "none" and table.labels is None:
        raise InputError(
            f"scheduler {sweep.scheduler.name} stops trials by the accuracy of labels, which data "
            f"set {table.name} has not: use none"
        )
    check_search_holds_out(sweep)
    seen = without_held_out(sweep.trial.evaluation, table)
    attributes, parts = offered(sweep, seen)  # it refuses misspelt names in the space
    reader = WeightsReader(Folder.at(home), table)
    for trial in encoder_trials(sweep):
        reader.settle(trial)
    for trial in _always_run(sweep):
        settled = reader.settle(trial)
        clustering = check_trial(settled, table, Start(reader.by_digest))
        check_storable(settled, table, clustering, experiment=sweep.name)
        if not joins_cluster():  # it will train here
            find_device(trial)
    _check_searched_columns(sweep, table)
    check_sweep(home, sweep.name, sweep.canonical(), fresh=fresh)
    store = Store.create(home)
    reader.keep()
    with claimed(store.folder, sweep.name):
        if fresh:
            forget_sweep(store, sweep.name)
        register_sweep(
            home,
            sweep.name,
            sweep.canonical(),
            fresh=fresh,
            offered={"attributes": attributes, "parts": [part.name for part in parts]},
            confirmed=_confirmed(store, sweep.name),
            table=table,
        )
    return table, store, reader


def _confirmed(store: Store, name: str) -> list[str]:
    """Trials that confirm what the search of a sweep has found so far."""
    rows = store.finished().items()
    return [i for i, row in rows if row["sweep"] == name and row["role"] == "confirm"]


def run_sweep(
    sweep: SweepSpec,
    table: ImageTable,
    store: Store,
    home: str | os.PathLike[str],
    progress: Progress,
    reader: WeightsReader | None = None,
    run: RunTrial = run_trial,
) -> list[Row]:
    """Run a prepared sweep, or what is missing of it, and return the rows of all its trials.

    Args:
        sweep: the specification.
        table: its data.
        store: for the rows.
        home: folder or URI of the store.
        progress: is told what happens.
        reader: has read the weights that trials start from.
        run: what runs a trial.

    Raises:
        InputError: the Ray cluster has no room for a trial.
        RunError: another process runs the sweep, or processes died time and again; the same call
            goes on with their trials.
    """
    with claimed(store.folder, sweep.name):
        reader = reader or WeightsReader(store.folder, table)
        return _run_alone(sweep, table, store, home, progress, reader, run)


def _run_alone(
    sweep: SweepSpec,
    table: ImageTable,
    store: Store,
    home: str | os.PathLike[str],
    progress: Progress,
    reader: WeightsReader,
    run: RunTrial,
) -> list[Row]:
    state = SweepState(sweep, table, store, progress, reader)
    progress.start(state.plan.size)
    try:
        if not state.is_over():
            if line := _other_work(sweep.resources.niceness):
                progress.say(line)
            trials = [reader.settle(trial) for trial in encoder_trials(sweep)]
            wanted = features_to_make(trials, table, state.start)
            with (
                tempfile.TemporaryDirectory(prefix="clinfonce-") as scratch,
                ray_session(niceness=sweep.resources.niceness) as interruption,
            ):
                _run_trials(state, reader, wanted, home, run, interruption, Path(scratch))
    finally:
        state.close()
    if state.broken is not None:
        raise state.broken
    if state.lost:
        raise RunError(
            f"{len(state.lost)} trials have no row, since their processes died time and again (the "
            f"last: {list(state.lost.values())[-1]}; the log says more): the same command runs "
            "them again"
        )
    state.forget_outdated()
    remove_checkpoints_of_stopped(store, sweep.name, state.plan.rows)
    return state.plan.rows


def _run_trials(
    state: SweepState,
    reader: WeightsReader,
    wanted: Sequence[FeaturesToMake],
    home: str | os.PathLike[str],
    run: RunTrial,
    interruption: Interruption,
    scratch: Path,
) -> None:
    # A Ray started here does not grow, whatever cluster this machine is the head of.
    growth = read_fleet() if joins_cluster() else Fleet()
    per_worker = _share_of_a_worker(state.sweep, growth)
    _check_device(state.sweep, per_worker)
    capacity = Capacity(per_worker, growth)
    capacity.check(_most_workers(state.sweep))
    if line := _unused_room(state.sweep, capacity.workers):
        state.say(line)
    place, table = Folder.at(home).place, ray.put(state.table)
    weights = {digest: ray.put(each) for digest, each in reader.by_digest.items()}
    make_features_with_ray(wanted, table, weights, place, per_worker, state.say)
    context = ray.put(SweepContext(table, state.sweep.name, place, run, weights))
    placement = Placement(
        capacity, partial(WorkerGroup, per_worker=per_worker, context=context, scratch=scratch)
    )
    run_with_tune(state, placement, per_worker, context, scratch, interruption)


def _unused_room(sweep: SweepSpec, workers: int) -> str | None:
    """What to say if more trials fit into the Ray cluster than the search lets run at a time."""
    room = workers // _most_workers(sweep)
    if sweep.search is None or not sweep.learns or room <= sweep.search.window:
        return None
    return (
        f"There is room for {room} trials at a time, and search.window lets {sweep.search.window} "
        "searched configurations run: a larger one is quicker, and another search"
    )


def _other_work(niceness: int) -> str | None:
    """What to say if trials would step back behind what else this machine has to do."""
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    if joins_cluster() or niceness == 0 or load < cpus / 2:
        return None
    which = "what of it was started from this terminal" if _niceness_is_of_a_session() else "it"
    return (
        f"Other work keeps about {min(load, cpus):.1f} of {cpus} CPUs busy, and trials let {which} "
        f"go first (niceness {niceness}): resources.niceness 0 shares evenly"
    )


def _niceness_is_of_a_session() -> bool:
    """Whether Linux shares CPUs evenly between sessions first, so that niceness counts in each."""
    try:
        return _AUTOGROUP.read_text().strip() == "1"
    except OSError:
        return False


def _always_run(sweep: SweepSpec) -> list[TrialSpec]:
    """A trial of each kind that the sweep runs whatever its search proposes."""
    return [sweep.fixed_trial(named, sweep.seeds[0]) for named in sweep.fixed] or [sweep.trial]


def _check_searched_columns(sweep: SweepSpec, table: ImageTable) -> None:
    """Refuse columns of a searched similarity that the data do not have, or not so."""
    if sweep.search is None:
        return
    point = next(points_to_try(sweep.search.space))
    searched = sweep.searched_trial(point, sweep.search.seed)
    if searched.similarity is not None and not isinstance(searched.similarity.columns, str):
        resolve(
            searched.similarity, without_held_out(searched.evaluation, table), table.rows(TRAIN)
        )


def _share_of_a_worker(sweep: SweepSpec, growth: Fleet) -> WorkerResources:
    """What a worker takes; GPUs where a machine has any, unless the sweep says how many."""
    gpus = sweep.resources.gpus
    if gpus is None:
        kinds = [*machines(), *growth.machines]
        gpus = 1.0 if any(kind.get("GPU") for kind in kinds) else 0.0
    return WorkerResources(sweep.resources.cpus, gpus, sweep.resources.min_workers)


def _check_device(sweep: SweepSpec, per_worker: WorkerResources) -> None:
    """Refuse at once what every machine would refuse.

    Raises:
        InputError: a trial wants a GPU, and no worker gets one.
    """
    if per_worker.gpus or "cuda" not in _values(sweep, "device"):
        return
    if sweep.resources.gpus is None:
        why = "no machine of the Ray cluster has a GPU: use cpu or auto"
    else:
        why = "resources.gpus is 0: leave it out, or use cpu or auto"
    raise InputError(f"device is cuda, but {why}")


def _most_workers(sweep: SweepSpec) -> int:
    """The workers of the widest trial."""
    return max(int(workers) for workers in _values(sweep, "workers"))


def _values(sweep: SweepSpec, field: str) -> list[Any]:
    """What the sweep's trials have in a field: all of it, or the ends of a range."""
    fixed = [
        getattr(sweep.fixed_trial(named, sweep.seeds[0], point), field)
        for named in sweep.fixed
        for point in named.points
    ]
    if sweep.search is None:
        return fixed
    otherwise = sweep.search.trial.get(field, getattr(sweep.trial, field))
    if (dimension := sweep.search.space.get(field)) is None:
        return [*fixed, otherwise]
    return [*fixed, *dimension.ends, *([otherwise] if dimension.when else [])]
