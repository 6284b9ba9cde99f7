"""The objectives as plain loops over pairs, for comparison."""

import torch
from torch import Tensor


def loop(
    embeddings: Tensor,
    clusters: Tensor,
    temperature: float,
    form: str = "out",
    weights: Tensor | None = None,
    conditions: Tensor | None = None,
) -> Tensor:
    """Cl-InfoNCE written as its definition, in the dtype of ``embeddings``."""
    n = len(embeddings)
    ids = clusters.tolist()
    total, weight_sum = embeddings.new_zeros(()), embeddings.new_zeros(())
    for i in range(n):
        s = torch.stack([embeddings[i] @ embeddings[j] / temperature for j in range(n)])
        others = [j for j in range(n) if j != i]
        if conditions is not None:
            others = [j for j in others if conditions[j] == conditions[i]]
        positives = [j for j in others if ids[j] == ids[i]]
        negatives = [j for j in others if ids[j] != ids[i]]
        if not positives:
            continue
        weight = embeddings.new_ones(()) if weights is None else weights[i]
        total = total + weight * _term(s, positives, negatives, form)
        weight_sum = weight_sum + weight
    return total / weight_sum


def _term(s: Tensor, positives: list[int], negatives: list[int], form: str) -> Tensor:
    everything = torch.logsumexp(s[positives + negatives], 0)
    if form == "out":
        return torch.stack([everything - s[p] for p in positives]).mean()
    if form == "in":
        count = torch.tensor(len(positives), dtype=s.dtype)
        return everything - torch.logsumexp(s[positives], 0) + count.log()
    return torch.stack([torch.logsumexp(s[[*negatives, p]], 0) - s[p] for p in positives]).mean()


def unit(n: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random embeddings (n, d) of length 1."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(values, dim=1).to(dtype)


def value_and_gradient(loss_of, embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """A loss and its gradient at ``embeddings``."""
    leaf = embeddings.detach().clone().requires_grad_()
    loss = loss_of(leaf)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


def weighted_loop(
    embeddings: Tensor,
    likeness: Tensor,
    contrasted: Tensor,
    temperature: float,
    form: str = "out",
    weights: Tensor | None = None,
) -> Tensor:
    """Cl-InfoNCE with weights (n, n) of how alike two rows are and whether they are contrasted."""
    n = len(embeddings)
    total, weight_sum = embeddings.new_zeros(()), embeddings.new_zeros(())
    for i in range(n):
        s = torch.stack([embeddings[i] @ embeddings[j] / temperature for j in range(n)])
        others = [j for j in range(n) if j != i]
        attraction = likeness[i] * contrasted[i]
        whole = attraction[others].sum()
        if whole == 0:
            continue
        terms = [
            attraction[p] / whole * (_below(s, likeness[i], contrasted[i], others, p, form) - s[p])
            for p in others
            if attraction[p] > 0
        ]
        weight = embeddings.new_ones(()) if weights is None else weights[i]
        total = total + weight * torch.stack(terms).sum()
        weight_sum = weight_sum + weight
    return total / weight_sum


def _below(s, likeness, contrasted, others: list[int], p: int, form: str) -> Tensor:
    """Logarithm of what a pair (i, p) is compared with."""
    if form == "out":
        return torch.logsumexp(s[others] + contrasted[others].log(), 0)
    rest = [j for j in others if j != p]
    repulsion = (contrasted * (1 - likeness))[rest].log()
    return torch.logsumexp(torch.cat([s[p, None], s[rest] + repulsion]), 0)
