"""What is to be predicted of an image: a class, several labels, or a number."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError

UNLABELLED = -1

TargetKind: TypeAlias = Literal["class", "multilabel", "number"]


@dataclass(frozen=True, eq=False)
class Target:
    """One target of a data set; each may be missing on some images.

    Attributes:
        name: unique within the data set.
        kind: "class", "multilabel" or "number".
        values: class: (n,) int64 in 0..C-1, -1 where missing; multilabel: (n, m) bool, which of m
            labels an image has; number: (n,) float64, NaN where missing.
        names: of the C classes or m labels; () of a number.
        missing: (n,) bool of a multilabel target, True where nobody said anything; or None.

    Raises:
        InputError: values that do not fit the kind.
    """

    name: str
    kind: TargetKind
    values: NDArray[Any]
    names: tuple[str, ...] = ()
    missing: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        where = f"target {self.name!r}"
        if self.kind not in get_args(TargetKind):
            raise InputError(f"{where}: kind {self.kind!r} is not one of {get_args(TargetKind)}")
        shape, dtype = self.values.shape, self.values.dtype
        wanted = {
            "class": (len(shape) == 1 and dtype == np.int64, "(n,) int64"),
            "multilabel": (
                len(shape) == 2 and dtype == np.bool_ and shape[1] == len(self.names),
                f"(n, {len(self.names)}) bool",
            ),
            "number": (len(shape) == 1 and dtype == np.float64, "(n,) float64"),
        }
        fits, words = wanted[self.kind]
        if not fits:
            raise InputError(f"{where}: {self.kind} values must be {words}, got {shape} {dtype}")
        if self.missing is not None and (
            self.kind != "multilabel"
            or self.missing.shape != shape[:1]
            or self.missing.dtype != np.bool_
        ):
            raise InputError(f"{where}: missing is ({shape[0]},) bool of a multilabel target alone")
        if self.kind == "class":
            bad = np.flatnonzero((self.values < UNLABELLED) | (self.values >= len(self.names)))
            if len(bad):
                raise InputError(
                    f"{where}: {self.values[bad[0]]} at row {bad[0]} is not in "
                    f"0..{len(self.names) - 1}"
                )
        if self.kind == "number" and np.isinf(self.values).any():
            row = int(np.flatnonzero(np.isinf(self.values))[0])
            raise InputError(f"{where}: {self.values[row]} at row {row}")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) bool, True where the target is known."""
        if self.kind == "class":
            known: NDArray[np.bool_] = self.values != UNLABELLED
        elif self.kind == "number":
            known = ~np.isnan(self.values)
        else:
            known = np.ones(len(self), np.bool_) if self.missing is None else ~self.missing
        return known
