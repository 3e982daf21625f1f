"""Options that take all the numbers behind them: `--alert-at 0.8 0.9 1.0`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import click

__all__ = ["Spread", "spread_out"]

_NUMBER: Final = re.compile(r"\d*\.?\d+%?")


class Spread(click.Command):
    """A command some of whose options may be followed by several numbers."""

    def __init__(self, *given: Any, spread: Sequence[str], **named: Any) -> None:  # noqa: ANN401
        super().__init__(*given, **named)
        self._spread = spread

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each number an option of its own."""
        return super().parse_args(ctx, spread_out(args, self._spread))


def spread_out(args: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return arguments with the option before each of its numbers.

    >>> spread_out(["--at", "0.8", "0.9", "--model", "m"], ["--at"])
    ['--at', '0.8', '--at', '0.9', '--model', 'm']
    """
    spread: list[str] = []
    following = ""
    for place, word in enumerate(args):
        if word in options:
            following = word
        elif following and _NUMBER.fullmatch(word):
            if args[place - 1] != following:
                spread.append(following)
        else:
            following = ""
        spread.append(word)
    return spread
