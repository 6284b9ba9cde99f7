"""Columns that no clustering may be made of, and where a specification names one all the same."""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationError

from clinfonce.config import Clusterings, ClusteringSpec, SimilaritySpec, SweepSpec, TrialSpec
from clinfonce.config.space import points_to_try
from clinfonce.config.specification import EvaluationSpec
from clinfonce.data import ImageTable
from clinfonce.errors import InputError
from clinfonce.trial.label_free import held_out_target
from clinfonce.trial.targets import rows_of

Named = Iterator[tuple[str, str]]  # a field, and a column that it names


def check_held_out(spec: TrialSpec, table: ImageTable) -> None:
    """Refuse columns that are held out and yet trained on, or cannot be read.

    Raises:
        InputError: it is one of those, or no column.
    """
    held_out = spec.evaluation.held_out
    for name in held_out:
        for split, rows in rows_of(table, held_out_target(table.column(name))).items():
            if not len(rows):
                raise InputError(
                    f"evaluation.held_out: {name!r} is known of no image of the {split} split of "
                    f"{table.name}"
                )
    _refuse(held_out, _of_trial(spec))


def check_search_holds_out(sweep: SweepSpec) -> None:
    """Refuse a search over what a column that is held out would teach.

    Raises:
        InputError: its space names such a column.
    """
    if (search := sweep.search) is None or not sweep.trial.evaluation.held_out:
        return
    for path, dimension in search.space.items():
        if isinstance(dimension, Clusterings):
            named = (*(dimension.columns or ()), *dimension.include)
            _refuse(sweep.trial.evaluation.held_out, ((f"search.space.{path}", n) for n in named))
    for point in points_to_try(search.space):
        try:
            spec = sweep.searched_trial(point, search.seed)
        except ValidationError:  # the search passes it over
            continue
        _refuse(spec.evaluation.held_out, ((f"{p} of the search", n) for p, n in _of_trial(spec)))


def without_held_out(spec: EvaluationSpec, table: ImageTable) -> ImageTable:
    """The table as a clustering may see it."""
    if not spec.held_out:
        return table
    columns = {n: column for n, column in table.columns.items() if n not in spec.held_out}
    return replace(table, columns=columns)


def _refuse(held_out: tuple[str, ...], named: Named) -> None:
    for place, name in named:
        if name in held_out:
            raise InputError(
                f"column {name!r} is held out (evaluation.held_out), but {place} names it: what "
                "is held out is not trained on, so take it out of one of the two"
            )


def _of_trial(spec: TrialSpec) -> Named:
    """The columns that a trial learns from, by the fields that name them."""
    yield from _of_clustering("clustering", spec.clustering)
    yield from _of_similarity("similarity", spec.similarity)
    for number, term in enumerate(spec.terms or ()):
        yield from _of_clustering(f"terms.{number}.clustering", term.clustering)
        yield from _of_similarity(f"terms.{number}.similarity", term.similarity)


def _of_clustering(place: str, spec: ClusteringSpec) -> Named:
    if spec.column is not None:
        yield f"{place}.column", spec.column
    for name in spec.attributes or ():
        yield f"{place}.attributes", name
    for part in spec.parts or ():
        if part.column is not None:
            yield f"{place}.parts", part.column


def _of_similarity(place: str, spec: SimilaritySpec | None) -> Named:
    if spec is None or isinstance(spec.columns, str):
        return
    for name, column in spec.columns.items():
        if column.of is None:
            yield f"{place}.columns", name
        for of in column.of or ():
            yield f"{place}.columns.{name}.of", of
