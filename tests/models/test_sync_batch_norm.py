import copy

import pytest
import torch
from torch import Tensor, nn

from clinfonce.models import SyncBatchNorm, build_encoder, synchronize_batch_norm

N = 13
SHARES = {2: ([7, 6], [1, 12], [0, 13]), 3: ([5, 4, 4], [0, 2, 11])}
CASES = [(size, lengths) for size in SHARES for lengths in SHARES[size]]


def network(kind: str) -> nn.Module:
    torch.manual_seed(0)
    norm = {
        "plain": lambda: nn.BatchNorm2d(4),
        "no parameters": lambda: nn.BatchNorm2d(4, affine=False),
        "no running statistics": lambda: nn.BatchNorm2d(4, track_running_stats=False),
        "cumulative": lambda: nn.BatchNorm2d(4, momentum=None),
    }[kind]()
    if norm.affine:
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.uniform_(norm.bias, -1.0, 1.0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), norm, nn.Tanh(), nn.Conv2d(4, 1, 2)).double()


def batches() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    # A large mean: sums of squares would lose the variance to it.
    return [torch.randn(N, 2, 5, 5, generator=generator).double() * 3 + 100 for _ in range(3)]


def train(model: nn.Module, rows: slice) -> tuple[list[Tensor], list[Tensor], dict[str, Tensor]]:
    """Outputs, gradients with respect to parameters and inputs, and the state, after 3 batches."""
    outputs, gradients = [], []
    for batch in batches():
        x = batch[rows].requires_grad_()
        y = model(x)
        (y**3).sum().backward()
        outputs.append(y.detach())
        gradients.append(x.grad)
    model.eval()
    outputs.append(model(batches()[0][rows]).detach())
    parameters = [p.grad for p in model.parameters()]
    return outputs, gradients, parameters, copy.deepcopy(model.state_dict())


def train_share(kind: str, lengths: list[int]):
    rank = torch.distributed.get_rank()
    start = sum(lengths[:rank])
    model = synchronize_batch_norm(network(kind))
    return train(model, slice(start, start + lengths[rank]))


@pytest.mark.parametrize("kind", ["plain", "no parameters", "no running statistics", "cumulative"])
@pytest.mark.parametrize(("size", "lengths"), CASES)
def test_workers_are_one_process_with_all_images(gloo, kind, size, lengths):
    outputs, inputs, parameters, state = train(network(kind), slice(None))
    shares = gloo.run(size, train_share, kind, lengths)
    for i, expected in enumerate(outputs):
        together = torch.cat([share[0][i] for share in shares])
        torch.testing.assert_close(together, expected, rtol=1e-9, atol=1e-9)
    for i, expected in enumerate(inputs):
        together = torch.cat([share[1][i] for share in shares])
        torch.testing.assert_close(together, expected, rtol=1e-8, atol=1e-8)
    for i, expected in enumerate(parameters):
        together = torch.stack([share[2][i] for share in shares]).sum(0)
        torch.testing.assert_close(together, expected, rtol=1e-8, atol=1e-7)
    for share in shares:
        assert share[3].keys() == state.keys()
        torch.testing.assert_close(share[3], state, rtol=1e-9, atol=1e-9)


def bfloat16_share(lengths: list[int]) -> tuple[Tensor, Tensor]:
    rank = torch.distributed.get_rank()
    start = sum(lengths[:rank])
    norm = synchronize_batch_norm(nn.BatchNorm1d(6))
    torch.manual_seed(3)
    x = torch.randn(N, 6).bfloat16()[start : start + lengths[rank]].requires_grad_()
    y = norm(x)
    y.float().pow(3).sum().backward()
    return y.detach(), x.grad


def test_half_precision_keeps_its_type_and_wide_statistics(gloo):
    torch.manual_seed(3)
    x = torch.randn(N, 6).bfloat16().float().requires_grad_()
    nn.BatchNorm1d(6)(x).pow(3).sum().backward()
    shares = gloo.run(2, bfloat16_share, [9, 4])
    grads = torch.cat([grad for _, grad in shares])
    assert grads.dtype == shares[0][0].dtype == torch.bfloat16
    torch.testing.assert_close(grads.float(), x.grad, rtol=0.05, atol=0.05)


def test_alone_it_is_plain_batch_norm():
    plain, synchronized = network("plain"), synchronize_batch_norm(network("plain"))
    for expected, got in zip(
        train(plain, slice(None)), train(synchronized, slice(None)), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=0, atol=0)


def test_conversion_keeps_parameters_keys_and_mode():
    encoder = build_encoder("resnet18", channels=3, image_size=16).eval()
    parameters = dict(encoder.named_parameters())
    keys = list(encoder.state_dict())
    same = synchronize_batch_norm(encoder)
    assert same is encoder
    assert list(same.state_dict()) == keys
    assert all(p is parameters[name] for name, p in same.named_parameters())
    norms = [m for m in same.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == 20
    assert all(isinstance(m, SyncBatchNorm) and not m.training for m in norms)
    assert synchronize_batch_norm(same) is same
