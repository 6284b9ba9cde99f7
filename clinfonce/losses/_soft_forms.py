"""The form "sincere" for positives with weights, on a tile of similarities."""

from dataclasses import dataclass

import torch
from torch import Tensor

from clinfonce.losses._condition import sheets
from clinfonce.losses._kin import SameCluster
from clinfonce.losses._pairs import Pairs, representatives
from clinfonce.losses._tiles import Ordered

# Similarities above the best negative's by more, or below it, count as these: exp(−60) is nothing
# beside 1, and exponentials that underflow take a CPU ten times as long.
_FAR_ABOVE, _FAR_BELOW = 60.0, -80.0


@dataclass(frozen=True)
class WeightedSincere:
    """l_i = Σ_p (a_ip / A_i) log((D_i + (1 − r_ip) exp s_ip) / exp s_ip), D_i = Σ_j r_ij exp s_ij.

    With k how alike two images are and c whether they are contrasted, a = k c attracts and
    r = (1 − k) c repels, so that the pair's own term stands in its denominator once. With k and c
    of 0 and 1 alone this is arXiv 2309.14277.

    The batch is sorted by item, so that the anchors of a tile share few rows of weights.

    Attributes:
        pairs: a.
        order: of the batch, with the condition.
        items: int64 (R,), ascending items of the anchors; beyond them 0.
        rows: int64 (a,), ascending: which of the items each anchor is of.
        blocks: for the tile that starts with anchor i, its range of ``items``.
        totals: where to leave A of the task's anchors, (a,).
    """

    pairs: Pairs
    order: Ordered
    items: Tensor
    rows: Tensor
    blocks: dict[int, tuple[int, int]]
    totals: Tensor

    @classmethod
    def of(cls, pairs: Pairs, totals: Tensor, order: Ordered) -> "WeightedSincere":
        """Find which items the anchors of each tile are of, with one wait for the device."""
        own = order.ids[order.positions]
        near = SameCluster.of(own)
        starts = range(0, len(own), order.tile_height)
        last = [min(start + order.tile_height, len(own)) - 1 for start in starts]
        lows, highs = near.ids[:: order.tile_height].tolist(), near.ids[last].tolist()
        blocks = {i: (low, high + 1) for i, low, high in zip(starts, lows, highs, strict=True)}
        return cls(pairs, order, representatives(near, own), near.ids, blocks, totals)

    def __call__(self, s: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """The terms (t,) and the factor (t,) of the slopes that replace ``s`` (t, n)."""
        span = slice(start, start + len(s))
        low, high = self.blocks[start]
        items, rows = self.items[low:high], self.rows[span] - low
        tile = self.pairs.tile(items, s.dtype)  # (r, U)
        total = self.pairs.totals(tile, items)[rows]
        self.totals[self.order.permutation[span]] = total
        spread = tile.scatter_(1, items[:, None], 1).index_select(1, self.order.ids)  # (r, n)
        values, anchors = torch.empty_like(total), self.order.positions[span, None]
        for sheet in sheets(s):
            a = spread.index_select(0, rows[sheet])
            values[sheet] = self._terms(s[sheet], a, anchors[sheet])
        factor = torch.where(total > 0, 1 / total, 0)
        return values * factor, factor

    def _terms(self, s: Tensor, a: Tensor, anchors: Tensor) -> Tensor:
        """A_i l_i of ``anchors`` (h, 1), (h,); A_i ∂l_i/∂s_ij replaces s (h, n); a is used up."""
        # Of itself nothing is attracted or repelled: a = r = 0.
        s.scatter_(1, anchors, 0)
        a.scatter_(1, anchors, 0)
        contrasted = self.order.condition
        r = 1 - a if contrasted is None else contrasted.shares(anchors[:, 0], s.dtype).sub_(a)
        r.scatter_(1, anchors, 0)
        if self.order.widest > _FAR_ABOVE:
            s.sub_(_highest(s, r)).clamp_(max=_FAR_ABOVE)
            e = s.clamp(min=_FAR_BELOW).exp_()
        else:  # no exponential gets out of range
            e = s.exp()
        own = e * (a if contrasted is None else 1 - r)  # (1 − r) e
        repelled = r.mul_(e)
        below = own + repelled.sum(1, keepdim=True).clamp_min_(torch.finfo(s.dtype).tiny)
        terms: Tensor = torch.linalg.vecdot(a, torch.log(below, out=e).sub_(s))
        doubt = torch.div(a, below, out=below)
        torch.mul(doubt, own, out=s).sub_(a).addcmul_(repelled, doubt.sum(1, keepdim=True))
        return terms


def _highest(s: Tensor, r: Tensor) -> Tensor:
    """The largest similarity to what repels at all, (h, 1)."""
    lowest = torch.finfo(s.dtype).min
    # Arithmetic, for a comparison takes three times as long.
    return r.ceil().sub_(1).mul_(-lowest).add_(s).amax(1, keepdim=True).clamp_min_(lowest)
