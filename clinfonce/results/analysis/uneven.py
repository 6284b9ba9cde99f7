"""Targets of which most images are of one class, so that accuracy says little."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from clinfonce.results.sql.columns import quoted
from clinfonce.results.sql.query import Results
from clinfonce.results.store.measures import Metric

_TOLD = 0.25  # share of the other classes' images above which accuracy says something


@dataclass(frozen=True)
class Uneven:
    """A target whose accuracy is hardly above what naming the commonest class would give.

    Attributes:
        target: its name.
        commonest: the class.
        share: of the test images that are of it.
        accuracy: of the best clustering.
        balanced: the mean recall of the classes, of the same trials.
    """

    target: str
    commonest: str
    share: float
    accuracy: float
    balanced: float

    @property
    def line(self) -> str:
        """In words."""
        metric = Metric("test", "linear", "balanced", "all", self.target).name
        return (
            f"{self.target}: {100 * self.share:.1f} % of the test images are of class "
            f"{self.commonest}, so an accuracy of {100 * self.accuracy:.1f} % says little; "
            f"balanced accuracy is {100 * self.balanced:.1f} % (--metric {metric})"
        )


def uneven_targets(
    results: Results, where: str, reached: Mapping[str, tuple[str, str | None, float]]
) -> tuple[Uneven, ...]:
    """Those whose best clustering finds less than a quarter of what is not the commonest class.

    Args:
        results: an open store.
        where: SQL that chooses among its trials, named t.
        reached: target → group and objective of its best clustering, and its accuracy.
    """
    sizes: dict[str, dict[str, int]] = defaultdict(dict)
    for row in results.sql(
        'select s.target, s."group", max(s.images) as images from counted t '
        "join scores s using (trial_id) where s.measure = 'recall' and s.split = 'test' "
        f"and s.grouped_by = s.target and {where} group by all order by all"
    ).to_pylist():
        sizes[row["target"]][row["group"]] = row["images"]
    found = []
    for target, (group, objective, accuracy) in reached.items():
        if not (of_class := sizes.get(target)):
            continue
        commonest = max(of_class, key=lambda name: of_class[name])
        share = of_class[commonest] / sum(of_class.values())
        if accuracy - share >= _TOLD * (1 - share):
            continue
        balanced = _balanced(results, where, target, group, objective)
        if balanced is not None:
            found.append(Uneven(target, commonest, share, accuracy, balanced))
    return tuple(found)


def _balanced(
    results: Results, where: str, target: str, group: str, objective: str | None
) -> float | None:
    same = "is null" if objective is None else f"= {quoted(objective)}"
    value: float | None = results.sql(
        "select avg(s.value) as value from counted t join scores s using (trial_id) "
        "where t.status = 'complete' and t.is_replicate and s.split = 'test' "
        "and s.probe = 'linear' and s.labels = 'all' and s.measure = 'balanced' "
        f"and s.grouped_by is null and s.target = {quoted(target)} "
        f"and t.clustering_group = {quoted(group)} and t.objective {same} and {where}"
    ).to_pylist()[0]["value"]
    return value
