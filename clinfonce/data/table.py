"""Images, labels, a fixed split and auxiliary columns: what every data set is read into."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.storage.images import PackedImages
from clinfonce.data.targets import UNLABELLED, Target
from clinfonce.errors import InputError, unknown_name

TRAIN, VALIDATION, TEST = 0, 1, 2
SPLIT_NAMES = ("train", "validation", "test")
LABEL = "label"  # name of the target that labels are, unless it has one of its own

Kind: TypeAlias = Literal["boolean", "categorical", "numeric", "tags", "hierarchy"]
Level: TypeAlias = Literal["class", "image"]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Images: TypeAlias = NDArray[np.uint8] | NDArray[np.floating[Any]] | PackedImages

_DTYPE_KINDS = {"boolean": "b", "categorical": "iU", "numeric": "f", "tags": "O", "hierarchy": "O"}
_DTYPE_WORDS = {
    "boolean": "bool",
    "categorical": "int64 or str",
    "numeric": "float64",
    "tags": "object (tuples of str)",
    "hierarchy": "object (tuples of str, or of such tuples)",
}
_HASH_BLOCK = 1 << 24  # bytes of images hashed at a time, so that a memory map is never read whole


@dataclass(frozen=True, eq=False)
class Column:
    """One auxiliary column.

    Attributes:
        name: unique within the table.
        kind: what the values are; numeric columns are binned before they cluster anything.
        values: (n,) bool | int64 codes or str | float64 | object holding tuples of str (the tags
            of an image; the path from the root of a hierarchy down, or tuples of such paths in
            all rows where some have several).
        missing: (n,) bool, True where the value is unknown and `values` holds a filler; or None.
        description: one sentence for people, with the unit.
        level: "class" if the value follows from the label, "image" if it was observed per image.

    Raises:
        InputError: values that do not fit the kind, or NaN that is not marked missing.
    """

    name: str
    kind: Kind
    values: NDArray[Any]
    missing: BoolArray | None = None
    description: str = ""
    level: Level = "image"

    def __post_init__(self) -> None:
        where = f"column {self.name!r}"
        if self.kind not in get_args(Kind):
            raise InputError(f"{where}: kind {self.kind!r} is not one of {get_args(Kind)}")
        if self.level not in get_args(Level):
            raise InputError(f"{where}: level {self.level!r} is not one of {get_args(Level)}")
        if self.values.ndim != 1 or self.values.dtype.kind not in _DTYPE_KINDS[self.kind]:
            raise InputError(
                f"{where}: {self.kind} values must be (n,) {_DTYPE_WORDS[self.kind]}, "
                f"got {self.values.shape} {self.values.dtype}"
            )
        if self.missing is not None and (
            self.missing.shape != self.values.shape or self.missing.dtype != np.bool_
        ):
            raise InputError(f"{where}: missing must be {self.values.shape} bool")
        if self.kind == "numeric":
            bad = np.flatnonzero(~np.isfinite(self.values) & self.present)
            if len(bad):
                raise InputError(
                    f"{where}: {self.values[bad[0]]} at row {bad[0]}; mark such rows missing"
                )

    @property
    def present(self) -> BoolArray:
        """(n,) bool, True where the value is known."""
        return np.ones(len(self.values), dtype=np.bool_) if self.missing is None else ~self.missing

    @property
    def n_values(self) -> int:
        """How many different known values there are."""
        return len(set(self.values[self.present].tolist()))

    @property
    def example(self) -> str:
        """The first known value, for people."""
        known = np.flatnonzero(self.present)
        if not len(known):
            return ""
        value = self.values[known[0]]
        if isinstance(value, tuple):
            return path_text(value) if self.kind == "hierarchy" else "|".join(value)
        return str(value)


def path_text(value: tuple[Any, ...]) -> str:
    """A path, or several, of a hierarchy as a table's text."""
    if value and isinstance(value[0], tuple):
        return "|".join(map("/".join, value))
    return "/".join(value)


