"""How fast pretraining is on one GPU, and where the time goes; one call, under 8 minutes.

    python benchmarks/gpu.py --out benchmarks/results/gpu.csv

Needs PyTorch, NumPy and this package's folder alone: neither Ray nor the readers of specifications;
where the latter are, the loop itself is timed too. A training step is what the loop does: uint8
images on the device, two views, encoder and projection head under bfloat16 autocast, Cl-InfoNCE in
float32, the optimiser. Rates are of images (two views each) with nothing waiting between steps;
phases are timed one after another with the device drained in between, so their sum is somewhat more
than a step. The share is operations of the encoder, forward and backward, over what the device does
in a large bfloat16 product. The dense loss is Eq. 2 of Khosla et al. 2020 as in the authors' code.
k-means is one start of 20 iterations at most. On a CPU the sizes are small, and the figures only
show that everything runs.
"""

import argparse
import csv
import itertools
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent.parent))

from clinfonce.augment import Policy
from clinfonce.clusterings import from_kmeans
from clinfonce.evaluation import linear_probe
from clinfonce.losses import cl_infonce
from clinfonce.models import ProjectionHead, build_encoder

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ON_GPU = DEVICE.type == "cuda"
CLUSTER, DIM, TEMPERATURE, DENSE_MATRICES = 8, 128, 0.1, 8

# encoder, pixels, stem, images a batch; a batch of 256 images is 512 views
ON_A_GPU = [
    ("resnet18", 32, "small", 256),
    ("resnet18", 32, "small", 1024),
    ("resnet50", 224, "large", 256),
    ("vit_s16", 224, None, 256),
]
MODELS = ON_A_GPU if ON_GPU else [("resnet18", 32, "large", 4), ("vit_s16", 32, None, 4)]
LOOPS = [MODELS[0], MODELS[-1]] if ON_GPU else MODELS[:1]
COMPILED = MODELS if ON_GPU else []
KMEANS = [(50_000, 128, 1000), (1_281_167, 128, 1000)] if ON_GPU else [(500, 8, 5)]  # n, d, K
PROBE = (50_000, 512, 100) if ON_GPU else (300, 8, 3)  # n, d, classes
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
        self.model: torch.nn.Module = self.parts
        if compiled:  # for its own sizes, as the loop does
            torch._dynamo.reset()
            self.model = torch.compile(self.parts, dynamic=False)
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


def described(model: tuple) -> dict[str, object]:
    return dict(zip(("name", "pixels", "stem", "batch"), model, strict=True))


def training_row(model: tuple, compiled: bool, rate: float, quick: bool) -> dict[str, object]:
    name, side, stem, batch = model
    step = Step(name, side, stem, batch, compiled)
    row: dict[str, object] = {"what": "step", "compiled": compiled, **described(model)}
    try:
        speed = step.images_per_second(20 if ON_GPU and not quick else 1)
    except torch._dynamo.exc.TorchDynamoException as error:  # PyTorch's compiler has its faults
        return {**row, "error": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}
    row |= {
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


def loss_rows() -> Iterator[dict[str, object]]:
    def ours(z: Tensor, clusters: Tensor) -> Tensor:
        return cl_infonce(z, clusters, temperature=TEMPERATURE, check=False)

    for n in EMBEDDINGS:
        yield loss_row(n, "clinfonce", ours)
        needed = DENSE_MATRICES * 4 * n**2
        if (torch.cuda.mem_get_info()[0] if ON_GPU else 2**30) > needed:
            yield loss_row(n, "supcontrast", supcontrast)


def loop_rows(model: tuple, epochs: int) -> Iterator[dict[str, object]]:
    """The product's loop, from images in memory to the end of an epoch; the last of some."""
    try:
        from clinfonce.config import TrialSpec
    except ImportError as error:
        print(f"left out, the loop: {error}", flush=True)
        return
    from clinfonce.training.images import ImageSource
    from clinfonce.training.inputs import ImageInputs
    from clinfonce.training.loop import Pretraining

    name, side, stem, batch = model
    n = (50_000 if side <= 32 else 8_192) if ON_GPU else 16
    trial = TrialSpec.model_validate(
        {
            "augmentation": "simclr",
            "encoder": {"name": name} | ({} if stem is None else {"stem": stem}),
            "sampler": {"batch_size": batch, "images_per_cluster": min(CLUSTER, batch)},
            "optimizer": {"name": "sgd", "learning_rate": 0.01},
            "precision": "bfloat16",
            "epochs": epochs,
        }
    )
    images = np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    training = Pretraining(
        trial,
        ImageInputs.of(trial, ImageSource(images, np.arange(n), DEVICE)),
        np.arange(n) // CLUSTER,
        device=DEVICE,
    )
    last = [*training.epochs()][-1]
    yield {
        "what": "loop",
        "compiled": False,
        **described(model),
        "images_per_s": round(last.images / last.seconds, 1),
        "data_wait_share": round(last.data_seconds / last.seconds, 4),
    }


def kmeans_rows() -> Iterator[dict[str, object]]:
    for n, d, k in KMEANS:
        generator = torch.Generator().manual_seed(0)
        centres = torch.randn(k, d, generator=generator)
        owners = torch.randint(0, k, (n,), generator=generator)
        points = (centres[owners] + 1.5 * torch.randn(n, d, generator=generator)).to(DEVICE)
        taken = seconds(lambda p=points, k=k: from_kmeans(p, k, n_init=1, max_iter=20), 3)
        yield {"what": "k-means", "n": n, "d": d, "k": k, "milliseconds": round(1000 * taken, 3)}


def probe_rows() -> Iterator[dict[str, object]]:
    n, d, classes = PROBE
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, classes, (n + n // 5,), generator=generator)
    centres = torch.randn(classes, d, generator=generator)
    x = centres[labels] + 4.0 * torch.randn(len(labels), d, generator=generator)
    x, labels = x.to(DEVICE), labels.to(DEVICE)
    taken = seconds(
        lambda: linear_probe(x[:n], labels[:n], x[n:], labels[n:], n_classes=classes), 3
    )
    milliseconds = round(1000 * taken, 3)
    yield {"what": "linear probe", "n": n, "d": d, "k": classes, "milliseconds": milliseconds}


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
    rate = matrix_rate()
    rows = [{"what": "matrix product, bfloat16", "tera_operations_per_s": round(rate, 3)}]

    def step_rows(model: tuple, compiled: bool) -> Iterator[dict[str, object]]:
        yield training_row(model, compiled, rate, options.quick)

    # The last ones take longest, most of it for compiling.
    jobs = [
        loss_rows(),
        kmeans_rows(),
        probe_rows(),
        *(step_rows(model, False) for model in MODELS),
        *(loop_rows(model, 1 if options.quick else 3) for model in LOOPS),
        *(step_rows(model, True) for model in COMPILED),
    ]
    try:
        for row in itertools.chain.from_iterable(jobs):
            rows.append(row)
            print(row, flush=True)
            if time.perf_counter() - started > options.budget:
                print("the rest is left out for time", flush=True)
                break
    finally:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with options.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, [*columns, *machine()])
            writer.writeheader()
            writer.writerows({**row, **machine()} for row in rows)
    print(f"{options.out}: {len(rows)} rows in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
