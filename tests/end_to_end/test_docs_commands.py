"""Every command line of the documents is one that the command line understands; nothing of it is run."""

import functools
import importlib
import re
import shlex
from pathlib import Path

import pytest

from wayscan import cli
from wayscan.data.runs.folder import Run

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md")))
INLINE = {"seeds.md"}  # pages whose commands stand in tables


def command_lines(page):
    """The words after `wayscan` of each command on a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```(?:console)?\n(.*?)```", text, re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        found += [line.removeprefix("$ ") for line in lines]
    if page.name in INLINE:
        found += re.findall(r"`(wayscan [^`]+)`", text)
    return [line.removeprefix("wayscan ") for line in found if line.startswith("wayscan ")]


def words_of(line):
    """As a shell splits them, without what it would do itself: `$(…)`, a choice of words, dots for more."""
    line = re.sub(r'"\$\(.*?\)"', "1,2,3,4", line)
    words = shlex.split(line, comments=True)
    words = words[: words.index("|")] if "|" in words else words
    return [word for word in words if word != "..."]


@pytest.fixture
def dry(monkeypatch, tmp_path):
    """The command line in a folder with the recipes, each command replaced by one that does nothing."""
    called = []

    def idle(command):
        @functools.wraps(command)
        def understood(*positional, **named):
            called.append(command.__name__)
            return 0

        return understood

    for table in (
        cli.COMMANDS,
        *(importlib.import_module(f"wayscan.{name}.commands").VERBS for name in cli.SYSTEMS),
    ):
        for name, command in table.items():
            monkeypatch.setitem(table, name, idle(command))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (tmp_path / "settings.yaml").write_text("seed: 1\n")
    Run.create(tmp_path / "runs/first", config={"seed": 1})

    def understands(words):
        """What is wrong with them; None if nothing is."""
        called.clear()
        try:
            code = cli.main(words)
        except SystemExit as refusal:
            code = refusal.code
        return None if (code, len(called)) == (0, 1) else f"exit code {code}"

    return understands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_are_understood(page, dry):
    wrong = {line: complaint for line in command_lines(page) if (complaint := dry(words_of(line)))}
    assert not wrong
