"""The result store: table schemas, and rows in append-only Parquet files.

New columns belong into `schema`.
"""

from clinfonce.results.store.store import Store

__all__ = ["Store"]
