"""How much of a held-out column a probe reads on images that it never saw, to select by.

From 0 (nothing) to 1 (all), by split: `held_out` is a metric, so it is fitted on training images,
its strength chosen on validation and the test split looked at last, by the probes that targets
have, and what is rare counts as much as what is common. `leave_one_out` says what features hold of
all columns, in bits, for a thirtieth of the work, from training images alone: it explains an
encoder and must not choose it.
"""

from collections.abc import Mapping

from torch import Tensor

from clinfonce.evaluation.linear import probe_standard
from clinfonce.evaluation.measures import Counts, average_precisions, r2
from clinfonce.evaluation.multilabel import multilabel_probe
from clinfonce.evaluation.numbers import ridge_probe
from clinfonce.evaluation.space import Space


def readable(space: Space, kind: str, values: Mapping[str, Tensor]) -> dict[str, float]:
    """Read a column from features; the share by split.

    Of classes it is the balanced accuracy above chance, (a − 1/C) / (1 − 1/C); of several labels
    the average precision above each label's share, (p − s) / (1 − s), on average; of numbers R².
    What is below 0 counts as 0.

    Args:
        space: features of images whose value is known.
        kind: class, multilabel or number.
        values: of the splits, as a target of that kind has them.
    """
    match kind:
        case "class":
            found = _classes(space, values)
        case "multilabel":
            found = _labels(space, values)
        case _:
            predicted = ridge_probe(space, values)
            found = {split: float(r2(p, values[split])) for split, p in predicted.items()}
    return {split: max(value, 0.0) if value == value else 0.0 for split, value in found.items()}


def _classes(space: Space, values: Mapping[str, Tensor]) -> dict[str, float]:
    n_classes = int(max(int(part.max()) for part in values.values())) + 1
    probe = probe_standard(space.standard, values, n_classes=n_classes, balanced=True)
    found = {}
    for split, answers in probe.answers.items():
        counts = Counts.of(answers.predicted[0], values[split], n_classes)
        chance = 1 / int((counts.actual > 0).sum())
        reached = float(counts.balanced_accuracy)
        found[split] = (reached - chance) / (1 - chance) if chance < 1 else 0.0
    return found


def _labels(space: Space, values: Mapping[str, Tensor]) -> dict[str, float]:
    shares = values["train"].double().mean(0)
    told = ((shares > 0) & (shares < 1)).nonzero()[:, 0]
    values = {split: part[:, told] for split, part in values.items()}
    found = {}
    for split, logits in multilabel_probe(space, values).items():
        y = values[split]
        base = y.double().mean(0)
        found[split] = float(((average_precisions(logits, y) - base) / (1 - base)).nanmean())
    return found
