"""What a clustering says of the labels where a third thing is known already."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.information._estimate import known_rows
from clinfonce.information._measure import Ids, as_ids, measure, renumber


@dataclass(frozen=True)
class ConditionalInformation:
    """What a clustering Z and the labels T share where the condition C is known, in bits.

    Attributes:
        i_zt_given_c: I(Z;T|C), plug-in estimate.
        i_zt_given_c_chance: its expectation over permutations of the labels within each value of
            C, exact.
        i_zt_given_c_excess: their difference; may be negative.
        h_z_given_tc: H(Z|T,C), nuisance that C does not explain.
        h_t_given_c: H(T|C), the bits of the label that C leaves open.
        n_conditions: values of C.
    """

    i_zt_given_c: float
    i_zt_given_c_chance: float
    i_zt_given_c_excess: float
    h_z_given_tc: float
    h_t_given_c: float
    n_conditions: int


def conditional_information(
    clusters: Ids,
    labels: Ids,
    conditions: Ids,
    *,
    known: NDArray[np.bool_] | None = None,
) -> ConditionalInformation:
    """Measure I(Z;T|C) = Σ_c p(c) I(Z;T | C = c): what contrast within a condition can teach.

    The bits that conditional contrast is after (arXiv 2202.05458): what Z tells of T because both
    follow C is not counted.

    Args:
        clusters: (n,) integers >= 0.
        labels: (n,) integers; >= 0 where known.
        conditions: (n,) integers >= 0.
        known: (n,) bool, which labels are known; None where all are.

    Raises:
        InputError: as `measure`, or a mask that does not fit.

    >>> colours, shapes = [0, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1]
    >>> round(conditional_information(colours, shapes, shapes).i_zt_given_c, 3)
    0.0
    """
    n = len(clusters)
    for name, values in {"labels": labels, "conditions": conditions}.items():
        if len(values) != n:
            raise InputError(f"clusters and {name} differ in length: {n} and {len(values)}")
    rows = np.arange(n) if known is None else known_rows(known, n)
    z = as_ids(clusters, "clusters")[rows]
    t = as_ids(np.asarray(labels)[rows], "known labels")
    codes, sizes = renumber(as_ids(conditions, "conditions")[rows])
    groups = np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])
    found = [measure(z[group], t[group]) for group in groups]
    share = sizes / len(rows)
    columns = np.array(
        [(each.i_zt, each.i_zt_chance, each.h_z_given_t, each.h_t) for each in found]
    )
    i_zt, chance, h_z_given_t, h_t = (float(value) for value in share @ columns)
    return ConditionalInformation(
        i_zt_given_c=i_zt,
        i_zt_given_c_chance=chance,
        i_zt_given_c_excess=i_zt - chance + 0.0,
        h_z_given_tc=h_z_given_t,
        h_t_given_c=h_t,
        n_conditions=len(sizes),
    )
