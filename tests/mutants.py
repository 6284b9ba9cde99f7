"""Change single places of the core at random, and see whether a test notices: `make mutants`.

    python -m tests.mutants [--sample 500] [--seed 0]

mutmut makes the changes (what, where and with which tests is in pyproject.toml) in a copy of the
project below mutants/. Of some 9,000 changes a random sample is tried. The table in
benchmarks/results/mutants.csv lists those that no test noticed; what is written there in the
column `why` is kept for as long as the change is the same.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
from pathlib import Path

TABLE = Path("benchmarks/results/mutants.csv")
SMALLEST = "clinfonce.clusterings.instances.*"  # a first run makes all changes and tries few
GOAL = 0.9
SURVIVED, NO_TEST = 0, 33  # mutmut's exit codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    mutmut(SMALLEST)
    names = sorted(codes())
    sample = random.Random(arguments.seed).sample(names, min(arguments.sample, len(names)))
    mutmut(*sample)
    found = {name: code for name, code in codes().items() if name in set(sample)}
    survivors = sorted(name for name, code in found.items() if code in (SURVIVED, NO_TEST))
    write(survivors)
    share = 1 - len(survivors) / len(found)
    print(f"{share:.1%} of {len(found)} changes of {len(names)} were noticed; the rest: {TABLE}")
    sys.exit(share < GOAL)


def mutmut(*names: str) -> None:
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(os.cpu_count()), *names]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    # Its progress is one line that is written anew; what matters is read from its files.
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"mutmut ended with {done.returncode}: {' '.join(command[:6])} … says why")


def codes() -> dict[str, int | None]:
    """mutmut's exit code of every change; None where it was not tried."""
    found: dict[str, int | None] = {}
    for path in Path("mutants").rglob("*.meta"):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def write(survivors: list[str]) -> None:
    before = {}
    if TABLE.exists():
        with TABLE.open(encoding="utf-8", newline="") as file:
            before = {(row["function"], row["change"]): row["why"] for row in csv.DictReader(file)}
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["function", "change", "why"])
        for name in survivors:
            function, change = name.rpartition("__mutmut_")[0], difference(name)
            writer.writerow([function, change, before.get((function, change), "")])


def difference(name: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], capture_output=True, text=True
    ).stdout.splitlines()
    changed = [
        line[0] + " " + line[1:].strip()
        for line in shown
        if line[:1] in "-+" and line[:3] not in ("---", "+++")
    ]
    return " ".join(changed)


if __name__ == "__main__":
    main()
