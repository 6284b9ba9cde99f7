"""Which sets of parts are tried: what each part brings is learnt from all of them."""

import itertools

import pytest

from clinfonce.scaling.search.additive import Additive, RandomDrafts

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
        drafts.append(proposer.propose())
    return drafts


def names(drafts):
    return [None if d is None else "+".join(sorted(d)) for d in drafts]


def test_instances_then_advice_then_what_is_learnt():
    advised = [frozenset("b"), frozenset(["a", "c/4"])]
    drafts = names(run(Additive(GROUPS, first=advised), 4))
    assert drafts[:3] == ["", "b", "a+c/4"]
    assert drafts[3] not in drafts[:3]


def test_without_anything_known_a_single_part_is_first():
    assert Additive(GROUPS, empty=False).propose() == {"a"}


def best_of_all():
    return max(
        (frozenset(d) for size in range(4) for d in itertools.combinations(GROUPS, size)
         if len({GROUPS[p] for p in d}) == size),
        key=value,
    )  # fmt: skip


def test_the_best_of_all_is_found_in_few_trials():
    assert best_of_all() == {"a", "b", "c/4"}
    drafts = run(Additive(GROUPS), 8)
    assert best_of_all() in drafts
    assert len(drafts) == len(set(drafts))
    assert all(len({GROUPS[p] for p in d}) == len(d) for d in drafts)


def test_of_fourteen_parts_the_two_that_help_are_found_whatever_their_order():
    for shift in range(14):
        groups = {f"p{(i + shift) % 14}": f"p{(i + shift) % 14}" for i in range(14)}
        proposer, drafts = Additive(groups), []
        while not any(draft >= {"p1", "p4"} for draft in drafts):
            drafts.append(proposer.propose())
            proposer.tell(drafts[-1], 0.1 * sum(part in ("p1", "p4") for part in drafts[-1]))
        assert len(drafts) <= 10, "of 92 sets of at most two"


def test_what_many_parts_cost_is_learnt():
    """One part helps, and each further one costs more than it brings."""
    groups = {f"p{i}": f"p{i}" for i in range(8)}
    proposer, drafts = Additive(groups), []
    for _ in range(20):
        drafts.append(proposer.propose())
        size = len(drafts[-1])
        gain = 0.3 * ("p5" in drafts[-1]) + 0.02 * size - 0.2 * max(0, size - 1)
        proposer.tell(drafts[-1], gain)
    assert {"p5"} in drafts


def test_beside_other_dimensions_a_good_draft_is_tried_again_but_none_twice_at_once():
    drafts = run(Additive(GROUPS, others=True), 30)
    assert drafts.count(best_of_all()) > 5
    proposer = Additive(GROUPS, others=True)
    at_once = [proposer.propose() for _ in range(10)]
    assert len(set(at_once)) == 10


@pytest.mark.parametrize("window", [1, 4])
def test_proposals_depend_on_numbers_and_results_alone(window):
    once, again = (run(Additive(GROUPS), 20, window) for _ in range(2))
    assert once == again


def test_a_list_of_attributes_is_never_empty_nor_too_large():
    drafts = run(Additive(GROUPS, empty=False, largest=2), 30)
    sizes = {len(d) for d in drafts if d is not None}
    assert sizes == {1, 2}


def test_large_drafts_grow_out_of_good_ones():
    groups = {f"p{i}": f"p{i}" for i in range(10)}
    proposer, drafts = Additive(groups, largest=10), []
    for _ in range(25):
        drafts.append(proposer.propose())
        proposer.tell(drafts[-1], sum(0.1 if part < "p6" else -0.1 for part in drafts[-1]))
    assert {f"p{i}" for i in range(6)} in drafts, "of 1,024"


def test_what_was_stopped_is_not_tried_again_and_counts_as_bad():
    proposer = Additive({"a": "a", "b": "b"}, empty=False)
    assert proposer.propose() == {"a"}
    proposer.tell(frozenset("a"), None)
    assert proposer.propose() == {"b"}
    proposer.tell(frozenset("b"), 0.5)
    assert proposer.propose() == {"a", "b"}
    proposer.tell(frozenset("ab"), 0.4)
    assert proposer.propose() is None, "nothing is left"


def test_random_drafts_have_all_sizes():
    proposer = RandomDrafts(GROUPS, 0, 3)
    drafts = [proposer.propose() for _ in range(200)]
    again = RandomDrafts(GROUPS, 0, 3)
    assert drafts == [again.propose() for _ in range(200)]
    counts = [sum(len(d) == size for d in drafts) for size in range(5)]
    assert min(counts[:4]) > 30
    assert counts[4] == 0
    assert all(len({GROUPS[p] for p in d}) == len(d) for d in drafts)


def test_beside_other_dimensions_the_best_draft_leaves_room_for_others():
    """Or all trials would tune the others for the first good one, whatever they bring."""
    drafts = run(Additive(GROUPS, others=True), 20)
    best = max(drafts, key=drafts.count)
    assert 3 <= drafts.count(best) <= 8
    assert len(set(drafts)) >= 8
