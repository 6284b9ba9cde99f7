"""One trial, from its specification to its rows: cluster, pretrain, probe. No Ray in it.

`run` does that; `single` runs one and keeps its rows; `preview` and `views` show what a
specification would do, before anything is trained.
"""
