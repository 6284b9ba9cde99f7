"""The state of a running sweep: takes what trials report, decides, writes rows."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from optuna.storages import JournalStorage

from clinfonce.clusterings import Clustering
from clinfonce.config import SweepSpec, TrialSpec
from clinfonce.data import TRAIN, ImageTable
from clinfonce.errors import InputError, StorageError
from clinfonce.evaluation.usable import Visibility
from clinfonce.features import FeatureCache
from clinfonce.results.store.store import Store
from clinfonce.scaling.bookkeeping.cleanup import forget
from clinfonce.scaling.bookkeeping.retention import BestEncoders
from clinfonce.scaling.bookkeeping.specification import note_advised, read_growth
from clinfonce.scaling.limits import MOST_DEATHS
from clinfonce.scaling.search.journal import StudyJournal
from clinfonce.scaling.search.metric import columns_of
from clinfonce.scaling.search.offered import offered
from clinfonce.scaling.search.plan import Plan, Proposal
from clinfonce.scaling.search.stage import grown_searcher
from clinfonce.scaling.search.warm_start import advised_points
from clinfonce.training.checkpoint import checkpoint_file
from clinfonce.training.loop import Epoch
from clinfonce.trial.columns import all_columns
from clinfonce.trial.held_out import without_held_out
from clinfonce.trial.rows import (
    FROZEN,
    Row,
    describe_clustering,
    describe_cost,
    describe_epochs,
    describe_outcome,
    describe_trial,
)
from clinfonce.trial.run import check_trial
from clinfonce.trial.start import Start, WeightsReader, input_shape, visibility_of
from clinfonce.trial.storable import storable_text

_LOST_IN_A_ROW = 3  # trials whose process died, after which a sweep gives up


class Progress(Protocol):
    """What is shown while a sweep runs."""

    def say(self, text: str) -> None:
        """Something worth a line."""

    def start(self, total: int) -> None:
        """The sweep begins."""

    def epoch(
        self, trial_id: str, name: str, epoch: int, epochs: int, accuracy: float | None
    ) -> None:
        """A running trial has a new validation accuracy; None where the data have no labels."""

    def trial(self, row: Row, *, earlier: bool) -> None:
        """A trial has ended, perhaps in an earlier run of the sweep."""


class SweepState:
    """The state of a running sweep: takes what trials report, decides, writes rows.

    Attributes:
        sweep: the specification.
        table: its data.
        start: what its trials start from.
        plan: decides which trials run.
        lost: trials without a row, since their processes died time and again: key → why.
        broken: why nothing can be written any more, and the sweep ends; None while it can.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        table: ImageTable,
        store: Store,
        progress: Progress,
        reader: WeightsReader | None = None,
    ) -> None:
        self.sweep, self.table, self._store, self._progress = sweep, table, store, progress
        self._growth = read_growth(store.folder, sweep.name)
        self._study = None if sweep.search is None else StudyJournal(store.folder, sweep.name)
        searcher = None
        if self._study is not None:
            storage = JournalStorage(self._study)
            trained_on = without_held_out(sweep.trial.evaluation, table)
            names, parts = offered(sweep, trained_on)
            roles = tuple(all_columns(trained_on, trained_on.rows(TRAIN)))
            stages, first = self._growth.stages, self._first_points()
            searcher = grown_searcher(sweep, names, parts, stages, storage, first, columns=roles)
        reader = reader or WeightsReader(store.folder, table)
        self.start = Start(reader.by_digest, FeatureCache(store.folder))
        columns = columns_of(sweep, table)
        self.plan = Plan(sweep, table.fingerprint, searcher, reader.settle, columns)
        self._running: dict[str, Proposal] = {}
        self._history: dict[str, dict[int, Epoch]] = {}
        self._clusterings: dict[str, Clustering | None] = {}
        self._visibility: dict[str, Visibility | None] = {}  # by encoder
        self._done = store.finished()
        self._reached = store.accuracies() if self._done else {}
        self._ahead: list[Proposal] = []
        self._upcoming: Proposal | None = None  # the next of the plan, looked at but not started
        self.lost: dict[str, str] = {}
        self.broken: StorageError | None = None
        self._encoders = BestEncoders(store.folder, columns, sweep.keep)
        self._deaths: dict[str, int] = {}  # of a trial's process, since it last said something
        self._said: set[str] = set()
        self._lost_in_a_row = 0  # without a report of any trial in between

    def _first_points(self) -> Sequence[Mapping[str, Any]]:
        """What a search that is seeded with advice begins with, the same after it has grown."""
        if (noted := self._growth.advised) is not None:
            return noted
        points = advised_points(self.sweep, self.table)
        if points:
            note_advised(self._store.folder, self.sweep.name, points)
        return points

    def close(self) -> None:
        """Bring the study of the search up to date."""
        if self._study is not None and self.broken is None:
            self._study.close()

    def say(self, text: str) -> None:
        """Show a line to whoever watches the sweep."""
        self._progress.say(text)

    def is_over(self) -> bool:
        """Whether no trial has to run, to be asked while none is running."""
        try:
            if self._upcoming is None:
                self._upcoming = self._without_row()
        except StopIteration:
            return True
        except OSError as error:
            self.broken = self._store.folder.explained(error)
            return True
        return False

    def put_back(self, proposal: Proposal) -> None:
        """Take back a trial that `next` gave; it is the next one again."""
        self._ahead.append(proposal)

    def next(self) -> Proposal | None:
        """The next trial that has to run, or None while it depends on those that run.

        Trials whose rows are in the store and trials that cannot be trained are settled here.

        Raises:
            StopIteration: the sweep has no further trial.
        """
        if self.broken is not None:
            raise StopIteration
        if self._ahead:
            return self._ahead.pop()
        try:
            return self._following()
        except OSError as error:
            self.broken = self._store.folder.explained(error)
            raise StopIteration from None

    def _without_row(self) -> Proposal | None:
        """The next trial of the plan that has no row yet; those that have one are settled here."""
        while (proposal := self.plan.next()) is not None:
            if (row := self._done.get(proposal.identity)) is None:
                return proposal
            self.plan.finish(proposal.identity, row, self._reached.get(proposal.identity, {}))
            self._encoders.take(row)
            self._progress.trial(row, earlier=True)
        return None

    def _following(self) -> Proposal | None:
        while True:
            proposal, self._upcoming = self._upcoming or self._without_row(), None
            if proposal is None:
                return None
            self._running[proposal.identity] = proposal
            self._history[proposal.identity] = {}
            try:
                self._clustering(proposal.spec)
            except InputError as error:
                self._end(proposal.identity, "failed", error=str(error))
                continue
            self._introduce(proposal)
            return proposal

    def _introduce(self, proposal: Proposal) -> None:
        """Say what the clustering of a fixed trial offers, before the first of its trainings."""
        spec = proposal.spec
        clustering = self._clustering(spec)
        if not proposal.name or clustering is None or spec.clustering.alternates:
            return
        if not clustering.is_partition:
            return
        report = clustering.report(
            batch_size=spec.sampler.batch_size, images_per_cluster=spec.sampler.images_per_cluster
        )
        if (line := f"{proposal.name}: {report.line}") not in self._said:
            self._said.add(line)
            self.say(line)

    def receive(self, identity: str, report: Mapping[str, Any]) -> bool:
        """Take a report of a trial; True if the trial is to stop.

        A report may come twice, from a process that took over from one that died.
        """
        try:
            return self._receive(identity, report)
        except OSError as error:
            self.broken = self._store.folder.explained(error)
            return True

    def _receive(self, identity: str, report: Mapping[str, Any]) -> bool:
        if log := report.get("log"):
            logging.getLogger(__name__).warning("trial %s: %s", identity, log)
        if identity not in self._running or self.broken is not None:
            return True
        if "storage" in report:
            self.broken = StorageError(report["storage"])
            return True
        if "lost" in report:
            self.lose(identity, report["lost"])
            return False
        self._lost_in_a_row = 0
        self._deaths.pop(identity, None)
        history = self._history[identity]
        history |= {epoch["epoch"]: Epoch(**epoch) for epoch in report["epochs"]}
        if "failure" in report:
            self._end(identity, "failed", error=report["failure"])
        elif "trial" in report:
            clustering = next(iter(report["clustering"]), None)
            self._end(
                identity,
                "complete",
                report["trial"][0],
                clustering,
                scores=report.get("scores"),
                factors=report.get("factors", ()),
            )
        else:
            proposal, epoch = self._running[identity], report["epoch"]
            name, epochs = self._name(proposal), proposal.spec.epochs
            accuracy = report["val_knn"]  # None where the data have no labels
            self._progress.epoch(identity, name, epoch, epochs, accuracy)
            if accuracy is not None and self.plan.should_stop(identity, epoch, accuracy):
                self._end(identity, "stopped")
                return True
        return False

    def die(self, identity: str) -> bool:
        """A process of a trial has died. It is the next one to run again, unless it is given up.

        Returns:
            Whether it runs again.
        """
        if identity not in self._running or self.broken is not None:
            return False
        self._deaths[identity] = self._deaths.get(identity, 0) + 1
        if self._deaths[identity] < MOST_DEATHS:
            self.put_back(self._running[identity])
            return True
        self.lose(identity, f"its process died {MOST_DEATHS} times without a word in between")
        return False

    def lose(self, identity: str, reason: str) -> None:
        """A trial's processes died time and again.

        The plan counts it as failed. It gets no row, since the row would not be a function of the
        specification; the next run of the sweep tries it again.
        """
        if identity in self._running and self.broken is None:
            self._end(identity, "failed", error=reason, lost=True)
            self._lost_in_a_row += 1

    @property
    def is_hopeless(self) -> bool:
        """Whether the processes of the last trials all died, so that the next ones would too."""
        return self._lost_in_a_row >= _LOST_IN_A_ROW

    def forget_outdated(self) -> None:
        """Remove the trials that this sweep left when it went another way.

        A search went on without a trial that was lost; with its row it proposes other trials.
        """
        rows = self._store.finished().values()
        mine = {row["trial_id"] for row in self.plan.rows} | self._growth.kept
        outdated = [
            row["trial_id"]
            for row in rows
            if row["sweep"] == self.sweep.name
            and row["data_fingerprint"] == self.table.fingerprint
            and row["trial_id"] not in mine
        ]
        forget(self._store, self.sweep.name, outdated)

    def _end(
        self,
        identity: str,
        status: str,
        trial: Row | None = None,
        described: Row | None = None,
        *,
        scores: Sequence[Row] | None = None,
        factors: Sequence[Row] = (),
        error: str | None = None,
        lost: bool = False,
    ) -> None:
        proposal = self._running.pop(identity)
        error = None if error is None else storable_text(error)
        history = [epoch for _, epoch in sorted(self._history.pop(identity).items())]
        # Clusters of the encoder's own features are known to the trial alone, at its end.
        known = status != "failed" and not proposal.spec.clustering.alternates
        clustering = self._clustering(proposal.spec) if known else None
        row = {
            **describe_trial(proposal.spec, self.table, clustering, experiment=self.sweep.name),
            **describe_outcome(history, status=status, error=error),
            **(self._cost(proposal.spec, history) if history else {}),
            **(trial or {}),
            "number": proposal.number,
            "role": proposal.role,
        }
        row["name"] = proposal.name or row["clustering"]
        if described is None and clustering is not None:
            described = describe_clustering(clustering, self.table)
        if described is not None and clustering is not None:
            described = {**described, "visible_bits": self._visible_bits(proposal.spec, clustering)}
        if lost:
            self.lost[identity] = error or ""
        else:
            self._store.write_trial(
                row, describe_epochs(history, identity), described, scores, factors=factors
            )
            self._encoders.take(row)
        if status == "stopped":  # nobody resumes it; one that failed may be looked into
            checkpoint_file(self._store.folder, self.sweep.name, identity).remove()
        self.plan.finish(identity, row)
        self._progress.trial(row, earlier=False)

    def _visible_bits(self, spec: TrialSpec, clustering: Clustering) -> float | None:
        key = spec.encoder.model_dump_json()
        if key not in self._visibility:
            device = torch.device("cpu")  # the driver's machine may have no other
            self._visibility[key] = visibility_of(spec, self.table, self.start, device)
        seen = self._visibility[key]
        if seen is None or not clustering.is_partition:
            return None
        return seen.bits(torch.tensor(clustering.ids))

    def _cost(self, spec: TrialSpec, history: list[Epoch]) -> Row:
        return describe_cost(spec, input_shape(spec, self.table, self.start), history)

    def _clustering(self, spec: TrialSpec) -> Clustering | None:
        key = spec.model_copy(update={"seed": 0}).model_dump_json()
        if key not in self._clusterings:
            self._clusterings[key] = check_trial(spec, self.table, self.start)
        return self._clusterings[key]

    def _name(self, proposal: Proposal) -> str:
        clustering = self._clustering(proposal.spec)
        name = proposal.name or (FROZEN if clustering is None else clustering.name)
        return f"{name} (seed {proposal.spec.seed})"
