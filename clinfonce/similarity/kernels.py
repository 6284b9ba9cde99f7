"""All kernels by their names, as a specification calls them."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from clinfonce.errors import InputError, unknown_name
from clinfonce.similarity.categories import differences, equal, jaccard
from clinfonce.similarity.columns import Column
from clinfonce.similarity.embeddings import cosine
from clinfonce.similarity.hierarchy import common_ancestor
from clinfonce.similarity.numbers import cyclic, gaussian, great_circle

KERNELS: Mapping[str, Callable[..., Column]] = MappingProxyType(
    {
        "equal": equal,
        "differences": differences,
        "jaccard": jaccard,
        "gaussian": gaussian,
        "cyclic": cyclic,
        "great_circle": great_circle,
        "common_ancestor": common_ancestor,
        "cosine": cosine,
    }
)


def encode(kernel: str, *values: Any, name: str = "column", **options: Any) -> Column:
    """Encode a column for the kernel of a name.

    Args:
        kernel: one of KERNELS.
        values: its columns of values: latitude and longitude for "great_circle", else one.
        name: of the column, for errors.
        options: the kernel's own, see `kernel_options`; and `unknown` and `missing`.

    Raises:
        InputError: on an unknown kernel or option, a missing one, or as the kernel does.
    """
    if kernel not in KERNELS:
        raise InputError(f"{name}: {unknown_name('kernel', kernel, KERNELS)}")
    known = [*kernel_options(kernel), "unknown", "missing"]
    for option in options:
        if option not in known:
            said = unknown_name(f"option of kernel {kernel!r}", option, known)
            raise InputError(f"{name}: {said}")
    for option, needed in kernel_options(kernel).items():
        if needed and option not in options:
            raise InputError(f"{name}: kernel {kernel!r} needs its {option}")
    return KERNELS[kernel](*values, name=name, **options)


def kernel_options(kernel: str) -> dict[str, bool]:
    """The options of a kernel, and whether it needs them: a bandwidth, a period.

    >>> kernel_options("cyclic")
    {'period': True, 'bandwidth': False}
    """
    parameters = inspect.signature(KERNELS[kernel]).parameters.values()
    common = ("unknown", "missing", "name")
    own = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in common]
    return {p.name: p.default is p.empty for p in own}
