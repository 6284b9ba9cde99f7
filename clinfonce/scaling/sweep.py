"""A sweep: Ray Tune runs the trials of a plan, and every row goes to the result store."""

import functools
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as TuneSearcher

from clinfonce import data
from clinfonce.clusterings import Clustering
from clinfonce.config import SweepSpec, TrialSpec
from clinfonce.data import TRAIN, ImageTable, attributes
from clinfonce.errors import InputError, RunError, unknown_name
from clinfonce.experiment import check_trial
from clinfonce.results.schema import TABLES
from clinfonce.results.store import Store
from clinfonce.rows import (
    Row,
    describe_clustering,
    describe_epochs,
    describe_outcome,
    describe_trial,
)
from clinfonce.scaling.plan import Plan, Proposal
from clinfonce.scaling.record import enter_sweep
from clinfonce.scaling.search import OptunaSearcher
from clinfonce.scaling.session import ray_session
from clinfonce.scaling.worker import tune_trial
from clinfonce.training.loop import Epoch

_LOST_IN_A_ROW = 3  # trials whose process died, after which a sweep gives up


class Progress(Protocol):
    """What is shown while a sweep runs."""

    def start(self, total: int) -> None:
        """The sweep begins."""

    def epoch(self, name: str, epoch: int, epochs: int, accuracy: float) -> None:
        """A running trial has a new validation accuracy."""

    def trial(self, row: Row, *, earlier: bool) -> None:
        """A trial has ended, perhaps in an earlier run of the sweep."""


class SweepRun:
    """The state of a running sweep: takes what trials report, decides, writes rows."""

    def __init__(
        self, sweep: SweepSpec, table: ImageTable, store: Store, progress: Progress
    ) -> None:
        self.sweep, self.table, self._store, self._progress = sweep, table, store, progress
        names = tuple(attributes(table, table.rows(TRAIN)))
        searcher = None if sweep.search is None else OptunaSearcher(sweep.search, names)
        self.plan = Plan(sweep, table.fingerprint, searcher)
        self._running: dict[str, Proposal] = {}
        self._history: dict[str, dict[int, Epoch]] = {}
        self._clusterings: dict[str, Clustering] = {}
        self._done = store.finished()
        self._ahead: list[Proposal] = []
        self._lost: list[str] = []  # trials that ended one after the other without a report

    @property
    def running(self) -> int:
        """How many trials were handed out and have not ended."""
        return len(self._running) - len(self._ahead)

    def is_over(self) -> bool:
        """Whether no trial has to run, to be asked while none is running."""
        try:
            if (proposal := self.next()) is not None:
                self._ahead.append(proposal)
        except StopIteration:
            return True
        return False

    def next(self) -> Proposal | None:
        """The next trial that has to run, or None while it depends on those that run.

        Trials whose rows are in the store and trials that cannot be trained are settled here.

        Raises:
            StopIteration: the sweep has no further trial.
        """
        if self._ahead:
            return self._ahead.pop()
        while (proposal := self.plan.next()) is not None:
            if (row := self._done.get(proposal.identity)) is not None:
                reached = {
                    epoch["epoch"]: epoch["val_knn"]
                    for epoch in self._store.epochs_of(proposal.identity)
                    if epoch["val_knn"] is not None
                }
                self.plan.finish(proposal.identity, row, reached)
                self._progress.trial(row, earlier=True)
                continue
            self._running[proposal.identity] = proposal
            self._history[proposal.identity] = {}
            try:
                self._clustering(proposal.spec)
            except InputError as error:
                self._end(proposal.identity, "failed", error=str(error))
                continue
            return proposal
        return None

    def receive(self, identity: str, report: Mapping[str, Any]) -> bool:
        """Take a report of a trial; True if the trial is to stop."""
        if identity not in self._running:
            return True
        self._lost.clear()
        history = self._history[identity]
        history |= {epoch["epoch"]: Epoch(**epoch) for epoch in report["epochs"]}
        if "failure" in report:
            self._end(identity, "failed", error=report["failure"])
        elif "trial" in report:
            self._end(identity, "complete", report["trial"][0], report["clustering"][0])
        else:
            proposal, epoch = self._running[identity], report["epoch"]
            self._progress.epoch(
                self._name(proposal), epoch, proposal.spec.epochs, report["val_knn"]
            )
            if self.plan.should_stop(identity, epoch, report["val_knn"]):
                self._end(identity, "stopped")
                return True
        return False

    def lose(self, identity: str, reason: str) -> None:
        """A trial's process is gone for good."""
        if identity in self._running:
            self._end(identity, "failed", error=reason)
            self._lost.append(identity)

    @property
    def is_hopeless(self) -> bool:
        """Whether the processes of the last trials all died, so that the next ones would too."""
        return len(self._lost) >= _LOST_IN_A_ROW

    def forget_lost(self) -> None:
        """Take the rows of the trials that died last out of the store, to run them again."""
        self._store.remove(self._lost)

    def _end(
        self,
        identity: str,
        status: str,
        trial: Row | None = None,
        described: Row | None = None,
        *,
        error: str | None = None,
    ) -> None:
        proposal = self._running.pop(identity)
        history = [epoch for _, epoch in sorted(self._history.pop(identity).items())]
        # Clusters of the encoder's own features are known to the trial alone, at its end.
        known = status != "failed" and not proposal.spec.clustering.alternates
        clustering = self._clustering(proposal.spec) if known else None
        row = {
            **describe_trial(proposal.spec, self.table, clustering, experiment=self.sweep.name),
            **describe_outcome(history, status=status, error=error),
            **(trial or {}),
            "number": proposal.number,
            "role": proposal.role,
        }
        row["name"] = proposal.name or row["clustering"]
        if described is None and clustering is not None:
            described = describe_clustering(clustering, self.table)
        self._store.write_trial(row, describe_epochs(history, identity), described)
        self.plan.finish(identity, row)
        self._progress.trial(row, earlier=False)

    def _clustering(self, spec: TrialSpec) -> Clustering:
        key = spec.model_copy(update={"seed": 0}).model_dump_json()
        if key not in self._clusterings:
            self._clusterings[key] = check_trial(spec, self.table)
        return self._clusterings[key]

    def _name(self, proposal: Proposal) -> str:
        return proposal.name or self._clustering(proposal.spec).name


