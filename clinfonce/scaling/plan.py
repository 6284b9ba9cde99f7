"""Which trial a sweep runs next, decided the same way however fast each trial ends.

A sweep is a numbered list: its fixed trials, then the searched ones, then the best of those again
with the sweep's seeds. What a decision may look at is fixed by numbers alone: proposal i and every
verdict on trial i see the results of the searched trials up to i - window and nothing later. So the
same specification gives the same trials and the same verdicts on any machine, and a sweep that was
interrupted goes on by taking the rows it already has instead of running their trials again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from clinfonce.config import SweepSpec, TrialSpec, trial_id

Row = dict[str, Any]


@dataclass(frozen=True)
class Proposal:
    """A trial that a sweep wants: its place in the sweep and its specification."""

    number: int
    role: str  # fixed, search or confirm
    name: str  # of a fixed trial; "" lets the clustering name it
    spec: TrialSpec
    identity: str  # trial_id


@dataclass
class Record:
    """What is known of a proposed trial: validation accuracies by epoch, and its row at the end."""

    proposal: Proposal
    reached: dict[int, float] = field(default_factory=dict)  # epoch → validation kNN accuracy
    row: Row | None = None


class Searcher(Protocol):
    """Proposes points of the search space."""

    def ask(self, number: int) -> dict[str, Any]:
        """The point of the searched trial with this number (0, 1, …)."""

    def tell(self, number: int, value: float | None, reached: Mapping[int, float]) -> None:
        """What became of a trial: its value, or None for one that did not complete."""

    def fail(self, number: int) -> None:
        """The trial failed."""


class Plan:
    """The trials of a sweep, in order.

    Args:
        sweep: the specification.
        fingerprint: of the data.
        searcher: where searched points come from; None without a search.
    """

    def __init__(self, sweep: SweepSpec, fingerprint: str, searcher: Searcher | None) -> None:
        self._sweep, self._fingerprint, self._searcher = sweep, fingerprint, searcher
        self._records: dict[str, Record] = {}
        self._searched: list[Record] = []
        self._told = 0
        self._upcoming = self._proposals()

    @property
    def size(self) -> int:
        """How many trials the sweep has in all."""
        sweep, searched = self._sweep, self._sweep.search
        fixed = len(sweep.fixed) * len(sweep.seeds)
        if searched is None:
            return fixed
        return fixed + searched.trials + searched.confirm * len(sweep.seeds)

    @property
    def rows(self) -> list[Row]:
        """The rows of all ended trials, in the order of their numbers."""
        records = sorted(self._records.values(), key=lambda record: record.proposal.number)
        return [record.row for record in records if record.row is not None]

    def next(self) -> Proposal | None:
        """The next trial to run, or None while it depends on trials that still run.

        Raises:
            StopIteration: the sweep has no further trial.
        """
        return next(self._upcoming)

    def should_stop(self, identity: str, epoch: int, accuracy: float) -> bool:
        """Take a validation accuracy of a running trial, and judge whether the trial ends here.

        Asynchronous successive halving (Li et al. 2020): at each rung the trial goes on if it is
        among the best 1 / reduction_factor of itself and the trials it may be compared with.
        """
        record = self._records[identity]
        record.reached[epoch] = accuracy
        scheduler = self._sweep.scheduler
        whole = epoch >= record.proposal.spec.epochs
        if record.proposal.role != "search" or scheduler.name == "none" or whole:
            return False
        rung = self._rung(epoch)
        if rung is None or any(rung <= earlier < epoch for earlier in record.reached):
            return False
        peers = [at_rung(peer.reached, rung) for peer in self._visible(record)]
        rivals = sorted([p for p in peers if p is not None] + [accuracy], reverse=True)
        places = max(1, int(len(rivals) / scheduler.reduction_factor))
        return accuracy < rivals[places - 1]

    def finish(self, identity: str, row: Row, reached: Mapping[int, float] | None = None) -> None:
        """Take the row of a trial that has ended, with its accuracies if it ran earlier."""
        record = self._records[identity]
        record.row = row
        if reached is not None:
            record.reached = dict(reached)

    def _proposals(self) -> Iterator[Proposal | None]:
        sweep = self._sweep
        number = 0
        for named in sweep.fixed:
            for seed in sweep.seeds:
                yield self._propose(number, "fixed", sweep.fixed_trial(named, seed), named.name)
                number += 1
        if sweep.search is None or self._searcher is None:
            return
        for index in range(sweep.search.trials):
            while not self._tell_until(index - sweep.search.window + 1):
                yield None
            proposal = self._search_proposal(number, self._searcher.ask(index))
            self._searched.append(self._records[proposal.identity])
            yield proposal
            number += 1
        while not self._tell_until(len(self._searched)):
            yield None
        for record in self._best(sweep.search.confirm):
            for seed in sweep.seeds:
                spec = record.proposal.spec.model_copy(update={"seed": seed})
                yield self._propose(number, "confirm", spec, "")
                number += 1

    def _propose(self, number: int, role: str, spec: TrialSpec, name: str) -> Proposal:
        identity = trial_id(self._sweep.name, spec, self._fingerprint)
        proposal = Proposal(number, role, name, spec, identity)
        self._records[identity] = Record(proposal)
        return proposal

    def _search_proposal(self, number: int, point: Mapping[str, Any]) -> Proposal:
        """A point proposed again is a replicate: it runs with the next seed nobody has run."""
        assert self._sweep.search is not None
        seed = self._sweep.search.seed
        while True:
            spec = self._sweep.searched_trial(point, seed)
            if trial_id(self._sweep.name, spec, self._fingerprint) not in self._records:
                return self._propose(number, "search", spec, "")
            seed += 1000  # far from the seeds that confirm

    def _tell_until(self, end: int) -> bool:
        """Tell the searcher, in order, of the searched trials before `end`; False if one runs."""
        assert self._searcher is not None
        assert self._sweep.search is not None
        while self._told < end:
            record = self._searched[self._told]
            if record.row is None:
                return False
            if record.row["status"] == "failed":
                self._searcher.fail(self._told)
            else:
                complete = record.row["status"] == "complete"
                value = record.row[self._sweep.search.metric] if complete else None
                self._searcher.tell(self._told, value, record.reached)
            self._told += 1
        return True

    def _visible(self, record: Record) -> list[Record]:
        """The searched trials that a decision on this one may look at."""
        assert self._sweep.search is not None
        index = next(i for i, searched in enumerate(self._searched) if searched is record)
        return self._searched[: max(0, index - self._sweep.search.window + 1)]

    def _rung(self, epoch: int) -> int | None:
        """The highest rung at or below an epoch."""
        scheduler = self._sweep.scheduler
        rung, highest = float(scheduler.grace_epochs), None
        while rung <= epoch:
            highest = int(rung)
            rung *= scheduler.reduction_factor
        return highest

    def _best(self, count: int) -> list[Record]:
        assert self._sweep.search is not None
        metric = self._sweep.search.metric
        ended = [(record.row, record) for record in self._searched if record.row is not None]
        complete = [(row[metric], record) for row, record in ended if row["status"] == "complete"]
        known = [(value, record) for value, record in complete if value is not None]
        ranked = sorted(known, key=lambda pair: (-pair[0], pair[1].proposal.number))
        best: dict[str, Record] = {}
        for _, record in ranked:  # a replicate is the same configuration
            configuration = record.proposal.spec.model_copy(update={"seed": 0}).model_dump_json()
            best.setdefault(configuration, record)
        return list(best.values())[:count]


def at_rung(reached: Mapping[int, float], rung: int) -> float | None:
    """The first accuracy measured at or after a rung."""
    return next((reached[epoch] for epoch in sorted(reached) if epoch >= rung), None)
