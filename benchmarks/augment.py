"""Views per second of `clinfonce.augment` beside torchvision, image by image, and kornia.

    python benchmarks/augment.py --out benchmarks/results/augment.csv

All draw the policy `paper` or `simclr` on uint8 RGB images, on one thread, and end with float32 in
[-1, 1]. torchvision works on PIL images, the way most training code does, since on tensors it draws
one set of numbers for a whole batch. The contestants take turns; each time is the best of the
repetitions in CPU seconds, and a ratio is that of the best times.
"""

import argparse
import os
import platform
import time
import warnings
from pathlib import Path

import torch
from common import write_rows
from torch import Tensor

from clinfonce.augment import POLICIES, Policy, two_views
from clinfonce.torchvision_import import import_torchvision

SIZES = {28: 512, 32: 512, 64: 256, 96: 128, 224: 32}  # side in pixels: images of a batch
SLOW = 16  # images that torchvision does


def by_torchvision(policy: Policy, size: int):
    import_torchvision()
    from torchvision import transforms as tv

    jitter = tv.ColorJitter(policy.brightness, policy.contrast, policy.saturation, policy.hue)
    blur = tv.GaussianBlur(int(0.1 * size) // 2 * 2 + 1, (0.1, 2.0))
    view = tv.Compose(
        [
            tv.RandomResizedCrop(size, policy.crop_area),
            tv.RandomHorizontalFlip(policy.flip),
            tv.RandomApply([jitter], policy.jitter),
            tv.RandomGrayscale(policy.grey),
            *([tv.RandomApply([blur], policy.blur)] if blurs(policy, size) else []),
            tv.ToTensor(),
            tv.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    to_pil = tv.ToPILImage()

    def two(images: Tensor) -> Tensor:
        # The files of a data set come as PIL images, so making them is not timed.
        return torch.stack([view(image) for _ in range(2) for image in pil[: len(images)]])

    pil = [to_pil(image) for image in random_images(SLOW, size)]
    return two


def by_kornia(policy: Policy, size: int):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kornia.augmentation as ka

    jitter = (policy.brightness, policy.contrast, policy.saturation, policy.hue)
    blur = ka.RandomGaussianBlur((int(0.1 * size) // 2 * 2 + 1,) * 2, (0.1, 2.0), p=policy.blur)
    view = ka.AugmentationSequential(
        ka.RandomResizedCrop((size, size), policy.crop_area),
        ka.RandomHorizontalFlip(p=policy.flip),
        ka.ColorJitter(*jitter, p=policy.jitter),
        ka.RandomGrayscale(p=policy.grey),
        *([blur] if blurs(policy, size) else []),
    )

    def two(images: Tensor) -> Tensor:
        pixels = images.float() / 255
        return torch.cat((view(pixels), view(pixels))) * 2 - 1

    return two


def blurs(policy: Policy, size: int) -> bool:
    """Whether `Policy.apply` blurs views of a size; only then do the others."""
    return policy.blur > 0 and policy.blur_sigma[1] * size >= 0.3


def random_images(n: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=generator)


def compare(name: str, size: int, repetitions: int) -> dict[str, object]:
    policy, images = POLICIES[name], random_images(SIZES[size], size)
    generator = torch.Generator().manual_seed(0)
    contestants = {
        "clinfonce": (lambda x: two_views(x, policy, generator), images),
        "torchvision": (by_torchvision(policy, size), images[:SLOW]),
        "kornia": (by_kornia(policy, size), images),
    }
    best = dict.fromkeys(contestants, float("inf"))  # CPU seconds a view
    for _ in range(repetitions):
        for contestant, (function, batch) in contestants.items():
            start = time.process_time()
            function(batch)
            best[contestant] = min(
                best[contestant], (time.process_time() - start) / (2 * len(batch))
            )
    row: dict[str, object] = {"policy": name, "pixels": size, "batch": len(images)}
    row |= {f"{each}_views_per_s": round(1 / seconds) for each, seconds in best.items()}
    for other in ("torchvision", "kornia"):
        row[f"{other}_ratio"] = round(best[other] / best["clinfonce"], 1)
    return row


def machine() -> dict[str, object]:
    import kornia
    import PIL

    torchvision = import_torchvision()
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "cpu": f"{cpu}, {os.cpu_count()} cores, 1 thread",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "pillow": PIL.__version__,
        "kornia": kornia.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/augment.csv"))
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--repetitions", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    about = machine()
    rows = []
    for name in ("paper", "simclr"):
        for size in arguments.sizes:
            rows.append(compare(name, size, arguments.repetitions) | about)
            print({k: v for k, v in rows[-1].items() if k not in about}, flush=True)
    write_rows(arguments.out, rows)


if __name__ == "__main__":
    main()
