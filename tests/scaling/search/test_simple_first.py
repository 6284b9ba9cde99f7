"""The order in which clusterings are tried: simple ones first, then what grows out of the best."""

import itertools

import pytest

from clinfonce.scaling.search.simple_first import RandomDrafts, SimpleFirst

GROUPS = {"a": "a", "b": "b", "c/2": "c", "c/4": "c", "d": "d"}
WORTH = {"a": 0.1, "b": 0.3, "c/2": 0.0, "c/4": 0.2, "d": -0.2}


def value(draft):
    """What a draft reaches: parts add up, but with d all is lost."""
    return sum(WORTH[part] for part in draft)


def run(proposer, trials, window=1):
    """Drafts in order; the sampler's turn is None. A proposal sees those `window` before it."""
    drafts = []
    for number in range(trials):
        if (seen := number - window) >= 0 and drafts[seen] is not None:
            proposer.tell(drafts[seen], value(drafts[seen]))
        drafts.append(proposer.propose(number))
    return drafts


def names(drafts):
    return [None if d is None else "+".join(sorted(d)) for d in drafts]


def test_instances_then_single_parts_one_of_each_group_first():
    drafts = names(run(SimpleFirst(GROUPS, 12), 6))
    assert drafts == ["", "a", "b", "c/2", "d", "c/4"]


def test_half_of_a_small_search_is_of_single_parts_and_advice_goes_first():
    advised = [frozenset("b"), frozenset(["a", "c/4"])]
    drafts = names(run(SimpleFirst(GROUPS, 8, first=advised), 8))
    assert drafts[:4] == ["", "b", "a+c/4", "a"]


def test_greedy_ones_alternate_with_single_ones_after_the_first_few():
    groups = {f"p{i}": f"p{i}" for i in range(14)}
    proposer = SimpleFirst(groups, 60)
    drafts = []
    for number in range(16):
        drafts.append(proposer.propose(number))
        proposer.tell(drafts[-1], 0.1 * sum(part in ("p1", "p4") for part in drafts[-1]))
    sizes = [len(d) for d in drafts]
    assert sizes[:8] == [0] + [1] * 7
    assert drafts[8] == {"p1", "p4"}
    assert [size > 1 for size in sizes[8:]] == [True, False] * 4


def test_the_best_of_all_is_found_in_few_trials():
    best = max(
        (frozenset(d) for size in range(4) for d in itertools.combinations(GROUPS, size)
         if len({GROUPS[p] for p in d}) == size),
        key=value,
    )  # fmt: skip
    assert best == {"a", "b", "c/4"}
    drafts = run(SimpleFirst(GROUPS, 16), 12)
    assert best in drafts
    assert drafts[8] is None, "one in three is the sampler's"
    tried = [d for d in drafts if d is not None]
    assert len(tried) == len(set(tried))
    assert all(len({GROUPS[p] for p in d}) == len(d) for d in tried)


@pytest.mark.parametrize("window", [1, 4])
def test_proposals_depend_on_numbers_and_results_alone(window):
    once, again = (run(SimpleFirst(GROUPS, 20), 20, window) for _ in range(2))
    assert once == again


def test_a_list_of_attributes_is_never_empty_nor_too_large():
    drafts = run(SimpleFirst(GROUPS, 30, empty=False, largest=2), 30)
    sizes = {len(d) for d in drafts if d is not None}
    assert sizes == {1, 2}


def test_what_was_stopped_is_not_tried_again():
    proposer = SimpleFirst({"a": "a", "b": "b"}, 4, empty=False)
    assert proposer.propose(0) == {"a"}
    proposer.tell(frozenset("a"), None)
    assert proposer.propose(1) == {"b"}
    proposer.tell(frozenset("b"), 0.5)
    assert proposer.propose(2) == {"a", "b"}
    proposer.tell(frozenset("ab"), 0.4)
    assert proposer.propose(3) is None, "nothing is left"


def test_random_drafts_have_all_sizes():
    proposer = RandomDrafts(GROUPS, 0, 3)
    drafts = [proposer.propose(number) for number in range(200)]
    assert drafts == [proposer.propose(number) for number in range(200)]
    counts = [sum(len(d) == size for d in drafts) for size in range(5)]
    assert min(counts[:4]) > 30
    assert counts[4] == 0
    assert all(len({GROUPS[p] for p in d}) == len(d) for d in drafts)
