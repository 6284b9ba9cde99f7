"""Which columns of a user's table are the path, the label and the split."""

from collections.abc import Mapping
from dataclasses import replace

from clinfonce.data.tables.source import SourceTable, check_columns
from clinfonce.errors import InputError, unknown_name

PATH, LABEL, SPLIT = "path", "label", "split"
ROLES = (PATH, LABEL, SPLIT)
# What data sets call their splits.
SPLIT_WORDS = {
    word: code
    for code, words in enumerate((
        ("train", "training", "trn"),
        ("validation", "val", "valid", "dev", "devel", "development"),
        ("test", "testing", "tst", "eval", "evaluation", "holdout"),
    ))
    for word in words
}  # fmt: skip
# What others call the column of the paths, in the order of trust.
_PATHS = (
    "path", "file_name", "filename", "file_path", "filepath", "image_path", "img_path",
    "image_file", "image_filename", "image_name", "image", "img", "file",
)  # fmt: skip
# What others call the label: never taken for it, only asked about.
_LABELS = ("labels", "class", "class_name", "category", "target", "y")


def with_roles(
    table: SourceTable, given: Mapping[str, str], needs_path: bool = True
) -> SourceTable:
    """The table with its columns of path, label and split under these names.

    Args:
        table: as read.
        given: new name to the name in the table, such as {"path": "file_name", "label": "y"}.
        needs_path: whether a table without a path is of no use.

    Raises:
        InputError: a column that is not there, two for one name, or none of paths.
    """
    renamed = {}
    for new, old in given.items():
        if old not in table.columns:
            raise InputError(unknown_name(f"column of {table.file}", old, table.names))
        renamed[old] = new
    notes = list(table.notes)
    for role in ROLES:
        if role in renamed.values() or role in table.columns:
            continue
        if (found := _meant(table, role, renamed)) is not None:
            renamed[found] = role
            if found.lower() != role:
                notes.append(f"{table.file}: {found!r} is taken as the {role}")
    names = [renamed.get(name, name) for name in table.names]
    check_columns(table.file, names)
    if needs_path and PATH not in names:
        raise InputError(
            f"{table.file}: no column named 'path' (columns: {', '.join(names[:20])}); "
            "--columns path=NAME says which it is"
        )
    if LABEL not in names and (asked := [n for n in names if n.lower() in _LABELS]):
        notes.append(
            f"{table.file}: no column named 'label'; if {asked[0]!r} is it, --columns "
            f"label={asked[0]} says so, or it counts as auxiliary information"
        )
    columns = dict(zip(names, table.columns.values(), strict=True))
    return replace(table, columns=columns, notes=tuple(notes))


def _meant(table: SourceTable, role: str, taken: Mapping[str, str]) -> str | None:
    """The column that plays a role under another name; None if there is none, or several."""
    folded = {name.lower().replace(" ", "_"): name for name in table.names if name not in taken}
    for alias in _PATHS if role == PATH else (role,):
        if alias in folded:
            return folded[alias]
    return None
