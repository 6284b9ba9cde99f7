"""The evaluation protocol: every accuracy that a trial reports of classes."""

from torch import Tensor

from clinfonce.evaluation.classes import TOPS, ClassProbes, Protocol
from clinfonce.evaluation.space import Space

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
    has_test = test_x is not None and test_y is not None
    space = Space(train_x, val_x, test_x if has_test else None, k=k)
    labels = {"train": train_y, "val": val_y} | ({} if test_y is None else {"test": test_y})
    n_classes = int(train_y.max()) + 1 if train_y.numel() else 0
    protocol = Protocol(labels_per_class, draws, seed, temperature)
    probes = ClassProbes(space, labels, n_classes, protocol)
    found: Accuracies = dict.fromkeys(_names(list(space.splits), labels_per_class))
    for score in probes.accuracies():
        name = f"{score.split}_{score.probe}_{score.measure}_{score.labels}"
        found[name] = score.value
        if f"{name}_std" in found:
            found[f"{name}_std"] = score.spread
    return found


def _names(splits: list[str], numbers: tuple[int, ...]) -> list[str]:
    starts = [f"{split}_{probe}" for split in splits for probe in ("linear", "knn")]
    few = [f"{start}_top{k}_{n}" for start in starts for k in TOPS for n in (*numbers, "all")]
    return [*few, *(f"{start}_top1_{n}_std" for start in starts for n in numbers)]
