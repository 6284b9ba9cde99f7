"""docs/results.md, written from the schema so that it cannot fall behind."""

from clinfonce.results.store.column import Column
from clinfonce.results.store.schema import SCHEMA_VERSION, TABLES

_HEAD = f"""# Result tables

A result store is a folder of Parquet files (schema version {SCHEMA_VERSION}). Read it with
`clinfonce query`, with `clinfonce.results.open(path).sql(...)`, or with any Parquet reader.

- `trials`: one row a trial, joined to `clusterings` by `clustering_id`
- `scores`: one row a measure of a target, joined to `trials` by `trial_id`
- `epochs`: one row an epoch, joined to `trials` by `trial_id`
- `clusterings`: one row a clustering
- `factors`: one row a complete trial, factor (a target or a column), stage (before or after
  training) and measure: how well it can be read from the features; joined to `trials` by `trial_id`

Views: `counted` (the trials without those of role choose; all that follows, `clinfonce relate` and
the report count these alone), `best` (the best complete trial of each sweep by validation),
`by_clustering` (mean, sample standard deviation and number of trials and seeds of each clustering
in a sweep), `by_target` (the same of every measure of every target, a row each: `value`,
`value_std`, `trials`, `seeds`), `attributes` (one row per attribute and trial; `included` says
whether the clustering uses it). `counted` and `best` have a column `clustering_group`, by which
replicates are averaged: the `clustering_id`, or one for all seeds where each trial clusters its own
encoder's features; and `is_replicate`, false for searched trials of a clustering that also ran,
complete, with the sweep's own seeds (fixed or confirmed): one of them was picked for its result, so
they are left out of its mean.

In SQL and in Python `trials` has the accuracies of a trial's own `target` as columns too, of the
form `test_linear_top1_5`: split (val, test), probe (linear, knn), measure (top1, top5) and labels a
class (1, 5, 10, all); with `_std` behind they are the `spread`. Every measure has a name of this
form, with the target before it where it is another: `kids:test_linear_top1_all`; that of a worst
group, or of the mean over groups, ends with their column: `test_linear_top1_worst_all_by_place`.
`clinfonce relate --metric` and the `metric` of a sweep take such names. (`group` is a word of SQL:
write `"group"`.)

Accuracies are shares from 0 to 1; information is in bits; times are in seconds. A column marked ◷
is measured anew each time: it differs between repetitions of the same trial, all others do not.
Every required column is set in every row; any other may be null.

A trial that ends leaves one file a table. When more than 64 lie loose, the next trial that ends, or
the next query, gathers them into few; this is safe while others write and read. In an object store
it does not happen by itself: there `Store.compact()` may be called by one process at a time.

Each file carries a digest of its content and what it was written as, which are checked when it is
read: a damaged file is named and nothing is read until it is restored or removed, and a copy under
another name, or a Parquet file of something else, counts for nothing and is named on stderr. Files
of versions before the digests are read as they are. So are stores of version 1, whose `trials` held
the accuracies; the first trial or compaction of this version makes them stores of version 2, which
older versions of clinfonce refuse.

This file is written from `clinfonce/results/store/schema.py` by
`python -m clinfonce.results.store.document`.
"""

_RULE = "| column | type | unit | from | meaning |\n|---|---|---|---|---|"


def document() -> str:
    """The whole of docs/results.md."""
    parts = [_HEAD]
    for table, columns in TABLES.items():
        rows = "\n".join(_row(column) for column in columns)
        parts.append(f"## {table}\n\n{_RULE}\n{rows}\n")
    return "\n".join(parts)


def _row(column: Column) -> str:
    marks = (" ◷" if column.measured else "") + (" (required)" if column.required else "")
    kind = str(column.type).replace("list<item: string>", "list of string")
    cells = (f"`{column.name}`{marks}", kind, column.unit, column.source, column.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    from pathlib import Path

    Path("docs/results.md").write_text(document(), encoding="utf-8")
