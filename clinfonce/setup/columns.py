"""What a data set offers a first search, and what is left out of it, and why."""

from dataclasses import dataclass

from clinfonce.data import ImageTable
from clinfonce.information.cautions import caution_lines, cautions
from clinfonce.trial.parts import Part, parts_of


@dataclass(frozen=True)
class Candidates:
    """What a search may use.

    Attributes:
        columns: of the data set, with how many parts each is of; k-means among them.
        notes: what is left out and why, and what to know of others, a line each.
    """

    columns: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_parts(self) -> int:
        """Parts in all."""
        return sum(number for _, number in self.columns)


def candidates(table: ImageTable, *, pretrained: bool) -> Candidates:
    """What a search over all clusterings of a data set would make them of.

    Args:
        table: the data set.
        pretrained: whether k-means may be of features that training starts from.
    """
    counts: dict[str, int] = {}
    for part in parts_of(table, features="pretrained" if pretrained else "pixels"):
        name = _source(part)
        counts[name] = counts.get(name, 0) + 1
    return Candidates(tuple(counts.items()), tuple(caution_lines(cautions(table))))


def _source(part: Part) -> str:
    return part.group if part.spec.column is None else part.spec.column
