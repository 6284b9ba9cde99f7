"""Where names stand beside what they name. Pixels, downward."""

from collections.abc import Sequence

Spot = tuple[float, float]

_LINE = 13  # pixels between two names one below the other


def beside(
    at: Spot, width: float, taken: Sequence[Spot], *, x: tuple[float, float], y: tuple[float, float]
) -> Spot:
    """Where a name begins: right of a mark, left, above, below, or between, where it covers least.

    Args:
        at: the mark.
        width: of the name.
        taken: marks and letters that it should not cover.
        x: from where to where it may stand, across.
        y: the same for its baseline, downward.

    Returns:
        The left end of its baseline.
    """
    middle = min(max(at[0] - width / 2, x[0]), x[1] - width)
    spots = [
        (at[0] + 13, at[1] + 4),
        (at[0] - 13 - width, at[1] + 4),
        (middle, at[1] - 13),
        (middle, at[1] + 22),
        (at[0] + 9, at[1] - 9),
        (at[0] - 9 - width, at[1] - 9),
        (at[0] + 9, at[1] + 17),
        (at[0] - 9 - width, at[1] + 17),
    ]
    inside = [s for s in spots if x[0] <= s[0] <= x[1] - width and y[0] < s[1] < y[1]]

    def covered(spot: Spot) -> int:
        return sum(
            abs(other_y - spot[1] + 4) < _LINE and spot[0] - 7 < other_x < spot[0] + width + 7
            for other_x, other_y in taken
            if (other_x, other_y) != at
        )

    return min(inside or spots, key=covered)


def apart(wanted: Sequence[float], *, gap: float, lowest: float) -> list[float]:
    """Heights near those wanted, from the top down, at least a gap apart and none below another.

    Args:
        wanted: heights in ascending order.
        gap: between two.
        lowest: where the last may stand.
    """
    heights: list[float] = []
    for height in wanted:
        heights.append(max(height, heights[-1] + gap) if heights else height)
    overflow = (heights[-1] - lowest) if heights else 0.0
    return [height - max(overflow, 0.0) for height in heights]


def shortened(words: str, longest: int) -> str:
    """The words, cut with an ellipsis where they are too long."""
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"
