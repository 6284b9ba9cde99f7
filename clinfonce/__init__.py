"""clinfonce: which auxiliary information trains the best image encoder, and why.

The public names load on first use, so that importing the package costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Clustering": "clinfonce.clusterings",
    "ImageTable": "clinfonce.data",
    "InputError": "clinfonce.errors",
    "cl_infonce": "clinfonce.losses",
    "encode": "clinfonce.evaluation",
    "load_encoder": "clinfonce.models.saved",
    "measure": "clinfonce.information",
    "two_views": "clinfonce.augment",
}

__all__ = [
    "Clustering",
    "ImageTable",
    "InputError",
    "__version__",
    "cl_infonce",
    "encode",
    "load_encoder",
    "measure",
    "plot",
    "two_views",
]


def __getattr__(name: str) -> Any:
    if name == "plot":
        return importlib.import_module("clinfonce.plot")
    if name not in _HOMES:
        raise AttributeError(f"module 'clinfonce' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
