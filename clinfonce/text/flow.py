"""Plain values as YAML in a line, as people write it."""

import json
from typing import Any

_TAKEN = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # for something else


def flow(value: Any) -> str:
    """A value as YAML in a line: JSON without the quotes that texts can do without.

    >>> print(flow({"source": "attributes", "attributes": ["loop", "a b"]}))
    {source: attributes, attributes: [loop, "a b"]}
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _is_plain(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    """Whether it is taken for this text, in YAML 1.1 too."""
    letters = text.replace("_", "").replace("-", "").replace(".", "").replace("/", "")
    return (
        letters.isascii() and letters.isalnum() and text[0].isalpha() and text.lower() not in _TAKEN
    )
