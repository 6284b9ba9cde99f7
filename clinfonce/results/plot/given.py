"""What a figure is given: a store to look into, or what it would find there."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from clinfonce.results.sql.query import Results

Thing = TypeVar("Thing")
Found = TypeVar("Found", covariant=True)


class Finds(Protocol[Found]):
    """Looks into a store."""

    def __call__(self, results: Results, /, *, metric: str, sweep: str | None) -> Sequence[Found]:
        """What it finds."""


def look(
    results: Results | Sequence[Thing], find: Finds[Thing], metric: str, sweep: str | None
) -> Sequence[Thing]:
    """What is found in a store, or what is given in its place.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    if isinstance(results, Results):
        return find(results, metric=metric, sweep=sweep)
    return results
