"""The evaluation protocol: every accuracy that a trial reports."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.evaluation.accuracy import check_features, check_labels, ranks, top
from clinfonce.evaluation.few_labels import few_label_draws
from clinfonce.evaluation.knn import few_label_votes, knn_accuracy
from clinfonce.evaluation.linear import linear_probe

Accuracies = dict[str, float | None]


def evaluate(
    train_x: Tensor,
    train_y: Tensor,
    val_x: Tensor,
    val_y: Tensor,
    test_x: Tensor | None = None,
    test_y: Tensor | None = None,
    *,
    labels_per_class: tuple[int, ...] = (1, 5, 10),
    draws: int = 20,
    seed: int = 0,
    k: int = 20,
    temperature: float = 0.07,
) -> Accuracies:
    """Probe frozen features by a linear classifier and by kNN, with all labels and with few.

    Args:
        train_x: features float (n, d).
        train_y: int64 (n,), 0..C-1 with every class present.
        val_x: features (m, d); the strength of the linear probe is chosen on them.
        val_y: int64 (m,).
        test_x: features (t, d), or None; nothing is chosen on them.
        test_y: int64 (t,), or None.
        labels_per_class: numbers of labels of the few-label protocol.
        draws: fixed draws of labelled images that each of them is averaged over.
        seed: of the draws.
        k: neighbours of kNN, or all where there are fewer.
        temperature: of kNN.

    Returns:
        Fractions by name: `{split}_{probe}_top{1|5}_{labels}` with split val, test; probe linear,
        knn; labels a number per class or all; and `{split}_{probe}_top1_{labels}_std`, the
        deviation over the draws (divisor draws - 1, 0 for a single one). Without test features
        only those of val. With fewer images in some class than labels they are None.

    Raises:
        InputError: features that are not finite or of different dimensions, labels of another
            dtype or length, or labels in a split that training lacks.
    """
    splits = {"val": (val_x, val_y)}
    if test_x is not None and test_y is not None:
        splits["test"] = (test_x, test_y)
    check_features(train_x=train_x, **{f"{name}_x": x for name, (x, _) in splits.items()})
    n_classes = int(train_y.max()) + 1 if train_y.numel() else 0
    train_y = check_labels(train_x, train_y, n_classes, "train_y")
    splits = {
        name: (x, check_labels(x, y, n_classes, f"{name}_y")) for name, (x, y) in splits.items()
    }
    sizes = torch.bincount(train_y, minlength=n_classes)
    if int(sizes.min()) == 0:
        raise InputError(f"train_y has no image of class {int(sizes.argmin())}")
    result: Accuracies = dict(_with_all_labels(train_x, train_y, splits, n_classes, k, temperature))
    few = _FewLabels(train_x, train_y, splits, n_classes, k, temperature)
    for number in labels_per_class:
        if int(sizes.min()) < number:
            result |= few.nothing(number)
        else:
            result |= few.accuracies(number, few_label_draws(train_y, number, draws, seed))
    return result


Splits = dict[str, tuple[Tensor, Tensor]]


def _with_all_labels(
    train_x: Tensor, train_y: Tensor, splits: Splits, n_classes: int, k: int, temperature: float
) -> Iterator[tuple[str, float]]:
    probe = linear_probe(
        train_x, train_y, *splits["val"], *splits.get("test", ()), n_classes=n_classes
    )
    for name, (x, y) in splits.items():
        linear = probe.val if name == "val" else probe.test
        assert linear is not None
        knn = knn_accuracy(
            train_x, train_y, x, y, k=k, temperature=temperature, n_classes=n_classes
        )
        for best in (1, 5):
            yield f"{name}_linear_top{best}_all", float(linear[best][0])
            yield f"{name}_knn_top{best}_all", knn[best]


class _FewLabels:
    """The protocol with some labels of each class."""

    def __init__(
        self,
        train_x: Tensor,
        train_y: Tensor,
        splits: Splits,
        n_classes: int,
        k: int,
        temperature: float,
    ) -> None:
        self.train_x, self.train_y, self.splits = train_x, train_y, splits
        self.n_classes, self.k, self.temperature = n_classes, k, temperature
        self.targets = F.normalize(train_x.float(), dim=1)

    def nothing(self, number: int) -> Accuracies:
        return dict.fromkeys(
            key
            for name in self.splits
            for probe in ("linear", "knn")
            for key in self._keys(name, probe, number)
        )

    def accuracies(self, number: int, draws: Tensor) -> Accuracies:
        probe = linear_probe(
            self.train_x,
            self.train_y,
            *self.splits["val"],
            *self.splits.get("test", ()),
            n_classes=self.n_classes,
            draws=draws,
        )
        result: Accuracies = {}
        for name, (x, y) in self.splits.items():
            linear = probe.val if name == "val" else probe.test
            assert linear is not None
            for kind, reached in (("linear", linear), ("knn", self._knn(x, y, draws))):
                spread = float(reached[1].std()) if len(draws) > 1 else 0.0
                values = (float(reached[1].mean()), float(reached[5].mean()), spread)
                result |= dict(zip(self._keys(name, kind, number), values, strict=True))
        return result

    def _knn(self, x: Tensor, y: Tensor, draws: Tensor) -> dict[int, Tensor]:
        each = few_label_votes(
            self.targets,
            self.train_y,
            F.normalize(x.float(), dim=1),
            draws,
            k=self.k,
            temperature=self.temperature,
            n_classes=self.n_classes,
        )
        ranked = torch.stack([ranks(scores.T, y) for scores in each])
        return {best: top(ranked, best) for best in (1, 5)}

    @staticmethod
    def _keys(name: str, probe: str, number: int) -> tuple[str, str, str]:
        start = f"{name}_{probe}_top"
        return f"{start}1_{number}", f"{start}5_{number}", f"{start}1_{number}_std"
