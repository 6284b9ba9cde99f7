"""One trial without a search, in this process, with its rows in the result store."""

import os
from collections.abc import Callable

from clinfonce import data
from clinfonce.config import ExperimentSpec, TrialSpec, trial_id
from clinfonce.data import ImageTable
from clinfonce.features import FeatureCache
from clinfonce.files import Folder
from clinfonce.models.saved import encoder_file, save_encoder
from clinfonce.results.store.claim import claimed
from clinfonce.results.store.store import Store
from clinfonce.training.checkpoint import checkpoint_file
from clinfonce.training.loop import Epoch
from clinfonce.trial.rows import Row
from clinfonce.trial.run import TrialResult, check_trial, find_device, run_trial
from clinfonce.trial.start import Start, WeightsReader, visibility_of
from clinfonce.trial.storable import check_storable


def pretrain(
    experiment: ExperimentSpec,
    home: str | os.PathLike[str],
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Row:
    """Run one trial on one worker, or go on with one that was interrupted.

    Args:
        experiment: the trial and its data.
        home: folder or URI of the result store; the encoder goes to
            encoders/<trial_id>.safetensors.
        on_epoch: is given each epoch as it ends.

    Returns:
        The trial's row; the one in the store if the trial is done already.

    Raises:
        InputError: the trial does not fit data or machine, or the folder is no result store.
        RunError: another process runs it.
        TrainingDivergedError: the loss is no longer finite.
    """
    table = data.load(experiment.data.name, experiment.data.root)
    find_device(experiment.trial)
    folder = Folder.at(home)
    reader = WeightsReader(folder, table)
    spec = reader.settle(experiment.trial)
    clustering = check_trial(spec, table, Start(reader.by_digest))
    check_storable(spec, table, clustering, experiment=experiment.name)
    store = Store.create(home)
    reader.keep()
    start = Start(reader.by_digest, FeatureCache(folder))
    check_trial(spec, table, start)
    identity = trial_id(experiment.name, spec, table.fingerprint)
    with claimed(store.folder, experiment.name):
        if (row := store.finished().get(identity)) is not None:
            return row
        checkpoint = checkpoint_file(store.folder, experiment.name, identity)
        result = run_trial(
            spec,
            table,
            experiment=experiment.name,
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            start=start,
        )
        encoder = encoder_file(store.folder, identity)
        save_encoder(encoder, result.encoder, result.encoder_description)
        trial = {**result.trial, "number": 0, "role": "single", "name": experiment.name}
        described = _with_visible_bits(result, spec, table, start)
        store.write_trial(trial, result.epochs, described, result.scores)
        checkpoint.remove()
    return trial


def _with_visible_bits(
    result: TrialResult, spec: TrialSpec, table: ImageTable, start: Start
) -> Row | None:
    """The row of the trial's clustering, with how it is seen in the features it starts from."""
    if result.clustering is None or result.cluster_ids is None:
        return None
    seen = visibility_of(spec, table, start, find_device(spec))
    bits = None if seen is None else seen.bits(result.cluster_ids)
    return {**result.clustering, "visible_bits": bits}
