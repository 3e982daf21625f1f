"""`docs/dead-letters.md` knows the commands, the reasons and the outcomes of today."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import click
import pytest

from taximeter.cli.dead_letters import command
from taximeter.letters.retry import Outcome
from taximeter_schemas.dead_letters import DeadLetterReason

PAGE = (Path(__file__).parents[2] / "docs" / "dead-letters.md").read_text()
COMMON = {"--data", "--bootstrap", "--prefix", "--partitions"}


def _options(name: str) -> set[str]:
    parameters = command.commands[name].params
    options = [one for one in parameters if isinstance(one, click.Option)]
    return {option.opts[0] for option in options} - COMMON


@pytest.mark.parametrize("name", sorted(command.commands))
def test_every_command_and_option_is_documented(name: str) -> None:
    """The page shows each command, and names each option that is its own."""
    assert f"taximeter dead-letters {name} " in PAGE
    assert {option for option in _options(name) if option not in PAGE} == set()


def test_every_reason_and_outcome_is_documented() -> None:
    """The page says what each word means that the commands print."""
    outcomes = get_args(get_type_hints(Outcome)["outcome"])
    words = [*get_args(DeadLetterReason), *outcomes]
    assert [word for word in words if f"| `{word}` |" not in PAGE] == []
