"""YAML files as plain values, each with its line: nothing in one is costly or taken for another.

A specification is YAML 1.2's core: `010`, `1:30`, `yes`, `off` and `2024-01-01` are texts, where
YAML 1.1 reads 8, 90, true, false and a date. Aliases and merges are followed, as long as what they
stand for stays small.
"""

import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from clinfonce.errors import InputError

Place = tuple[str | int, ...]

_LARGEST = 128 * 1024  # bytes of a file
_DEEPEST = 32  # parts within parts
_MOST = 20_000  # values, with what aliases stand for
_LONGEST_NUMBER = 100  # characters
_NUMBERS = dict.fromkeys(("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"), "number")
_ESCAPES = {"\n", "\t"}  # control characters that a text may hold


class _RefusedError(yaml.MarkedYAMLError):
    """What is YAML, but not here."""


class _BoundedLoader(yaml.SafeLoader):
    """YAML 1.1, as Ray reads the file of a cluster, of bounded depth and size and without tags."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise _error(f"a tag, {event.tag}; leave it out", event)
        self._depth, self._nodes = self._depth + 1, self._nodes + 1
        _check_size(self._depth, self._nodes, event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.ScalarEvent):
            _check_text(event.value, event)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        kind = _NUMBERS.get(node.tag, node.tag.rpartition(":")[2])
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            raise _error(f"a number of {len(node.value):,} characters", node)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError):  # a date in month 13
            raise _error(f"{_short(str(node.value))} is no {kind}", node) from None


class _Loader(_BoundedLoader):
    """YAML 1.2's core, with 1e-3 and 10_000 as numbers."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012, of the base too


_INTEGER = r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)|0x[0-9a-fA-F]+"
_DIGITS = r"[0-9]+(_[0-9]+)*"
_FLOAT = (
    rf"[-+]?({_DIGITS}\.({_DIGITS})?|\.{_DIGITS})([eE][-+]?[0-9]+)?|[-+]?{_DIGITS}[eE][-+]?[0-9]+"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
for _kind, _pattern, _first in (
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", _INTEGER, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", "<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


def read_values(path: Path, *, as_ray: bool = False) -> tuple[dict[str, Any], dict[Place, int]]:
    """The values of a YAML file, and the line of each.

    Args:
        path: of the file.
        as_ray: read it as Ray does, by the rules of YAML 1.1.

    Raises:
        InputError: it cannot be read, is too large or no mapping; it names file and line.
    """
    return parse_values(_read_text(path), str(path), as_ray=as_ray)


def parse_values(
    text: str, where: str, *, as_ray: bool = False
) -> tuple[dict[str, Any], dict[Place, int]]:
    """The same of a text; `where` it stands is for messages."""
    values, lines = _parse(text, where, _BoundedLoader if as_ray else _Loader)
    if not isinstance(values, dict):
        got = "nothing" if values is None else _short(repr(values))
        raise InputError(f"{where}:1: a specification is a mapping, got {got}")
    return values, lines


def read_value(text: str, where: str) -> Any:
    """A single value, as a specification has it.

    Args:
        text: YAML.
        where: it stands, for messages.

    Raises:
        InputError: it is not YAML, or not what a specification takes.
    """
    if len(text.encode()) > _LARGEST:
        raise InputError(f"{where}: larger than {_LARGEST // 1024} KiB, the most that is read")
    return _parse(text, where, _Loader)[0]


def _parse(text: str, where: str, kind: type[_BoundedLoader]) -> tuple[Any, dict[Place, int]]:
    try:
        loader = kind(text)
        node = loader.get_single_node()
        if node is not None:
            _measure(node, {})
        lines = dict(_lines(node))
        return (None if node is None else loader.construct_document(node)), lines
    except yaml.YAMLError as error:
        raise InputError(f"{where}:{_line(error, text)}: {_problem(error)}") from None


def _read_text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device might never end
            raise InputError(f"{path}: cannot be read: not a file of text")
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from None
    if len(content) > _LARGEST:
        raise InputError(f"{path}: larger than {_LARGEST // 1024} KiB, the most that is read")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: cannot be read: UTF-16 text, save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: cannot be read: not UTF-8 text") from None


def _error(problem: str, where: Any) -> _RefusedError:
    return _RefusedError(problem=problem, problem_mark=where.start_mark)


def _check_size(depth: int, count: int, where: Any) -> None:
    if depth > _DEEPEST:
        raise _error(f"parts within parts more than {_DEEPEST} deep", where)
    if count > _MOST:
        raise _error(f"more than {_MOST:,} values, with what aliases stand for", where)


def _check_text(text: str, where: yaml.Event) -> None:
    """Refuse what no table, file or terminal takes."""
    for character in text:
        if character not in _ESCAPES and unicodedata.category(character) in ("Cc", "Cs"):
            raise _error(f"a character that cannot be printed, {character!a}", where)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _measure(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How deep a node goes and how many values it holds, once aliases are followed."""
    if id(node) not in known:
        known[id(node)] = None  # until it is measured
        within = [_measure(child, known) for child in _children(node)]
        depth, count = 1 + max((d for d, _ in within), default=0), 1 + sum(c for _, c in within)
        _check_size(depth, count, node)
        known[id(node)] = depth, count
    if (size := known[id(node)]) is None:
        raise _error("an alias that stands for something around itself", node)
    return size


def _lines(node: yaml.Node | None, place: Place = ()) -> Iterator[tuple[Place, int]]:
    """The place of every value and its line, 1-based; repeated keys are refused."""
    if node is None:
        return
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else repr(key.value)
            if name in seen:
                raise _error(f"{_short(name)}: given twice", key)
            seen.add(name)
            yield from _lines(value, (*place, name))
            yield (*place, name), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*place, index))


def _line(error: yaml.YAMLError, text: str) -> int:
    if (mark := getattr(error, "problem_mark", None)) is not None:
        return int(mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


def _problem(error: yaml.YAMLError) -> str:
    problem, context = getattr(error, "problem", None), getattr(error, "context", None)
    if isinstance(error, _RefusedError):
        return str(problem)
    if problem is None:
        problem = str(error).splitlines()[0]
    elif problem.startswith("found character '\\t'"):
        problem = "a tab, where YAML takes spaces alone"
    elif problem.startswith(("but", "second")):
        problem = f"{context}, {problem}"
    return f"not YAML: {problem}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NUMBER else f"{text[:40]}… ({len(text):,} characters)"
