"""Files of cached features: parts while they are made, one memory-mapped array when all are there.

Parts are written whole or not at all, by any process of any machine that sees the folder, so what
was interrupted goes on with the parts that are missing.
"""

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import StorageError
from clinfonce.features.recipe import FeatureRecipe
from clinfonce.files import Folder


class FeatureCache:
    """The features below a folder.

    Args:
        home: a result store's folder; features/ in it holds them. In an object store the parts
            stay there, and each machine keeps an array of its own.
    """

    def __init__(self, home: Folder) -> None:
        self._home = home

    def missing(self, recipe: FeatureRecipe) -> list[int]:
        """The parts that are still to be made; none once all are there."""
        if self._array(recipe).exists():
            return []
        there = set(self._home.names(self._parts(recipe)))
        return [part for part in range(recipe.n_parts) if _name(part) not in there]

    def write(self, recipe: FeatureRecipe, part: int, features: NDArray[Any]) -> None:
        """Keep the features (1 + copies, m, d) of a part.

        Raises:
            StorageError: they cannot be written now.
        """
        buffer = io.BytesIO()
        np.save(buffer, features, allow_pickle=False)
        self._home.write(f"{self._parts(recipe)}/{_name(part)}", buffer.getvalue())

    def open(self, recipe: FeatureRecipe) -> NDArray[Any]:
        """The features (1 + copies, n, d), memory-mapped and read-only.

        Raises:
            StorageError: parts are missing, or the array cannot be read.
        """
        path = self._array(recipe)
        if not path.exists():
            self._assemble(recipe, path)
        try:
            found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise StorageError(f"{path} is damaged ({error}); remove it to make it anew") from None
        if found.shape[:2] != (1 + recipe.copies, recipe.n_images):
            raise StorageError(f"{path} is damaged: shape {found.shape}; remove it to make it anew")
        return found

    def of_data(self, fingerprint: str) -> NDArray[Any] | None:
        """The features (n, d) of a data set that were kept last, of the images as they are."""
        folder = self._home.local
        kept = [] if folder is None else list((folder / "features").glob("*.json"))
        for path in sorted(kept, key=lambda path: path.stat().st_mtime, reverse=True):
            array = path.with_suffix(".npy")
            if json.loads(path.read_text())["data"] == fingerprint and array.exists():
                found: NDArray[Any] = np.load(array, mmap_mode="r", allow_pickle=False)[0]
                return found
        return None

    def _assemble(self, recipe: FeatureRecipe, path: Path) -> None:
        """Join the parts, whole or not at all; several processes may do so at once."""
        if missing := self.missing(recipe):
            raise StorageError(
                f"{len(missing)} of {recipe.n_parts} parts of the features {recipe.key} are missing"
            )
        folder = self._parts(recipe)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".tmp-{os.getpid()}-{uuid4().hex}-{path.name}")
        try:
            for part in range(recipe.n_parts):
                try:
                    features = np.load(io.BytesIO(self._home.read(f"{folder}/{_name(part)}")))
                except FileNotFoundError:
                    if path.exists():  # another process was quicker
                        return
                    raise
                if part == 0:
                    shape = (1 + recipe.copies, recipe.n_images, features.shape[2])
                    whole = np.lib.format.open_memmap(partial, "w+", features.dtype, shape)
                rows = recipe.rows(part)
                whole[:, rows.start : rows.stop] = features
            whole.flush()
            partial.replace(path)
        except OSError as error:
            raise self._home.explained(error) from error
        finally:
            partial.unlink(missing_ok=True)
        self._home.write(f"features/{recipe.key}.json", recipe.to_json().encode())
        if self._home.local is not None:
            self._remove_parts(folder)

    def _remove_parts(self, folder: str) -> None:
        local = (self._home.local or Path()) / folder
        for name in self._home.names(folder):
            (local / name).unlink(missing_ok=True)
        try:
            local.rmdir()
        except OSError:  # another process writes a last part anew
            return

    def _array(self, recipe: FeatureRecipe) -> Path:
        folder = self._home.local
        home = own_folder() if folder is None else folder / "features"
        return home / f"{recipe.key}.npy"

    @staticmethod
    def _parts(recipe: FeatureRecipe) -> str:
        return f"features/{recipe.key}.parts"


def own_folder() -> Path:
    """Where this user keeps features of data and stores that are elsewhere."""
    root = os.environ.get("XDG_CACHE_HOME")
    home = Path(root) if root else Path.home() / ".cache"
    if os.access(home if home.exists() else home.parent, os.W_OK):
        return home / "clinfonce" / "features"
    return Path(tempfile.gettempdir()) / f"clinfonce-{os.getuid()}" / "features"


def _name(part: int) -> str:
    return f"{part:06d}.npy"
