"""Whether the tables can hold what a trial would leave, found out before anything is trained."""

from collections.abc import Iterator

from clinfonce.clusterings import Clustering
from clinfonce.config import TrialSpec
from clinfonce.data import ImageTable
from clinfonce.errors import InputError
from clinfonce.results.store.rows import to_table
from clinfonce.trial.rows import describe_outcome, describe_trial


def check_storable(
    spec: TrialSpec, table: ImageTable, clustering: Clustering | None, *, experiment: str
) -> None:
    """Refuse a trial whose row no table would take at its end.

    Args:
        spec: the trial.
        table: its data, any of whose columns a search may name.
        clustering: of the trial.
        experiment: name of the sweep.

    Raises:
        InputError: it names the value.
    """
    for what, name in _names(table):
        if storable_text(name) != name:
            raise InputError(f"{what} {name!a} is no text that a file can hold: name it otherwise")
    row = {
        **describe_trial(spec, table, clustering, experiment=experiment),
        **describe_outcome([], status="complete"),
        **{"number": 0, "role": "fixed", "name": experiment},
    }
    try:
        to_table("trials", [row])
    except (TypeError, ValueError) as error:
        raise InputError(f"no table can hold the row of this trial: {error}") from error


def storable_text(text: str) -> str:
    """The text with a question mark for each half of a character, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _names(table: ImageTable) -> Iterator[tuple[str, str]]:
    yield "the data set", table.name
    yield from (("the label", name) for name in table.label_names)
    yield from (("the column", name) for name in table.columns)
