"""What a data set offers a search: attributes for `subset: all`, parts for `choices: all`."""

from collections.abc import Iterator, Mapping
from typing import Any

from clinfonce.config import Choices, Clusterings, Dimension, Subset, SweepSpec
from clinfonce.data import ImageTable
from clinfonce.trial.parts import Part, attribute_names, check_attributes, parts_of


def offered(sweep: SweepSpec, table: ImageTable) -> tuple[tuple[str, ...], tuple[Part, ...]]:
    """The attributes and the parts, each empty where the search does not ask for them.

    Raises:
        InputError: the space names a column that the data set lacks.
    """
    space = {} if sweep.search is None else sweep.search.space
    attributes: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    for path, dimension in space.items():
        for name in _columns_of(path, dimension):
            table.column(name)
        if isinstance(dimension, Subset):
            if dimension.subset == "all":
                attributes = tuple(attribute_names(table))
            else:
                check_attributes(table, dimension.subset)
        elif isinstance(dimension, Clusterings):
            parts = parts_of(
                table,
                columns=dimension.columns,
                include=dimension.include,
                features="pretrained" if sweep.trial.encoder.is_pretrained else "pixels",
            )
    return attributes, parts


def _columns_of(path: str, dimension: Dimension) -> Iterator[str]:
    """The columns that choices name."""
    for choice in dimension.choices if isinstance(dimension, Choices) else ():
        match path, choice:
            case "clustering.column", str():
                yield choice
            case "clustering.attributes", list() | tuple():
                yield from choice
            case "clustering", Mapping():
                yield from _columns_in(choice)


def _columns_in(clustering: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(column := clustering.get("column"), str):
        yield column
    yield from clustering.get("attributes") or ()
