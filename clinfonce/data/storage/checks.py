"""Whether shards are what was written: digests are compared once a file, until it changes."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from clinfonce.data.storage.shards import Shard, image_digest
from clinfonce.errors import InputError

State: TypeAlias = tuple[int, int, int]  # of a file: its size, time of change in ns, and number
_REMEMBERED = "checked"  # folder of the user's cache


def cache() -> Path:
    """Folder of the user's for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clinfonce"


def check_shards(
    folder: Path,
    shards: Sequence[Shard],
    checked: Mapping[str, State],
    *,
    threads: int,
) -> dict[str, State]:
    """Compare shards with what is known of them.

    What was compared is remembered in the user's cache folder, by the state of the file, so that
    the same data set opens at once the next time.

    Args:
        folder: that holds them.
        shards: what is known.
        checked: files that were compared elsewhere, with their state then.
        threads: that read files.

    Returns:
        File to its state, now that all are right.

    Raises:
        InputError: the first that is missing, cut short or damaged.
    """
    states = {shard.file: _state(folder / shard.file, shard) for shard in shards}
    known = (
        dict(checked) if all(checked.get(f) == s for f, s in states.items()) else _recall(folder)
    )
    new = [shard for shard in shards if known.get(shard.file) != states[shard.file]]
    if new:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda shard: _compare(folder / shard.file, shard), new))
        remember(folder, states)
    return states


def remember(folder: Path, states: Mapping[str, State]) -> None:
    """Keep which files are known to be right; a cache that cannot be written is no harm."""
    with suppress(OSError, RuntimeError):
        file = _memory(folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".tmp-{os.getpid()}-{file.name}")
        partial.write_text(json.dumps({name: list(state) for name, state in states.items()}))
        partial.replace(file)


def state_of(file: Path) -> State:
    """The state of a file that is there."""
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _recall(folder: Path) -> dict[str, State]:
    try:
        found: dict[str, Any] = json.loads(_memory(folder).read_text())
        return {name: (int(a), int(b), int(c)) for name, (a, b, c) in found.items()}
    except (OSError, RuntimeError, ValueError, AttributeError, TypeError):
        return {}


def _memory(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return cache() / _REMEMBERED / f"{name[:32]}.json"


def _state(file: Path, shard: Shard) -> State:
    try:
        state = state_of(file)
    except OSError:
        raise InputError(f"{file}: missing here; prepare the data set again") from None
    if state[0] != shard.size:
        raise InputError(f"{file}: missing here or cut short; prepare the data set again")
    return state


def _compare(file: Path, shard: Shard) -> None:
    if shard.content:
        with file.open("rb") as opened:
            right = hashlib.file_digest(opened, "sha256").hexdigest() == shard.content
    else:
        right = image_digest(file) == shard.digest
    if not right:
        raise InputError(
            f"{file}: damaged, its content is not what was written; prepare the data set again, or "
            "copy it again"
        )
