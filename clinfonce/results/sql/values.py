"""Single values of Arrow's types as text, for people and as JSON."""

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow.types as types


def shown(value: Any, kind: Any) -> str:
    """A value for people: numbers to four digits, lists with commas, times without their zone.

    Args:
        value: of Python.
        kind: its Arrow type.
    """
    match value:
        case None:
            return "–"
        case float():
            return _four_digits(value)
        case datetime():
            return value.replace(tzinfo=None).isoformat(sep=" ")
        case bytes():
            return _bytes(value)
    if types.is_map(kind) or types.is_struct(kind):
        return json_text(value, kind)
    if isinstance(value, list):
        return ", ".join(shown(v, kind.value_type) for v in value)
    return str(value)


def json_text(value: Any, kind: Any) -> str:
    """A value as JSON: numbers to the last digit, times in ISO 8601; NaN and infinities are null.

    Args:
        value: of Python.
        kind: its Arrow type.
    """
    if types.is_map(kind) and value is not None:
        keys = (v if isinstance(v, str) else _bare(v, kind.key_type) for v, _ in value)
        items = (json_text(v, kind.item_type) for _, v in value)
        return _object(zip(keys, items, strict=True))
    if types.is_struct(kind) and value is not None:
        return _object((f.name, json_text(value[f.name], f.type)) for f in kind)
    match value:
        case None:
            return "null"
        case list():
            return f"[{', '.join(json_text(v, kind.value_type) for v in value)}]"
        case float():
            value = _shortest(value, kind)
            return repr(value) if math.isfinite(value) else "null"
        case bool() | int() | str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            return f"{value:f}"
    return json.dumps(_bare(value, kind), ensure_ascii=False)


def _object(pairs: Any) -> str:
    inner = (f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in pairs)
    return "{" + ", ".join(inner) + "}"


def _bare(value: Any, kind: Any) -> str:
    """The text of a value that JSON has no form for, without quotes."""
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return _bytes(value)
        case list() | dict() | bool() | Decimal() | None:
            return json_text(value, kind)
    return str(value)


def _bytes(value: bytes) -> str:
    r"""As DuckDB writes a BLOB: letters as they are, other bytes as \xAA."""
    plain = set(range(32, 127)) - set(b"\\\"'")
    return "".join(chr(byte) if byte in plain else f"\\x{byte:02X}" for byte in value)


def _shortest(value: float, kind: Any) -> float:
    """The number with the fewest digits that says the same in its type."""
    return float(str(np.float32(value))) if types.is_float32(kind) else value


def _four_digits(value: float) -> str:
    size = abs(value)
    if size == 0 or 1e-3 <= size < 1e4:
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:.0f}" if 1e4 <= size < 1e15 else f"{value:.4g}"
