"""A table as the bytes of a Parquet file."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def parquet_bytes(table: Any, *, small: bool = True) -> bytes:
    """A table as one Parquet file; a small one has no statistics, so that its footer reads fast."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=not small, write_statistics=not small
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content
