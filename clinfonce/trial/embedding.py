"""Features of a data set in a Parquet file: by a trial's encoder, or by one as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

from clinfonce import data
from clinfonce.config import EncoderSpec
from clinfonce.data import SPLIT_NAMES, UNLABELLED, ImageTable
from clinfonce.errors import InputError
from clinfonce.evaluation import encode
from clinfonce.files import File, Folder, made_anew
from clinfonce.models import load_encoder, read_weights
from clinfonce.models.saved import find_encoder
from clinfonce.trial.start import described

_BLOCK = 1 << 26  # bytes of pixels that are in the memory at a time

Progress = Callable[[int, int], None]  # images done, images in all


def embed(
    what: str,
    data_name: str,
    out: str | Path,
    *,
    home: str | Path,
    root: str | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Path:
    """Write the features of all images of a data set.

    The file has a row an image, in the data set's order: `row`, `path` (where the data set has
    one), `split`, `label` (null where there is none), and `features`, a list of float32.

    Args:
        what: a trial of the store, by its id or how that begins; a file of an encoder
            (.safetensors) that clinfonce saved; or an encoder's name, such as timm:vit_small_…,
            with its pretrained weights.
        data_name: the data set.
        out: file to write, .parquet.
        home: folder or URI of the result store.
        root: folder that holds the data set.
        progress: is told of the images.

    Raises:
        InputError: no such encoder or data set, an encoder for other images, another ending, or
            no place to write.
        RunError: pretrained weights are not here and cannot be downloaded.
    """
    path = Path(out)
    if path.suffix != ".parquet":
        raise InputError(f"--out is {str(out)!r}: features are written as .parquet")
    table = data.load(data_name, root)
    network = _network(what, table, home)
    with made_anew(path) as partial:
        _write(network, table, partial, progress)
    return path


def _network(what: str, table: ImageTable, home: str | Path) -> nn.Module:
    if (":" in what and "://" not in what) or what.startswith(("resnet", "vit_")):
        name = EncoderSpec(
            name=what, weights="random" if what.startswith("python:") else "pretrained"
        )
        return read_weights(name.weights, described(name, table)).build().eval()
    file = File.at(what) if what.endswith(".safetensors") else find_encoder(Folder.at(home), what)
    saved = load_encoder(file)
    shape = table.images.shape
    taken = (saved.channels,) if len(shape) == 4 else ()
    if taken != shape[1 : len(taken) + 1] or bool(saved.channels) != (len(shape) == 4):
        wanted = f"images of {saved.channels} channels" if saved.channels else "embeddings"
        raise InputError(f"{file}: takes {wanted}, and {table.name} has {shape[1:]}")
    return saved.network


def _write(network: nn.Module, table: ImageTable, path: Path, progress: Progress) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device)
    step = max(1, _BLOCK // table.images[:1].nbytes)
    writer: pq.ParquetWriter | None = None
    try:
        for start in range(0, len(table), step):
            rows = np.arange(start, min(start + step, len(table)))
            features = encode(
                network, torch.from_numpy(np.array(table.images[rows])), device=device
            )
            block = _rows(table, rows, features.cpu().numpy())
            writer = writer or pq.ParquetWriter(path, block.schema, compression="zstd")
            writer.write_table(block)
            progress(int(rows[-1]) + 1, len(table))
    finally:
        if writer is not None:
            writer.close()


def _rows(table: ImageTable, rows: Any, features: Any) -> pa.Table:
    columns: dict[str, pa.Array] = {"row": pa.array(rows)}
    if table.paths is not None:
        columns["path"] = pa.array([table.paths[row] for row in rows])
    columns["split"] = pa.array([SPLIT_NAMES[code] for code in table.split[rows]])
    if table.labels is not None:
        names = [
            None if code == UNLABELLED else table.label_names[code] for code in table.labels[rows]
        ]
        columns["label"] = pa.array(names, pa.string())
    flat = pa.array(features.reshape(-1))
    columns["features"] = pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
    return pa.table(columns)
