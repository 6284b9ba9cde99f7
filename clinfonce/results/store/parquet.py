"""A table as the bytes of a Parquet file."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clinfonce.seal import blank_seal, seal


def parquet_bytes(table: Any, *, small: bool = True, name: str | None = None) -> bytes:
    """A table as one Parquet file whose pages have checksums.

    Args:
        table: a pyarrow.Table.
        small: without statistics and dictionaries, so that its footer reads fast.
        name: seal the file as this.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        use_dictionary=not small,
        write_statistics=not small,
        write_page_checksum=True,
    ) as writer:
        writer.write_table(table)
        if name is not None:
            writer.add_key_value_metadata({"clinfonce.seal": blank_seal(name)})
    content: bytes = sink.getvalue().to_pybytes()
    return content if name is None else seal(content)
