"""SQL over a store by DuckDB, read-only, and what it returns as text or files."""
