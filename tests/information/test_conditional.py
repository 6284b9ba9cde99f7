import numpy as np
import pytest

from clinfonce.errors import InputError
from clinfonce.information import conditional_information, measure

RNG = np.random.default_rng(1)
N = 90
C = RNG.integers(0, 3, size=N)
T = (C + RNG.integers(0, 3, size=N)) % 4
Z = np.where(RNG.random(N) < 0.6, T, RNG.integers(0, 5, size=N))


def entropy_of(*columns):
    """Plug-in entropy in bits of the joint distribution, by counting."""
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    return -sum(rows.count(r) / N * np.log2(rows.count(r) / N) for r in set(rows))


def test_information_is_that_of_joint_entropies():
    found = conditional_information(Z, T, C)
    expected = entropy_of(Z, C) + entropy_of(T, C) - entropy_of(Z, T, C) - entropy_of(C)
    assert found.i_zt_given_c == pytest.approx(expected)
    assert found.h_z_given_tc == pytest.approx(entropy_of(Z, T, C) - entropy_of(T, C))
    assert found.h_t_given_c == pytest.approx(entropy_of(T, C) - entropy_of(C))
    assert found.n_conditions == 3


def test_one_condition_for_all_is_none():
    found, plain = conditional_information(Z, T, 0 * C), measure(Z, T)
    assert found.i_zt_given_c == pytest.approx(plain.i_zt)
    assert found.i_zt_given_c_chance == pytest.approx(plain.i_zt_chance)
    assert found.h_z_given_tc == pytest.approx(plain.h_z_given_t)


def test_what_the_condition_knows_already_is_not_counted():
    assert conditional_information(C, T, C).i_zt_given_c == 0
    assert conditional_information(Z, C, C).h_t_given_c == 0
    each_alone = conditional_information(Z, T, np.arange(N))
    assert (each_alone.i_zt_given_c, each_alone.i_zt_given_c_chance) == (0, 0)


def test_the_chance_level_is_that_of_labels_shuffled_within_a_condition():
    found = conditional_information(Z, T, C)
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(300):
        shuffled = T.copy()
        for value in np.unique(C):
            rows = np.flatnonzero(value == C)
            shuffled[rows] = rng.permutation(T[rows])
        drawn.append(conditional_information(Z, shuffled, C).i_zt_given_c)
    error = np.std(drawn) / len(drawn) ** 0.5
    assert found.i_zt_given_c_chance == pytest.approx(np.mean(drawn), abs=4 * error)
    assert found.i_zt_given_c_excess == found.i_zt_given_c - found.i_zt_given_c_chance


def test_only_known_labels_count():
    known = RNG.random(N) < 0.5
    found = conditional_information(Z, np.where(known, T, -1), C, known=known)
    assert found == conditional_information(Z[known], T[known], C[known])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0], [0, 1]), "clusters and labels differ in length: 2 and 1"),
        (([0, 1], [0, 1], [0]), "clusters and conditions differ in length: 2 and 1"),
        (([0, 1], [0, 1], [0, -1]), "conditions must not be negative, got -1 at row 1"),
        (([], [], []), "clusters is empty"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(InputError, match=f"^{message}"):
        conditional_information(*arguments)
