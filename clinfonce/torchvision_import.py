"""Import torchvision, also where its CUDA build stands beside a CPU build of PyTorch.

That pair fails with "operator torchvision::nms does not exist": without its compiled extension
torchvision registers gradients for operators that nobody has declared. Declaring the two operators
mends it (they stay unusable; nothing here detects boxes). Where torchvision imports by itself
nothing is changed.
"""

import importlib
import sys
from types import ModuleType

import torch

_OPERATORS = ("nms", "qnms")
_keep_alive: list[torch.library.Library] = []


def import_torchvision(module: str = "torchvision") -> ModuleType:
    """Import `module` ("torchvision" or one of its submodules) and return it."""
    try:
        return importlib.import_module(module)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in _OPERATORS:
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]
    _keep_alive.append(library)  # its operators vanish with it
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    return importlib.import_module(module)
