"""Data sets that `prepare` makes of a folder and a table: made, written, opened."""
