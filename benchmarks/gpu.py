"""How fast pretraining is on one GPU, and where the time goes; one call, under 8 minutes.

    python benchmarks/gpu.py --out benchmarks/results/gpu.csv

Needs PyTorch and this package's folder alone: neither Ray nor the readers of specifications. A
training step is what the loop does: uint8 images on the device, two views, encoder and projection
head under bfloat16 autocast, Cl-InfoNCE in float32, the optimiser. Rates are of images (two views
each) with nothing waiting between steps; phases are timed one after another with the device
drained in between, so their sum is somewhat more than a step. The share is operations of the
encoder, forward and backward, over what the device does in a large bfloat16 product. The dense
loss is Eq. 2 of Khosla et al. 2020 as in the authors' code. On a CPU the sizes are small, and the
figures only show that everything runs.
"""

import argparse
import csv
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent.parent))

from clinfonce.augment import Policy
from clinfonce.losses import cl_infonce
from clinfonce.models import ProjectionHead, build_encoder

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ON_GPU = DEVICE.type == "cuda"
CLUSTER, DIM, TEMPERATURE, DENSE_MATRICES = 8, 128, 0.1, 14

# encoder, pixels, stem, images a batch; a batch of 256 images is 512 views
MODELS = [
    ("resnet18", 32, "small", 256),
    ("resnet18", 32, "small", 1024),
    ("resnet50", 224, "large", 256),
    ("vit_s16", 224, None, 256),
]
SMALL_MODELS = [("resnet18", 32, "large", 4), ("vit_s16", 32, None, 4)]
EMBEDDINGS = [4096, 16384, 65536, 262144] if ON_GPU else [256, 1024]


def drained() -> float:
    if ON_GPU:
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(work: Callable[[], object], repetitions: int) -> float:
    """Median wall time, each repetition drained, after one that is not counted."""
    work()
    taken = []
    for _ in range(repetitions):
        start = drained()
        work()
        taken.append(drained() - start)
    return statistics.median(taken)


