"""The arithmetic of `clinfonce.augment`: batches of pixels and plain tensors of parameters.

Here m = images, v = 2m views, those of an image side by side, c = channels, (h, w) = size of an
image, (h', w') = size of a view.
Pixel i covers [i, i + 1) of [0, side): bilinear interpolation as `align_corners=False`.
"""

import functools
import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_NOISE_VALUES = 2**16


def centres(start: Tensor, extent: Tensor, size_in: int, size_out: int) -> Tensor:
    """Where the pixels of views lie along one axis of the images: (v, size_out), in pixels.

    View v shows the stretch from start[v] to start[v] + extent[v] of the image (fractions of the
    side; a negative extent mirrors). Beyond the image lies its edge.
    """
    place = (_numbers(size_out, start.device) + 0.5) / size_out
    found = torch.addcmul(start[:, None], extent[:, None], place).mul_(size_in).sub_(0.5)
    return found.clamp_(0, size_in - 1)


def widening(extent: Tensor, size_in: int, size_out: int) -> Tensor:
    """How many pixels of the image a pixel of each view covers along one axis: (v,), at least 1."""
    return (extent.abs() * (size_in / size_out)).clamp_(min=1)


def separable_weights(centre: Tensor, size_in: int, wide: Tensor | None) -> Tensor:
    """Weights (v, size_out, size_in) that resample one axis at `centres`; rows sum to 1.

    Bilinear. Where a view's pixel covers several of the image, the triangle is `widening` times as
    wide against aliasing (the filter of Pillow's BILINEAR); None = nowhere.
    """
    # Distances in pixels of the image.
    weights = (centre[:, :, None] - _numbers(size_in, centre.device)).abs_()
    if wide is None:
        return torch.rsub(weights, 1).relu_()
    weights.mul_(-1 / wide[:, None, None]).add_(1).relu_()
    return weights.div_(weights.sum(2, keepdim=True))


@functools.cache
def _numbers(count: int, device: torch.device) -> Tensor:
    """0.0, 1.0, … (count,)."""
    return torch.arange(count, device=device, dtype=torch.float32)


