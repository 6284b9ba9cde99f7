"""A search that has grown: it proposes first what it proposed before, and goes on from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from clinfonce.config import SearchSpec, SweepSpec
from clinfonce.scaling.search.searcher import OptunaSearcher
from clinfonce.trial.parts import Part


@dataclass(frozen=True)
class Stage:
    """A search before it grew.

    Attributes:
        until: the configurations before this number are its.
        search: as it was.
        attributes: what `subset: all` stood for.
        parts: names of what `choices: all` made clusterings of.
    """

    until: int
    search: SearchSpec
    attributes: tuple[str, ...]
    parts: tuple[str, ...]


def grown_searcher(
    sweep: SweepSpec,
    attributes: tuple[str, ...],
    parts: Sequence[Part],
    stages: Sequence[Stage],
    storage: optuna.storages.BaseStorage | None = None,
    first: Sequence[Mapping[str, Any]] = (),
    *,
    columns: tuple[str, ...] = (),
) -> "OptunaSearcher | GrownSearcher":
    """The searcher of a sweep, with those of the stages that it went through.

    Args:
        sweep: with a search.
        attributes: what `subset: all` stands for now.
        parts: what `choices: all` makes clusterings of now.
        stages: of the search, the first one first.
        storage: where the study is kept; None: in memory.
        first: points that the search began with.
        columns: what `columns: all` of roles stands for.
    """
    if not stages:
        return OptunaSearcher(sweep, attributes, storage, first, parts, columns=columns)
    searchers = list[OptunaSearcher]()
    for stage in stages:
        before = sweep.model_copy(update={"search": stage.search})
        known = [part for part in parts if part.name in stage.parts]
        begin = () if searchers else first
        searchers.append(
            OptunaSearcher(before, stage.attributes, None, begin, known, columns=columns)
        )
    searchers.append(OptunaSearcher(sweep, attributes, storage, (), parts, columns=columns))
    return GrownSearcher(searchers, [stage.until for stage in stages])


class GrownSearcher:
    """Asks the searcher of a number's stage; the later ones follow, and hear all results.

    Args:
        searchers: of the stages and of the search as it is now.
        until: of each stage, the number that the next one begins with.
    """

    def __init__(self, searchers: Sequence[OptunaSearcher], until: Sequence[int]) -> None:
        self._searchers, self._until = searchers, until

    def ask(self, number: int) -> dict[str, Any]:
        """The point of a configuration."""
        asked, *later = self._concerned(number)
        point = asked.ask(number)
        for searcher in later:
            searcher.follow(number, point)
        return point

    def tell(
        self, number: int, values: Sequence[float] | None, reached: Mapping[int, float]
    ) -> None:
        """A configuration ended: with its values, or pruned (None) with what it reached."""
        for searcher in self._concerned(number):
            searcher.tell(number, values, reached)

    def fail(self, number: int) -> None:
        """A trial of the configuration failed."""
        for searcher in self._concerned(number):
            searcher.fail(number)

    def _concerned(self, number: int) -> Sequence[OptunaSearcher]:
        stage = sum(number >= until for until in self._until)
        return self._searchers[stage:]
