"""What the README shows works: its code runs, its commands and links exist."""

import re
import shlex
from pathlib import Path

import pytest

from clinfonce.cli import _parser

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md")), Path("CONTRIBUTING.md")]
README = Path("README.md").read_text(encoding="utf-8")


def blocks(text, language=""):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [block for kind, block in fenced if kind == language]


def test_the_code_runs(capsys):
    (code,) = blocks(README, "python")
    scope = {}
    exec(code, scope)
    assert scope["loss"].item() > 0


def commands(text, name):
    shown = [line for block in blocks(text) for line in block.splitlines()]
    lines = [line.removeprefix(".venv/bin/").split("#")[0] for line in shown]
    found = [line.split(" > ")[0] for line in lines if line.startswith(f"{name} ")]
    return [shlex.split(line)[1:] for line in found]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_commands_exist(page):
    for arguments in commands(page.read_text(encoding="utf-8"), "clinfonce"):
        if not any(set("[…<") & set(word) for word in arguments):  # a command, not its grammar
            _parser().parse_args(arguments)


def test_the_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), flags=re.MULTILINE))
    asked = {words[0] for page in PAGES for words in commands(page.read_text(), "make")}
    assert {"sweep", "test"} <= asked <= targets


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target
