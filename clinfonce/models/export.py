"""Encoders of finished trials, for use elsewhere: safetensors or ONNX."""

import importlib.util
import json
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file

from clinfonce.augment import MEAN, STD
from clinfonce.errors import InputError
from clinfonce.files import Folder, made_anew
from clinfonce.models.saved import SavedEncoder, find_encoder, load_encoder
from clinfonce.models.state_files import metadata_of

_ONNX_PACKAGES = ("onnx", "onnxscript")


def export_encoder(home: str | Path, trial: str, out: str | Path) -> Path:
    """Write the encoder of a trial in the format that the file's ending names.

    The input of both is float32 (n, channels, h, w): pixels from 0 to 1 less `mean`, divided by
    `std`, which stand in the file's metadata with the encoder's name; the output is features
    (n, d). safetensors have the weights under the names of torchvision or timm, without the
    classifier, of a frozen encoder with an adapter under `frozen.` and `adapter.`; `load_encoder`
    reads them. ONNX takes any number of images of the size that the trial was trained on.

    Args:
        home: folder or URI of the result store.
        trial: its `trial_id`, or the first characters of it if no other begins alike.
        out: file to write: .safetensors or .onnx.

    Raises:
        InputError: no such trial, an ending of another kind, or packages that are missing.
    """
    path = Path(out)
    writers = {".safetensors": _write_safetensors, ".onnx": _write_onnx}
    if (write := writers.get(path.suffix)) is None:
        raise InputError(f"--out is {str(out)!r}: must end on {' or '.join(writers)}")
    encoder = load_encoder(find_encoder(Folder.at(home), trial))
    with made_anew(path) as partial:
        write(encoder, partial)
    return path


def _metadata(encoder: SavedEncoder) -> dict[str, str]:
    return {
        "mean": json.dumps(MEAN),
        "std": json.dumps(STD),
        "channels": str(encoder.channels),
        "image_size": str(encoder.image_size),
        **metadata_of({n: v for n, v in encoder.description.items() if n != "weights_sha256"}),
    }


def _write_safetensors(encoder: SavedEncoder, path: Path) -> None:
    weights = {name: w.contiguous() for name, w in encoder.network.state_dict().items()}
    save_file(weights, path, _metadata(encoder))


def _write_onnx(encoder: SavedEncoder, path: Path) -> None:
    if missing := [name for name in _ONNX_PACKAGES if importlib.util.find_spec(name) is None]:
        raise InputError(
            f"ONNX needs the package {' and '.join(missing)}: pip install 'clinfonce[export]'"
        )
    import onnx

    network = encoder.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    images = torch.zeros(2, encoder.channels, encoder.image_size, encoder.image_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, on its own future
        program = torch.onnx.export(
            network,
            (images,),
            dynamo=True,
            verbose=False,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, _metadata(encoder))
    onnx.save_model(model, str(path))