class _Proposals(TuneSearcher):
    """Hands the plan's trials to Ray Tune."""

    def __init__(self, run: SweepRun, cpus: float, gpus: float, limit: int) -> None:
        super().__init__()
        self._run, self._resources, self._limit = run, {"cpus": cpus, "gpus": gpus}, limit

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # noqa: ARG002
        if self._run.is_hopeless:
            return TuneSearcher.FINISHED
        if self._run.running >= self._limit:
            return None
        try:
            proposal = self._run.next()
        except StopIteration:
            return TuneSearcher.FINISHED
        if proposal is None:
            return None
        spec = proposal.spec.model_dump_json()
        return {"identity": proposal.identity, "spec": spec, **self._resources}

    def set_search_properties(self, *_: Any, **__: Any) -> bool:
        return True

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        """The scheduler has told the run already."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a sweep resumes from the rows in its store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a sweep resumes from the rows in its store."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its parts to resume from; we do not resume from that


class _Verdicts(FIFOScheduler):
    """Passes reports to the run and its verdicts to Ray Tune."""

    def __init__(self, run: SweepRun) -> None:
        super().__init__()
        self._run = run

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ARG002
        stop = self._run.receive(trial.config["identity"], result)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:  # noqa: ARG002
        self._run.lose(trial.config["identity"], "its process ended without a word")


def prepare_sweep(sweep: SweepSpec, home: Path, *, fresh: bool = False) -> tuple[ImageTable, Store]:
    """Find the user's mistakes before anything is written, then open the result store.

    Args:
        sweep: the specification.
        home: folder of the result store; made where there is none.
        fresh: forget the rows of an earlier run of this sweep.

    Raises:
        InputError: a trial that always runs does not fit the data, the folder is no result store,
            or it holds another sweep of this name.
    """
    table = data.load(sweep.data.name, sweep.data.root)
    _check_metric(sweep)
    for trial in _always_run(sweep):
        check_trial(trial, table)
    store = Store.create(home)
    if fresh:
        store.remove([i for i, row in store.finished().items() if row["sweep"] == sweep.name])
    enter_sweep(home, sweep.name, sweep.canonical(), fresh=fresh)
    return table, store


def run_sweep(
    sweep: SweepSpec, table: ImageTable, store: Store, home: Path, progress: Progress
) -> list[Row]:
    """Run a prepared sweep, or what is missing of it, and return the rows of all its trials."""
    run = SweepRun(sweep, table, store, progress)
    progress.start(run.plan.size)
    if not run.is_over():
        widest = max(trial.workers for trial in _always_run(sweep))
        with ray_session(dashboard=widest > 1) as available:
            cpus, gpus = _share_of_a_worker(sweep, available)
            limit = _most_at_once(widest, cpus, gpus, available)
            with tempfile.TemporaryDirectory(prefix="clinfonce-") as scratch:
                _tune(run, home, Path(scratch), _Proposals(run, cpus, gpus, limit))
    if run.is_hopeless:
        run.forget_lost()
        raise RunError(f"{_LOST_IN_A_ROW} trials in a row lost their process; the log says more")
    _remove_checkpoints(home, run.plan.rows)
    return run.plan.rows


def _remove_checkpoints(home: Path, rows: list[Row]) -> None:
    """Remove those of stopped trials, which nobody resumes; a failed one's may be looked into."""
    for row in rows:
        if row["status"] == "stopped":
            (home / "checkpoints" / f"{row['trial_id']}.pt").unlink(missing_ok=True)


