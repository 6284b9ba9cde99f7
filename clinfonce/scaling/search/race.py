"""Which configurations are worth another seed: those that can't be told from the best."""

import math
from collections.abc import Sequence
from statistics import fmean, variance

_ERROR = 0.05  # share of races in which the best one may be sent out, at most


def still_racing(racing: Sequence[int], reached: Sequence[Sequence[float]]) -> list[int]:
    """Those of some configurations that are not surely worse than the best of them.

    A one-sided t-test with the variance over seeds pooled, at an error shared out among those that
    are compared. Nobody leaves before two seeds.

    Args:
        racing: numbers of the configurations that ran with the last seed.
        reached: what each configuration reached, a seed each.
    """
    known = [each for each in racing if len(reached[each]) > 1]
    if len(known) < 2:
        return list(racing)
    freedom = sum(len(reached[each]) - 1 for each in known)
    pooled = sum((len(reached[e]) - 1) * variance(reached[e]) for e in known) / freedom
    best = max(known, key=lambda each: fmean(reached[each]))
    from scipy.stats import t as student  # slow to import

    sure = float(student.ppf(1 - _ERROR / (len(known) - 1), freedom))

    def behind(each: int) -> bool:
        error = math.sqrt(pooled * (1 / len(reached[best]) + 1 / len(reached[each])))
        return fmean(reached[best]) - fmean(reached[each]) > sure * error

    return [each for each in racing if each not in known or not behind(each)]
