"""The targets of a table as probes need them: which images they are known of, in which groups."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.config import EvaluationSpec
from clinfonce.data import TEST, TRAIN, VALIDATION, Column, ImageTable, Target
from clinfonce.errors import InputError
from clinfonce.evaluation.classes import ClassProbes, Protocol
from clinfonce.evaluation.groups import Grouping, Groupings
from clinfonce.evaluation.multilabel import multilabel_scores
from clinfonce.evaluation.numbers import number_scores
from clinfonce.evaluation.scores import Score
from clinfonce.evaluation.space import Space
from clinfonce.trial.rows import Row, first_target

SPLITS: Mapping[str, int] = {"train": TRAIN, "val": VALIDATION, "test": TEST}
_WORDS = {"train": "training", "val": "validation", "test": "test"}

Rows = NDArray[np.int64]
SplitRows = Mapping[str, Rows]

_GROUPS_OF_NUMBERS = 4  # that a numeric column is cut into, at quantiles of the training images
_FEW, _SHARE_OF_DRAWS = (5,), 4  # of the further targets, which are to cost little


def targets_by_rows(table: ImageTable) -> list[tuple[SplitRows, list[Target]]]:
    """Targets that are known of the same images, with those; the first target's come first."""
    first = first_target(table)
    ordered = sorted(table.targets.values(), key=lambda target: target.name != first)
    lots: dict[bytes, tuple[SplitRows, list[Target]]] = {}
    for target in ordered:
        key = target.known.tobytes()
        if key not in lots:
            lots[key] = rows_of(table, target), []
        lots[key][1].append(target)
    return list(lots.values())


def rows_of(table: ImageTable, target: Target) -> SplitRows:
    """The images of each split of which a target is known, ascending."""
    return {name: np.flatnonzero((table.split == code) & target.known)
            for name, code in SPLITS.items()}  # fmt: skip


def values_on(target: Target, rows: SplitRows, device: torch.device) -> dict[str, Tensor]:
    """What a target says of some images of each split."""
    return {name: _tensor(target.values[part], device) for name, part in rows.items()}


def target_rows(
    target: Target, table: ImageTable, rows: SplitRows, space: Space, spec: EvaluationSpec
) -> Iterator[Row]:
    """The rows of `scores` of one target.

    Args:
        target: of the table.
        table: its data set.
        rows: on which the target is known.
        space: their features.
        spec: how features are probed.
    """
    groupings = groupings_of(table, rows, spec.groups)
    for score in _scores(target, table, rows, space, spec, groupings):
        yield {**vars(score), "target": target.name}


def _scores(
    target: Target,
    table: ImageTable,
    rows: SplitRows,
    space: Space,
    spec: EvaluationSpec,
    groupings: Groupings,
) -> Iterator[Score]:
    values = values_on(target, rows, space.train.device)
    match target.kind:
        case "class":
            protocol = _protocol(spec, is_first=target.name == first_target(table))
            probes = ClassProbes(space, values, len(target.names), protocol)
            yield from probes.accuracies()
            yield from probes.fair(target.names, target.name, groupings)
        case "multilabel":
            yield from multilabel_scores(space, values, target.names, target.name, groupings)
        case "number":
            yield from number_scores(space, values, groupings)


def _protocol(spec: EvaluationSpec, *, is_first: bool) -> Protocol:
    if is_first:
        return Protocol(draws=spec.draws, balanced=spec.balanced)
    draws = max(1, spec.draws // _SHARE_OF_DRAWS)
    return Protocol(_FEW, draws, balanced=spec.balanced, few_by_knn=False)


def groupings_of(table: ImageTable, rows: SplitRows, columns: Sequence[str]) -> Groupings:
    """Which group each of some images is in, by column."""
    found = {}
    for name in columns:
        names, codes = _groups(table, name)
        parts = {split: torch.from_numpy(codes[part]) for split, part in rows.items()}
        found[name] = Grouping(names, parts)
    return found


def check_evaluation(spec: EvaluationSpec, table: ImageTable) -> None:
    """Find the mistakes in how a table is to be evaluated before anything is trained.

    Raises:
        InputError: a group that is no column or has one value, a target that a split does not
            know, or that is the same in all of its images.
    """
    for name in spec.groups:
        names, codes = _groups(table, name)
        test = codes[table.split == TEST]
        if len(test) and (test == test[0]).all():
            raise InputError(
                f"evaluation.groups: {name!r} is {names[test[0]]} in every test image of "
                f"{table.name}, so it makes no groups"
            )
    for target in table.targets.values():
        _check_target(target, rows_of(table, target), table)


def _check_target(target: Target, rows: SplitRows, table: ImageTable) -> None:
    where = f"{table.name}: target {target.name!r}"
    train = target.values[rows["train"]]
    for split, part in rows.items():
        values = target.values[part]
        if not len(values):
            raise InputError(f"{where} is known of no {_WORDS[split]} image")
        if target.kind == "class" and (strange := np.setdiff1d(values, train)).size:
            raise InputError(
                f"{where}: class {target.names[strange[0]]!r} is in the {_WORDS[split]} split, "
                "and in no training image"
            )
        if target.kind == "number" and (values == values[0]).all():
            raise InputError(f"{where} is {values[0]:g} in every {_WORDS[split]} image")
    if (train == train[:1]).all():
        raise InputError(f"{where} is the same in every training image")
    if target.kind == "class" and len(lacking := set(range(len(target.names))) - {*train.tolist()}):
        raise InputError(f"{where}: no training image is of class {target.names[min(lacking)]!r}")


def _groups(table: ImageTable, name: str) -> tuple[tuple[str, ...], Rows]:
    """Names of groups, and the number (n,) of each image's."""
    if name in table.targets:
        raise InputError(f"evaluation.groups: {name!r} is a target of {table.name}, not a column")
    column = table.column(name)
    codes = table.attribute(name, bins=_GROUPS_OF_NUMBERS)
    return tuple(_name_of(column, codes == code) for code in range(int(codes.max()) + 1)), codes


def _name_of(column: Column, members: NDArray[np.bool_]) -> str:
    """What the images of a group have in common."""
    present = members & column.present
    if not present.any():
        return "missing"
    values = column.values[present]
    if column.kind != "numeric":
        return str(values[0])
    return f"{values.min():g} to {values.max():g}"


def _tensor(values: NDArray[np.generic], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(device)
