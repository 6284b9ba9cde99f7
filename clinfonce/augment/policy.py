"""Policies: what may happen to an image, how it is drawn, and how it is applied."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from clinfonce.augment import pixels
from clinfonce.augment.parameters import ATTEMPTS, COLUMN, COLUMNS, Parameters, maps, stretches
from clinfonce.augment.scaling import OFFSET, SCALE, STD, check_images
from clinfonce.errors import InputError

_SEPARABLE_UP_TO = 96  # pixels; measured on one CPU core: above, a sampling grid is faster
# Values of the images that are worked on at a time: on the CPU about a cache full, enough to hide
# the cost of starting operations; on a GPU only memory counts.
_CHUNK_VALUES = {"cpu": 2**17, "cuda": 2**26}
_SMALLEST_BLUR = 0.3  # pixels; a weaker Gaussian gives its neighbours under half a percent

_CHANCES = ("flip", "jitter", "grey", "blur", "solarise", "erase")
_COLOURS = ("brightness", "contrast", "saturation", "hue")
# A factor of 1 and a turn of 0 change no colour.
_UNCHANGED = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What may happen to a view. With its default a field changes nothing.

    Two numbers are the ends of a uniform distribution. Raises `InputError` on construction if a
    value is out of its range.
    """

    crop_area: tuple[float, float] = (1.0, 1.0)
    """Area of the crop as a share of the image's; (1, 1) = no crop, whatever its ratio."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Width : height of the crop in pixels, log-uniform; the crop is resized to the view."""
    flip: float = 0.0
    """Probability of a mirror image, left for right."""
    vertical_flip: float = 0.0
    """Probability of one upside down: with `flip`, all orientations that halves of a turn have."""
    rotation: float = 0.0
    """Largest angle either way, in degrees."""
    shear: float = 0.0
    """Largest angle of shear either way along either axis, in degrees."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Magnification about the centre."""
    shift: float = 0.0
    """Largest translation either way along either axis, as a share of the side."""
    fill: Literal["edge", "black"] = "edge"
    """What lies outside the image: its nearest pixel, or black."""
    jitter: float = 0.0
    """Probability that brightness, contrast, saturation and hue change, all or none."""
    brightness: float = 0.0
    """The factor is 1 ± this, but not below 0; so are those of contrast and saturation."""
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    """Largest turn of the colour circle either way, as a share of a full turn."""
    grey: float = 0.0
    """Probability that all colour goes; needs three channels, as saturation and hue do."""
    blur: float = 0.0
    """Probability of a Gaussian blur."""
    blur_sigma: tuple[float, float] = (0.1 / 224, 2 / 224)
    """Its standard deviation as a share of the view's longer side (SimCLR: 0.1–2 of 224 px).

    So small views are hardly blurred, as SimCLR did without blur on CIFAR-10 (Chen et al. 2020,
    appendix B.9). Below 0.3 pixels nothing is done.
    """
    solarise: float = 0.0
    """Probability that values above one half are inverted (BYOL, Grill et al. 2020)."""
    noise: float = 0.0
    """Largest standard deviation of Gaussian noise on the pixels, whose range is 1."""
    erase: float = 0.0
    """Probability that a box turns mid-grey (random erasing, Zhong et al. 2017)."""
    erase_area: tuple[float, float] = (0.02, 0.33)
    """Area of that box as a share of the view's; its width : height is 3/10 to 10/3."""
    image_size: int | None = None
    """Side of the views in pixels; None = that of the images."""

    def __post_init__(self) -> None:
        chances = {n: 0 <= getattr(self, n) <= 1 for n in (*_CHANCES, "vertical_flip")}
        self._check(chances, "a probability between 0 and 1")
        amounts = ("brightness", "contrast", "saturation", "noise")
        self._check({name: 0 <= getattr(self, name) < math.inf for name in amounts}, "0 or more")
        for name in ("crop_area", "crop_ratio", "zoom", "blur_sigma", "erase_area"):
            low, high = getattr(self, name)
            top = 1 if name.endswith("area") else math.inf
            self._check({name: 0 < low <= high <= top}, f"(low, high), 0 < low <= high <= {top}")
        self._check({"rotation": 0 <= self.rotation <= 180}, "0 to 180 degrees")
        self._check({"shear": 0 <= self.shear <= 80}, "0 to 80 degrees")
        self._check({"shift": 0 <= self.shift <= 1}, "a share of the side between 0 and 1")
        self._check({"hue": 0 <= self.hue <= 0.5}, "a share of a turn between 0 and 0.5")
        self._check({"fill": self.fill in ("edge", "black")}, "edge, black")
        size = self.image_size
        self._check({"image_size": size is None or size >= 1}, "None or 1 and more")

    def _check(self, is_right: dict[str, bool], allowed: str) -> None:
        for name in (name for name, right in is_right.items() if not right):
            raise InputError(f"augmentation {name} is {getattr(self, name)!r}; allowed: {allowed}")

    @staticmethod
    def named(name: str) -> "Policy":
        """Return a policy of `POLICIES`; `InputError` lists their names."""
        if name not in POLICIES:
            raise InputError(f"unknown augmentation {name!r}; known are {', '.join(POLICIES)}")
        return POLICIES[name]

    @staticmethod
    def changed(name: str, changes: Mapping[str, Any]) -> "Policy":
        """Return a policy of `POLICIES` with some fields changed.

        Args:
            name: of the policy.
            changes: by field; `rotate` is the rotation, and `colour` a factor of the strength of
                brightness, contrast, saturation and hue and of the probability of grey; 0 is no
                change of colour at all.

        Raises:
            InputError: no such policy, or a value out of its range.
        """
        policy, given = Policy.named(name), dict(changes)
        if "rotate" in given:
            given["rotation"] = given.pop("rotate")
        strength = given.pop("colour", 1.0)
        if strength != 1.0:
            given = policy._coloured(strength) | given
        return replace(policy, **given)

    def _coloured(self, strength: float) -> dict[str, Any]:
        """Fields of as many times the change of colour; 0 is none."""
        if strength == 0:
            return dict.fromkeys((*_COLOURS, "jitter", "grey"), 0.0)
        fields = {name: strength * getattr(self, name) for name in _COLOURS}
        return fields | {"hue": min(0.5, fields["hue"]), "grey": min(1.0, strength * self.grey)}

    def sample(self, n: int, generator: torch.Generator) -> Parameters:
        """Draw what happens to both views of n images, from a generator on the CPU.

        The random numbers taken depend on n alone: policies that share a field share its draws.
        """
        if n < 1:
            raise InputError(f"a batch has {n} images; it needs 1 or more")
        drawn = len(COLUMNS) - 1  # all but vertical_flip
        u = torch.rand(2, n, drawn + len(_CHANCES), generator=generator)
        low, high = torch.tensor(self._ranges()).T
        values = torch.empty(2, n, len(COLUMNS))
        values[..., :drawn] = u[..., :drawn] * (high - low) + low
        chances = u[..., drawn:] < torch.tensor([getattr(self, x) for x in _CHANCES])
        happens = dict(zip(_CHANCES, chances.unbind(-1), strict=True))
        for name in ("blur", "solarise", "erase_area"):
            values[..., COLUMN[name]] *= happens[name.removesuffix("_area")]
        values[..., COLUMN["flip"]] = 1 - 2 * happens["flip"].float()
        for name, unchanged in _UNCHANGED.items():
            values[..., COLUMN[name]].masked_fill_(~happens["jitter"], unchanged)
        values[..., COLUMN["saturation"]].masked_fill_(happens["grey"], 0.0)
        values[..., COLUMN["vertical_flip"]] = 1.0
        if self.vertical_flip:  # drawn last, so that it leaves the other draws as they are
            upside_down = torch.rand(2, n, generator=generator) < self.vertical_flip
            values[..., COLUMN["vertical_flip"]] = 1 - 2 * upside_down.float()
        return Parameters(values)

    def _ranges(self) -> list[tuple[float, float]]:
        """The ends of each column's uniform distribution, were it always to happen."""

        def around(centre: float, width: float) -> tuple[float, float]:
            return max(0.0, centre - width) if centre else -width, centre + width

        low, high = self.crop_ratio if self._crops else (1.0, 1.0)
        given = {
            **{f"crop_area_{i}": self.crop_area for i in range(ATTEMPTS)},
            **{f"crop_log_ratio_{i}": (math.log(low), math.log(high)) for i in range(ATTEMPTS)},
            "angle": around(0, math.radians(self.rotation)),
            "zoom": self.zoom,
            **{f"shear_{axis}": around(0, math.radians(self.shear)) for axis in "xy"},
            **{f"shift_{axis}": around(0, self.shift) for axis in "xy"},
            **{x: around(1, getattr(self, x)) for x in ("brightness", "contrast", "saturation")},
            "hue": around(0, self.hue),
            "blur": self.blur_sigma,
            "solarise": (1.0, 1.0),
            "noise": (0.0, self.noise),
            "erase_area": self.erase_area,
            "erase_log_ratio": around(0, math.log(10 / 3)),
        }
        return [given.get(name, (0.0, 1.0)) for name in COLUMNS[:-1]]

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Return the views of images that the parameters describe.

        Args:
            images: uint8 (n, c, h, w), on any device; only read.
            parameters: of these n images, from `sample` and perhaps `select`.

        Returns:
            float32 (2n, c, h', w') on the images' device, in [-1, 1] (see `normalize`): all first
            views, then all second views.

        Raises:
            InputError: images of another dtype or shape, no images, or parameters of another
                number of images.
        """
        n, c, h, w = check_images(images)
        if len(parameters) != n:
            raise InputError(f"got {n} images and augmentation parameters of {len(parameters)}")
        height, width = (h, w) if self.image_size is None else (self.image_size, self.image_size)
        views = torch.empty((2, n, c, height, width), device=images.device)
        plan = self._plan(parameters.to(images.device), images.shape, height, width)
        plan = {name: _by_image(x) for name, x in plan.items()}
        values = _CHUNK_VALUES["cpu" if images.device.type == "cpu" else "cuda"]
        chunk = max(1, values // (c * max(h * w, height * width)))
        for rows in (slice(i, i + chunk) for i in range(0, n, chunk)):
            part = {name: x[2 * rows.start : 2 * rows.stop] for name, x in plan.items()}
            x = self._colour(self._move(images[rows], part, height, width), part)
            place = views[:, rows].transpose(0, 1)
            torch.clamp(x.view_as(place), -1, 1, out=place)
        return views.flatten(0, 1)

    def _plan(self, p: Parameters, shape: torch.Size, height: int, width: int) -> dict[str, Tensor]:
        """Everything (2n, …) that the pixels' arithmetic needs, stages that do nothing left out."""
        _, channels, h, w = shape
        plan: dict[str, Tensor] = {}
        moves = any((self.flip, self.vertical_flip, self.rotation, self.shear, self.shift))
        moves = moves or self.zoom != (1.0, 1.0)
        if self._crops or moves or (height, width) != (h, w):
            boxes = p.crop_boxes(h, w, self.crop_ratio) if self._crops else p.whole_images()
            if self._is_separable(h, w, height, width):
                left, top, across, down = stretches(p, boxes).unbind(1)
                plan["rows"] = pixels.centres(top, down, h, height)
                plan["columns"] = pixels.centres(left, across, w, width)
                if self._shrinks(h, w, height, width):
                    plan["rows_wide"] = pixels.widening(down, h, height)
                    plan["columns_wide"] = pixels.widening(across, w, width)
            else:
                plan["maps"] = maps(p, boxes, width / height)
        if self._largest_blur(height, width) >= _SMALLEST_BLUR:
            plan["sigma"] = p["blur"] * max(height, width)
        if self.jitter or self.grey:
            gain = p["brightness"] * p["contrast"] * SCALE
            lift = p["brightness"] * (1 - p["contrast"]) * SCALE
            plan["lift"] = lift[:, None] * pixels.luma_weights(channels, lift.device)
            plan["matrix"] = pixels.colour_matrix(gain, p["saturation"], p["hue"], channels)
        if self.solarise:
            plan["solarise"] = p["solarise"] > 0
        if self.noise:
            plan["noise"], plan["noise_start"] = p["noise"] / STD, p["noise_start"]
        if self.erase:
            plan["erase"] = p.erase_boxes()
        return plan

    @property
    def _crops(self) -> bool:
        return self.crop_area != (1.0, 1.0)

    def _largest_blur(self, height: int, width: int) -> float:
        return self.blur_sigma[1] * max(height, width) if self.blur else 0.0

    def _is_separable(self, h: int, w: int, height: int, width: int) -> bool:
        if self.rotation or self.shear or self.fill == "black":
            return False
        return max(height, width) <= _SEPARABLE_UP_TO or self._shrinks(h, w, height, width)

    def _shrinks(self, h: int, w: int, height: int, width: int) -> bool:
        return height < h or width < w or self.zoom[0] < 1

    def _move(self, images: Tensor, plan: dict[str, Tensor], height: int, width: int) -> Tensor:
        """Crop, flip, rotate, shear, zoom, shift and blur: float32 (2m, c, h', w') in [0, 255].

        Here and in what follows the two views of an image stand side by side.
        """
        h, w = images.shape[2:]
        if "rows" in plan:
            rows = pixels.separable_weights(plan["rows"], h, plan.get("rows_wide"))
            columns = pixels.separable_weights(plan["columns"], w, plan.get("columns_wide"))
            x = pixels.apply_separable(images, rows, columns)
        elif "maps" in plan:
            x = pixels.apply_grid(images, plan["maps"], height, width, self.fill)
        else:
            x = images.float().repeat_interleave(2, 0)
        if "sigma" not in plan:
            return x
        return pixels.blur(x, plan["sigma"], math.ceil(3 * self._largest_blur(height, width)))

    def _colour(self, x: Tensor, plan: dict[str, Tensor]) -> Tensor:
        """Change colours, solarise, add noise, erase: float32 (2m, c, h', w'), not yet clamped."""
        if "matrix" in plan:
            x = pixels.change_colour(x, plan["matrix"], plan["lift"], OFFSET)
        else:
            x = x.mul_(SCALE).sub_(OFFSET)
        if "solarise" in plan:
            x = torch.where((x > 0) & plan["solarise"][:, None, None, None], -x, x)
        if "noise" in plan:
            pixels.add_noise(x, plan["noise"], plan["noise_start"])
        if "erase" in plan:
            pixels.erase_boxes(x, plan["erase"], 0.0)
        return x


