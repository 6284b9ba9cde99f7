"""What a trial of a sweep costs beside its training, and whether that grows with their number.

    python benchmarks/trials.py --out benchmarks/results/trials.csv
    python benchmarks/trials.py --task many --out benchmarks/results/many-trials.csv

"cost": trials whose training takes one second of CPU time, by a sweep of clinfonce and by the
recipe of Ray's documentation, a Tune trial that starts a TorchTrainer; two workers' worth of CPUs
each, so two trials at a time with one worker and one with two. What a trial takes beside its
training is the time between the ends of trials, times how many run at a time, less the training as
the trial itself clocked it. A first trial for each place warms up.

"many": trials that do nothing, two at a time: milliseconds a trial and memory as they go by.
"""

import argparse
import csv
import itertools
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import ray
import torch
import torch.distributed as dist
from common import machine

from clinfonce.config import SweepSpec
from clinfonce.scaling.sweep import prepare_sweep, run_sweep
from clinfonce.training.loop import Epoch
from clinfonce.trial.rows import describe_clustering, describe_outcome, describe_trial
from clinfonce.trial.run import TrialResult, check_trial


def train(seconds):
    """So much CPU time of small products of matrices; how long it took."""
    torch.set_num_threads(1)
    began, start = time.perf_counter(), time.thread_time()
    x = torch.rand(256, 256)
    while time.thread_time() - start < seconds:
        x = torch.nn.functional.normalize(x @ x)
    if dist.is_initialized():
        dist.barrier()
    return time.perf_counter() - began


class Trial:
    """Stands in for `run_trial`: trains for a given time, and has the rows of a trial."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self, spec, table, *, experiment, on_epoch, **_):
        clustering = check_trial(spec, table) if self.seconds else None
        took = train(self.seconds) if self.seconds else 0.0
        epoch = Epoch(1, 1, 0.0, 0.1, None, None, took, 1, val_knn=0.5)
        on_epoch(epoch)
        row = describe_trial(spec, table, clustering, experiment=experiment)
        row |= describe_outcome([epoch], status="complete")
        described = None if clustering is None else describe_clustering(clustering, table)
        return TrialResult(row, [], described, {"w": torch.zeros(1)}, {})


class Clock:
    """A display that notes when trials ended, and how long they trained."""

    def __init__(self, every=None):
        self.ends, self.trained, self.every, self.memory = [], [], every, []

    def say(self, text):
        pass

    def start(self, total):
        pass

    def epoch(self, trial_id, name, epoch, epochs, accuracy):
        pass

    def trial(self, row, **_):
        self.ends.append(time.perf_counter())
        self.trained.append(row["train_seconds"])
        if self.every and len(self.ends) % self.every == 0:
            self.memory.append(memory())
            print(len(self.ends), self.memory[-1], flush=True)


def memory():
    """MiB of this process, and of all processes below it, by their own pages."""
    own = resident(os.getpid())
    return round(own), round(own + sum(resident(pid) for pid in descendants(os.getpid())))


def resident(pid):
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0.0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 2**20


def descendants(pid):
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield int(child)
            yield from descendants(int(child))


def sweep(workers, trials, run, clock):
    """Trials of a sweep that differ in their seed."""
    specification = SweepSpec.model_validate(
        {
            "name": "benchmark",
            "data": {"name": "digits"},
            "trial": {"workers": workers, "epochs": 1, "clustering": {"source": "labels"}},
            "seeds": list(range(trials)),
            "fixed": [{"name": "trial", "trial": {}}],
        }
    )
    with tempfile.TemporaryDirectory() as home:
        table, store, _ = prepare_sweep(specification, Path(home))
        run_sweep(specification, table, store, Path(home), clock, run=run)


def recipe(workers, trials, seconds, clock):
    """Tune trials that start a TorchTrainer each."""
    from ray import tune
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    def loop(_):
        ray.train.report({"seconds": train(seconds)})

    def driver(_):
        with tempfile.TemporaryDirectory() as folder:
            TorchTrainer(
                loop,
                scaling_config=ScalingConfig(num_workers=workers),
                run_config=RunConfig(storage_path=folder, callbacks=[TuneReportCallback()]),
            ).fit()

    class Ends(tune.Callback):
        def on_trial_complete(self, **event):
            clock.trial({"train_seconds": event["trial"].last_result.get("seconds", seconds)})

    # Two CPUs for workers and one for the drivers, without which two workers never get theirs.
    ray.init(num_cpus=3, log_to_driver=False, logging_level="warning", dashboard_host="127.0.0.1")
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            tune.with_resources(driver, {"CPU": 0.01}),
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=2 // workers),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Ends()]),
        ).fit()
    ray.shutdown()


def measure(who, workers, trials, seconds):
    clock, places = Clock(), 2 // workers
    if who == "clinfonce":
        sweep(workers, trials + places, Trial(seconds), clock)
    else:
        recipe(workers, trials + places, seconds, clock)
    ends = clock.ends[places - 1 :]  # from the last of the first round on
    each = [(b - a) / places for a, b in zip(ends, ends[places:], strict=False)]
    trained = statistics.mean(clock.trained[places:])
    overhead = places * (ends[-1] - ends[0]) / (len(ends) - 1) - trained
    return {
        "who": who,
        "workers": workers,
        "trials": trials,
        "at_a_time": places,
        "training_s": round(trained, 3),
        "median_s_per_trial": round(statistics.median(each), 3),
        "overhead_s_per_trial": round(overhead, 3),
    }


def cost(options):
    for workers in options.workers:
        ours = measure("clinfonce", workers, options.trials, options.seconds)
        if not options.recipe_trials:
            yield ours | about()
            continue
        theirs = measure("recipe", workers, options.recipe_trials, options.seconds)
        ratio = theirs["overhead_s_per_trial"] / max(ours["overhead_s_per_trial"], 1e-3)
        for found in (ours, theirs):
            yield found | {"recipe_over_ours": round(ratio, 1)} | about()


def many(options):
    every = options.trials // 10
    clock = Clock(every)
    sweep(1, options.trials, Trial(0.0), clock)
    ends = clock.ends[every - 1 :: every]
    for i, (a, b) in enumerate(itertools.pairwise(ends), 2):
        own, everyone = clock.memory[i - 1]
        milliseconds = round((b - a) / every * 1000, 1)
        yield {
            "trials": i * every,
            "milliseconds_per_trial": milliseconds,
            "driver_mib": own,
            "all_processes_mib": everyone,
        } | about()


def about():
    return machine("torch", "ray") | {"day": datetime.now(UTC).date().isoformat()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=("cost", "many"), default="cost")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--workers", type=int, nargs="+", default=(1, 2), choices=(1, 2))
    parser.add_argument("--recipe-trials", type=int, default=16, help="0: clinfonce alone")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.trials = options.trials or {"cost": 16, "many": 2000}[options.task]
    name = {"cost": "trials", "many": "many-trials"}[options.task]
    out = options.out or Path(f"benchmarks/results/{name}.csv")
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    with out.open("w", newline="") as file:
        for row in {"cost": cost, "many": many}[options.task](options):
            if writer is None:
                writer = csv.DictWriter(file, row)
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            print(row, flush=True)


if __name__ == "__main__":
    main()
