"""Tables of finished trials, whole search spaces of them, for searches to be replayed on.

Reads benchmarks/results/search (made by benchmarks/search_export.py) and subsets.csv; names no
store and no data set of its own.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinfonce.config import SweepSpec
from clinfonce.config.clustering import PartSpec
from clinfonce.scaling.search.searcher import OptunaSearcher
from clinfonce.trial.parts import Part, clustering_of, parts_in

RESULTS = Path("benchmarks/results")
BETWEEN, IS = "|", "="  # in a row: between the parts of a draft, and a column from its role
EPOCHS = 8

Draft = frozenset[str]  # names of parts, of attributes, or "column=role" of all columns
Row = dict[str, str]


@dataclass(frozen=True)
class Trained:
    """What the trial of a draft reached: accuracies, and validation kNN by epoch."""

    val: float
    test: float
    curve: Mapping[int, float]


@dataclass(frozen=True)
class Table:
    """Every draft of a search space with its trial.

    Attributes:
        data: the data set.
        kind: "pairs", "subsets" or "roles".
        names: the parts, attributes or columns that drafts are made of.
        trained: by draft.
        advised: drafts that advice expects most of, best first.
        parts: of pairs.
    """

    data: str
    kind: str
    names: tuple[str, ...]
    trained: Mapping[Draft, Trained]
    advised: Sequence[Draft]
    parts: Sequence[Part] = field(default=())

    def searcher(
        self, order: Sequence[int], *, given: Sequence[Draft] = (), **search: Any
    ) -> OptunaSearcher:
        """The product's searcher over the space, its names in some order."""
        names = tuple(self.names[i] for i in order)
        dimension, more = {
            "pairs": ({"choices": "all", "largest": 2}, {}),
            "subsets": ({"subset": list(names)}, {"clustering": {"source": "attributes"}}),
            "roles": ({"columns": list(names)}, {}),
        }[self.kind]
        sweep = SweepSpec.model_validate({
            "name": "replay", "data": {"name": "replay"}, "metric": "val_linear_top1_5",
            "trial": {"encoder": {"name": "embeddings"}}, "seeds": [1_000_000],
            "search": {"space": {self.path: dimension}, "trial": more, **search},
        })  # fmt: skip
        parts = [self.parts[i] for i in order] if self.parts else ()
        points = [self.point(draft) for draft in given]
        return OptunaSearcher(sweep, names, None, points, parts, columns=names)

    @property
    def path(self) -> str:
        """The dimension of the search."""
        paths = {"pairs": "clustering", "subsets": "clustering.attributes", "roles": "roles"}
        return paths[self.kind]

    def draft(self, point: Mapping[str, Any]) -> Draft:
        """What a searcher proposed."""
        value = point[self.path]
        if self.kind == "pairs":
            return Draft(part.name for part in parts_in(value, self.parts) or ())
        if self.kind == "roles":
            return Draft(f"{name}{IS}{role}" for name, role in value.items())
        return Draft(value)

    def point(self, draft: Draft) -> dict[str, Any]:
        """What a searcher proposes where it means a draft."""
        if self.kind == "pairs":
            return {self.path: clustering_of([p for p in self.parts if p.name in draft])}
        if self.kind == "roles":
            return {self.path: dict(each.split(IS) for each in sorted(draft))}
        return {self.path: tuple(name for name in self.names if name in draft)}


def read_tables(folder: Path = RESULTS) -> list[Table]:
    """All tables that are there."""
    advised: dict[tuple[str, str], list[Draft]] = defaultdict(list)
    for row in rows_of(folder / "search/advised.csv"):
        advised[row["data"], row["table"]].append(split(row["draft"]))
    return [*_pairs(folder, advised), *_subsets(folder, advised), *_roles(folder, advised)]


def rows_of(path: Path) -> list[Row]:
    """Rows of a CSV; none where it is not there."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return list(csv.DictReader(text.splitlines()))


def split(text: str) -> Draft:
    """The draft of a row."""
    return Draft(text.split(BETWEEN)) if text else Draft()


def trained(row: Row) -> Trained:
    """What a row holds."""
    curve = {int(k.removeprefix("knn_")): float(v) for k, v in row.items() if k.startswith("knn_")}
    return Trained(float(row["val"]), float(row["test"]), curve)


def _grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["data"]].append(row)
    return found


Advised = Mapping[tuple[str, str], list[Draft]]


def _pairs(folder: Path, advised: Advised) -> list[Table]:
    parts = {
        data: [Part(r["group"], PartSpec.model_validate(json.loads(r["spec"]))) for r in rows]
        for data, rows in _grouped(rows_of(folder / "search/parts.csv")).items()
    }
    return [
        Table(
            data, "pairs", tuple(part.name for part in parts[data]),
            {split(row["parts"]): trained(row) for row in rows},
            advised.get((data, "pairs"), []), parts[data],
        )
        for data, rows in _grouped(rows_of(folder / "search/pairs.csv")).items()
    ]  # fmt: skip


def _subsets(folder: Path, advised: Advised) -> list[Table]:
    attributes = _grouped(rows_of(folder / "subsets-attributes.csv"))
    found = []
    for data, rows in _grouped(rows_of(folder / "subsets.csv")).items():
        names = tuple(row["attribute"] for row in attributes[data])
        of_number = {
            int(row["subset"]): trained(row) for row in rows if row["subset"] != "0"
        }  # fmt: skip
        drafts = {
            Draft(name for bit, name in enumerate(names) if number >> bit & 1): each
            for number, each in of_number.items()
        }
        found.append(Table(data, "subsets", names, drafts, advised.get((data, "subsets"), [])))
    return found


def _roles(folder: Path, advised: Advised) -> list[Table]:
    found = []
    for data, rows in _grouped(rows_of(folder / "search/roles.csv")).items():
        names = tuple(each.split(IS)[0] for each in rows[0]["roles"].split(BETWEEN))
        drafts = {split(row["roles"]): trained(row) for row in rows}
        found.append(Table(data, "roles", names, drafts, advised.get((data, "roles"), [])))
    return found
