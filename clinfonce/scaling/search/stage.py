"""A search before it grew."""

from dataclasses import dataclass

from clinfonce.config import SearchSpec


@dataclass(frozen=True)
class Stage:
    """A search before it grew: it proposes again what it proposed then.

    Attributes:
        until: the configurations before this number are its.
        search: as it was.
        attributes: what `subset: all` stood for.
    """

    until: int
    search: SearchSpec
    attributes: tuple[str, ...]