@dataclass(frozen=True, eq=False)
class ImageTable:
    """A data set in memory or memory-mapped, with a fixed split.

    Attributes:
        name: of the data set.
        images: (n, c, h, w) uint8, never written to: an array, or packed on disk; or, in their
            place, embeddings (n, d) float16 or float32, all finite.
        labels: (n,) int64 in 0..C-1, UNLABELLED (-1) for images that nobody labelled; None where
            nobody labelled any.
        label_names: C names; () without labels.
        split: (n,) int8 of TRAIN, VALIDATION and TEST.
        columns: the auxiliary columns by name, each of n values. Targets are not among them.
        targets: what is to be predicted, by name, the first first. `labels` are the first of kind
            class, under the name "label" unless it is among them.
        paths: n names of the images, for people; None where the data set has none.

    Raises:
        InputError: shapes or types that do not fit, a class without a training image, or a split
            without labels.
    """

    name: str
    images: Images
    labels: IntArray | None
    label_names: tuple[str, ...]
    split: NDArray[np.int8]
    columns: Mapping[str, Column] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    paths: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        _check_images(self)
        _check_split(self)
        _check_columns(self)
        if self.labels is not None:
            _check_labels(self, self.labels)
        object.__setattr__(self, "targets", MappingProxyType(_targets(self)))
        _check_targets(self)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def has_images(self) -> bool:
        """Whether `images` are images; embeddings stand in their place otherwise."""
        return self.images.ndim == 4

    def __getstate__(self) -> dict[str, Any]:
        """Pickled when it is sent to other processes; a read-only view of a mapping cannot be."""
        views = {"columns": dict(self.columns), "targets": dict(self.targets)}
        return {**self.__dict__, **views}

    def rows(self, split: int) -> IntArray:
        """Row numbers of one split, ascending."""
        return np.flatnonzero(self.split == split)

    @property
    def n_unlabelled(self) -> int:
        """Images without a label."""
        if self.labels is None:
            return len(self)
        return int(np.count_nonzero(self.labels == UNLABELLED))

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of SHA-256 over images, targets, split and columns."""
        digest = hashlib.sha256()
        _add_texts(digest, [str(self.images.shape), *self.label_names])
        _add_images(digest, self.images)
        _add_array(digest, self.split)
        if self.labels is not None:
            _add_array(digest, self.labels)
        for column in self.columns.values():
            _add_texts(digest, [column.name, column.kind, column.level])
            _add_array(digest, column.values)
            _add_array(digest, column.present)
        for target in self.targets.values():
            if target.values is self.labels:
                _add_texts(digest, [target.name] if target.name != LABEL else [])
                continue
            _add_texts(digest, [target.name, target.kind, *target.names])
            _add_array(digest, target.values)
            _add_array(digest, target.known)
        return digest.hexdigest()[:16]

    def with_more_columns_than(self, fingerprint: str, columns: Sequence[str]) -> "ImageTable":
        """This table under an earlier fingerprint, if all that it has gained since is columns.

        Args:
            fingerprint: of the earlier table.
            columns: that it had, in order.

        Returns:
            This table; with the earlier fingerprint where without its new columns it has that.
        """
        if fingerprint == self.fingerprint or not set(columns) < set(self.columns):
            return self
        before = replace(self, columns={name: self.columns[name] for name in columns})
        if before.fingerprint != fingerprint:
            return self
        found = replace(self)
        found.__dict__["fingerprint"] = fingerprint
        return found

    def column(self, name: str) -> Column:
        """The column of that name; InputError names the known ones."""
        if name not in self.columns:
            raise InputError(unknown_name(f"column of {self.name!r}", name, self.columns))
        return self.columns[name]

    def attribute(self, name: str, bins: int = 2) -> IntArray:
        """One column as integer codes (n,), in order of its values; missing is the last code.

        A numeric column is cut into at most `bins` parts as even as its ties allow, at quantiles
        of the training rows (2: a median split). No label is looked at.

        Raises:
            InputError: an unknown column, tags or a hierarchy, or fewer than two bins.
        """
        column = self.column(name)
        if column.kind in ("tags", "hierarchy"):
            raise InputError(
                f"column {name!r} holds {column.kind}, not one value an image: "
                f"use clusterings.from_{column.kind}"
            )
        if column.kind == "numeric":
            codes = cut_numbers(column.values, column.present, self.split == TRAIN, bins)
        else:
            codes = np.unique(column.values, return_inverse=True)[1].astype(np.int64)
        if column.missing is None or not column.missing.any():
            return codes
        present = column.present
        codes[present] = np.unique(codes[present], return_inverse=True)[1]
        codes[~present] = codes[present].max(initial=-1) + 1
        return codes


def attributes(
    table: ImageTable, rows: IntArray, names: Sequence[str] | None = None, bins: int = 2
) -> dict[str, IntArray]:
    """Columns as integer codes on the given rows, ready for `clusterings.from_attributes`.

    Args:
        table: the data set.
        rows: (m,) row numbers, mostly `table.rows(TRAIN)`.
        names: which columns; None takes every boolean, categorical and numeric one.
        bins: parts that a numeric column is cut into.

    Returns:
        Name to (m,) int64. A missing value is a value of its own: two images that both lack it
        agree in it.

    Raises:
        InputError: an unknown column, or one that holds tags or a hierarchy.
    """
    if names is None:
        names = [c.name for c in table.columns.values() if c.kind not in ("tags", "hierarchy")]
    return {name: table.attribute(name, bins)[rows] for name in names}


def cut_numbers(values: NDArray[Any], present: BoolArray, train: BoolArray, bins: int) -> IntArray:
    """Quantile bins (n,), each cut between two distinct training values; missing rows get 0."""
    if bins < 2:
        raise InputError(f"bins must be at least 2, got {bins}")
    distinct, counts = np.unique(values[train & present], return_counts=True)
    if len(distinct) < 2:
        return np.zeros(len(values), dtype=np.int64)
    share = np.cumsum(counts)[:-1] / counts.sum()  # of training rows <= distinct[:-1]
    wanted = np.arange(1, bins) / bins
    cuts = np.unique([np.abs(share - q).argmin() for q in wanted])
    filled = np.where(present, values, distinct[0])
    return np.searchsorted(distinct[cuts], filled, side="left").astype(np.int64)


def _add_images(digest: "hashlib._Hash", images: Images) -> None:
    """Hash pixels block by block, or the digests that packed images were given when made."""
    if isinstance(images, PackedImages):
        _add_texts(digest, images.digests)
        return
    step = max(_HASH_BLOCK // images[0].nbytes, 1)
    for start in range(0, len(images), step):
        _add_array(digest, images[start : start + step])


def _add_array(digest: "hashlib._Hash", values: NDArray[Any]) -> None:
    """Hash an array by its bytes, little-endian; texts and tuples by their text."""
    if values.dtype.kind in "UO":
        _add_texts(digest, map(str, values.tolist()))
    else:
        little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        digest.update(little.data)


def _add_texts(digest: "hashlib._Hash", texts: Iterable[str]) -> None:
    """Hash texts so that no two lists of them run together."""
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)


def _check_images(table: ImageTable) -> None:
    images = table.images
    is_image = images.ndim == 4 and images.dtype == np.uint8
    is_embedding = images.ndim == 2 and images.dtype in (np.float16, np.float32)
    if not is_image and not is_embedding:
        raise InputError(
            f"{table.name}: images must be (n, c, h, w) uint8, got {images.shape} {images.dtype}; "
            "or embeddings (n, d) float16 or float32"
        )
    if 0 in images.shape:
        raise InputError(f"{table.name}: no images: shape {images.shape}")


def _check_split(table: ImageTable) -> None:
    split, n = table.split, len(table)
    if split.shape != (n,) or split.dtype != np.int8:
        raise InputError(
            f"{table.name}: split must be ({n},) int8, got {split.shape} {split.dtype}"
        )
    if (bad := np.flatnonzero((split < TRAIN) | (split > TEST))).size:
        raise InputError(f"{table.name}: split {split[bad[0]]} at row {bad[0]} is none of 0, 1, 2")
    if not (split == TRAIN).any():
        raise InputError(f"{table.name}: no image is in the train split")


def _check_labels(table: ImageTable, labels: IntArray) -> None:
    n, n_classes = len(table), len(table.label_names)
    if labels.shape != (n,) or labels.dtype != np.int64:
        raise InputError(
            f"{table.name}: labels must be ({n},) int64, got {labels.shape} {labels.dtype}"
        )
    if (bad := np.flatnonzero((labels < UNLABELLED) | (labels >= n_classes))).size:
        raise InputError(
            f"{table.name}: label {labels[bad[0]]} at row {bad[0]} is not in 0..{n_classes - 1}"
        )
    for code, split_name in enumerate(SPLIT_NAMES):
        known = labels[(table.split == code) & (labels != UNLABELLED)]
        if not len(known):
            raise InputError(f"{table.name}: the {split_name} split has no labelled image")
        counts = np.bincount(known, minlength=n_classes)
        if code == TRAIN and (empty := np.flatnonzero(counts == 0)).size:
            raise InputError(
                f"{table.name}: the {split_name} split has no labelled image of class "
                f"{table.label_names[empty[0]]!r}"
            )


def _targets(table: ImageTable) -> dict[str, Target]:
    """All targets, the labels among them."""
    targets = dict(table.targets)
    if any(target.values is table.labels for target in targets.values()):
        return targets
    targets.pop(LABEL, None)
    if table.labels is None:
        return targets
    return {LABEL: Target(LABEL, "class", table.labels, table.label_names), **targets}


def _check_targets(table: ImageTable) -> None:
    classes = [target for target in table.targets.values() if target.kind == "class"]
    if classes and classes[0].values is not table.labels:
        raise InputError(
            f"{table.name}: the labels must be those of {classes[0].name!r}, the first target of "
            "kind class"
        )
    for name, target in table.targets.items():
        if name != target.name:
            raise InputError(f"{table.name}: target {target.name!r} is filed under {name!r}")
        if len(target) != len(table):
            raise InputError(
                f"{table.name}: target {name!r} has {len(target)} values for {len(table)} images"
            )
        if name in table.columns:
            raise InputError(f"{table.name}: {name!r} is a target and an auxiliary column")


def _check_columns(table: ImageTable) -> None:
    for name, column in table.columns.items():
        if name != column.name:
            raise InputError(f"{table.name}: column {column.name!r} is filed under {name!r}")
        if len(column.values) != len(table):
            raise InputError(
                f"{table.name}: column {name!r} has {len(column.values)} values for "
                f"{len(table)} images"
            )
