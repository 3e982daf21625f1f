"""`taximeter dead-letters retry`: what could not be read, once more after a fix."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import BinaryIO, Final, get_args

import click

from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_rows
from taximeter.cli.where import Where, where_options
from taximeter.letters.fixes import Fixes, one_fix, read_fixes
from taximeter.letters.retry import Choice, Outcome, retry_letters
from taximeter.letters.ways import ways_to_retry
from taximeter.logs import say
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.dead_letters import DeadLetterReason

__all__ = ["retry"]

_COLUMNS: Final = ("key", "outcome", "events", "charged_before", "reason", "detail")
_WORDS: Final = {
    "retried": "retried",
    "readable": "could be retried",
    "retried_before": "retried before (--again sends them once more)",
    "still_dead": "still dead",
    "not_found": "not found ('taximeter dead-letters list' shows the keys)",
}


@click.command("retry")
@click.argument("keys", nargs=-1, metavar="[ID]...")
@where_options
@format_option
@click.option("--all", "every", is_flag=True, help="Every letter not yet retried.")
@click.option(
    "--reason",
    type=click.Choice(get_args(DeadLetterReason)),
    help="Every letter not yet retried that was kept for this reason.",
)
@click.option(
    "--file",
    type=click.File("rb"),
    metavar="FILE|-",
    help='Corrected events: {"dead_letter_id": "…", "event": {…}} a line.',
)
@click.option(
    "--event",
    metavar="JSON|-",
    help="The corrected event of the one ID given, or - to read it from a pipe.",
)
@click.option("--again", is_flag=True, help="Those that were retried before, too.")
@click.option("--dry-run", is_flag=True, help="Tell what would go; send nothing.")
def retry(  # noqa: PLR0913 - the command's own options
    where: Where,
    keys: tuple[str, ...],
    output: Format,
    *,
    every: bool,
    reason: str | None,
    file: BinaryIO | None,
    event: str | None,
    again: bool,
    dry_run: bool,
) -> int:
    """Read dead letters again, and charge what can be read now.

    Without a fix the kept bytes are read with today's rules; with --file or --event
    the corrected event takes their place. However often a letter is retried, it
    counts once. The exit code is 1 if one of them could not be retried.
    """
    _check_which(keys, every or reason is not None, file is not None, event is not None)
    fixes = _fixes(keys, file, event)
    named = None if every or reason else frozenset(keys or fixes)
    choice = Choice(named, reason, fixes, again=again, dry_run=dry_run)
    outcomes = asyncio.run(_retried(where, choice))
    write_rows([asdict(one) for one in outcomes], output, _COLUMNS, "Retried")
    say(_summary(outcomes))
    return 1 if any(one.failed for one in outcomes) else 0


def _check_which(
    keys: Sequence[str], many: bool, from_file: bool, from_event: bool
) -> None:
    """Refuse what could be understood in two ways: a retry is not taken back."""
    if [bool(keys), many, from_file].count(True) != 1:
        raise click.UsageError(
            "give the IDs of dead letters, or --all or --reason, or --file"
        )
    if from_event and len(keys) != 1:
        raise click.UsageError("--event is for exactly one ID")


def _fixes(keys: Sequence[str], file: BinaryIO | None, event: str | None) -> Fixes:
    if file is not None:
        return read_fixes(file, file.name)
    if event is None:
        return {}
    pipe = click.get_binary_stream("stdin")
    return one_fix(keys[0], pipe.read() if event == "-" else event.encode())


async def _retried(where: Where, choice: Choice) -> list[Outcome]:
    async with ways_to_retry(where.data, where.topics, where.kafka(), say) as ways:
        return await retry_letters(choice, ways, SystemClock())


def _summary(outcomes: Sequence[Outcome]) -> str:
    counts: Mapping[str, int] = Counter(one.outcome for one in outcomes)
    told = [f"{counts[name]} {words}" for name, words in _WORDS.items() if counts[name]]
    return ", ".join(told) or "there is nothing to retry"
