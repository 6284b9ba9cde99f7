"""Where a data set is made, and how it gets its name at the end."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from clinfonce.data.prepared import packed
from clinfonce.data.prepared.examine import Examined
from clinfonce.data.prepared.findings import LIST, Findings
from clinfonce.data.storage.checks import remember, state_of
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Shard, Storage
from clinfonce.data.table import ImageTable
from clinfonce.errors import InputError


def check_out(out: Path | str) -> tuple[Place, Place]:
    """Where a data set is to stand, and where it is made; in an object store they are the same.

    Raises:
        InputError: something is there already.
    """
    place = Place.of(out)
    taken = Path(place.path).exists() if place.is_local else packed.is_packed(place.text)
    if taken:
        raise InputError(f"{out}: already exists; choose another folder or remove it")
    return place, Place.of(f"{place.path}.partial") if place.is_local else place


@contextmanager
def left_clean(work: Place) -> Iterator[None]:
    """Leave no empty folder behind if the user's input turns out to be wrong."""
    try:
        yield
    except InputError:
        if work.is_local:
            with suppress(OSError):  # it may hold shards, from which the work goes on
                Path(work.path).rmdir()
        raise


def write(
    work: Place,
    table: ImageTable,
    shards: Sequence[Shard],
    storage: Storage,
    names: Sequence[str],
    findings: Findings,
    examined: Examined,
) -> None:
    """Write what stands beside the shards."""
    if findings:
        work.write(LIST, findings.to_csv())
    notes = examined.said(findings)
    packed.write_table(work, table, shards, storage, paths=names, notes=notes)


def publish(work: Place, place: Place, shards: Iterable[Shard]) -> None:
    """Give a finished data set its name; its shards are known to be right."""
    if place.is_local:
        folder = Path(place.path)
        Path(work.path).rename(folder)
        remember(folder, {shard.file: state_of(folder / shard.file) for shard in shards})
