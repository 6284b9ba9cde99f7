"""Write the tables of docs/advice.md from benchmarks/results/search.csv.

python benchmarks/search_page.py
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from search_tables import RESULTS, Row, rows_of

PAGE = Path("docs/advice.md")
BEGIN, END = "<!-- {}, by benchmarks/search_page.py -->", "<!-- end of {} -->"
TABLES = {"pairs": "pairs", "subsets": "subsets of ten", "roles": "roles of four"}
SAMPLERS = ("random", "tpe", "gp", "tpe, advice", "additive", "advice")
REGRETS = ("random", "tpe", "gp", "additive", "advice")
WINDOWS = ("tpe", "tpe, window 4", "additive", "additive, window 4", "additive, window 16",
           "advice", "advice, window 4")  # fmt: skip
SCHEDULERS = ("tpe", "tpe, asha 2", "tpe, asha 4", "additive", "additive, asha 2",
              "additive, asha 4", "additive, hyperband")  # fmt: skip

Spaces = Mapping[tuple[str, str], Mapping[str, Row]]  # rows by search, by table and data set


def spaces() -> Spaces:
    """What was replayed."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows_of(RESULTS / "search.csv"):
        found.setdefault((row["table"], row["data"]), {})[row["search"]] = row
    return found


def trials(of: Spaces, searches: Sequence[str]) -> Iterator[str]:
    """Trials until near the best by space and search, and as shares of plain TPE's."""
    yield f"| space (points, near the best) | {' | '.join(searches)} |"
    yield "|---" + "|---:" * len(searches) + "|"
    for (kind, data), rows in of.items():
        any_row = next(iter(rows.values()))
        name = f"{TABLES[kind]}, {data} ({any_row['points']}, {any_row['near_best']})"
        cells = [rows[s]["trials_until_near"] if s in rows else "" for s in searches]
        yield f"| {name} | {' | '.join(cells)} |"
    shares = [share(of, each) for each in searches]
    yield f"| **share of TPE's, geometric mean** | {' | '.join(shares)} |"


def share(of: Spaces, search: str) -> str:
    """The geometric mean over spaces of trials over those of plain TPE."""
    pairs = [
        float(rows[search]["trials_until_near"]) / float(rows["tpe"]["trials_until_near"])
        for rows in of.values()
        if search in rows
    ]
    return f"{statistics.geometric_mean(pairs):.2f}" if pairs else ""


def regrets(of: Spaces, searches: Sequence[str]) -> Iterator[str]:
    """Points of test accuracy below the best after 10, 20 and 40 trials."""
    yield f"| space | {' | '.join(searches)} |"
    yield "|---" + "|---:" * len(searches) + "|"
    for (kind, data), rows in of.items():
        cells = [
            " / ".join(f"{float(rows[s][f'test_regret_{n}']):.1f}" for n in (10, 20, 40))
            if s in rows
            else ""
            for s in searches
        ]
        yield f"| {TABLES[kind]}, {data} | {' | '.join(cells)} |"


def stopped(of: Spaces, searches: Sequence[str]) -> Iterator[str]:
    """How often the best that was proposed had been stopped."""
    yield f"| space | {' | '.join(searches)} |"
    yield "|---" + "|---:" * len(searches) + "|"
    for (kind, data), rows in of.items():
        cells = [f"{float(rows[s]['stopped_best']):.0%}" if s in rows else "" for s in searches]
        yield f"| {TABLES[kind]}, {data} | {' | '.join(cells)} |"


def tables() -> dict[str, list[str]]:
    """The lines of every table of the page, by its name."""
    of = spaces()
    return {
        "samplers": list(trials(of, SAMPLERS)),
        "regrets": list(regrets(of, REGRETS)),
        "windows": list(trials(of, WINDOWS)),
        "schedulers": list(trials(of, SCHEDULERS)),
        "stopped": list(stopped(of, [s for s in SCHEDULERS if "asha" in s or "hyper" in s])),
    }


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in tables().items():
        begin, end = BEGIN.format(name), END.format(name)
        before, after = page.split(begin)[0], page.split(end)[1]
        page = "\n".join([before + begin, *lines, end]) + after
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
