"""Make a data set of embeddings, from any model, in place of images."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray

from clinfonce.data.prepared.examine import Examined, examine
from clinfonce.data.prepared.findings import Findings
from clinfonce.data.prepared.near import near_embeddings, too_many
from clinfonce.data.prepared.options import Options
from clinfonce.data.prepared.publish import check_out, left_clean, publish, write
from clinfonce.data.prepared.result import Prepared
from clinfonce.data.storage import shards
from clinfonce.data.storage.images import PackedImages
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Note, Shard
from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.roles import with_roles
from clinfonce.data.tables.vectors import (
    Embeddings,
    Vectors,
    embeddings_of_column,
    embeddings_of_file,
    is_file,
)
from clinfonce.errors import InputError


def prepare_embeddings(
    table: Path | str,
    embeddings: str,
    out: Path | str,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    columns: Mapping[str, str] | None = None,
    **options: Any,
) -> Prepared:
    """Pack embeddings and their table into a folder that `clinfonce.data.load` memory-maps.

    The table is that of `prepare_folder`, but needs no paths. Embeddings are kept in float16 if
    they come so, else in float32.

    Args:
        table: .csv, .tsv, .txt or .parquet.
        embeddings: name of a list column of a Parquet table; or a .npy or .safetensors file with
            one row for each row of the table, in its order (FILE.safetensors:NAME of several).
        out: folder to make, a path or a URI; no data set may be there.
        encoding: of a text without a byte order mark.
        delimiter: of a text; None finds it.
        columns: path, label or split to the name that the column has in the table.
        options: as in `Options`; `skip_bad` leaves out embeddings that are missing, of another
            length, zero or not finite.

    Raises:
        InputError: whatever is wrong with the table or the embeddings, with the row.
    """
    file = Path(table)
    if is_file(embeddings):
        vectors, read = (
            embeddings_of_file(embeddings),
            read_table(file, encoding, delimiter=delimiter),
        )
    else:
        vectors = embeddings_of_column(file, embeddings)
        names = [name for name in pyarrow.parquet.read_schema(file).names if name != embeddings]
        read = read_table(file, only=names)
    source = with_roles(read, columns or {}, needs_path=False)
    n, d = vectors.shape
    if n != len(source):
        raise InputError(
            f"{vectors.source}: {n:,} embeddings for {len(source):,} rows of {file}; one a row is "
            "needed, in the table's order"
        )
    chosen = Options(**options)
    place, work = check_out(out)
    examined = examine(source, chosen)
    with left_clean(work):
        packed = _pack(work, vectors, examined, chosen)
    known, names = examined.of_kept(packed.kept), examined.names(packed.kept)
    folder = Path(place.path)
    images = PackedImages(folder, packed.shards, (d,), "raw", dtype=str(vectors.dtype))
    made = known.table(folder.name, images)
    near = _near(vectors, packed.kept, known.split, examined)
    findings = Findings(names, known.split, (), (), packed.equal, near, noun="embedding")
    write(work, made, packed.shards, "raw", names, findings, examined)
    publish(work, place, packed.shards)
    return Prepared.of(place.text, made, "raw", examined, findings)


def _near(
    vectors: Embeddings, kept: list[int], split: NDArray[np.int8], examined: Examined
) -> list[tuple[int, int]]:
    """Near-duplicates across splits; none, with a word, where there are too many to compare."""
    if too_many(len(kept), vectors.shape[1]):
        examined.notes.append("too many embeddings to look for near-duplicates across splits")
        return []
    return near_embeddings(np.concatenate(list(vectors.blocks()))[kept], split)


@dataclass
class _Packed:
    """Shards so far, the rows that they hold, and which of these are equal."""

    shards: list[Shard] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    equal: list[tuple[int, int]] = field(default_factory=list)
    _first: dict[bytes, int] = field(default_factory=dict)

    def note(self, row: int, vector: bytes) -> None:
        """Take a row; the same vector may have been taken before."""
        place = len(self.kept)
        earlier = self._first.setdefault(hashlib.blake2b(vector, digest_size=16).digest(), place)
        if earlier != place:
            self.equal.append((earlier, place))
        self.kept.append(row)


def _pack(work: Place, vectors: Embeddings, examined: Examined, options: Options) -> _Packed:
    """Write the embeddings of usable rows, those that are none left out."""
    if work.is_local:
        shutil.rmtree(work.path, ignore_errors=True)
        Path(work.path).mkdir(parents=True)
    packed, waiting = _Packed(), list[bytes]()
    size = vectors.shape[1] * vectors.dtype.itemsize
    wanted = np.zeros(vectors.shape[0], dtype=np.bool_)
    wanted[list(examined.rows)] = True
    for start, block in _numbered(vectors):
        bad = _bad(block)
        for place in np.flatnonzero(wanted[start : start + len(block)]).tolist():
            if (reason := bad.get(place)) is not None:
                table = examined.table
                what = vectors.source.removeprefix(f"{table.file}: ")
                examined.skips.add(
                    "bad embedding", f"{table.where(start + place)}: {what}: {reason}"
                )
                continue
            waiting.append(block[place].tobytes())
            packed.note(start + place, waiting[-1])
            if len(waiting) * size >= shards.SHARD_BYTES:
                waiting = _write(work, packed, waiting)
        if options.progress is not None:
            options.progress(min(start + len(block), vectors.shape[0]), vectors.shape[0])
    if waiting:
        _write(work, packed, waiting)
    if not packed.kept:
        raise InputError(f"{vectors.source}: not one embedding is left")
    return packed


def _write(work: Place, packed: _Packed, waiting: list[bytes]) -> list[bytes]:
    note = Note("", len(packed.kept), [], [], shards.digest_of(waiting))
    packed.shards.append(shards.write_shard(work, len(packed.shards), waiting, note, "raw"))
    return []


def _numbered(vectors: Embeddings) -> Iterator[tuple[int, Vectors]]:
    start = 0
    for block in vectors.blocks():
        yield start, block
        start += len(block)


def _bad(block: Vectors) -> dict[int, str]:
    """Place of each vector (of m, d) that is none, and why."""
    finite = np.isfinite(block)
    bad = dict.fromkeys(np.flatnonzero(~block.any(axis=1)).tolist(), "all zeros")
    for place in np.flatnonzero(~finite.all(axis=1)).tolist():
        vector = block[place]
        if np.isnan(vector).all():
            bad[place] = f"not {block.shape[1]} numbers, as others have"
        else:
            bad[place] = f"{vector[~finite[place]][0]} among its numbers"
    return bad