def _always_run(sweep: SweepSpec) -> list[TrialSpec]:
    """A trial of each kind that the sweep runs whatever its search proposes."""
    return [sweep.fixed_trial(named, sweep.seeds[0]) for named in sweep.fixed] or [sweep.trial]


def _check_metric(sweep: SweepSpec) -> None:
    known = [
        c.name for c in TABLES["trials"] if c.name.startswith("val_") and c.name[-4:] != "_std"
    ]
    if sweep.search is not None and sweep.search.metric not in known:
        raise InputError(unknown_name("search.metric", sweep.search.metric, known))


def _share_of_a_worker(sweep: SweepSpec, available: Mapping[str, float]) -> tuple[float, float]:
    """CPUs and GPUs of one worker."""
    gpus = sweep.resources.gpus
    if gpus is None:
        gpus = 1.0 if available.get("GPU") else 0.0
    return sweep.resources.cpus, gpus


def _most_at_once(workers: int, cpus: float, gpus: float, available: Mapping[str, float]) -> int:
    """How many trials fit into the Ray cluster at a time.

    Raises:
        InputError: not even one.
    """
    fits = []
    for name, share in (("CPU", cpus), ("GPU", gpus)):
        if share:
            fits.append(int(available.get(name, 0.0) / (workers * share)))
            if fits[-1] == 0:
                raise InputError(
                    f"a trial takes {workers} × {share:g} {name} (workers × resources), but the "
                    f"Ray cluster has {available.get(name, 0.0):g} {name}: ask for less of it"
                )
    return min(fits)


def _tune(run: SweepRun, home: Path, scratch: Path, proposals: "_Proposals") -> None:
    """Run the trials with Ray Tune; its own records are scratch, the store is the record."""
    trainable = functools.partial(
        tune_trial, table=ray.put(run.table), experiment=run.sweep.name, home=str(home.resolve())
    )
    os.environ |= {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a sweep at once, finished rows are safe
        "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    }
    tune.Tuner(
        tune.with_resources(trainable, _tune_resources),
        tune_config=tune.TuneConfig(
            search_alg=proposals,
            scheduler=_Verdicts(run),
            num_samples=run.plan.size,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=run.sweep.name,
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=2),
        ),
    ).fit()


def _tune_resources(config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
    """What Tune reserves for a trial.

    Ray Train reserves for the workers of a data-parallel trial itself. The process that waits for
    them takes no CPU, which they might lack then, but a place on the head node.
    """
    if json.loads(config["spec"])["workers"] > 1:
        return tune.PlacementGroupFactory([{"node:__internal_head__": 0.001}])
    bundle = {"CPU": config["cpus"]}
    return tune.PlacementGroupFactory(
        [bundle | ({"GPU": config["gpus"]} if config["gpus"] else {})]
    )
