"""Which clustering is best for which target, beyond doubt or not, and which groups lose."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.analysis.uneven import Uneven, uneven_targets
from clinfonce.results.sql.columns import quoted
from clinfonce.results.sql.query import Results
from clinfonce.results.store.measures import MAIN, Metric

Row = Mapping[str, Any]
Key = tuple[str, str | None]  # of a clustering: its group, and the objective
Seed = tuple[str, int]  # of a trial: its sweep, and the seed

# Clusterings made of labels, which are bounds and no rivals.
_BOUNDS = ("labels", "synthetic")
_GROUP_MEASURES = ("top1", "label_accuracy", "mae")
_GROUPS_SHOWN = 3  # of a column, the worst
_FEWEST_IMAGES = 10  # of those, unless all are smaller: a group of one is right or wrong by luck


@dataclass(frozen=True)
class Cell:
    """A target under one clustering, by the linear probe with all labels on the test split.

    Attributes:
        value: mean over its complete trials.
        spread: sample standard deviation over them; None for a single one.
        seeds: how many seeds they have.
    """

    value: float
    spread: float | None
    seeds: int


@dataclass(frozen=True)
class Best:
    """The clustering that validation chooses for a target, beside the next one.

    Attributes:
        target: its name.
        metric: name of the measure.
        name: of the clustering; it may be instances or the frozen encoder, but not made of labels.
        objective: with which it was trained.
        value: mean on the test split.
        rival: of those with the same seeds the next one by validation; None where there is none.
        gain: mean of the best one's value less the rival's over pairs of the same seed, with the
            95 % interval of Student's t; no interval with one pair.
        pairs: how many.
    """

    target: str
    metric: str
    name: str
    objective: str | None
    value: float
    rival: str | None
    gain: Interval
    pairs: int

    @property
    def is_beyond_doubt(self) -> bool:
        """Whether the interval of the gain lies above 0."""
        return self.gain.low is not None and self.gain.low > 0

    @property
    def line(self) -> str:
        """In words."""
        text = f"{self.target}: validation chooses {self.name}, {100 * self.value:.1f} %"
        if self.rival is None or self.gain.estimate is None:
            return f"{text}, with nothing to compare"
        gain = 100 * self.gain.estimate
        side = "above" if gain >= 0 else "below"
        text += f", {abs(gain):.1f} points {side} {self.rival}"
        if self.gain.low is None or self.gain.high is None:
            return f"{text}; with one seed in common nothing is beyond doubt"
        doubt = "beyond doubt" if self.is_beyond_doubt else "not beyond doubt"
        low, high = 100 * self.gain.low, 100 * self.gain.high
        return f"{text} (95 %: {low:+.1f} to {high:+.1f}, {self.pairs} seeds): {doubt}"


@dataclass(frozen=True)
class LosingGroup:
    """A group of test images that a target is told worst of, under the target's best clustering.

    Attributes:
        target: its name.
        measure: its name; of mae more is worse.
        column: that groups the images.
        group: its value.
        images: in the group.
        value: mean over the trials of the best clustering.
        whole: the same of all groups together, each weighing as its images do.
        instances: of the group under instances; None where they were not trained on.
    """

    target: str
    measure: str
    column: str
    group: str
    images: int
    value: float
    whole: float
    instances: float | None


@dataclass(frozen=True)
class Targets:
    """All targets of a sweep, side by side.

    Attributes:
        metrics: target → name of the measure that stands for it.
        names: (name, objective) of the clusterings, the best of the first target first.
        cells: a row a clustering, a cell a target; None where it was not measured.
        best: for each target.
        losing: the worst groups of each column, for each target.
        uneven: targets whose accuracy says little, as nearly all images are of one class.
    """

    metrics: dict[str, str]
    names: tuple[tuple[str, str | None], ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    best: tuple[Best, ...]
    losing: tuple[LosingGroup, ...]
    uneven: tuple[Uneven, ...] = ()

    @property
    def are_several(self) -> bool:
        """Whether there is anything beside the one target that all else is about."""
        return len(self.metrics) > 1 or bool(self.losing or self.uneven)

    @property
    def lines(self) -> list[str]:
        """What follows for each target, in words."""
        return [*(best.line for best in self.best), *(each.line for each in self.uneven)]


def targets_of(results: Results, *, sweep: str | None = None) -> Targets:
    """Hold all targets of a store, or of one of its sweeps, against its clusterings."""
    where = "true" if sweep is None else f"t.sweep = {quoted(sweep)}"
    measures: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in _rows(results, where):
        measures[row["target"], row["split"]].append(row)
    targets = list(dict.fromkeys(target for target, _ in measures))
    tables = {t: _by_clustering(measures[t, "test"]) for t in targets}
    names = _names([row for rows in measures.values() for row in rows])
    best = [
        found
        for target in targets
        if (found := _best(target, tables[target], measures[target, "val"], names)) is not None
    ]
    metrics = {t: _metric(t, measures[t, "test"]) for t in targets if measures[t, "test"]}
    cells = {key: tuple(_cell(tables[t].get(key, {})) for t in metrics) for key in names}
    ordered = sorted(cells, key=lambda key: _best_first(cells[key]))
    return Targets(
        metrics,
        tuple((names[key]["clustering"], key[1]) for key in ordered),
        tuple(cells[key] for key in ordered),
        tuple(found for found, _ in best),
        tuple(g for found, key in best for g in _losing(results, where, found, key)),
        uneven_targets(results, where, {b.target: (*key, b.value) for b, key in best}),
    )


def _rows(results: Results, where: str) -> list[Row]:
    main = ", ".join(quoted(measure) for measure in MAIN.values())
    rows: list[Row] = results.sql(
        "select t.sweep, t.seed, t.clustering_group, t.objective, t.source, "
        "coalesce(t.clustering, t.name) as clustering, s.target, s.split, s.measure, s.value "
        "from counted t join scores s using (trial_id) "
        "where t.status = 'complete' and t.is_replicate and t.clustering_group is not null "
        "and s.grouped_by is null and s.probe = 'linear' and s.labels = 'all' "
        f"and s.measure in ({main}) and isfinite(s.value) and {where} "
        "order by s.target <> coalesce(t.target, 'label'), s.target, t.number, t.trial_id"
    ).to_pylist()
    return rows


def _by_clustering(rows: Sequence[Row]) -> dict[Key, dict[Seed, float]]:
    """The value of each clustering at each seed, a mean where it ran several times."""
    values: dict[Key, dict[Seed, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        key = row["clustering_group"], row["objective"]
        values[key][row["sweep"], row["seed"]].append(row["value"])
    return {key: {s: fmean(v) for s, v in seeds.items()} for key, seeds in values.items()}


def _names(rows: Sequence[Row]) -> dict[Key, Row]:
    return {(row["clustering_group"], row["objective"]): row for row in reversed(rows)}


def _metric(target: str, rows: Sequence[Row]) -> str:
    return Metric("test", "linear", rows[0]["measure"], "all", target).name


def _cell(seeds: Mapping[Seed, float]) -> Cell | None:
    if not seeds:
        return None
    values = list(seeds.values())
    return Cell(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def _best_first(cells: Sequence[Cell | None]) -> list[float]:
    return [math.inf if cell is None else -cell.value for cell in cells]


def _best(
    target: str,
    table: Mapping[Key, Mapping[Seed, float]],
    validation: Sequence[Row],
    names: Mapping[Key, Row],
) -> tuple[Best, Key] | None:
    """The best clustering of a target by validation, among those with most seeds."""
    validated = _by_clustering(validation)
    rivals = [key for key in validated if key in table and names[key]["source"] not in _BOUNDS]
    if not rivals:
        return None
    ranked = sorted(rivals, key=lambda key: -fmean(validated[key].values()))
    # One seed's value is luck in part: where some have several, take of those, or the frozen one.
    several = [k for k in ranked if len(table[k]) > 1 or names[k]["source"] == "frozen"]
    ranked = several or ranked
    first, rival = ranked[0], next(iter(ranked[1:]), None)
    gain, pairs = _paired(table[first], {} if rival is None else table[rival])
    found = Best(
        target,
        Metric("test", "linear", validation[0]["measure"], "all", target).name,
        names[first]["clustering"],
        first[1],
        fmean(table[first].values()),
        None if rival is None else names[rival]["clustering"],
        gain,
        pairs,
    )
    return found, first


def _paired(ours: Mapping[Seed, float], theirs: Mapping[Seed, float]) -> tuple[Interval, int]:
    """The mean difference at the same seeds, with the 95 % interval of Student's t.

    What has one value, as a frozen encoder has, stands against every seed of the other.
    """
    if len(theirs) == 1 and len(ours) > 1:
        theirs = dict.fromkeys(ours, *theirs.values())
    elif len(ours) == 1 and len(theirs) > 1:
        ours = dict.fromkeys(theirs, *ours.values())
    gains = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    if not gains:
        return Interval(None, None, None), 0
    if len(gains) == 1:
        return Interval(gains[0], None, None), 1
    from scipy.stats import t as students_t  # slow to import

    reach = float(students_t.ppf(0.975, len(gains) - 1)) * stdev(gains) / math.sqrt(len(gains))
    return Interval(fmean(gains), fmean(gains) - reach, fmean(gains) + reach), len(gains)


def _losing(results: Results, where: str, best: Best, key: Key) -> list[LosingGroup]:
    rows = _groups(results, where, best.target)
    values: dict[str, dict[str, Row]] = defaultdict(dict)
    instances: dict[tuple[str, str], float] = {}
    for row in rows:
        if (row["clustering_group"], row["objective"]) == key:
            values[row["grouped_by"]][row["group"]] = row
        if row["source"] == "instances":
            instances.setdefault((row["grouped_by"], row["group"]), row["value"])
    found = []
    for column, groups in values.items():
        of_all = sum(r["value"] * r["images"] for r in groups.values())
        whole = of_all / sum(r["images"] for r in groups.values())
        large = [r for r in groups.values() if r["images"] >= _FEWEST_IMAGES]
        worst = sorted(large or groups.values(), key=lambda r: (r["value"], r["group"]))
        if worst[0]["measure"] == "mae":
            worst.reverse()
        found += [
            LosingGroup(
                best.target,
                row["measure"],
                column,
                row["group"],
                int(row["images"]),
                row["value"],
                whole,
                instances.get((column, row["group"])),
            )
            for row in worst[:_GROUPS_SHOWN]
        ]
    return found


def _groups(results: Results, where: str, target: str) -> list[Row]:
    """The mean of each clustering in each group."""
    measures = ", ".join(quoted(measure) for measure in _GROUP_MEASURES)
    rows: list[Row] = results.sql(
        'select clustering_group, objective, t.source, s.grouped_by, s."group", s.measure, '
        "avg(s.value) as value, max(s.images) as images "
        "from counted t join scores s using (trial_id) "
        "where t.status = 'complete' and t.is_replicate and s.\"group\" is not null "
        f"and s.split = 'test' and s.probe = 'linear' and s.labels = 'all' "
        f"and s.measure in ({measures}) and s.target = {quoted(target)} and {where} "
        "group by all order by all"
    ).to_pylist()
    return rows