def _by_image(parameter: Tensor) -> Tensor:
    """Of first views, then second views (2n, …): those of each image side by side (2n, …)."""
    return parameter.view(2, -1, *parameter.shape[1:]).transpose(0, 1).flatten(0, 1)


def _photographs(smallest_crop: float, colour: float, blur: float) -> Policy:
    """The augmentations of SimCLR (Chen et al. 2020, appendix A), of a strength of colour."""
    return Policy(
        crop_area=(smallest_crop, 1.0),
        flip=0.5,
        jitter=0.8,
        brightness=0.8 * colour,
        contrast=0.8 * colour,
        saturation=0.8 * colour,
        hue=0.2 * colour,
        grey=0.2,
        blur=blur,
    )


POLICIES = {
    "none": Policy(),
    # As on ImageNet.
    "simclr": _photographs(0.08, colour=1.0, blur=0.5),
    # Chen et al. 2020 (MoCo v2), the configuration --aug-plus of the authors' code.
    "moco-v2": _photographs(0.2, colour=0.5, blur=0.5),
    # Tsai et al. 2021 (Cl-InfoNCE), by the re-run BPYap/CLRC: no blur.
    "paper": _photographs(0.4, colour=0.5, blur=0.0),
    # Small grey glyphs on black. A mirror image would be another glyph; a pixel of 8 is a lot.
    "digits": Policy(
        rotation=15.0,
        shear=10.0,
        zoom=(0.85, 1.15),
        shift=0.125,
        fill="black",
        jitter=0.8,
        brightness=0.3,
        contrast=0.3,
        noise=0.05,
    ),
}
