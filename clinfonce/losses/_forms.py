"""The rows' terms l_i of the objectives: a tile of similarities in, values and coefficients out.

Each function gets similarities s (t, n) whose own entries are −∞, overwrites them by the
coefficients ∂l_i/∂s_ij divided by a factor per row, and returns l (t,) and that factor (t,).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, threshold

from clinfonce.losses._checks import Form

if TYPE_CHECKING:
    from clinfonce.losses._tiles import Ordered


def log_sum_exp(s: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
    """Take log Σ_j exp s_ij, shifted by the row maximum; a row of −∞ alone has coefficients 0."""
    del start
    top = s.amax(1, keepdim=True).clamp_min_(torch.finfo(s.dtype).min)
    # The maximum itself contributes 1, so only a row of −∞ alone is below.
    total = decay(s.sub_(top)).sum(1).clamp_min_(1)
    return top[:, 0] + total.log(), 1 / total


def decay(exponents: Tensor) -> Tensor:
    """Exponentials in place, of exponents that are about 0 at most; 0 below 1e-34.

    A CPU takes ten times as long for those that underflow.
    """
    return threshold(exponents.clamp_(min=-80).exp_(), 1e-34, 0.0, inplace=True)


@dataclass(frozen=True)
class SortedForm:
    """A form that looks at single positives, for a batch sorted by cluster.

    The positives of a tile's anchors then lie in one block of columns, and only that block needs
    a mask.

    Attributes:
        form: "in" or "sincere".
        ids: int64 (n,), ascending dense cluster ids.
        positions: int64 (a,), ascending columns of the anchors.
        blocks: for the tile that starts with anchor i, its range of columns.
    """

    form: Form
    ids: Tensor
    positions: Tensor
    blocks: dict[int, tuple[int, int]]

    @classmethod
    def of(cls, form: Form, order: "Ordered") -> "SortedForm":
        """Find the blocks of all tiles, with one wait for the device."""
        ids, positions, tile = order.ids, order.positions, order.tile_height
        starts = range(0, len(positions), tile)
        last = [min(start + tile, len(positions)) - 1 for start in starts]
        lows = torch.searchsorted(ids, ids[positions[::tile]])
        highs = torch.searchsorted(ids, ids[positions[last]], right=True)
        ranges = zip(lows.tolist(), highs.tolist(), strict=True)
        return cls(form, ids, positions, dict(zip(starts, ranges, strict=True)))

    def __call__(self, s: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """The terms of the tile that begins with anchor ``start``."""
        low, high = self.blocks[start]
        positions = self.positions[start : start + len(s)]
        same = self.ids.index_select(0, positions)[:, None] == self.ids[low:high]  # (t, b)
        same &= positions[:, None] != torch.arange(low, high, device=s.device)
        return (_in if self.form == "in" else _sincere)(s, same, slice(low, high))


def masked(form: Form, s: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """The terms of rows whose positives a mask says, bool (t, n), whatever the order of columns."""
    if form != "out":
        return (_in if form == "in" else _sincere)(s, same, slice(None))
    share = same / same.sum(1, keepdim=True).clamp_min(1).to(s.dtype)
    attraction = (s * share).sum(1)
    repulsion, factor = log_sum_exp(s)
    s.sub_(share.div_(factor[:, None]))
    return repulsion - attraction, factor


def _in(s: Tensor, same: Tensor, block: slice) -> tuple[Tensor, Tensor]:
    """−log (mean_{p∈P(i)} exp s_ip / Σ_{j≠i} exp s_ij): Khosla et al. 2020, Eq. 3."""
    positives = s[:, block].masked_fill(~same, -torch.inf)
    attraction, own_factor = log_sum_exp(positives)
    repulsion, factor = log_sum_exp(s)
    s[:, block] -= positives.mul_((own_factor / factor)[:, None])
    return repulsion - attraction + same.sum(1).clamp_min(1).to(s.dtype).log(), factor


def _sincere(s: Tensor, same: Tensor, block: slice) -> tuple[Tensor, Tensor]:
    """mean_{p∈P(i)} log (1 + Σ_{j∉c(i)} exp(s_ij − s_ip)): arXiv 2309.14277."""
    positives = s[:, block].clone()
    s[:, block].masked_fill_(same, -torch.inf)
    repulsion, factor = log_sum_exp(s)
    share = same / same.sum(1, keepdim=True).clamp_min(1).to(s.dtype)
    margin = positives.sub_(repulsion[:, None])  # log of the odds of the positive
    values = -(logsigmoid(margin).masked_fill_(~same, 0) * share).sum(1)
    doubt = torch.sigmoid(-margin).mul_(share)  # 1 − probability of the positive
    s.mul_((factor * doubt.sum(1))[:, None])[:, block] -= doubt
    return values, torch.ones_like(factor)
