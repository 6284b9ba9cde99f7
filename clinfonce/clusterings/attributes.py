"""Images that agree in chosen attributes share a cluster; more attributes, finer clusters."""

from collections.abc import Mapping, Sequence

import numpy as np

from clinfonce.clusterings.base import Clustering, IntArray, build
from clinfonce.errors import InputError, unknown_name
from clinfonce.information import Ids, as_ids, entropy, renumber

_NAMES_SHOWN = 5


def from_attributes(
    attributes: Mapping[str, Ids],
    *,
    names: Sequence[str] | None = None,
    top_k: int | None = None,
) -> Clustering:
    """Cluster by the values of some attributes.

    With `top_k`, the k attributes of highest entropy are taken, as in Tsai et al. 2021
    (arXiv 2106.02869); with neither choice, all of them.

    Args:
        attributes: name to (n,) integers >= 0 (booleans too), one array an attribute.
        names: the attributes to take; their order does not matter to the clusters.
        top_k: how many attributes to take, by entropy; equal entropies in order of name.

    Raises:
        InputError: no attributes, an unknown name, both choices, `top_k` out of range, or
            attributes of different lengths.
    """
    if names is not None and top_k is not None:
        raise InputError("attributes: give names or top_k, not both")
    if top_k is not None:
        names = top_by_entropy(attributes, top_k)
    chosen = list(attributes) if names is None else list(names)
    return build(
        cross(attributes, chosen),
        name=_describe(chosen, top_k),
        provenance={"source": "attributes", "attributes": list(chosen), "top_k": top_k},
    )


def top_by_entropy(attributes: Mapping[str, Ids], k: int) -> list[str]:
    """Names of the k attributes of highest entropy, highest first; ties in order of name."""
    if not 1 <= k <= len(attributes):
        raise InputError(f"attributes: top_k must be in 1..{len(attributes)}, got {k}")
    bits = {name: entropy(values) for name, values in attributes.items()}
    return sorted(bits, key=lambda name: (-bits[name], name))[:k]


def cross(attributes: Mapping[str, Ids], names: Sequence[str]) -> IntArray:
    """Codes (n,), equal where all the named attributes are equal."""
    if not names:
        raise InputError("attributes: at least one attribute is needed")
    codes: IntArray | None = None
    for name in names:
        if name not in attributes:
            raise InputError(unknown_name("attribute", name, attributes))
        values = as_ids(attributes[name], f"attribute {name!r}")
        if codes is not None and len(values) != len(codes):
            raise InputError(
                f"attribute {name!r} has {len(values)} values, {names[0]!r} has {len(codes)}"
            )
        codes = combine(np.zeros_like(values) if codes is None else codes, values)
    assert codes is not None
    return codes


def combine(codes: IntArray, values: IntArray) -> IntArray:
    """Dense codes (n,) of pairs; dense codes go in, so that the product never overflows."""
    dense, sizes = renumber(values)
    return renumber(codes * len(sizes) + dense)[0]


def _describe(chosen: Sequence[str], top_k: int | None) -> str:
    if top_k is not None:
        return f"top-{top_k} attributes"
    if len(chosen) == 1:  # as the same clusters are called where they come from a column
        return chosen[0]
    if len(chosen) > _NAMES_SHOWN:
        return f"{len(chosen)} attributes({', '.join(chosen[:_NAMES_SHOWN])}, …)"
    return f"attributes({', '.join(chosen)})"
