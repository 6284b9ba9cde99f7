"""A made-up sweep, for tests only: real clusterings and information, invented accuracies.

Accuracy is 0.5 + 0.4 · (I(Z;T) − chance)/H(T) − 0.12 · H(Z|T)/log2(n) + noise, so that what the
analyses should find is known.
"""

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from clinfonce.information import measure
from clinfonce.results import Store
from clinfonce.results.store.measures import ACCURACIES
from clinfonce.results.store.scores import parted

N_IMAGES = 600
ATTRIBUTES = ("loop", "even", "round", "tall", "closed", "bright")
DATA = "made-up test data"
_START = datetime(2026, 1, 1, tzinfo=UTC)


def write_example(
    path: Path, *, seeds: int = 2, epochs: int = 12, kmeans: int = 5, sweep: str = "example"
) -> Store:
    """Write a store with about (10 + kmeans) · seeds trials, two of them not complete.

    It is compacted: each query reads all files, and those of single trials take most of its time.
    """
    store = Store.create(path)
    number = 0
    for name, source, extra, ids in _clusterings(kmeans):
        for seed in range(seeds):
            rows = _trial(name, source, extra, ids, seed, number, epochs, sweep)
            store.write_trial(*rows, _scores(rows[0]))
            number += 1
    trial, _, clustering = rows
    stopped = {**trial, "trial_id": f"{sweep}-stopped", "number": number, "status": "stopped"}
    stopped |= dict.fromkeys(ACCURACIES) | {"epochs_run": epochs // 2}
    store.write_trial(stopped, [], clustering)
    failed = {k: v for k, v in stopped.items() if k not in ("val_knn", "loss")}
    failed |= {"trial_id": f"{sweep}-failed", "number": number + 1, "status": "failed"}
    store.write_trial(failed | {"error": "loss is not finite", "epochs_run": 0}, [], clustering)
    store.compact()
    return store


def labels_and_attributes() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(n,) labels 0..9; attributes, each a noisy fact of the label and the last pure noise."""
    generator = np.random.default_rng(0)
    labels = np.arange(N_IMAGES) % 10
    attributes = {}
    for i, name in enumerate(ATTRIBUTES):
        fact = generator.random(10) < 0.5
        flipped = generator.random(N_IMAGES) < (0.03 + 0.06 * i)
        attributes[name] = fact[labels] ^ flipped
    attributes[ATTRIBUTES[-1]] = generator.random(N_IMAGES) < 0.5
    return labels, attributes


def _clusterings(kmeans: int) -> list[tuple[str, str, dict[str, Any], np.ndarray]]:
    labels, attributes = labels_and_attributes()
    found: list[tuple[str, str, dict[str, Any], np.ndarray]] = [
        ("InfoNCE", "instances", {}, np.arange(N_IMAGES)),
        ("SupCon", "labels", {}, labels),
    ]
    for k in range(1, len(ATTRIBUTES) + 1):
        chosen = ATTRIBUTES[:k]
        extra = {"attributes": list(chosen), "granularity": k}
        found.append((f"top-{k} attributes", "attributes", extra, _codes(attributes, chosen)))
    for chosen in (("even", "tall"), ("round", "bright"), ("loop", "closed", "bright")):
        name = f"attributes({', '.join(chosen)})"
        found.append((name, "attributes", {"attributes": list(chosen)}, _codes(attributes, chosen)))
    for i in range(kmeans):
        k = 4 * 2 ** (i % 6)
        generator = np.random.default_rng(i)
        ids = (labels * k // 10 + generator.integers(0, max(k // 4, 2), N_IMAGES)) % k
        name = f"k-means {k}" if i < 6 else f"k-means {k} ({i})"
        found.append((name, "kmeans", {"granularity": k}, ids))
    return found


def _codes(attributes: dict[str, np.ndarray], chosen: tuple[str, ...]) -> np.ndarray:
    codes = np.zeros(N_IMAGES, dtype=np.int64)
    for name in chosen:
        codes = 2 * codes + attributes[name]
    return codes


def _trial(
    name: str,
    source: str,
    extra: dict[str, Any],
    ids: np.ndarray,
    seed: int,
    number: int,
    epochs: int,
    sweep: str,
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    generator = np.random.default_rng([number, seed])
    clustering = _describe(name, source, ids)
    quality = (
        0.5
        + 0.4 * clustering["i_zt_excess"] / clustering["h_t"]
        - 0.12 * clustering["h_z_given_t"] / math.log2(N_IMAGES)
    )
    trial_id = f"{sweep}-{number:05}"
    trial = {
        "trial_id": trial_id,
        "sweep": sweep,
        "number": number,
        "role": "fixed",
        "name": name,
        "clustering_id": clustering["clustering_id"],
        "clustering": name,
        "source": source,
        **extra,
        "objective": "cl_infonce",
        "form": "out",
        "temperature": 0.2,
        "sampler": "uniform",
        "batch_size": 256,
        "encoder": "small_cnn",
        "seed": seed,
        "epochs": epochs,
        "epochs_run": epochs,
        "workers": 1,
        "data": DATA,
        "data_fingerprint": "0123456789abcdef",
        "status": "complete",
        "spec": json.dumps({"clustering": {"source": source}, "seed": seed}, sort_keys=True),
        **_accuracies(quality, generator),
        "val_knn": quality - 0.02,
        "loss": 3.0,
        "seconds": 20.0 + generator.random(),
        "train_seconds": 18.0,
        "images_per_second": N_IMAGES * epochs / 18.0,
        "peak_memory_mb": 400.0,
        "device": "made-up CPU",
        "host": "nowhere",
        "clinfonce_version": "0.1.0",
        "torch_version": "2.13.0",
        "python_version": "3.11.2",
        "finished_at": _START + timedelta(seconds=20 * number),
    }
    rows = [_epoch(trial_id, e, epochs, quality, generator) for e in range(1, epochs + 1)]
    return trial, rows, clustering


def _accuracies(quality: float, generator: np.random.Generator) -> dict[str, float]:
    offsets = {"1": -0.12, "5": 0.0, "10": 0.03, "all": 0.08}
    accuracies = {}
    for name in ACCURACIES:
        _, probe, top, labels = name.split("_")
        value = quality + offsets[labels] + (0.1 if top == "top5" else 0)
        value -= 0.02 if probe == "knn" else 0
        accuracies[name] = float(np.clip(value + generator.normal(0, 0.008), 0, 1))
    return accuracies


def _scores(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Accuracies, those of two cameras, and a second target, on which tall clusterings are best."""
    _, scores = parted(trial)
    quality, tall = trial["test_linear_top1_all"], "tall" in trial["clustering"]
    everything = {"probe": "linear", "labels": "all"}
    for split in ("val", "test"):
        row = {"target": "tags", "split": split, "measure": "map", **everything}
        scores.append({**row, "value": 0.4 + 0.3 * tall + 0.01 * trial["seed"], "images": 300})
    for camera, less in (("left", 0.0), ("right", 0.2)):
        row = {"target": "label", "split": "test", "measure": "top1", **everything}
        group = {"grouped_by": "camera", "group": camera, "images": 150}
        scores.append({**row, **group, "value": quality - less})
        scores.append({**row, **group, "measure": "balanced", "value": 0.1})
    return scores


def _epoch(
    trial_id: str, epoch: int, epochs: int, quality: float, generator: np.random.Generator
) -> dict[str, Any]:
    progress = 1 - math.exp(-3 * epoch / epochs)
    knn = 0.1 + (quality - 0.12) * progress + generator.normal(0, 0.005)
    return {
        "trial_id": trial_id,
        "epoch": epoch,
        "step": 3 * epoch,
        "loss": 5 - 2 * progress,
        "learning_rate": 0.1 * (1 - epoch / epochs),
        "val_knn": float(knn) if epoch % 2 == 0 or epoch == epochs else None,
        "anchors_without_positive": 0.0,
        "positives_per_anchor": 4.0,
        "seconds": 1.5,
    }


def _describe(name: str, source: str, ids: np.ndarray) -> dict[str, Any]:
    labels, _ = labels_and_attributes()
    sizes = np.sort(np.unique(ids, return_counts=True)[1])
    return {
        "clustering_id": "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-"),
        "name": name,
        "source": source,
        "provenance": json.dumps({"source": source}),
        "data": DATA,
        "data_fingerprint": "0123456789abcdef",
        "n_images": N_IMAGES,
        "size_min": int(sizes[0]),
        "size_median": float(np.median(sizes)),
        "size_max": int(sizes[-1]),
        **asdict(measure(ids, labels)),
    }
