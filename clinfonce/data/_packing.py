"""Decode images into one raw file, so that broken-off work can go on."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data import packed
from clinfonce.data._decode import BadImageError, decode, safe_path
from clinfonce.data._texts import TextTable
from clinfonce.errors import InputError

PROGRESS = "progress.jsonl"
_CHUNK = 256  # images between two notes of how far the work has come

Progress = Callable[[int, int], None]


@dataclass
class Skips:
    """Counts what is left out, or raises the first case."""

    allowed: bool
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, message: str, times: int = 1) -> None:
        if not self.allowed:
            raise InputError(f"{message}; skip_bad leaves such rows out")
        self.counts[reason] += times
        self.examples.setdefault(reason, message)


@dataclass(frozen=True)
class Packing:
    """Decodes images into `images.u8`, noting how far it came after every chunk."""

    root: Path
    texts: TextTable
    candidates: list[int]
    partial: Path
    image_size: int

    def run(self, skips: Skips, threads: int, progress: Progress | None) -> list[int]:
        """Pack all images; returns the rows that were kept, in order."""
        done, kept, bad = self._resume()
        for row, message in bad:
            skips.add("unreadable image", f"{self.texts.where(row)}: {message}")
        paths = self.texts.column("path")
        with (
            (self.partial / packed.IMAGES).open("ab") as images,
            (self.partial / PROGRESS).open("a", encoding="utf-8") as notes,
            ThreadPoolExecutor(threads) as pool,
        ):
            for start in range(done, len(self.candidates), _CHUNK):
                chunk = self.candidates[start : start + _CHUNK]
                good, errors = [], []
                for row, found in zip(chunk, pool.map(self._read, [paths[r] for r in chunk]),
                                      strict=True):  # fmt: skip
                    if isinstance(found, str):
                        skips.add("unreadable image", f"{self.texts.where(row)}: {found}")
                        errors.append([row, found])
                    else:
                        images.write(found.data)
                        good.append(row)
                images.flush()
                notes.write(json.dumps({"done": start + len(chunk), "kept": good, "bad": errors}))
                notes.write("\n")
                notes.flush()
                kept += good
                if progress is not None:
                    progress(start + len(chunk), len(self.candidates))
        return kept

    def _read(self, path: str) -> NDArray[np.uint8] | str:
        try:
            return decode(safe_path(self.root, path), self.image_size)
        except BadImageError as error:
            return f"{path!r}: {error}"

    def _resume(self) -> tuple[int, list[int], list[tuple[int, str]]]:
        """Candidates done, rows kept and rows found bad by an earlier call with this signature."""
        lines = list(self._notes())
        if not lines or lines[0].get("signature") != self._signature():
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir(parents=True)
            note = json.dumps({"signature": self._signature()})
            (self.partial / PROGRESS).write_text(note + "\n", encoding="utf-8")
            return 0, [], []
        kept = [row for line in lines[1:] for row in line["kept"]]
        bad = [(row, message) for line in lines[1:] for row, message in line["bad"]]
        whole = "".join(json.dumps(line) + "\n" for line in lines)  # without a torn last line
        (self.partial / PROGRESS).write_text(whole, encoding="utf-8")
        with (self.partial / packed.IMAGES).open("ab") as images:
            images.truncate(len(kept) * 3 * self.image_size**2)
        return (lines[-1]["done"] if len(lines) > 1 else 0), kept, bad

    def _notes(self) -> Iterator[dict[str, Any]]:
        """Notes of an earlier call, up to a torn one."""
        file = self.partial / PROGRESS
        if not file.is_file():
            return
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return

    def _signature(self) -> str:
        """Changes with everything that the packed images depend on but the image files."""
        content = json.dumps([self.texts.names, self.texts.rows, self.image_size, str(self.root)])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
