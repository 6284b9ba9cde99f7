"""A digest inside a file, by which the file itself says whether it is as it was written.

The seal is a text somewhere in the file: a mark, the SHA-256 of the whole file with zeros in the
digest's place, and what the file is. It goes wherever a format takes free text, so that every
reader of the format still reads the file.
"""

import hashlib
import re
from dataclasses import dataclass

from clinfonce.errors import StorageError

_MARK = "clinfonce-sha256:"
_DIGITS = 64
_SEAL = re.compile(rf"{_MARK}(.{{{_DIGITS}}})\[([A-Za-z0-9._=/-]{{0,200}})\]".encode(), re.DOTALL)


@dataclass(frozen=True)
class Seal:
    """The seal found in a file.

    Attributes:
        name: what the file was written as.
        intact: whether the file is as it was written.
    """

    name: str
    intact: bool


def blank_seal(name: str = "") -> str:
    """A seal to be written into a file; `seal` then fills in the digest.

    Args:
        name: what the file is: letters, digits and . _ = / -.
    """
    return f"{_MARK}{'0' * _DIGITS}[{name}]"


def seal(content: bytes) -> bytes:
    """The content with its blank seal, the last one in it, filled in."""
    start, view = _find(content).start(1), memoryview(content)
    return b"".join((view[:start], _digest(content, start), view[start + _DIGITS :]))


def read_seal(content: bytes) -> Seal | None:
    """The last seal in a file's content; None where there is none, as an older version wrote it."""
    try:
        found = _find(content)
    except ValueError:
        return None
    return Seal(found[2].decode(), _digest(content, found.start(1)) == found[1])


def check_seal(content: bytes, what: str, remedy: str = "make it anew") -> bool:
    """Whether there is a seal.

    Args:
        content: of the file.
        what: the file, for the message.
        remedy: what to do if it cannot be restored.

    Raises:
        StorageError: there is one, and the content is another.
    """
    found = read_seal(content)
    if found is not None and not found.intact:
        raise StorageError(
            f"{what} is damaged: its content is not what was written. Restore it, or {remedy}"
        )
    return found is not None


def _find(content: bytes) -> re.Match[bytes]:
    found = _SEAL.match(content, max(content.rfind(_MARK.encode()), 0))
    if found is None:
        raise ValueError("the content has no seal")
    return found


def _digest(content: bytes, start: int) -> bytes:
    view = memoryview(content)
    digest = hashlib.sha256(view[:start])
    digest.update(b"0" * _DIGITS)
    digest.update(view[start + _DIGITS :])
    return digest.hexdigest().encode()
