"""A column of a result table."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """One column of a result table.

    Attributes:
        name: Its name in Parquet and SQL.
        type: Its Arrow type.
        description: What a value means, and when it is null.
        unit: The unit, empty where there is none.
        source: The part of the program that the value comes from.
        required: Whether null is refused.
        measured: Whether it varies between repetitions of the same trial: times, memory, machine.
    """

    name: str
    type: Any
    description: str
    unit: str = ""
    source: str = ""
    required: bool = False
    measured: bool = False
