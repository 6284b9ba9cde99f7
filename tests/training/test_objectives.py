"""Every objective trains, resumes to the same bits, and is one worker's on several."""

import numpy as np
import pytest
import torch

from clinfonce.config import TrialSpec
from clinfonce.errors import InputError
from clinfonce.losses import cl_infonce
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining

CPU = torch.device("cpu")
N, SIDE = 61, 8
ATTRIBUTES = {"source": "attributes", "attributes": ["a"]}
OBJECTIVES = {
    "instance term": {"instance_weight": 0.5},
    "memory": {"memory": 40, "momentum": 0.9},
    "sincere memory": {"memory": 40, "form": "sincere"},
    "pcl": {"name": "pcl", "prototypes": [3, 5], "prototypes_after": 0.4},
    "pcl with memory": {"name": "pcl", "prototypes": [3], "memory": 40},
    "pcl with momentum encoder": {
        **{"name": "pcl", "prototypes": [3, 5], "prototypes_after": 0.4},
        **{"momentum_encoder": True, "momentum": 0.9},
    },
    "pcl with momentum encoder and memory": {
        **{"name": "pcl", "prototypes": [3], "momentum_encoder": True, "momentum": 0.9},
        **{"memory": 40, "form": "sincere"},
    },
    "soft": {"name": "soft_cl_infonce"},
    "cross-entropy": {"name": "cross_entropy"},
}


def spec(objective, **changes):
    values = {
        "augmentation": "digits",
        "clustering": ATTRIBUTES,
        "objective": objective,
        "encoder": {"width": 4},
        "head": {"hidden_dim": 16, "out_dim": 8},
        "sampler": {"batch_size": 31},
        "optimizer": {"learning_rate": 0.05, "name": "sgd"},
        "epochs": 3,
    }
    return TrialSpec.model_validate(values | changes)


def pretraining(trial, checkpoint=None):
    images = np.random.default_rng(0).integers(0, 256, (N, 1, SIDE, SIDE), dtype=np.uint8)
    clusters = np.arange(N) % 7
    return Pretraining(
        trial,
        ImageInputs.of(trial, ImageSource(images, np.arange(N), CPU)),
        clusters,
        device=CPU,
        checkpoint=checkpoint,
        attributes=np.eye(7, dtype=np.float32)[clusters],
    )


