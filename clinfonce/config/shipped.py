"""Specifications that come with the package, by their names: `digits` for sweeps/digits.yaml."""

import importlib.metadata
import re
from pathlib import Path

from clinfonce.errors import InputError, unknown_name

_FOLDER = "sweeps"


def find_specification(source: str | Path) -> Path:
    """The file of a specification: that of this path, or the one that is shipped by this name.

    Raises:
        InputError: a name, and none that is shipped.
    """
    path = Path(source)
    if not re.fullmatch(r"[\w-]+", str(source)) or path.exists():
        return path
    known = {file.stem: file for file in _shipped()}
    if str(source) not in known:
        reason = unknown_name("sweep that comes with clinfonce", str(source), sorted(known))
        raise InputError(f"{reason}; and there is no file {str(source)!r}")
    return known[str(source)]


def _shipped() -> list[Path]:
    checkout = Path(__file__).parents[2] / _FOLDER
    if checkout.is_dir():
        return sorted(checkout.glob("*.yaml"))
    installed = importlib.metadata.files("clinfonce") or []
    files = [f for f in installed if f.parent.name == _FOLDER and f.suffix == ".yaml"]
    return sorted(Path(str(file.locate())) for file in files)
