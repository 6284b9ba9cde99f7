"""One trial without a search, in this process, with its rows in the result store."""

from collections.abc import Callable
from pathlib import Path

from clinfonce import data
from clinfonce.config import ExperimentSpec, trial_id
from clinfonce.experiment import check_trial, run_trial
from clinfonce.results.store import Store
from clinfonce.rows import Row
from clinfonce.training.checkpoint import save_encoder
from clinfonce.training.loop import Epoch


def pretrain(
    experiment: ExperimentSpec, home: Path, on_epoch: Callable[[Epoch], None] = lambda _: None
) -> Row:
    """Run one trial on one worker, or go on with one that was interrupted.

    Args:
        experiment: the trial and its data.
        home: folder of the result store; the encoder goes to encoders/<trial_id>.safetensors.
        on_epoch: is given each epoch as it ends.

    Returns:
        The trial's row; the one in the store if the trial is done already.

    Raises:
        InputError: the trial does not fit the data, or the folder is no result store.
        TrainingDivergedError: the loss is no longer finite.
    """
    spec = experiment.trial
    table = data.load(experiment.data.name, experiment.data.root)
    check_trial(spec, table)
    store = Store.create(home)
    identity = trial_id(experiment.name, spec, table.fingerprint)
    if (row := store.finished().get(identity)) is not None:
        return row
    checkpoint = home / "checkpoints" / f"{identity}.pt"
    result = run_trial(
        spec, table, experiment=experiment.name, on_epoch=on_epoch, checkpoint=checkpoint
    )
    encoder = home / "encoders" / f"{identity}.safetensors"
    save_encoder(encoder, result.encoder, result.encoder_description)
    trial = {**result.trial, "number": 0, "role": "single", "name": experiment.name}
    store.write_trial(trial, result.epochs, result.clustering)
    checkpoint.unlink(missing_ok=True)
    return trial
