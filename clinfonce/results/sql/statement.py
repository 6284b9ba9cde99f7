"""Which SQL may be asked: one statement that only reads."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from clinfonce.errors import InputError

# DESCRIBE, SHOW, SUMMARIZE, VALUES, FROM and WITH … SELECT parse as SELECT.
_ALLOWED = "one SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN statement"
_LONGEST_EXPLAIN = 16  # words and signs before what is explained: explain (analyze, format json)
_LONGEST_QUERY = 500_000  # characters
_MOST_SIGNS = 500  # such as brackets in a row
_UNSAFE = re.compile(
    r'"(__.*|.*\W.*)"|"?(__\w*|query|query_table|json_execute_serialized_sql)"?',
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_MESSAGE = 400  # characters


def only_reading(connection: Any, query: str) -> str:
    """The one statement of a query, if all it can do is read.

    Raises:
        InputError: it is malformed, or something else.
    """
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the query is not UTF-8: {query[: error.start]!a} is followed by "
                         f"{query[error.start]!a}") from None  # fmt: skip
    _check_words(query)
    statements = _parse(connection, query)
    if len(statements) != 1:
        raise InputError(f"the query holds {len(statements)} statements; allowed: {_ALLOWED}")
    kind, text = statements[0]
    # EXPLAIN ANALYZE runs what it explains, so what it explains must only read too.
    seen = _explained(connection, text) if kind == duckdb.StatementType.EXPLAIN else kind
    if seen != duckdb.StatementType.SELECT:
        name = str(seen).rsplit(".", maxsplit=1)[-1]
        raise InputError(f"{name} is not allowed here; allowed: {_ALLOWED}")
    return text


def _check_words(query: str) -> None:
    """Refuse what is beyond DuckDB.

    Signs in a row are parsed for hours, deaf to Ctrl-C: the time grows with their square. Operators
    that are called by name crash it on values of two types. SQL made of text could hide either.
    """
    if len(query) > _LONGEST_QUERY:
        raise InputError(f"the query has {len(query):,} characters; at most {_LONGEST_QUERY:,} go")
    signs, before = 0, ""
    for kind, word in _words(query):
        signs = signs + 1 if kind == duckdb.token_type.operator else 0
        if signs > _MOST_SIGNS:
            raise InputError(f"the query has more than {_MOST_SIGNS} signs without a word between")
        if word.startswith("(") and _UNSAFE.fullmatch(before):
            raise InputError(f"{before} is no function to be called here")
        before = word


def _words(query: str) -> Iterator[tuple[Any, str]]:
    """The kinds and texts of what a query is made of, without comments."""
    text = query.encode()  # positions are in bytes
    found = duckdb.tokenize(query)
    for (start, kind), (end, _) in itertools.pairwise([*found, (len(text), None)]):
        if kind != duckdb.token_type.comment:
            yield kind, text[start:end].decode(errors="replace").strip()


def input_error(error: Exception) -> InputError:
    """What DuckDB says, in one line that is not too long."""
    line = str(error).strip().split("\n")[0]
    return InputError(line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]} …")


def _parse(connection: Any, query: str) -> list[tuple[Any, str]]:
    """The kind and the text of each statement."""
    try:
        return [(s.type, str(s.query)) for s in connection.extract_statements(query)]
    except duckdb.Error as error:
        raise input_error(error) from error
    except ValueError as error:  # a kind of statement that the Python package does not know
        raise InputError(f"this statement is not allowed here; allowed: {_ALLOWED}") from error


def _explained(connection: Any, query: str) -> Any:
    """The kind of statement that EXPLAIN explains: the first rest of it that is a statement."""
    words = [at for at, kind in duckdb.tokenize(query) if kind != duckdb.token_type.comment]
    for start in words[1:_LONGEST_EXPLAIN]:
        try:
            ((kind, _),) = _parse(connection, query.encode()[start:].decode())
        except (InputError, ValueError):
            continue
        return kind
    return duckdb.StatementType.EXPLAIN
