"""Test images as two encoders see them, for the report: the reference and the best of a sweep."""

import io

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from clinfonce import data
from clinfonce.data import TEST, UNLABELLED, Column, ImageTable
from clinfonce.errors import InputError
from clinfonce.evaluation import encode
from clinfonce.models import load_encoder
from clinfonce.models.saved import encoder_file
from clinfonce.results import Results
from clinfonce.results.analysis.best import Best, best_of
from clinfonce.results.report.gallery import Gallery
from clinfonce.results.sql.columns import quoted

_IMAGES = 600  # on the map
_ASKED = 12  # images whose neighbours are shown
_NEIGHBOURS = 8
_TILE = 40  # pixels a side
_ACROSS = 25
_MOST_VALUES = 12  # of a column that have a colour of their own
_OTHER = "other"


def gallery_of(results: Results, *, sweep: str | None = None, seed: int = 0) -> Gallery:
    """Look at the test images of a sweep with its best encoder, beside the one to compare with.

    That is the frozen encoder, or where there is none the one of instances.

    Args:
        results: an open store.
        sweep: its name; None where the store holds one alone.
        seed: of the choice of images and of t-SNE.

    Raises:
        InputError: nothing is complete, the data set is not here or has no images, or an encoder
            was not kept.
    """
    best = best_of(results, sweep=sweep)
    table = data.load(best.data["name"], best.data.get("root"))
    if not table.has_images:
        raise InputError(f"{best.data['name']} has embeddings, and there are no images to show")
    rows = np.sort(np.random.default_rng(seed).permutation(table.rows(TEST))[:_IMAGES])
    features = {
        name: _features(results, trial_id, table, rows)
        for name, trial_id in _encoders(results, best).items()
    }
    labels = _texts_of_labels(table, rows)
    asked = _asked(labels, seed)
    near = {name: _neighbours(f) for name, f in features.items()}
    return Gallery(
        atlas=_atlas(table, rows),
        tile=_TILE,
        across=_ACROSS,
        n=len(rows),
        maps={name: _places(f, seed) for name, f in features.items()},
        method=_METHOD,
        columns={"label": labels} | {c.name: _texts_of(c, rows) for c in table.columns.values()},
        neighbours={name: [found[i] for i in asked] for name, found in near.items()},
        recall={name: _recall(found, labels) for name, found in near.items()},
    )


def _encoders(results: Results, best: Best) -> dict[str, str]:
    """The encoders to compare, by what they are called, to their trials."""
    rows = results.sql(
        "select name, trial_id, source from counted where status = 'complete' and role <> 'search' "
        f"and sweep = {quoted(best.sweep)} and source in ('frozen', 'instances') "
        "order by source, number, trial_id"
    ).to_pylist()
    found = {row["name"]: row["trial_id"] for row in rows[:1]}
    return found | {best.clustering: best.trial_id}


def _features(
    results: Results, trial_id: str, table: ImageTable, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Of some images, each of length one."""
    file = encoder_file(results.store.folder, trial_id)
    if not file.exists():
        raise InputError(f"{file}: the encoder of this trial was not kept")
    images = torch.from_numpy(np.array(table.images[rows]))
    found = F.normalize(encode(load_encoder(file).network, images).float(), dim=1)
    return np.asarray(found.cpu().numpy(), dtype=np.float32)


_METHOD = "placed by t-SNE of the first 50 principal components of their features"


def _places(features: NDArray[np.float32], seed: int) -> list[tuple[float, float]]:
    """Places in a square, 0…1."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n, d = features.shape
    reduced = PCA(min(50, n - 1, d), random_state=seed).fit_transform(features)
    if n > 10:
        perplexity = min(30.0, (n - 1) / 4)
        reduced = TSNE(
            2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1
        ).fit_transform(reduced)
    found = np.zeros((n, 2))
    found[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    low, high = found.min(axis=0), found.max(axis=0)
    scaled = (found - low) / np.maximum(high - low, 1e-12)
    return [(float(x), float(y)) for x, y in scaled]


def _asked(labels: list[str], seed: int) -> list[int]:
    """Images to ask about: of as many labels as possible."""
    order = np.random.default_rng(seed).permutation(len(labels)).tolist()
    seen: dict[str, int] = {}
    rank: dict[int, int] = {}
    for i in order:
        rank[i] = seen.get(labels[i], 0)
        seen[labels[i]] = rank[i] + 1
    return sorted(order, key=lambda i: rank[i])[:_ASKED]


def _neighbours(features: NDArray[np.float32]) -> list[list[int]]:
    """Of each image: itself, then the nearest others."""
    similarity = features @ features.T
    np.fill_diagonal(similarity, np.inf)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : _NEIGHBOURS + 1]
    found: list[list[int]] = nearest.tolist()
    return found


def _recall(neighbours: list[list[int]], labels: list[str]) -> float:
    same = [labels[i] == labels[asked] for asked, *others in neighbours for i in others]
    return float(np.mean(same)) if same else 0.0


def _texts_of_labels(table: ImageTable, rows: NDArray[np.int64]) -> list[str]:
    codes = np.full(len(rows), UNLABELLED) if table.labels is None else table.labels[rows]
    return ["unknown" if code == UNLABELLED else table.label_names[code] for code in codes]


def _texts_of(column: Column, rows: NDArray[np.int64]) -> list[str]:
    """Values as texts, numbers as quarters of their range of values, rare ones as others."""
    values, present = column.values[rows], column.present[rows]
    if column.kind == "numeric":
        texts = _quarters(values.astype(np.float64), present)
    elif column.kind in ("tags", "hierarchy"):
        texts = ["|".join(map(str, value)) for value in values]
    else:
        texts = [str(value) for value in values]
    texts = [text if here else "unknown" for text, here in zip(texts, present, strict=True)]
    names, counts = np.unique(texts, return_counts=True)
    common = set(names[np.argsort(-counts, kind="stable")[:_MOST_VALUES]].tolist())
    return [text if text in common else _OTHER for text in texts]


def _quarters(values: NDArray[np.float64], present: NDArray[np.bool_]) -> list[str]:
    known = values[present]
    if not len(known):
        return [""] * len(values)
    cuts = np.unique(np.quantile(known, [0, 0.25, 0.5, 0.75, 1]))
    places = np.clip(np.searchsorted(cuts, values, side="right") - 1, 0, max(0, len(cuts) - 2))
    last = min(1, len(cuts) - 1)
    return [f"{cuts[p]:.4g} to {cuts[p + last]:.4g}" for p in places]


def _atlas(table: ImageTable, rows: NDArray[np.int64]) -> bytes:
    """JPEG of all thumbnails in the order of the rows."""
    from PIL import Image

    height = -(-len(rows) // _ACROSS)
    sheet = Image.new("RGB", (_ACROSS * _TILE, height * _TILE))
    for place, row in enumerate(rows):
        pixels = np.moveaxis(np.array(table.images[[row]])[0], 0, -1)
        pixels = pixels[..., :3] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, -1)
        grown = Image.Resampling.NEAREST if pixels.shape[0] < _TILE else Image.Resampling.LANCZOS
        tile = Image.fromarray(np.ascontiguousarray(pixels)).resize((_TILE, _TILE), grown)
        sheet.paste(tile, (place % _ACROSS * _TILE, place // _ACROSS * _TILE))
    stream = io.BytesIO()
    sheet.save(stream, "JPEG", quality=80)
    return stream.getvalue()
