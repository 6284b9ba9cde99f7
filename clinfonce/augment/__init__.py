"""Batched two-view augmentation of uint8 images, on the device they are on.

A `Policy` says what may happen to an image. `Policy.sample` draws what does happen to each image of
a global batch, on the CPU and cheaply; `Policy.apply` is a pure function of images and those
parameters. So a worker that applies only its rows gets the views that one process would get.

Geometry (crop, flip, rotation, shear, zoom, shift) is one affine map and one bilinear
interpolation. Without rotation and shear the map is separable, V = R X C, and two batched matrix
products beat a sampling grid up to about 96 pixels. Colour is one affine map of the channels:
brightness b, contrast c, saturation s, hue h and grey (s = 0) make of the view V

    b · (c · (luma(V) + s · turn_h(V - luma(V))) + (1 - c) · mean(luma(V))).

Nothing is clamped in between, so these five commute and no order of them has to be drawn. The hue
turns about the grey axis in the plane of constant luma: the angle is that of HSV nearly, but HSV
keeps the largest channel in place of the luma, which is no affine map.
"""

from clinfonce.augment.parameters import Parameters
from clinfonce.augment.policy import POLICIES, Policy
from clinfonce.augment.scaling import MEAN, STD, normalize
from clinfonce.augment.sheet import contact_sheet
from clinfonce.augment.views import two_views

__all__ = [
    "MEAN",
    "POLICIES",
    "STD",
    "Parameters",
    "Policy",
    "contact_sheet",
    "normalize",
    "two_views",
]
