"""Operations of a network, counted from its shapes."""

from torch import nn

from clinfonce.models.operations import forward_operations


def test_each_number_of_an_output_is_a_sum_over_its_filter():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),  # 8 × 5 × 5 numbers of 3 × 3 × 3 products
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, stride=2, groups=4),  # 8 × 2 × 2 numbers of 2 × 3 × 3
        nn.Flatten(),
        nn.Linear(32, 10),
    ).train()
    wanted = 2 * (8 * 25 * 27 + 8 * 4 * 18 + 10 * 32)
    assert forward_operations(network, (3, 5, 5)) == wanted
    assert network.training
    assert forward_operations(network, (3, 5, 5)) == wanted
    assert network[1].num_batches_tracked == 0
