"""Names of files: one form for each, and the links among those in an archive."""

import posixpath
import unicodedata
from collections.abc import Iterable, Mapping

_MOST_LINKS = 40  # on the way to one file, as Linux allows


class BadPathError(Exception):
    """What is wrong with a path, in a few words."""


def normalized(text: str) -> str:
    """A table's path in one form: composed Unicode (NFC), without needless steps.

    Raises:
        BadPathError: an empty or absolute path, or one with a step up.
    """
    if not text or "\0" in text:
        raise BadPathError("the path is empty or holds a NUL")
    if text[0] == "/" or ".." in text.split("/") or "\\" in text or ":" in text[:3]:
        raise BadPathError("the path must be relative, with / and without ..")
    return posixpath.normpath(unicodedata.normalize("NFC", text))


def composed(name: str) -> str:
    """The composed Unicode form of a name (NFC)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def followed(path: str, links: Mapping[str, str]) -> str | None:
    """Where a path leads inside an archive; None if it leads out of it, or in a circle.

    Args:
        path: normalized.
        links: normalized name of each link to its target, as `target_of` gives it.
    """
    for _ in range(_MOST_LINKS):
        steps = path.split("/")
        heads = ("/".join(steps[:n]) for n in range(1, len(steps) + 1))
        head = next((head for head in heads if head in links), None)
        if head is None:
            return path
        path = posixpath.normpath(posixpath.join(links[head], path[len(head) + 1 :]))
        if path.startswith(("..", "/")):
            return None
    return None


def target_of(link: str, text: str) -> str:
    """The target of a symbolic link in an archive, from the archive's root."""
    return composed(posixpath.normpath(posixpath.join(posixpath.dirname(link), text)))


class Nearby:
    """Finds the name that was meant: one that differs in case, or lies alone in another folder."""

    def __init__(self, names: Iterable[str]) -> None:
        self._folded: dict[str, str] = {}
        self._last: dict[str, str | None] = {}
        for name in names:
            self._folded.setdefault(name.casefold(), name)
            last = posixpath.basename(name)
            self._last[last] = None if last in self._last else name

    def hint(self, name: str) -> str:
        """Words to add to a message that a name is not there."""
        near = self._folded.get(name.casefold()) or self._last.get(posixpath.basename(name))
        return f"; {near!r} is there" if near else ""