def peak_mib(work: Callable[[], object]) -> float | None:
    """What the device's memory grows by at most."""
    if not ON_GPU:
        return None
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def matrix_rate() -> float:
    """Operations a second of a bfloat16 product, in 1e12."""
    n = 8192 if ON_GPU else 512
    a, b = (torch.randn(n, n, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    return 2 * n**3 / seconds(lambda: a @ b, 20 if ON_GPU else 3) / 1e12


class Step:
    """One training step in its phases."""

    def __init__(self, name: str, side: int, stem: str | None, batch: int, compiled: bool) -> None:
        torch.manual_seed(0)
        encoder = build_encoder(name, channels=3, image_size=side, stem=stem)
        head = ProjectionHead(encoder.feature_dim, 2048, DIM)
        self.parts = torch.nn.Sequential(encoder, head).to(DEVICE)
        self.model = torch.compile(self.parts) if compiled else self.parts
        self.policy, self.batch, self.side = Policy.named("simclr"), batch, side
        self.images = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8).to(DEVICE)
        self.clusters = (torch.arange(batch) // CLUSTER).repeat(2).to(DEVICE)
        self.generator = torch.Generator().manual_seed(0)
        self.optimizer = torch.optim.SGD(
            self.parts.parameters(), lr=0.01, momentum=0.9, nesterov=True, fused=ON_GPU or None
        )

    def augment(self) -> Tensor:
        return self.policy.apply(self.images, self.policy.sample(self.batch, self.generator))

    def forward(self, views: Tensor) -> Tensor:
        with torch.autocast(DEVICE.type, torch.bfloat16):
            return self.model(views)

    def loss(self, z: Tensor) -> Tensor:
        return cl_infonce(z, self.clusters, temperature=TEMPERATURE, check=False)

    def __call__(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.forward(self.augment())).backward()
        self.optimizer.step()

    def images_per_second(self, steps: int) -> float:
        for _ in range(3 if ON_GPU else 1):
            self()
        start = drained()
        for _ in range(steps):
            self()
        return steps * self.batch / (drained() - start)

    def phases(self, repetitions: int) -> dict[str, float]:
        """Milliseconds of each."""
        taken: dict[str, list[float]] = {}
        for _ in range(repetitions):
            self.optimizer.zero_grad(set_to_none=True)
            marks = [drained()]
            views = self.augment()
            marks.append(drained())
            outputs = self.forward(views)
            marks.append(drained())
            z = outputs.detach().requires_grad_()
            self.loss(z).backward()
            marks.append(drained())
            outputs.backward(z.grad)
            marks.append(drained())
            self.optimizer.step()
            marks.append(drained())
            for i, phase in enumerate(("augment", "forward", "loss", "backward", "optimizer")):
                taken.setdefault(phase, []).append(1000 * (marks[i + 1] - marks[i]))
        return {f"{phase}_ms": statistics.median(each) for phase, each in taken.items()}

    def operations_per_image(self) -> float:
        """Multiplications and additions of two views, forward and backward."""
        views = torch.randn(2, 3, self.side, self.side, device=DEVICE)
        with FlopCounterMode(display=False) as counter:
            self.parts[0](views).sum().backward()
        return counter.get_total_flops()


def training_row(model: tuple, compiled: bool, rate: float, quick: bool) -> dict[str, object]:
    name, side, stem, batch = model
    step = Step(name, side, stem, batch, compiled)
    speed = step.images_per_second(20 if ON_GPU and not quick else 1)
    row: dict[str, object] = {
        "what": "step",
        "name": name,
        "compiled": compiled,
        "pixels": side,
        "stem": stem,
        "batch": batch,
        "images_per_s": round(speed, 1),
        "peak_mib": peak_mib(step),
        **{k: round(v, 3) for k, v in step.phases(10 if ON_GPU and not quick else 1).items()},
    }
    return {**row, "share_of_matrix_rate": step.operations_per_image() * speed / 1e12 / rate}


def supcontrast(z: Tensor, clusters: Tensor) -> Tensor:
    n = len(z)
    others = 1 - torch.eye(n, device=z.device)
    positives = (clusters[:, None] == clusters).float() * others
    s = z @ z.T / TEMPERATURE
    s = s - s.max(1, keepdim=True).values.detach()
    log_probability = s - (s.exp() * others).sum(1, keepdim=True).log()
    return -((positives * log_probability).sum(1) / positives.sum(1)).mean()


def loss_row(n: int, name: str, function: Callable[[Tensor, Tensor], Tensor]) -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=1).to(DEVICE)
    clusters = (torch.arange(n // 2) // (CLUSTER // 2)).repeat(2).to(DEVICE)

    def work() -> None:
        function(z.clone().requires_grad_(), clusters).backward()

    memory = peak_mib(work)
    taken = seconds(work, 3 if n > 20_000 else 5)
    # Similarities, and two products for the gradient: what has to be multiplied in any case.
    rate = 3 * 2 * n**2 * DIM / taken / 1e12
    return {
        "what": "loss",
        "name": name,
        "embeddings": n,
        "milliseconds": round(1000 * taken, 3),
        "peak_mib": memory,
        "tera_operations_per_s": round(rate, 3),
    }


def loss_rows() -> list[dict[str, object]]:
    def ours(z: Tensor, clusters: Tensor) -> Tensor:
        return cl_infonce(z, clusters, temperature=TEMPERATURE, check=False)

    rows = []
    for n in EMBEDDINGS:
        rows.append(loss_row(n, "clinfonce", ours))
        needed = DENSE_MATRICES * 4 * n**2
        if (torch.cuda.mem_get_info()[0] if ON_GPU else 2**30) > needed:
            rows.append(loss_row(n, "supcontrast", supcontrast))
    return rows


def machine() -> dict[str, object]:
    return {
        "device": torch.cuda.get_device_name() if ON_GPU else platform.machine(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "seed": 0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = "gpu.csv" if ON_GPU else "gpu-without-gpu.csv"
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results") / default)
    parser.add_argument("--budget", type=float, default=420, help="seconds; no row starts after")
    parser.add_argument("--quick", action="store_true", help="one repetition of each")
    options = parser.parse_args()
    started = time.perf_counter()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    rate = matrix_rate()
    rows = [{"what": "matrix product, bfloat16", "tera_operations_per_s": round(rate, 3)}]
    rows += loss_rows()
    models = [(m, False) for m in (MODELS if ON_GPU else SMALL_MODELS)]
    models += [(m, True) for m in MODELS] if ON_GPU else []
    for model, compiled in models:
        if time.perf_counter() - started > options.budget:
            print(f"left out for time: {model}, compiled {compiled}", flush=True)
            continue
        rows.append(training_row(model, compiled, rate, options.quick))
        print(rows[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*columns, *machine()])
        writer.writeheader()
        writer.writerows({**row, **machine()} for row in rows)
    print(f"{options.out}: {len(rows)} rows in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
