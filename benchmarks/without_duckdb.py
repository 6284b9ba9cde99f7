"""Import this first: a machine without DuckDB then imports what asks nothing of it."""

import sys
import types

try:
    import duckdb  # noqa: F401
except ImportError:
    sys.modules["duckdb"] = types.ModuleType("duckdb")
