"""What docs/features.md names is there: tests, commands, options, paths, functions."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click

from taximeter.cli import cli
from taximeter.llm_costs.group import costs
from taximeter.llm_costs.plugin import register_commands

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
HEAD = ("asked for", "with", "shown by")

_COMMAND = re.compile(r"`((?:taximeter|llm) [^`]*)`")
_NAME = re.compile(r"`taximeter\.([\w.]+)`")
_PATH = re.compile(r"`(GET|POST|PUT|DELETE) (/[^`]*)`")
_PROOF = re.compile(r"`([\w/]+\.py)::(\w+)`")
_LINK = re.compile(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)")


class Row(NamedTuple):
    """A feature, what does it, and the test that shows it."""

    feature: str
    ours: str
    proof: str


def _rows() -> list[Row]:
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert {len(row) for row in cells if set(row[0]) != {"-"}} <= {3, 1}
    rows = [Row(*row) for row in cells if len(row) == 3]
    return [row for row in rows if row != HEAD]


ROWS = _rows()


def test_no_row_is_open() -> None:
    """Each feature stands there once, and no cell is empty or half a promise."""
    assert len(ROWS) > 150
    for row in ROWS:
        assert all(row), row
        assert "partly" not in " ".join(row).lower()
    features = [(row.feature, row.ours) for row in ROWS]
    assert len(features) == len(set(features))


def test_each_proof_is_a_test() -> None:
    """The file is there, and the function in it, which no mark leaves out."""
    proofs = {row.proof: _PROOF.fullmatch(row.proof) for row in ROWS}
    assert [text for text, found in proofs.items() if found is None] == []
    known = {text: _tests_of(found[1]) for text, found in proofs.items() if found}
    missing = [t for t, names in known.items() if t.split("::")[1][:-1] not in names]
    assert missing == []


@cache
def _tests_of(path: str) -> frozenset[str]:
    file = ROOT / "tests" / path
    tree = ast.parse(file.read_text(encoding="utf-8") if file.exists() else "")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tests = [node for node in tree.body if isinstance(node, kinds)]
    return frozenset(
        test.name
        for test in tests
        if test.name.startswith("test_")
        and not any("skip" in ast.unparse(mark) for mark in test.decorator_list)
    )


def test_each_command_has_the_options_that_are_named() -> None:
    """Whoever types it is not told that there is no such command or option."""
    for words in set(_COMMAND.findall(PAGE)):
        command = _root(words)
        for word in words.partition(" -")[0].split()[1:]:
            command = _named(command, word)
        if command is costs:  # without a command it is the summary
            command = _named(costs, "summary")
        known = {option for given in command.params for option in given.opts}
        named = {word for word in words.split() if word.startswith("-")}
        assert named <= known, words


def _root(words: str) -> click.Command:
    if words.startswith("taximeter"):
        return cli
    tool = click.Group("llm")
    tool.add_command(click.Command("prompt", callback=lambda: None))
    register_commands(tool)
    return tool


def _named(group: click.Command, name: str) -> click.Command:
    assert isinstance(group, click.Group), f"{group.name} has no commands"
    command = group.get_command(click.Context(group), name)
    assert command is not None, f"{group.name} has no command {name!r}"
    return command


def test_each_name_can_be_imported() -> None:
    """What the page calls by `taximeter.` is public there, or in its own package."""
    for name in set(_NAME.findall(PAGE)):
        package, _, last = f"taximeter.{name}".rpartition(".")
        assert last in import_module(package).__all__, name


def test_each_path_is_described() -> None:
    """What the page asks over HTTP, the page of the API has."""
    described = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for method, path in set(_PATH.findall(PAGE)):
        if path.startswith("/v1/spend/"):
            assert f"…/{path.rpartition('/')[2]}`" in described or path in described
        else:
            assert f"`{method} {path}`" in described, path


def test_each_link_leads_somewhere() -> None:
    """Files and headings that the page links to exist."""
    for path, heading in set(_LINK.findall(PAGE)):
        text = (ROOT / "docs" / path).read_text(encoding="utf-8")
        heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in heads}
        assert not heading or heading in anchors, f"{path}#{heading}"
