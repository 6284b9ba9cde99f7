"""What `clinfonce --help` says: the commands in the order in which one meets them."""

import argparse
from collections.abc import Mapping, Sequence

_WHAT = "Find out which auxiliary information trains the best image encoder, and why."
_FIRST = "In short: clinfonce init photos --table photos.csv, sweep photos.yaml, report"
CHAPTERS: Mapping[str, Sequence[str]] = {
    "Begin": ("init", "prepare", "views"),
    "Before anything is trained": ("information", "clusterings", "advise"),
    "Train": ("sweep", "pretrain"),
    "Look": ("report", "relate", "query", "track"),
    "Use what came out": ("best", "embed", "export"),
    "On many machines": ("cluster",),
}


class Overview(argparse.ArgumentParser):
    """A parser whose help is a page of chapters, a line a command."""

    purposes: Mapping[str, str]  # command to what it is for

    def format_help(self) -> str:
        """The page."""
        lines = ["usage: clinfonce COMMAND …   (clinfonce COMMAND --help says more)", "", _WHAT,
                 _FIRST]  # fmt: skip
        for chapter, names in CHAPTERS.items():
            known = [name for name in names if name in self.purposes]
            lines += [f"{chapter}"] if known else []
            lines += [f"  {name:<12} {self.purposes[name]}" for name in known]
        return "\n".join(lines) + "\n"