def train(trial, checkpoint=None):
    training = pretraining(trial, checkpoint)
    losses = [epoch.loss for epoch in training.epochs()]
    return losses, {k: v.clone() for k, v in training.encoder.state_dict().items()}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_several_workers_train_as_one(gloo, objective):
    # k-means may put a point elsewhere once the last bits differ: prototypes of the first epoch.
    trial = spec(objective, epochs=1) if objective.get("name") == "pcl" else spec(objective)
    one_losses, one_weights = train(trial)
    for losses, their_weights in gloo.run(2, train, trial):
        assert losses == pytest.approx(one_losses, abs=1e-4)
        for name, value in one_weights.items():
            torch.testing.assert_close(their_weights[name], value, atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_a_run_killed_at_any_step_ends_with_the_same_bits(tmp_path, monkeypatch, objective):
    trial = spec(objective)
    losses, undisturbed = train(trial)
    killed = pretraining(trial, tmp_path / "trial.pt")
    set_learning_rate = killed._set_learning_rate

    def save_and_die():
        if killed._position.step == 5:  # in the middle of the third epoch
            killed.save()
            raise KeyboardInterrupt
        return set_learning_rate()

    monkeypatch.setattr(killed, "_set_learning_rate", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        list(killed.epochs())
    resumed, weights = train(trial, tmp_path / "trial.pt")
    assert resumed == losses
    assert all(torch.equal(weights[name], undisturbed[name]) for name in undisturbed)


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_training_lowers_the_loss(objective):
    objective = objective | ({"prototypes_after": 0.0} if "prototypes" in objective else {})
    losses, _ = train(spec(objective, epochs=30))
    # A memory fills in the first epoch: compare with the second.
    assert losses[-1] < losses[1] - 0.02


def first_loss(objective, **changes):
    training = pretraining(spec(objective, **changes))
    training._objective.start_epoch(0, training._embed)
    return float(training._train_step(np.arange(30)).loss.detach())


def test_an_instance_term_adds_the_loss_of_instances():
    plain = first_loss({})
    weighted = first_loss({"instance_weight": 0.5})
    instances = pretraining(spec({}))
    instances._use(np.arange(N)[None])
    alone = float(instances._train_step(np.arange(30)).loss.detach())
    assert weighted == pytest.approx(plain + 0.5 * alone, rel=1e-5)


def test_a_memory_holds_the_momentum_network_s_embeddings():
    training = pretraining(spec({"memory": 100, "momentum": 0.9}))
    before = [p.detach().clone() for p in training._model.parameters()]
    first = np.arange(30)
    training._train_step(first)
    memory = training._objective._memory
    for old, new, average in zip(
        before, training._model.parameters(), memory.model.parameters(), strict=True
    ):
        torch.testing.assert_close(average, 0.9 * old + 0.1 * new)
    embeddings, clusters = memory.contents(training._clusters[0])
    assert clusters.tolist() == [*(first % 7), *(first % 7)]
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(60))
    # … and the next step contrasts with it.
    batch = np.arange(30, 60)
    held = next(training._inputs.stream([batch], training._share, 0))
    views = training._inputs.views(held, 30, training._share, 0)
    with torch.no_grad():
        outputs = training._model(views)
        ids = training._clusters[0][torch.from_numpy(batch)].repeat(2)
        expected = cl_infonce(outputs, ids, temperature=0.2, memory=(embeddings, clusters))
    assert float(training._train_step(batch).loss.detach()) == pytest.approx(float(expected))


def test_prototypes_begin_after_their_share_of_the_epochs():
    training = pretraining(spec(OBJECTIVES["pcl"], epochs=5))
    counts = [len(training._objective._prototypes) for _ in training.epochs()]
    assert counts == [0, 0, 2, 2, 2]
    assert [len(each.centroids) for each in training._objective._prototypes] == [3, 5]


def test_soft_positives_of_one_attribute_are_its_clusters():
    assert first_loss({"name": "soft_cl_infonce"}) == pytest.approx(first_loss({}), rel=1e-5)


def test_cross_entropy_starts_at_that_of_a_guess_and_counts_no_positives():
    training = pretraining(spec({"name": "cross_entropy"}, optimizer={"learning_rate": 1e-9}))
    epoch = next(iter(training.epochs()))
    assert epoch.loss == pytest.approx(np.log(7), abs=0.5)
    assert epoch.positives_per_anchor is None
    assert epoch.anchors_without_positive is None


def test_cross_entropy_needs_two_clusters():
    source = ImageSource(np.zeros((N, 1, SIDE, SIDE), np.uint8), np.arange(N), CPU)
    trial = spec({"name": "cross_entropy"})
    with pytest.raises(InputError, match="at least 2"):
        Pretraining(trial, ImageInputs.of(trial, source), np.zeros(N, np.int64), device=CPU)


@pytest.mark.parametrize(
    ("objective", "problem"),
    [
        ({"name": "pcl"}, "needs prototypes"),
        ({"name": "cross_entropy", "memory": 8}, "not memory"),
        ({"name": "soft_cl_infonce", "instance_weight": 1.0}, "not instance_weight"),
        ({"prototypes": [3]}, "not prototypes"),
        (
            {"momentum_encoder": True},
            "objective cl_infonce takes instance_weight, memory, momentum, not momentum_encoder",
        ),
        ({"name": "pcl", "prototypes": [3], "momentum_encoder": 1}, "should be a valid boolean"),
        ({"name": "pcl", "prototypes": [1]}, "greater than or equal to 2"),
    ],
)
def test_a_field_of_another_objective_is_refused(objective, problem):
    with pytest.raises(ValueError, match=problem):
        spec(objective)


def test_soft_positives_need_attributes():
    with pytest.raises(ValueError, match=r"needs clustering\.source attributes, not labels"):
        spec({"name": "soft_cl_infonce"}, clustering={"source": "labels"})
