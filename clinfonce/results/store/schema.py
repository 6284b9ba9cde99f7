"""The result tables: every column with its type, unit, source and meaning.

This one place is what the store writes, what the query reads and what docs/results.md says.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from clinfonce.results.store.column import Column
from clinfonce.results.store.factor_columns import FACTORS
from clinfonce.results.store.score_columns import SCORES

SCHEMA_VERSION = 2

ROLES = ("choose", "fixed", "search", "confirm", "single")
STATUSES = ("complete", "stopped", "failed")

_TIMESTAMP = pa.timestamp("ms", tz="UTC")


_SPECIFICATION = "specification"
_SEARCH = "sweep"
_CLUSTERING = "clustering"
_TRAINING = "training"
_DATA = "data"
_CLOCK = "clock of the machine"
_MACHINE = "machine"
_INFORMATION = "clinfonce.information"

_TRIAL_SETUP = (
    Column(
        "trial_id",
        pa.string(),
        "Key of the row: the same specification on the same data gives the same key",
        source=_SPECIFICATION,
        required=True,
    ),
    Column("sweep", pa.string(), "Name of the sweep", source=_SPECIFICATION, required=True),
    Column("number", pa.int32(), "Order of proposal, from 0", source=_SEARCH, required=True),
    Column(
        "role",
        pa.string(),
        "Why it was run: fixed (listed in the sweep), choose (a point of the grid that a fixed "
        "trial is chosen from; it counts in no view), search (proposed), confirm (a proposal "
        "repeated with another seed), single (no sweep)",
        source=_SEARCH,
        required=True,
    ),
    Column(
        "name",
        pa.string(),
        "Name for people, such as InfoNCE or attributes(loop, even)",
        source=_SPECIFICATION,
        required=True,
    ),
    Column(
        "clustering_id",
        pa.string(),
        "Key into clusterings; null where the trial failed before it had one",
        source=_CLUSTERING,
    ),
    Column("clustering", pa.string(), "Name of the clustering", source=_CLUSTERING),
    Column(
        "source",
        pa.string(),
        "What attracts: instances, labels, attributes, kmeans, column, …; similarity, terms",
        source=_SPECIFICATION,
    ),
    Column(
        "attributes",
        pa.list_(pa.string()),
        "Attributes that make the clustering; null unless source is attributes",
        source=_SPECIFICATION,
    ),
    Column(
        "granularity",
        pa.int32(),
        "k of the top-k attributes, K of k-means, level of the hierarchy; null otherwise",
        source=_SPECIFICATION,
    ),
    Column("objective", pa.string(), "Loss that pretraining minimises", source=_SPECIFICATION),
    Column("form", pa.string(), "Form of the objective: out, in, sincere", source=_SPECIFICATION),
    Column("temperature", pa.float64(), "Temperature of the objective", source=_SPECIFICATION),
    Column("sampler", pa.string(), "How batches are drawn", source=_SPECIFICATION),
    Column(
        "images_per_cluster",
        pa.int32(),
        "Images of one cluster in a batch; null where the sampler does not fix it",
        "images",
        _SPECIFICATION,
    ),
    Column("batch_size", pa.int32(), "Images in a batch of all workers", "images", _SPECIFICATION),
    Column("encoder", pa.string(), "Name of the encoder", source=_SPECIFICATION),
    Column(
        "regime",
        pa.string(),
        "What moves: scratch (all of a new encoder), fine-tuning (some of a pretrained one), "
        "adapter (a small network on a frozen one), frozen (nothing); null in rows of versions "
        "that knew scratch alone",
        source=_SPECIFICATION,
    ),
    Column(
        "weights",
        pa.string(),
        "What the encoder starts from: random, pretrained, or a file",
        source=_SPECIFICATION,
    ),
    Column(
        "weights_sha256",
        pa.string(),
        "SHA-256 of those weights; null for random ones and for embeddings",
        source=_SPECIFICATION,
    ),
    Column("seed", pa.int64(), "Seed of all randomness", source=_SPECIFICATION, required=True),
    Column("epochs", pa.int32(), "Epochs planned", "epochs", _SPECIFICATION),
    Column("epochs_run", pa.int32(), "Epochs trained", "epochs", _TRAINING),
    Column("workers", pa.int32(), "Data-parallel workers", "processes", _SPECIFICATION),
    Column(
        "world_size",
        pa.int32(),
        "Fewest workers that an epoch had: below `workers` after machines were lost. The batch and "
        "its loss are the same then, but for rounding",
        "processes",
        _TRAINING,
    ),
    Column("data", pa.string(), "Name of the data set", source=_SPECIFICATION),
    Column("data_fingerprint", pa.string(), "Hash of the data's content", source=_DATA),
    Column(
        "target",
        pa.string(),
        "The target that a measure is of which names none: the first of kind class, else the "
        "first; null where there is none, and in rows of versions that knew `label` alone",
        source=_DATA,
    ),
    Column(
        "status",
        pa.string(),
        "complete, stopped (ended early by the scheduler) or failed",
        source=_SEARCH,
        required=True,
    ),
    Column("error", pa.string(), "What went wrong; null unless failed", source=_TRAINING),
    Column(
        "spec",
        pa.string(),
        "The whole specification as canonical JSON: enough to run the trial again",
        source=_SPECIFICATION,
        required=True,
    ),
)

_TRIAL_END = (
    Column(
        "val_knn",
        pa.float64(),
        "Last kNN accuracy on the validation images seen during training; also of stopped trials",
        "share, 0–1",
        _TRAINING,
    ),
    Column("loss", pa.float64(), "Mean loss of the last epoch", "nats", _TRAINING),
    Column(
        "train_operations",
        pa.float64(),
        "Floating-point operations of the encoder's convolutions and linear layers in pretraining, "
        "counted from their shapes: two views of every image, forward and twice as much backward",
        unit="operations",
        source=_SPECIFICATION,
    ),
    Column("seconds", pa.float64(), "The whole trial", "s", _CLOCK, measured=True),
    Column("train_seconds", pa.float64(), "Pretraining alone", "s", _CLOCK, measured=True),
    Column(
        "images_per_second",
        pa.float64(),
        "Images pretrained on, each with two views, by all workers",
        "images/s",
        _CLOCK,
        measured=True,
    ),
    Column(
        "data_wait_share",
        pa.float64(),
        "Part of the pretraining in which the network waited for images",
        "share, 0–1",
        _CLOCK,
        measured=True,
    ),
    Column(
        "peak_memory_mb",
        pa.float64(),
        "Most memory held: of the device on a GPU, of the process on a CPU",
        "MiB",
        _MACHINE,
        measured=True,
    ),
    Column("device", pa.string(), "Device trained on", source=_MACHINE, measured=True),
    Column("host", pa.string(), "Name of the machine", source=_MACHINE, measured=True),
    Column(
        "clinfonce_version", pa.string(), "Version of clinfonce", source=_MACHINE, measured=True
    ),
    Column("torch_version", pa.string(), "Version of PyTorch", source=_MACHINE, measured=True),
    Column("python_version", pa.string(), "Version of Python", source=_MACHINE, measured=True),
    Column("finished_at", _TIMESTAMP, "When the trial ended", "UTC", _CLOCK, measured=True),
)

_EPOCHS = (
    Column("trial_id", pa.string(), "Key into trials", source=_SPECIFICATION, required=True),
    Column("epoch", pa.int32(), "Epoch, from 1", "epochs", _TRAINING, required=True),
    Column("step", pa.int64(), "Optimizer steps done at its end", "steps", _TRAINING),
    Column("loss", pa.float64(), "Mean loss of the epoch", "nats", _TRAINING),
    Column("learning_rate", pa.float64(), "Learning rate of its last step", "", _TRAINING),
    Column("world_size", pa.int32(), "Workers that shared its batches", "processes", _TRAINING),
    Column(
        "val_knn",
        pa.float64(),
        "kNN accuracy on the validation images; null where not measured in this epoch",
        "share, 0–1",
        _TRAINING,
    ),
    Column(
        "val_online",
        pa.float64(),
        "The same of a linear classifier that learns beside the encoder, without touching it",
        "share, 0–1",
        _TRAINING,
    ),
    Column(
        "anchors_without_positive",
        pa.float64(),
        "Anchors that had no positive and so were left out of the loss; null for objectives "
        "without positives",
        "share, 0–1",
        _TRAINING,
    ),
    Column(
        "positives_per_anchor",
        pa.float64(),
        "Mean number of positives of an anchor, its own other view among them; null for "
        "objectives without positives",
        "embeddings",
        _TRAINING,
    ),
    Column("seconds", pa.float64(), "Duration of the epoch", "s", _CLOCK, measured=True),
)


def _bits(name: str, description: str) -> Column:
    words = f"{description}; null where the data have no labels"
    return Column(name, pa.float64(), words, "bits", _INFORMATION)


def _share(name: str, description: str) -> Column:
    words = f"{description}; null where the data have no labels"
    return Column(name, pa.float64(), words, "share, 0–1", _INFORMATION)


_CLUSTERINGS = (
    Column(
        "clustering_id",
        pa.string(),
        "Key: hash of the partition; the same partition has the same key whatever its source",
        source=_CLUSTERING,
        required=True,
    ),
    Column("name", pa.string(), "Name for people", source=_CLUSTERING, required=True),
    Column("source", pa.string(), "Where it comes from", source=_CLUSTERING),
    Column("provenance", pa.string(), "How to rebuild it, as JSON", source=_CLUSTERING),
    Column("data", pa.string(), "Name of the data set", source=_SPECIFICATION),
    Column("data_fingerprint", pa.string(), "Hash of the data's content", source=_DATA),
    Column("n_images", pa.int64(), "Training images", "images", _CLUSTERING),
    Column("n_clusters", pa.int64(), "Clusters K", "clusters", _CLUSTERING),
    Column("size_min", pa.int64(), "Images in the smallest cluster", "images", _CLUSTERING),
    Column("size_median", pa.float64(), "Images in the median cluster", "images", _CLUSTERING),
    Column("size_max", pa.int64(), "Images in the largest cluster", "images", _CLUSTERING),
    Column("n_singletons", pa.int64(), "Clusters of one image", "clusters", _CLUSTERING),
    Column("caution", pa.string(), "Why it is no information; else null", source=_INFORMATION),
    Column(
        "n_labelled",
        pa.int64(),
        "Training images with a label, of which the bits are measured; null where the data have "
        "no labels, and in rows of versions that needed a label of every image",
        "images",
        _DATA,
    ),
    Column(
        "h_z",
        pa.float64(),
        "H(Z), entropy of the clustering, among the images with a label; of weights "
        "−mean log2 of the mean weight, which of clusters is the same",
        "bits",
        _INFORMATION,
    ),
    _bits("h_t", "H(T), entropy of the labels"),
    _bits(
        "i_zt",
        "I(Z;T), mutual information of clustering and labels, plug-in estimate; of weights the "
        "divergence of the labels that an image is like from all, which of clusters is the same",
    ),
    _bits("h_z_given_t", "H(Z|T), what the clustering says beside the label: nuisance"),
    _bits("h_t_given_z", "H(T|Z), what the clustering leaves open about the label"),
    _bits("i_zt_chance", "Expected I(Z;T) when the labels are shuffled"),
    _bits("i_zt_excess", "I(Z;T) above chance: i_zt − i_zt_chance"),
    Column(
        "ami",
        pa.float64(),
        "Adjusted mutual information of clustering and labels; null where there are no labels",
        "1 = same partition, 0 = chance",
        _INFORMATION,
    ),
    _bits(
        "i_pairs",
        "I(T_i;T_j), what one label of a positive pair tells of the other, over the pairs of "
        "different images that the objective draws; of clusters and of weights",
    ),
    _bits("i_pairs_chance", "The same when the labels are shuffled"),
    _share("pairs_equal", "Positive pairs whose labels are equal"),
    _share("pairs_equal_chance", "The same when the labels are shuffled"),
    _bits(
        "i_zt_given_c",
        "I(Z;T|C), what a clustering says of the labels within the suppressed columns; null "
        "where it is not contrasted within any",
    ),
    _bits("i_zt_given_c_chance", "The same when the labels are shuffled within those columns"),
    Column(
        "visible_bits",
        pa.float64(),
        "Bits of the clustering that frozen features predict, each image without itself (usable "
        "information); null where training does not start from such features",
        "bits",
        "clinfonce.evaluation",
    ),
)

TABLES: Mapping[str, tuple[Column, ...]] = {
    "trials": _TRIAL_SETUP + _TRIAL_END,
    "scores": SCORES,
    "epochs": _EPOCHS,
    "clusterings": _CLUSTERINGS,
    "factors": FACTORS,
}

MEASURED = frozenset(c.name for columns in TABLES.values() for c in columns if c.measured)


def arrow_schema(table: str) -> Any:
    """The Arrow schema of a table; no field is "not null".

    Required columns are checked on writing. The fields stay nullable so that a store of an older
    version, which lacks a later column, reads as nulls.
    """
    fields = [pa.field(c.name, c.type) for c in TABLES[table]]
    return pa.schema(fields, metadata={"clinfonce_schema": str(SCHEMA_VERSION)})
