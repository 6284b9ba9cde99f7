"""Which trial a sweep runs next, decided the same way however fast each trial ends.

A sweep is a numbered list: the grids that fixed trials choose from, the fixed trials, the searched
configurations, then the best of those again with the sweep's seeds. What a decision may look at is
fixed by numbers alone: configuration i and every decision on it see the results of those up to
i - window and nothing later, and a search that looks at no results waits for none. So the same
specification gives the same trials and the same decisions on any machine, and a sweep that was
interrupted goes on by taking the rows it already has instead of running their trials again.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Protocol

from clinfonce.config import NamedTrial, SearchSpec, SweepSpec, TrialSpec, trial_id
from clinfonce.config.search import SEEDS_APART
from clinfonce.scaling.search.halving import Halving
from clinfonce.scaling.search.metric import Value, standings, values_of
from clinfonce.scaling.search.race import still_racing

Row = dict[str, Any]

COST = "train_operations"  # what sampler nsga2 weighs against the metric, a column of `trials`


@dataclass(frozen=True)
class Proposal:
    """A trial that a sweep wants: its place in the sweep and its specification."""

    number: int
    role: str  # choose, fixed, search or confirm
    name: str  # of a fixed trial; "" lets the clustering name it
    spec: TrialSpec
    identity: str  # trial_id


@dataclass
class Record:
    """What is known of a proposed trial: validation accuracies by epoch, and its row at the end."""

    proposal: Proposal
    reached: dict[int, float] = field(default_factory=dict)  # epoch → validation kNN accuracy
    row: Row | None = None
    # Of the first trial of a searched configuration: it alone may be stopped, and the trials with
    # further seeds run once it is complete.
    leads: "Configuration | None" = None


@dataclass
class Configuration:
    """A point of the search and the trials that run it, one for each of the search's seeds."""

    index: int
    specs: list[TrialSpec]
    records: list[Record] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether no trial of it runs or is to run."""
        rows = [record.row for record in self.records]
        if rows[0] is None or rows[0]["status"] != "complete":
            return rows[0] is not None
        return len(rows) == len(self.specs) and None not in rows

    def means(self, columns: Sequence[str]) -> tuple[Value, ...]:
        """Of each column over all its trials; None where one has no value."""
        each = [reached(record, columns) for record in self.records]
        return tuple(self._mean(values) for values in zip(*each, strict=True))

    def _mean(self, values: Sequence[Value]) -> Value:
        known = [value for value in values if value is not None]
        return fmean(known) if len(known) == len(self.specs) else None


class Searcher(Protocol):
    """Proposes points of the search space."""

    def ask(self, number: int) -> dict[str, Any]:
        """The point of the configuration with this number (0, 1, …)."""

    def tell(
        self, number: int, values: Sequence[float] | None, reached: Mapping[int, float]
    ) -> None:
        """What became of a configuration: its objectives, or None for one that was stopped."""

    def fail(self, number: int) -> None:
        """A trial of the configuration failed."""


class Plan:
    """The trials of a sweep, in order.

    Args:
        sweep: the specification.
        fingerprint: of the data.
        searcher: where searched points come from; None without a search.
        settle: gives a trial the digest of the weights that it starts from.
        columns: of a trial's row that the sweep's metric looks at; None: that of its name.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        fingerprint: str,
        searcher: Searcher | None,
        settle: Callable[[TrialSpec], TrialSpec] = lambda spec: spec,
        columns: tuple[str, ...] | None = None,
    ) -> None:
        self._sweep, self._fingerprint, self._searcher = sweep, fingerprint, searcher
        self._settle = settle
        self._records: dict[str, Record] = {}
        self._configurations: list[Configuration] = []
        self._halving = Halving(sweep.scheduler, sweep.search.n_trials if sweep.search else 0)
        self._told = 0
        self._further: deque[Proposal] = deque()  # seeds of configurations whose first is complete
        self._upcoming = self._proposals()
        self._columns = columns or (sweep.metric,)
        self._weighs_cost = sweep.search is not None and sweep.search.sampler == "nsga2"

    @property
    def size(self) -> int:
        """How many trials the sweep has at most."""
        sweep, search = self._sweep, self._sweep.search
        fixed = sum(len(sweep.seeds_of(named)) for named in sweep.fixed)
        fixed += sum(len(named.points) for named in sweep.fixed if named.choose)
        if search is None:
            return fixed
        return fixed + search.n_trials * search.seeds + search.confirm * len(sweep.seeds)

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
        if self._further:
            return self._further.popleft()
        return next(self._upcoming)

    def should_stop(self, identity: str, epoch: int, accuracy: float) -> bool:
        """Take a validation accuracy of a running trial, and judge whether the trial ends here."""
        record = self._records[identity]
        record.reached[epoch] = accuracy
        if record.leads is None or self._sweep.search is None:
            return False
        index, epochs = record.leads.index, record.proposal.spec.epochs
        visible = max(0, index - self._sweep.search.window + 1)
        return self._halving.should_stop(index, epochs, record.reached, epoch, visible=visible)

    def finish(self, identity: str, row: Row, reached: Mapping[int, float] | None = None) -> None:
        """Take the row of a trial that has ended, with its accuracies if it ran earlier."""
        record = self._records[identity]
        record.row = row
        if reached is not None:
            record.reached = dict(reached)
        if record.leads is not None:
            self._halving.settle(record.leads.index, record.proposal.spec.epochs, record.reached)
            if row["status"] == "complete":
                self._run_further_seeds(record.leads)

    def _proposals(self) -> Iterator[Proposal | None]:
        count = itertools.count()
        grids = [
            [self._point(next(count), named, point) for point in named.points if named.choose]
            for named in self._sweep.fixed
        ]
        yield from itertools.chain(*grids)
        for named, grid in zip(self._sweep.fixed, grids, strict=True):
            yield from self._fixed(count, named, grid)
        if self._sweep.search is not None and self._searcher is not None:
            yield from self._proposed(count, self._sweep.search, self._searcher)
            yield from self._confirmed(count, self._sweep.search)

    def _point(self, number: int, named: NamedTrial, point: Mapping[str, Any]) -> Proposal:
        spec = self._settle(self._sweep.fixed_trial(named, self._sweep.trial.seed, point))
        return self._propose(number, "choose", spec, named.name)

    def _fixed(
        self, count: Iterator[int], named: NamedTrial, grid: Sequence[Proposal]
    ) -> Iterator[Proposal | None]:
        records = [self._records[proposal.identity] for proposal in grid]
        while any(record.row is None for record in records):
            yield None
        # Where no point has a value the first stands for them, and its rows say what is wrong.
        values = standings([reached(record, self._columns) for record in records])
        ranked = [-math.inf if value is None else value for value in values]
        best = records[ranked.index(max(ranked))] if records else None
        base = best.proposal.spec if best else self._settle(self._sweep.fixed_trial(named, 0))
        for seed in self._sweep.seeds_of(named):
            spec = self._evaluated_fully(base, seed)
            yield self._propose(next(count), "fixed", spec, named.name)

    def _proposed(
        self, count: Iterator[int], search: SearchSpec, searcher: Searcher
    ) -> Iterator[Proposal | None]:
        for index in range(search.n_trials):
            while not self._may_propose(searcher, index, search.window):
                yield None
            if search.minutes is not None and self._spent() >= 60 * search.minutes:
                break
            specs = self._unused_specs(search, searcher.ask(index))
            numbers = [next(count) for _ in specs]
            configuration = Configuration(index, specs)
            self._configurations.append(configuration)
            yield self._propose(numbers[0], "search", specs[0], "", configuration)
        while not self._tell_until(searcher, len(self._configurations)):
            yield None

    def _spent(self) -> float:
        """Seconds of the searched trials that a proposal may look at, one after the other."""
        records = (r for c in self._configurations[: self._told] for r in c.records)
        return sum(record.row.get("seconds") or 0.0 for record in records if record.row)

    def _may_propose(self, searcher: Searcher, index: int, window: int) -> bool:
        """Whether all that a proposal may look at is known; the searcher is told of it."""
        if self._sweep.learns:
            return self._tell_until(searcher, index - window + 1)
        self._tell_until(searcher, index)
        return True

    def _unused_specs(self, search: SearchSpec, point: Mapping[str, Any]) -> list[TrialSpec]:
        """A trial for each seed; a point proposed again takes the next seeds nobody has run."""
        for replicate in itertools.count():
            further = SEEDS_APART * search.seeds * replicate
            seeds = [seed + further for seed in search.all_seeds]
            specs = [self._settle(self._sweep.searched_trial(point, seed)) for seed in seeds]
            if self._identity(specs[0]) not in self._records:
                return specs
        raise AssertionError

    def _run_further_seeds(self, configuration: Configuration) -> None:
        number = configuration.records[0].proposal.number
        for offset, spec in enumerate(configuration.specs[1:], start=1):
            proposal = self._propose(number + offset, "search", spec, "")
            configuration.records.append(self._records[proposal.identity])
            self._further.append(proposal)

    def _confirmed(self, count: Iterator[int], search: SearchSpec) -> Iterator[Proposal | None]:
        specs = [configuration.specs[0] for configuration in self._best(search.confirm)]
        if search.race:
            yield from self._raced(count, specs)
            return
        for spec, seed in itertools.product(specs, self._sweep.seeds):
            yield from self._with_seed(count, spec, seed)

    def _raced(self, count: Iterator[int], specs: Sequence[TrialSpec]) -> Iterator[Proposal | None]:
        """One seed after the other; who is surely worse than the best runs with no more of them."""
        racing = list(range(len(specs)))
        values: list[list[float]] = [[] for _ in specs]
        for seed in self._sweep.seeds:
            for each in racing:
                yield from self._with_seed(count, specs[each], seed)
            seeded = (self._evaluated_fully(specs[each], seed) for each in racing)
            records = [self._records[self._identity(spec)] for spec in seeded]
            while any(record.row is None for record in records):
                yield None
            found = standings([reached(record, self._columns) for record in records])
            for each, value in zip(racing, found, strict=True):
                values[each] += [] if value is None else [value]
            racing = still_racing(racing, values)

    def _with_seed(self, count: Iterator[int], spec: TrialSpec, seed: int) -> Iterator[Proposal]:
        spec = self._evaluated_fully(spec, seed)
        if self._identity(spec) not in self._records:  # else a fixed trial confirms it
            yield self._propose(next(count), "confirm", spec, "")

    def _evaluated_fully(self, spec: TrialSpec, seed: int) -> TrialSpec:
        """A trial with one of the sweep's seeds, whose result is reported."""
        changes: dict[str, Any] = {"seed": seed}
        if self._sweep.finetune:
            changes["evaluation"] = spec.evaluation.model_copy(update={"finetune": True})
        return spec.model_copy(update=changes)

    def _propose(
        self,
        number: int,
        role: str,
        spec: TrialSpec,
        name: str,
        leads: Configuration | None = None,
    ) -> Proposal:
        proposal = Proposal(number, role, name, spec, self._identity(spec))
        record = self._records[proposal.identity] = Record(proposal, leads=leads)
        if leads is not None:
            leads.records.append(record)
        return proposal

    def _identity(self, spec: TrialSpec) -> str:
        return trial_id(self._sweep.name, spec, self._fingerprint)

    def _tell_until(self, searcher: Searcher, end: int) -> bool:
        """Tell the searcher, in order, of the configurations before `end`; False if one runs."""
        while self._told < end:
            configuration = self._configurations[self._told]
            if not configuration.is_over:
                return False
            first = configuration.records[0]
            values = self._objectives_of(configuration)
            known = [value for value in values if value is not None]
            if first.row is not None and first.row["status"] == "stopped":
                searcher.tell(self._told, None, first.reached)
            elif len(known) == len(values):
                searcher.tell(self._told, known, first.reached)
            else:
                searcher.fail(self._told)
            self._told += 1
        return True

    def _objectives_of(self, configuration: Configuration) -> list[Value]:
        """What a searcher is told; a rank is among the configurations up to this one."""
        until = self._configurations[: configuration.index + 1]
        until = until if len(self._columns) > 1 else [configuration]
        values = standings([each.means(self._columns) for each in until])[-1:]
        return [*values, *configuration.means([COST])] if self._weighs_cost else values

    def _best(self, count: int) -> list[Configuration]:
        """The configurations of highest value, one of each point.

        With a second objective they are the best of those that no other beats in both.
        """
        values = standings([each.means(self._columns) for each in self._configurations])
        pairs = zip(values, self._configurations, strict=True)
        known = [(value, each) for value, each in pairs if value is not None]
        if self._weighs_cost:
            known = _not_beaten(known)
        best: dict[str, Configuration] = {}
        # Equal ones stand in their order.
        for _, configuration in sorted(known, key=lambda pair: pair[0], reverse=True):
            point = configuration.specs[0].model_copy(update={"seed": 0}).model_dump_json()
            best.setdefault(point, configuration)  # a replicate is the same point
        return list(best.values())[:count]


Valued = tuple[float, Configuration]


def _not_beaten(configurations: Sequence[Valued]) -> list[Valued]:
    """Those that have a higher value than every one that costs no more."""
    front: list[Valued] = []
    best = -math.inf
    by_cost = [(c.means([COST])[0], value, c) for value, c in configurations]
    known = [(cost, value, c) for cost, value, c in by_cost if cost is not None]
    for _, value, configuration in sorted(known, key=lambda k: (k[0], -k[1], k[2].index)):
        if value > best:
            best = value
            front.append((value, configuration))
    return front


def reached(record: Record, columns: Sequence[str]) -> tuple[Value, ...]:
    """What a complete trial has in some columns; None where that is nothing or no number."""
    if record.row is None or record.row["status"] != "complete":
        return (None,) * len(columns)
    return values_of(record.row, columns)
