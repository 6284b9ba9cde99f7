"""Fine-tuned evaluation: the whole trained network on few labels, from where pretraining left it.

Frozen probes may rank pretrainings otherwise than fine-tuning does (arXiv 2508.18613).
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from clinfonce.data import ImageTable, Target
from clinfonce.evaluation import few_label_draws
from clinfonce.evaluation.accuracy import ranks
from clinfonce.training.inputs import Inputs
from clinfonce.training.optimizer import eager
from clinfonce.trial.encoding import EncodedOnce, EncodeViews, Rows, whole
from clinfonce.trial.rows import Row
from clinfonce.trial.targets import SplitRows, rows_of, values_on

_LABELS = 5  # of each class
_DRAWS = 3
_STEPS = 60
_BATCH = 256
_RATES = (1e-4, 1e-3)  # of the network, of which validation chooses one for all draws
_HEAD_RATE = 1e-2


def finetuned_rows(
    once: EncodedOnce, views: EncodeViews, table: ImageTable, target: Target
) -> Iterator[Row]:
    """Accuracy of the fine-tuned network on a target of classes, the mean over draws of labels.

    None where nothing was trained, or a class has too few training images.

    Args:
        once: gives features of images by the network as it is.
        views: the network, and images as it sees them.
        table: the data set.
        target: of kind class.
    """
    rows = rows_of(table, target)
    train = torch.from_numpy(target.values[rows["train"]])
    sizes = torch.bincount(train, minlength=len(target.names))
    if views.network is None or int(sizes.min()) < _LABELS:
        return
    draws = few_label_draws(train, _LABELS, _DRAWS, 0)
    found = {
        rate: [_finetuned(views, once, target, rows, draw.numpy(), rate) for draw in draws]
        for rate in _RATES
    }
    best = max(_RATES, key=lambda rate: float(_top(found[rate], "val", 1).mean()))
    for split in ("val", "test"):
        for k in (1, 5):
            reached = _top(found[best], split, k)
            yield {
                "target": target.name, "split": split, "probe": "finetuned",
                "labels": str(_LABELS), "measure": f"top{k}", "value": float(reached.mean()),
                "spread": float(reached.std()), "images": len(rows[split]),
            }  # fmt: skip


def _top(draws: list[dict[str, Tensor]], split: str, k: int) -> Tensor:
    return torch.stack([(ranked[split] < k).double().mean() for ranked in draws])


def _finetuned(
    views: EncodeViews,
    once: EncodedOnce,
    target: Target,
    rows: SplitRows,
    drawn: Rows,
    rate: float,
) -> dict[str, Tensor]:
    """Train a copy of the network with a linear head; the rank of the right class by split."""
    network = copy.deepcopy(views.network)
    assert network is not None
    network.eval()  # statistics of few images would be noise
    labels = values_on(target, rows, once.device)
    features = once(rows["train"])
    scale = nn.BatchNorm1d(features.shape[1], affine=False).to(features.device).eval()
    scale.running_mean, scale.running_var = features.mean(0), features.var(0)
    head = nn.Linear(features.shape[1], len(target.names)).to(features.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    model = nn.Sequential(network, scale, head)
    few = rows["train"][drawn]
    _train(model, views.inputs(few), labels["train"][torch.from_numpy(drawn)], rate)
    found = {}
    for split in ("val", "test"):
        logits = _logits(model, views.inputs(rows[split]), len(rows[split]))
        found[split] = ranks(logits.T, labels[split])
    return found


def _train(model: nn.Sequential, images: Inputs, labels: Tensor, rate: float) -> None:
    network, head = model[0], model[2]
    moving = [p for p in network.parameters() if p.is_floating_point()]
    for parameter in moving:
        parameter.requires_grad_(True)
    groups = [{"params": moving, "lr": rate}, {"params": head.parameters(), "lr": _HEAD_RATE}]
    optimizer = eager(torch.optim.AdamW)(groups, weight_decay=1e-4)
    rng = np.random.default_rng(0)
    batches = [rng.permutation(len(images))[:_BATCH] for _ in range(_STEPS)]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for step, (batch, held) in enumerate(
        zip(batches, images.stream(batches, whole, 0), strict=True)
    ):
        seen = images.views(held, len(batch), whole, step)
        right = labels[torch.from_numpy(batch).to(labels.device)].repeat(2)
        optimizer.zero_grad()
        F.cross_entropy(model(seen), right).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _logits(model: nn.Module, images: Inputs, count: int) -> Tensor:
    starts = range(0, count, _BATCH)
    parts = [np.arange(start, min(start + _BATCH, count)) for start in starts]
    return torch.cat([model(images.plain(part)) for part in parts])
