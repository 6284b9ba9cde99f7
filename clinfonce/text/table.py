"""A table for people: aligned, and as wide as there is room.

Where it is too wide, long texts go over several lines; if that is not enough the columns stand in
blocks, one below the other, each with the first column again; and a table of very many columns is
shown row by row, a line a value, without what has none and with what all rows share once. A number
is never broken.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from clinfonce.text.printable import printable, width_of

_GAP = 2  # spaces between columns
_SHORT = 24  # texts up to this wide stay in one line, as numbers do
_MOST_BLOCKS = 4
_NOTHING = ("", "–")  # what stands for no value
_NARROWEST = 20  # no terminal is taken to be narrower

Widths = Mapping[int, int]  # of the columns that stand side by side, by their number


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        names: of the columns.
        right: which columns stand to the right, as numbers do.
        rows: a cell a column each; gone over more than once.
    """

    names: Sequence[str]
    right: Sequence[bool]
    rows: Iterable[Sequence[str]]

    def lines(self, width: int | None = None) -> Iterator[str]:
        """The lines of the table, without line ends.

        Args:
            width: columns of the terminal; None: as wide as need be.
        """
        wide, least = self._widths()
        if width is None:
            yield from self._block(dict(enumerate(wide)))
            return
        width = max(width, _NARROWEST)
        # A text may have to do with half of a narrow terminal.
        least = [
            n if right else min(n, width // 2) for n, right in zip(least, self.right, strict=True)
        ]
        packed = _packed(least, self.right, width)
        blocks = [_widened(block, wide, width) for block in packed]
        if len(blocks) > _MOST_BLOCKS and any(True for _ in self.rows):
            yield from self._records(width)
            return
        for number, block in enumerate(blocks):
            yield from [""] if number else []
            yield from self._block(block)

    def _widths(self) -> tuple[list[int], list[int]]:
        """The width that each column would like to have, and the least that it needs."""
        cells = [0] * len(self.names)
        for row in self.rows:
            cells = [max(c, *map(width_of, _lines(t))) for c, t in zip(cells, row, strict=True)]
        heads = [printable(name) for name in self.names]
        wide = [max(width_of(h), c) for h, c in zip(heads, cells, strict=True)]
        least = [
            max(c if right or c <= _SHORT else _SHORT, *map(width_of, head.split(" ")))
            for c, right, head in zip(cells, self.right, heads, strict=True)
        ]
        return wide, least

    def _block(self, widths: Widths) -> Iterator[str]:
        """Some of the columns, under their names and a rule."""
        right = {column for column in widths if self.right[column]}
        yield from _side_by_side(self.names, widths, right)
        yield (" " * _GAP).join("─" * width for width in widths.values())
        for row in self.rows:
            yield from _side_by_side(row, widths, right)

    def _records(self, width: int) -> Iterator[str]:
        """Row by row, a line a value: what all rows share comes first, and once."""
        longest = max(width_of(printable(name)) for name in self.names)
        side = min(longest, max(width - _GAP - _SHORT // 2, width // 2))
        n, shared = self._shared()

        def lines(row: Sequence[str], columns: Iterable[int]) -> Iterator[str]:
            for column in columns:
                if row[column] not in _NOTHING:
                    pair = (self.names[column], row[column])
                    yield from _side_by_side(pair, {0: side, 1: width - side - _GAP}, set())

        if n > 1 and any(value not in _NOTHING for value in shared.values()):
            yield f"── all {n} rows ".ljust(width, "─")
            yield from lines([shared.get(c, "") for c in range(len(self.names))], shared)
        own = [c for c in range(len(self.names)) if n == 1 or c not in shared]
        for number, row in enumerate(self.rows, 1):
            yield f"── row {number} ".ljust(width, "─")
            yield from lines(row, own)
        if empty := [self.names[c] for c, value in shared.items() if value in _NOTHING]:
            yield from ["", *wrap(f"No value in any row: {', '.join(empty)}", width)]

    def _shared(self) -> tuple[int, dict[int, str]]:
        """How many rows there are, and the values of columns that have one in all of them."""
        rows = iter(self.rows)
        shared, n = dict(enumerate(next(rows))), 1
        for row in rows:
            n += 1
            shared = {c: value for c, value in shared.items() if row[c] == value}
        return n, shared


def _side_by_side(row: Sequence[str], widths: Widths, right: Set[int]) -> Iterator[str]:
    """The lines of a row's cells in columns of given widths."""
    cells = {column: wrap(row[column], width) for column, width in widths.items()}
    for line in itertools.zip_longest(*cells.values(), fillvalue=""):
        parts = [
            _padded(text, width, column in right)
            for text, (column, width) in zip(line, widths.items(), strict=True)
        ]
        yield (" " * _GAP).join(parts).rstrip()


def wrap(text: str, width: int) -> list[str]:
    """The printable lines of a text, none wider than so many columns; broken at spaces if any."""
    return [part for line in _lines(text) for part in _broken(line, width)]


def _lines(text: str) -> list[str]:
    return printable(text).expandtabs(4).split("\n")


def _broken(line: str, width: int) -> Iterator[str]:
    while width_of(line) > width:
        end = _fitting(line, width)
        space = line.rfind(" ", 0, end + 1)
        if space > 0:
            yield line[:space].rstrip()
            line = line[space + 1 :]
        else:
            yield line[:end]
            line = line[end:]
    yield line


def _fitting(line: str, width: int) -> int:
    """How many characters fit into so many columns; at least one."""
    end = used = 0
    for character in line:
        used += width_of(character)
        if used > width:
            break
        end += 1
    return max(end, 1)


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - width_of(text))
    return space + text if right else text + space


def _packed(least: Sequence[int], fixed: Sequence[bool], width: int) -> list[dict[int, int]]:
    """The columns in as few blocks as their least widths allow, the first column in each."""
    first, *others = least
    if others and not fixed[0]:
        first = max(min(first, width - _GAP - max(others)), 1)
    room = max(width - _GAP - first, 1)
    blocks = [{0: first}]
    for column, need in enumerate(others, 1):
        block = blocks[-1]
        if len(block) > 1 and sum(block.values()) + _GAP * len(block) + need > width:
            blocks.append(block := {0: first})
        block[column] = need if fixed[column] else min(need, room)
    return blocks


def _widened(block: dict[int, int], wide: Sequence[int], width: int) -> dict[int, int]:
    """The block with the room that is left given to those that want more, the smallest first."""
    widths = dict(block)
    left = width - sum(block.values()) - _GAP * (len(block) - 1)
    for column in sorted(block, key=lambda column: wide[column]):
        more = min(max(left, 0), wide[column] - widths[column])
        widths[column] += more
        left -= more
    return widths
