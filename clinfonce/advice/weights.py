"""Weights in place of clusters, and roles of columns, probed as the clusterings are.

Columns are put in order by the part of their bits that a few labels call useful. The first one,
two, four and so on to all of them attract by the product of their kernels; of the set that reaches
most other bandwidths are tried, and working against the columns that it leaves out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clinfonce.advice.bits import Bits
from clinfonce.advice.probe import EPOCHS, Bench, Probed, probe
from clinfonce.errors import InputError
from clinfonce.training.sources import Source

BANDWIDTHS = (0.5, 2.0)  # beside 1


@dataclass(frozen=True)
class Telling:
    """A column, and what its values say of the label.

    Attributes:
        column: its name.
        share: of its bits, those that are useful, 0 to 1: of the best of its parts.
        error: standard error of that.
    """

    column: str
    share: float
    error: float

    @property
    def tells(self) -> bool:
        """Whether it says something beyond doubt."""
        return self.share > 2 * self.error


@dataclass(frozen=True)
class Weights:
    """Columns that attract by weights, and what was reached by them.

    Attributes:
        name: for people.
        similarity: what to write under `similarity:` in a specification.
        probed: what a cheap probe reached.
    """

    name: str
    similarity: dict[str, Any]
    probed: Probed | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """Of a trial."""
        return {"similarity": self.similarity}

    @property
    def attracting(self) -> list[str]:
        """The columns that attract."""
        columns = self.similarity["columns"]
        return [name for name, column in columns.items() if column.get("role") != "suppress"]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        probed = None if self.probed is None else vars(self.probed)
        return {"weights": self.name, "similarity": self.similarity, "probed": probed}


def telling(of_parts: Sequence[tuple[str, Bits]]) -> tuple[Telling, ...]:
    """Columns, those that say most of the label first.

    Args:
        of_parts: column and bits of every part.
    """
    best: dict[str, Telling] = {}
    for column, bits in of_parts:
        h_z = max(bits.h_z, 1e-9)
        found = Telling(column, bits.useful / h_z, bits.useful_error / h_z)
        if column not in best or found.share > best[column].share:
            best[column] = found
    return tuple(sorted(best.values(), key=lambda each: -each.share))


def probe_weights(
    columns: Sequence[str], bench: Bench, say: Callable[[str], None]
) -> tuple[Weights, ...]:
    """Weights and roles, those that went furthest and reached most first.

    Args:
        columns: those that say most first.
        bench: where they train.
        say: is told what each round cost.
    """
    sets = list(_trainable((_attract(columns[:k]) for k in _sizes(len(columns))), bench))
    if not sets:
        return ()
    found = _reached(sets, bench, say)
    best = found[0]
    for more in _trainable(_around(best, columns, bench), bench):
        found.append(replace(more, probed=bench.probed(more.fields, EPOCHS[-1])))
    say(f"probe of bandwidths and roles: {len(found) - len(sets)} more, {bench.cost.seconds:.0f} s")
    return tuple(sorted(found, key=_rank))


def _reached(sets: Sequence[Weights], bench: Bench, say: Callable[[str], None]) -> list[Weights]:
    reached = probe([each.fields for each in sets], bench, say, what="sets of columns")
    made = [replace(each, probed=one) for each, one in zip(sets, reached, strict=True)]
    return sorted(made, key=_rank)


def _rank(weights: Weights) -> tuple[float, float]:
    assert weights.probed is not None
    return -weights.probed.epochs, -weights.probed.accuracy


def _sizes(n: int) -> Iterator[int]:
    size = 1
    while size < n:
        yield size
        size *= 2
    yield n


def _attract(columns: Sequence[str]) -> Weights:
    name = columns[0] if len(columns) == 1 else f"{len(columns)} columns: {_listed(columns)}"
    return Weights(name, {"columns": {column: {} for column in columns}})


def _around(best: Weights, columns: Sequence[str], bench: Bench) -> Iterator[Weights]:
    """Other bandwidths, and the columns that do not attract worked against."""
    (source,) = bench.attraction(best.fields).sources
    for bandwidth in BANDWIDTHS if not _is_partition(source) else ():
        similarity = {**best.similarity, "bandwidth": bandwidth}
        yield Weights(f"{best.name}; bandwidth {bandwidth:g}", similarity)
    others = [column for column in columns if column not in best.attracting]
    if others:
        roles = best.similarity["columns"] | {column: {"role": "suppress"} for column in others}
        for by in ("adversary", "condition"):
            name = f"{best.name}; against {_listed(others)} by {by}"
            yield Weights(name, {"columns": roles, "suppress": {"by": by}})


def _trainable(candidates: Iterator[Weights], bench: Bench) -> Iterator[Weights]:
    for each in candidates:
        try:
            bench.attraction(each.fields)
        except InputError:
            continue  # nothing attracts, or nothing is left to tell apart
        yield each


def _is_partition(source: Source) -> bool:
    """Whether images are alike or not at all, which no bandwidth changes."""
    return source.similarity is not None and source.similarity.partition


def _listed(columns: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(columns[:most])
    return shown if len(columns) <= most else f"{shown}, …"
