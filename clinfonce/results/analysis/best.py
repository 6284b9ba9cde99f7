"""The best clustering of a sweep as a specification: what to copy, and where its encoder is."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clinfonce.errors import InputError
from clinfonce.results.analysis.averages import DEFAULT_METRIC, ClusteringRow
from clinfonce.results.analysis.relation import Relation, relate
from clinfonce.results.sql.columns import quoted
from clinfonce.results.sql.query import Results
from clinfonce.results.store.measures import describe_metric
from clinfonce.text import flow, one_line

_ENCODERS = "encoders"


@dataclass(frozen=True)
class Best:
    """A trial of the best clustering.

    Attributes:
        sweep: that found it.
        trial_id: the one of its trials that validation likes best.
        clustering: its name.
        accuracy: mean of its trials, with what it is in words.
        bits: what it says of the labels and besides, in words; "" where nobody labelled any.
        data: name and root of the data set.
        trial: the whole specification of the trial.
        encoder: file in the store, None where it was not kept.
    """

    sweep: str
    trial_id: str
    clustering: str
    accuracy: str
    bits: str
    data: Mapping[str, Any]
    trial: Mapping[str, Any]
    encoder: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def yaml(self) -> str:
        """A specification for `clinfonce pretrain`, with comments that say what it is."""
        data, name = flow(self.data["name"]), f"{self.sweep}-best"[-100:].lstrip("._-")
        features = f"clinfonce embed {self.trial_id} --data {data} --out features.parquet"
        notes = [
            f"The best of sweep {self.sweep}: {self.clustering}",
            *([self.bits] if self.bits else []),
            self.accuracy,
            "",
            "Train it again:             clinfonce pretrain best.yaml",
        ]
        if self.encoder is not None:
            notes += [
                f"Features of all images:     {features}",
                f"Its encoder, for elsewhere: clinfonce export {self.trial_id} --out encoder.onnx",
                f"… or as it is:              {self.encoder}",
            ]
        lines = [f"# {one_line(note) if '  ' not in note else note}".rstrip() for note in notes]
        lines += [f"name: {flow(name)}", f"data: {flow(dict(self.data))}", "trial:"]
        lines += [f"  {field}: {flow(value)}" for field, value in self.trial.items()]
        return "\n".join(lines) + "\n"


def best_of(results: Results, *, sweep: str | None = None, metric: str = DEFAULT_METRIC) -> Best:
    """The clustering that validation chooses between instances and labels, and its best trial.

    Args:
        results: an open store.
        sweep: its name; None where the store holds one alone.
        metric: accuracy, a column of trials, that is shown.

    Raises:
        InputError: an unknown sweep, several without a name, or none that is complete.
    """
    return best_in(results, relate(results, metric=metric, sweep=_sweep_of(results, sweep)))


def best_in(results: Results, relation: Relation) -> Best:
    """The same of a relation that is known.

    Raises:
        InputError: no clustering is complete.
    """
    row = next((r for r in relation.rows if r.clustering_id == relation.chosen), None)
    if row is None or row.accuracy is None:
        raise InputError(
            "no clustering between instances and labels is complete yet, so none is the best"
        )
    objective = "is null" if row.objective is None else f"= {quoted(row.objective)}"
    where = "" if relation.sweep is None else f" and sweep = {quoted(relation.sweep)}"
    (trial,) = results.sql(
        "select trial_id, sweep, data, spec from counted "
        f"where clustering_group = {quoted(row.clustering_id)} and status = 'complete' "
        f"and objective {objective} and is_replicate{where} "
        "order by coalesce(val_linear_top1_5, val_linear_top1_all, val_knn) desc, number, trial_id "
        "limit 1"
    ).to_pylist()
    spread = "" if row.spread is None else f" ± {100 * row.spread:.1f}"
    return Best(
        sweep=trial["sweep"],
        trial_id=trial["trial_id"],
        clustering=row.name,
        accuracy=f"{describe_metric(relation.metric)}: {100 * row.accuracy:.1f}{spread} % over "
        f"{row.n_trials} trial{'s' if row.n_trials > 1 else ''}",
        bits=_bits(row),
        data=_data(results, trial),
        trial=_given(json.loads(trial["spec"])),
        encoder=_encoder(results, trial["trial_id"]),
    )


def _sweep_of(results: Results, sweep: str | None) -> str | None:
    if sweep is not None:
        return sweep
    names = results.sql("select distinct sweep from trials order by 1").to_pydict()["sweep"]
    if len(names) > 1:
        raise InputError(f"the store holds {len(names)} sweeps, name one: {', '.join(names)}")
    return names[0] if names else None


def _bits(row: ClusteringRow) -> str:
    if row.i_zt is None or row.h_z_given_t is None:
        return ""
    of = "" if row.h_t is None else f" of {row.h_t:.2f}"
    return (
        f"{row.n_clusters} clusters say {row.i_zt:.2f}{of} bits of the labels, and "
        f"{row.h_z_given_t:.2f} bits besides"
    )


def _data(results: Results, trial: Mapping[str, Any]) -> dict[str, Any]:
    """The data set as the sweep named it; its own name where no sweep left a note."""
    note = results.store.folder.file(f"sweeps/{trial['sweep']}.json")
    try:
        noted = json.loads(note.read())["data"]
        return {key: value for key, value in noted.items() if value is not None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"name": trial["data"]}


def _encoder(results: Results, trial_id: str) -> str | None:
    file = results.store.folder.file(f"{_ENCODERS}/{trial_id}.safetensors")
    return str(file) if file.exists() else None


def _given(value: Any) -> Any:
    """Without the fields that say nothing."""
    if isinstance(value, dict):
        return {key: _given(each) for key, each in value.items() if each is not None}
    return value
