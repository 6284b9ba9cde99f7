"""The parts of a specification that say which network is trained, and from which weights."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from clinfonce.config.base import (
    MOST_NUMBERS,
    Amount,
    Count,
    Dimensions,
    Few,
    NonNegative,
    Positive,
    Spec,
)

RANDOM, PRETRAINED = "random", "pretrained"
EMBEDDINGS = "embeddings"  # name of the encoder of data that have no images


class LastBlocks(Spec):
    """Train the last blocks alone, and what stands behind them."""

    last: Count


class EncoderSpec(Spec):
    """The network whose features are probed."""

    # small_cnn, a ResNet of torchvision, timm:MODEL[.TAG], python:package.module:function, or
    # embeddings: what another model made of the images, where a data set holds that alone.
    name: str = "small_cnn"
    stem: Literal["small", "large"] | None = None  # of a ResNet; absent: by the size of the images
    width: Few | None = None  # filters of the first block of a small_cnn; absent: 32
    image_size: Annotated[int, Field(ge=1, le=8192)] | None = (
        None  # pixels a side that it sees; absent: those of the images
    )
    # random; pretrained, as timm and torchvision have them; a file (.safetensors, .pth), or
    # trial:TRIAL_ID, an encoder of the result store.
    weights: Annotated[str, Field(min_length=1)] = RANDOM
    # Filled in when the weights are read: they are part of what a trial is. Given, it is checked.
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    train: Literal["all", "none"] | LastBlocks = "all"
    freeze_epochs: Amount = 0  # first epochs in which the head alone learns
    # Factor of the learning rate from each block to the one before it.
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    # Numbers that cached features are kept in: float16 takes half the room, to three digits.
    cache: Literal["float32", "float16"] = "float32"

    @model_validator(mode="after")
    def _fields_fit_each_other(self) -> Self:
        if self.name == EMBEDDINGS:
            self._check_embeddings()
        elif self.is_frozen and self.weights == RANDOM and not self.name.startswith("python:"):
            raise ValueError(
                "train: none keeps the weights as they are, and weights is random: give weights "
                "(pretrained, a file or trial:TRIAL_ID)"
            )
        if self.is_frozen and (self.freeze_epochs or self.layer_decay != 1):
            raise ValueError("train: none takes no freeze_epochs and no layer_decay")
        if self.weights_sha256 is not None and not self.is_pretrained:
            raise ValueError("weights_sha256 goes with weights, which is random")
        return self

    def _check_embeddings(self) -> None:
        fields = type(self).model_fields
        given = {f for f in fields if getattr(self, f) != fields[f].default} - {"name"}
        if self.train == "none":
            given -= {"train"}
        if given:
            raise ValueError(
                f"name embeddings takes no further field, not {', '.join(sorted(given))}: what "
                "other models made of images is taken as it is"
            )

    @property
    def takes_embeddings(self) -> bool:
        """Whether it is no network, but what another model made of images."""
        return self.name == EMBEDDINGS

    @property
    def is_frozen(self) -> bool:
        """Whether no weight of it moves."""
        return self.train == "none" or self.name == EMBEDDINGS

    @property
    def is_pretrained(self) -> bool:
        """Whether it starts from more than random weights."""
        return self.weights != RANDOM or self.is_frozen

    @property
    def last(self) -> int | None:
        """How many blocks are trained; None: all of them."""
        return self.train.last if isinstance(self.train, LastBlocks) else None

    def description(self, *, channels: int, image_size: int) -> dict[str, Any]:
        """Arguments of `clinfonce.models.build_encoder`, for images of a size."""
        return {
            "name": self.name,
            "stem": self.stem,
            "width": self.width,
            "channels": channels,
            "image_size": self.image_size or image_size,
        }


class AdapterSpec(Spec):
    """A small network on a frozen encoder's features, whose output is probed."""

    hidden_dim: Dimensions = 512
    out_dim: Dimensions = 512
    layers: Few = 2  # linear layers; 1 = no hidden one
    # What is probed: the frozen features and the adapter's output side by side, its output alone,
    # or their sum.
    output: Literal["join", "replace", "add"] = "join"
    # Two views of an image are its features with noise of this many deviations of each feature,
    # and with this share of them left out, …
    noise: NonNegative = 0.5
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    # … drawn from the features of the image itself and of so many augmented copies.
    views: Annotated[int, Field(ge=0, le=1000)] = 0

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        check_size(self.hidden_dim, self.out_dim, self.layers)
        return self


class HeadSpec(Spec):
    """The projection head: a perceptron between the encoder and the objective."""

    hidden_dim: Dimensions = 256
    out_dim: Annotated[int, Field(ge=2, le=65_536)] = 64
    layers: Few = 2

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        check_size(self.hidden_dim, self.out_dim, self.layers)
        return self


def check_size(hidden_dim: int, out_dim: int, layers: int) -> None:
    """Refuse a perceptron that no memory holds."""
    weights = hidden_dim * (hidden_dim * max(0, layers - 2) + out_dim)
    if weights > MOST_NUMBERS:
        raise ValueError(
            f"hidden_dim {hidden_dim}, out_dim {out_dim} and layers {layers} make {weights:,} "
            f"weights; at most {MOST_NUMBERS:,} are built"
        )


class OptimizerSpec(Spec):
    """How the weights move; the learning rate warms up linearly, then follows a half cosine."""

    name: Literal["adamw", "sgd", "lars"] = "adamw"
    learning_rate: Positive = 3e-3
    head_learning_rate: Positive | None = None  # of the projection head; absent: the same
    weight_decay: NonNegative = 1e-4
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9  # of SGD and LARS
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of all steps
    clip_norm: Positive | None = None  # largest length of the gradient; absent: any
