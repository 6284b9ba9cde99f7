"""Pretrained encoders on one GPU: frozen features, fine-tuning in part and whole; under 8 minutes.

    python benchmarks/gpu_pretrained.py --out benchmarks/results/gpu_pretrained.csv

Needs PyTorch, NumPy, timm and this package's folder alone. "features" is the forward pass of uint8
images on the device, normalised, under bfloat16 autocast, as cached features are made. "all" and
"last 2" are training steps of two views an image: views, encoder and projection head, Cl-InfoNCE,
the optimiser; what is frozen needs no gradient. Rates are of images, with nothing waiting in
between. The share is the operations that were done, counted by PyTorch, over what the device does
in a large bfloat16 product. Weights are random: speed does not know them.
"""

import argparse
from pathlib import Path

import torch
from gpu import DEVICE, ON_GPU, matrix_rate, peak_mib, seconds
from torch.utils.flop_counter import FlopCounterMode

from clinfonce.augment import Policy, normalize
from clinfonce.losses import cl_infonce
from clinfonce.models import ProjectionHead, build_encoder
from clinfonce.training.model import ContrastiveModel, freeze

SIDE, BATCH = (224, 256) if ON_GPU else (32, 4)
NAME, CLUSTER = "vit_s16", 4


def encoder(last):
    torch.manual_seed(0)
    network = build_encoder(NAME, channels=3, image_size=SIDE)
    freeze(network, last, epoch=0, freeze_epochs=0)
    return network.to(DEVICE)


def pixels():
    return torch.randint(0, 256, (BATCH, 3, SIDE, SIDE), dtype=torch.uint8).to(DEVICE)


def operations(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def features():
    network, images = encoder(None).eval(), pixels()

    @torch.no_grad()
    def work():
        with torch.autocast(DEVICE.type, torch.bfloat16):
            return network(normalize(images)).float()

    return work


def fine_tuning(last):
    model = ContrastiveModel(encoder(last), ProjectionHead(384, 2048, 128).to(DEVICE))
    moving = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(moving, lr=1e-4, fused=True)
    policy, images = Policy.named("simclr"), pixels()
    generator = torch.Generator().manual_seed(0)
    clusters = (torch.arange(BATCH) // CLUSTER).repeat(2).to(DEVICE)
    model.train_unfrozen()

    def work():
        views = policy.apply(images, policy.sample(BATCH, generator))
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            embeddings = model(views)
        loss = cl_infonce(embeddings, clusters, temperature=0.1, check=False)
        loss.backward()
        optimizer.step()

    return work


def measure(what, work, rate, repetitions):
    taken = seconds(work, repetitions)
    done = operations(work)
    memory = peak_mib(work)
    return {
        "what": what, "encoder": NAME, "pixels": SIDE, "batch": BATCH,
        "images_per_s": round(BATCH / taken, 1),
        "operations_share": round(done / taken / 1e12 / rate, 3),
        "peak_mib": None if memory is None else round(memory),
    }  # fmt: skip


def main():
    from common import write_rows

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu_pretrained.csv"))
    options = parser.parse_args()
    device = torch.cuda.get_device_name() if ON_GPU else "cpu"
    rate, repetitions = matrix_rate(), 20 if ON_GPU else 2
    works = {"features": features, "all": lambda: fine_tuning(None),
             "last 2": lambda: fine_tuning(2)}  # fmt: skip
    rows = []
    for what, make in works.items():
        found = measure(what, make(), rate, repetitions)
        rows.append(found | {"device": device, "torch": torch.__version__})
        print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
