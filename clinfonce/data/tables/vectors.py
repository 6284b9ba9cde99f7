"""Embeddings of a user's: a list column of a Parquet table, or a file in the table's order."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError, unknown_name

Vectors = NDArray[np.floating[Any]]
_BLOCK = 1 << 25  # bytes read at a time
_FILE = re.compile(r"(.*\.(?:npy|safetensors))(?::(.+))?", re.IGNORECASE)
_FLOATS = {"F16": "float16", "BF16": "float32", "F32": "float32", "F64": "float32"}


class Embeddings(Protocol):
    """Vectors in the order of a table."""

    @property
    def source(self) -> str:
        """Where they come from, for messages."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """How many there are, and numbers in each."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float16 or float32."""
        ...

    def blocks(self) -> Iterator[Vectors]:
        """All of them, (m, d) at a time; a row that is no vector of d numbers is all NaN."""
        ...


def is_file(text: str) -> bool:
    """Whether embeddings are named by a file, and not by a column."""
    return _FILE.fullmatch(text) is not None


def embeddings_of_file(text: str) -> Embeddings:
    """Embeddings in a .npy file, or in a .safetensors file (FILE or FILE:NAME of the tensor).

    Raises:
        InputError: no such file, another kind, a damaged one, or no two-dimensional floats.
    """
    match = _FILE.fullmatch(text)
    path, name = Path(match[1] if match else text), (match[2] if match else None) or ""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return _Npy.at(path) if path.suffix.lower() == ".npy" else _Safetensors.at(path, name)
    except InputError:
        raise
    except Exception as error:  # damaged files raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a whole {path.suffix} file of numbers ({reason})") from None


def embeddings_of_column(file: Path, name: str) -> Embeddings:
    """Embeddings in a list column of a Parquet file.

    Raises:
        InputError: another kind of file, no such column, or one of other values.
    """
    import pyarrow
    import pyarrow.parquet as parquet
    import pyarrow.types as is_a

    try:
        schema = parquet.read_schema(file)
    except (pyarrow.ArrowException, OSError):
        raise InputError(
            f"{file}: embeddings are a list column of a Parquet table, or a .npy or .safetensors "
            f"file; {name!r} is neither"
        ) from None
    if name not in schema.names:
        raise InputError(unknown_name(f"column of {file}", name, schema.names))
    kind = schema.field(name).type
    is_list = is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind)
    inner = kind.value_type if is_list else None
    if inner is None or not (is_a.is_floating(inner) or is_a.is_integer(inner)):
        raise InputError(f"{file}: column {name!r} is of type {kind}, not of lists of numbers")
    dtype = np.dtype("float16" if inner == pyarrow.float16() else "float32")
    return _Column.at(file, name, dtype)


@dataclass(frozen=True)
class _Npy:
    source: str
    array: Any

    @classmethod
    def at(cls, path: Path) -> "_Npy":
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        _check_array(str(path), array.shape, array.dtype.kind in "fiu", str(array.dtype))
        return cls(str(path), array)

    @property
    def shape(self) -> tuple[int, int]:
        return (int(self.array.shape[0]), int(self.array.shape[1]))

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float16 if self.array.dtype == np.float16 else np.float32)

    def blocks(self) -> Iterator[Vectors]:
        step = _rows(self)
        for start in range(0, self.shape[0], step):
            with np.errstate(over="ignore"):  # what is too large becomes infinite, and is told
                yield np.asarray(self.array[start : start + step]).astype(self.dtype)


@dataclass(frozen=True)
class _Safetensors:
    source: str
    file: Path
    name: str
    shape: tuple[int, int]
    kind: str

    @classmethod
    def at(cls, path: Path, name: str) -> "_Safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="np") as tensors:
            names = list(tensors.keys())
            if name and name not in names:
                raise InputError(unknown_name(f"tensor of {path}", name, names))
            if not name and len(names) != 1:
                raise InputError(
                    f"{path}: {len(names)} tensors ({', '.join(names[:10])}); name one as "
                    f"{path.name}:NAME"
                )
            found = tensors.get_slice(name or names[0])
            shape, kind = tuple(found.get_shape()), found.get_dtype()
        source = f"{path}:{name}" if name else str(path)
        _check_array(source, shape, kind in _FLOATS, kind)
        return cls(source, path, name or names[0], (shape[0], shape[1]), kind)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(_FLOATS[self.kind])

    def blocks(self) -> Iterator[Vectors]:
        from safetensors import safe_open

        step = _rows(self)
        is_bf16 = self.kind == "BF16"  # which numpy has not
        with safe_open(self.file, framework="pt" if is_bf16 else "np") as tensors:
            found = tensors.get_slice(self.name)
            for start in range(0, self.shape[0], step):
                block = found[start : min(start + step, self.shape[0])]
                with np.errstate(over="ignore"):
                    yield (block.float().numpy() if is_bf16 else block).astype(self.dtype)


@dataclass(frozen=True)
class _Column:
    source: str
    file: Path
    name: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    @classmethod
    def at(cls, file: Path, name: str, dtype: np.dtype[Any]) -> "_Column":
        import pyarrow.parquet as parquet

        source = f"{file}: column {name!r}"
        with parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches(columns=[name], batch_size=1024):
                lengths = Counter(len(value) for value in batch.column(0) if value.is_valid)
                if any(lengths):
                    ((usual, _),) = lengths.most_common(1)
                    return cls(source, file, name, (opened.metadata.num_rows, usual), dtype)
        raise InputError(f"{source}: no embedding in any row")

    def blocks(self) -> Iterator[Vectors]:
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(self.file) as opened:
            for batch in opened.iter_batches(columns=[self.name], batch_size=_rows(self)):
                yield self._block(batch.column(0))

    def _block(self, column: Any) -> Vectors:
        """Lists as an array; those of another length, or with nothing inside, are NaN."""
        import pyarrow
        import pyarrow.compute as compute

        lengths = compute.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        d = self.shape[1]
        right = lengths == d
        block = np.full((len(column), d), np.nan, self.dtype)
        values = column.filter(pyarrow.array(right)).flatten()
        numbers = values.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            block[right] = numbers.reshape(-1, d).astype(self.dtype)
        return block


def _check_array(source: str, shape: Any, is_number: bool, kind: str) -> None:
    if len(shape) != 2 or 0 in shape or not is_number:
        raise InputError(
            f"{source}: embeddings are numbers (n, d), one row for each of the table; this is "
            f"{tuple(shape)} {kind}"
        )


def _rows(embeddings: Embeddings) -> int:
    """Rows that are read at a time."""
    return max(_BLOCK // (embeddings.shape[1] * embeddings.dtype.itemsize), 1)
