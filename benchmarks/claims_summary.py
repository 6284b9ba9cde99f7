"""Every comparison of docs/claims.md: difference, effect size, p corrected for their number.

Each is paired by seed, on the test split, with 5 labels a class: what is compared was named before,
but the auxiliary clustering, which validation chooses.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from claims_rows import DATA, FROZEN, REGIMES, Methods, marked, regime_of
from claims_statistics import (
    CLASSIFIED,
    INFONCE,
    KMEANS,
    PREDICTED,
    SUPCON,
    chosen,
    holm,
    line,
    p_value,
    pcl,
    predicted,
    say,
    say_p,
    t_interval,
    values,
)

from clinfonce.results.analysis.statistics import Interval

COLUMN = "test_linear_top1_5"
DOUBT = 0.05  # the largest corrected p of a difference that is told


class Comparison(NamedTuple):
    """A method against another on a data set, paired by seed.

    Attributes:
        data: key of the data set.
        question: what is asked.
        names: of the method and of its rival.
        apart: (seeds,), differences of accuracy.
    """

    data: str
    question: str
    names: tuple[str, str]
    apart: Any

    @property
    def effect(self) -> float:
        """The mean difference in standard deviations over seeds (Cohen's d of pairs)."""
        deviation = float(self.apart.std(ddof=1))
        return float(self.apart.mean()) / deviation if deviation > 0 else float("inf")


def comparisons(all_methods: dict[str, Methods]) -> list[Comparison]:
    """All that a data set has the methods for."""
    found = []
    for data, methods in all_methods.items():
        best, crossed = chosen(methods), predicted(methods)
        asked = [
            ("auxiliary over InfoNCE", best, INFONCE), ("SupCon over auxiliary", SUPCON, best),
            ("auxiliary over frozen", best, FROZEN), ("InfoNCE over frozen", INFONCE, FROZEN),
            ("k-means over PCL", KMEANS, pcl(methods)),
            ("contrast over classifier", best, CLASSIFIED + best),
            ("contrast over classifier, labels", SUPCON, CLASSIFIED + SUPCON),
            ("contrast over prediction", crossed, PREDICTED + crossed),
        ]  # fmt: skip
        for question, one, other in asked:
            if {one, other} <= methods.keys():
                apart = values(methods[one], COLUMN) - values(methods[other], COLUMN)
                found.append(Comparison(data, question, (one, other), apart))
    order = list(dict.fromkeys(each.question for each in found))
    return sorted(found, key=lambda each: order.index(each.question))


def verdicts(all_methods: dict[str, Methods]) -> Iterator[str]:
    """A row for each question: on how many data sets of each regime the method is ahead."""
    compared = comparisons(all_methods)
    corrected = holm([p_value(each.apart) for each in compared])
    found: dict[tuple[str, str], list[str]] = {}
    for each, p in zip(compared, corrected, strict=True):
        told = "open" if p >= DOUBT else "ahead" if each.apart.mean() > 0 else "behind"
        found.setdefault((each.question, regime_of(each.data)), []).append(told)
    yield f"| question | {' | '.join(REGIMES.values())} |"
    yield "|---|" + "---|" * len(REGIMES)
    for question in dict.fromkeys(question for question, _ in found):
        cells = [found.get((question, regime), []) for regime in REGIMES.values()]
        yield line([question, *(_counted(each) for each in cells)])


def _counted(told: list[str]) -> str:
    counts = [f"{told.count(word)} {word}" for word in ("ahead", "open", "behind") if word in told]
    return ", ".join(counts) or "–"


def summary(all_methods: dict[str, Methods]) -> Iterator[str]:
    """Rows of a table."""
    compared = comparisons(all_methods)
    corrected = holm([p_value(each.apart) for each in compared])
    yield "| question | data | method | rival | points | d | p |"
    yield "|---|---|---|---|---:|---:|---:|"
    for each, p in zip(compared, corrected, strict=True):
        effect = "" if np.isinf(each.effect) else f"{each.effect:+.1f}".replace("-", "−")
        apart = say(t_interval(each.apart), signed=True)
        names = [name.removeprefix(CLASSIFIED).removeprefix(PREDICTED) for name in each.names]
        yield line([each.question, DATA[each.data], *names, apart, effect, say_p(p)])


def forest(all_methods: dict[str, Methods]) -> list[tuple[str, Interval]]:
    """Names and intervals of all comparisons, for a plot."""
    found = []
    for each in comparisons(all_methods):
        question = each.question.replace("contrast over classifier, labels", "the same, of labels")
        question = question.replace("contrast over classifier", "over a classifier")
        found.append((f"{question}: {marked(each.data)}", t_interval(each.apart)))
    return found