def blur(views: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blur views (v, c, h, w) by Gaussians of sigma[v] pixels, cut off at a radius in pixels.

    The views go on beyond their border as in a mirror. A sigma of 0 leaves a view as it is.
    """
    h, w = views.shape[2:]
    radius = min(radius, h - 1, w - 1)
    if views.device.type == "cpu":  # elsewhere, to ask which views would make the CPU wait
        chosen = sigma.nonzero()[:, 0]
        views[chosen] = _blur_by_sums(views[chosen], sigma[chosen], radius)
        return views
    return _blur_by_products(views, sigma, radius)


def _half_gaussian(sigma: Tensor, radius: int) -> Tensor:
    """Weights (v, radius + 1) at distance 0, 1, …; those of both sides together sum to 1."""
    distance = _numbers(radius + 1, sigma.device)
    weights = torch.exp(-(distance / sigma.clamp(min=1e-3)[:, None]).square() / 2)
    return weights / (2 * weights.sum(1, keepdim=True) - 1)


def _blur_by_products(views: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """More arithmetic than by sums, but each pixel is read twice alone: for a GPU."""
    half = _half_gaussian(sigma, radius)
    rows, columns = (_blur_weights(half, side) for side in views.shape[2:])
    x = torch.matmul(rows[:, None], views).flatten(1, 2)  # (v, c h, w)
    return torch.bmm(x, columns.transpose(1, 2)).view_as(views)


def _blur_weights(half: Tensor, side: int) -> Tensor:
    """Weights (v, side, side) that blur one axis; rows sum to 1."""
    radius = half.shape[1] - 1
    half = F.pad(half, (0, 1))  # nothing beyond the radius
    place = torch.arange(side, device=half.device)
    weights = half[:, (place[:, None] - place).abs_().clamp_(max=radius + 1)]
    near = place[:radius]
    mirrored = half[:, (near[:, None] + near + 1).clamp_(max=radius + 1)]
    weights[:, :radius, 1 : radius + 1] += mirrored
    weights[:, side - radius :, side - radius - 1 : side - 1] += mirrored.flip(1, 2)
    return weights


def _blur_by_sums(views: Tensor, sigma: Tensor, radius: int) -> Tensor:
    h, w = views.shape[2:]
    half = _half_gaussian(sigma, radius)
    weights = torch.cat((half.flip(1), half[:, 1:]), 1)[:, :, None, None, None].unbind(1)
    x = F.pad(views, [radius] * 4, mode="reflect")
    y = x[:, :, :h] * weights[0]
    for i, weight in enumerate(weights[1:], start=1):
        y.addcmul_(x[:, :, i : i + h], weight)
    z = y[..., :w] * weights[0]
    for i, weight in enumerate(weights[1:], start=1):
        z.addcmul_(y[..., i : i + w], weight)
    return z


def apply_separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Multiply images (m, c, h, w) by rows (v, h', h) and columns (v, w', w): (v, c, h', w')."""
    m, c, h, w = images.shape
    v, height, width = len(rows), rows.shape[1], columns.shape[1]
    # One product serves all channels, and both views, when the contracted axis is in front.
    x = images.transpose(1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    x = torch.bmm(rows.view(m, -1, h), x.view(m, h, c * w)).view(v, height * c, w)
    x = torch.bmm(x, columns.transpose(1, 2)).view(v, height, c, width)
    return x.transpose(1, 2).contiguous()


def inverse_affine(
    angle: Tensor, shear_x: Tensor, shear_y: Tensor, zoom: Tensor, shift: Tensor, aspect: float
) -> Tensor:
    """The map (v, 2, 3) from places in a view to places before rotation, shear, zoom and shift.

    Places are in [-1, 1] on both axes. Angles are in radians, with the signs and the order of
    `torchvision.transforms.v2.functional.affine`; shift (v, 2) is in shares of the side; aspect is
    width : height.
    """
    lean = torch.cos(angle - shear_y) / torch.cos(shear_y)
    rise = torch.sin(angle - shear_y) / torch.cos(shear_y)
    a, b = lean, -lean * torch.tan(shear_x) - torch.sin(angle)
    c, d = rise, -rise * torch.tan(shear_x) + torch.cos(angle)
    linear = torch.stack((d, -b / aspect, -c * aspect, a), 1).view(-1, 2, 2)  # a d - b c = 1
    linear = linear / zoom[:, None, None]
    return torch.cat((linear, -2 * linear @ shift[:, :, None]), 2)


def apply_grid(images: Tensor, maps: Tensor, height: int, width: int, fill: str) -> Tensor:
    """Sample images (m, c, h, w) through maps (v, 2, 3): (v, c, height, width)."""
    x = images.to(torch.float32).repeat_interleave(2, 0)
    shape = [len(maps), images.shape[1], height, width]
    grid = F.affine_grid(maps, shape, align_corners=False)
    padding = {"edge": "border", "black": "zeros"}[fill]
    return F.grid_sample(x, grid, "bilinear", padding, align_corners=False)


@functools.cache
def _colour_bases(device: torch.device) -> Tensor:
    """Three 3 × 3 maps, flattened (3, 9): luma, colour, colour after a quarter turn."""
    identity = torch.eye(3, dtype=torch.float64)
    luma = torch.tensor(_LUMA, dtype=torch.float64).repeat(3, 1)
    # The cross product with the grey axis, from red towards green; then the luma of before.
    about_grey = (identity.roll(1, 0) - identity.roll(-1, 0)) / math.sqrt(3)
    turned = (identity - luma) @ about_grey
    return torch.stack((luma, identity - luma, turned)).flatten(1).float().to(device)


def colour_matrix(gain: Tensor, saturation: Tensor, hue: Tensor, channels: int) -> Tensor:
    """What multiplies the channels: (v, 3, 3), or (v, 1, 1) where there are not three.

    Gain and saturation are factors, hue is in turns, all (v,). Other than three channels have
    neither saturation nor hue.
    """
    if channels != 3:
        return gain[:, None, None]
    turn = 2 * math.pi * hue
    parts = (torch.ones_like(hue), saturation * torch.cos(turn), saturation * torch.sin(turn))
    matrix = gain[:, None] * torch.stack(parts, 1) @ _colour_bases(gain.device)
    return matrix.view(-1, 3, 3)


@functools.cache
def luma_weights(channels: int, device: torch.device) -> Tensor:
    """What each channel adds to the luma (c,); of other than three channels it is their mean."""
    weights = _LUMA if channels == 3 else (1 / channels,) * channels
    return torch.tensor(weights, device=device)


def change_colour(views: Tensor, matrix: Tensor, lift: Tensor, offset: float) -> Tensor:
    """Multiply the channels of views (v, c, h, w), add lift[v] · their means, less an offset.

    `lift` (v, c) is what is added of the mean of each channel, to all channels.
    """
    v, c, h, w = views.shape
    flat = views.view(v, c, h * w)
    bias = torch.bmm(lift[:, None], flat.mean(2, keepdim=True)).sub_(offset)  # (v, 1, 1)
    if c == 3:
        return torch.baddbmm(bias, matrix, flat).view_as(views)
    return torch.addcmul(bias, flat, matrix).view_as(views)


@functools.cache
def _noise_table(length: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(_NOISE_VALUES + length, generator=generator).to(device)


def add_noise(views: Tensor, deviation: Tensor, start: Tensor) -> None:
    """Add Gaussian noise to views (v, c, h, w) in place.

    Each view reads one stretch of a fixed table of normal numbers, from the place start in [0, 1),
    so that its noise depends on its own parameters alone, on every device.
    """
    length = views[0].numel()
    table = _noise_table(length, views.device)
    first = (start * _NOISE_VALUES).long().clamp_(max=_NOISE_VALUES - 1)
    noise = table.unfold(0, length, 1)[first].view_as(views)
    views.addcmul_(noise, deviation[:, None, None, None])


def erase_boxes(views: Tensor, boxes: Tensor, value: float) -> None:
    """Fill boxes (v, 4: left, top, width, height; fractions of the side) of views in place."""
    _, _, h, w = views.shape
    left, top, width, height = boxes[:, :, None].unbind(1)  # (v, 1) each
    x = (torch.arange(w, device=views.device) + 0.5) / w
    y = (torch.arange(h, device=views.device) + 0.5) / h
    columns, rows = (x >= left) & (x < left + width), (y >= top) & (y < top + height)
    views.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], value)
