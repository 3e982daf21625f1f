"""What becomes of the rows of a log, as tests ask it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from taximeter.imports.context import Context
from taximeter.imports.entries import Entry
from taximeter.imports.files import Files
from taximeter.imports.kinds import kind_named
from taximeter.imports.mapped import ColumnMap
from taximeter.imports.outcomes import Outcome, Wanted, outcomes
from taximeter_schemas.usage import UsageRecorded

__all__ = ["LOGS", "NOW", "events_in", "judged", "of_row", "refusals_in"]

LOGS: Final = Path(__file__).parent / "data" / "imports"
NOW: Final = datetime(2026, 11, 23, tzinfo=UTC)


def _seller(model: str) -> str:
    names = {"gpt": "openai", "claude": "anthropic", "text": "openai"}
    return next(
        (of for start, of in names.items() if model.startswith(start)), "unknown"
    )


def judged(
    kind: str,
    *files: str | Path,
    columns: ColumnMap | None = None,
    wanted: Wanted | None = None,
    now: datetime = NOW,
) -> list[Outcome]:
    """Return what becomes of every row; files are named as in tests/data/imports."""
    chosen = kind_named(kind, columns)
    read = Files([LOGS / file for file in files], chosen.form)
    return [
        outcome
        for entry in read.entries()
        for outcome in outcomes(
            entry, chosen, Context(_seller, now), wanted or Wanted(kind)
        )
    ]


def of_row(kind: str, **cells: object) -> Outcome:
    """Return what becomes of one row of JSON."""
    chosen = kind_named(kind, None)
    entry = Entry("line 1", cells)
    (outcome,) = outcomes(entry, chosen, Context(_seller, NOW), Wanted(kind))
    return outcome


def events_in(found: list[Outcome]) -> list[UsageRecorded]:
    """Return the events among them."""
    return [outcome.event for outcome in found if outcome.event is not None]


def refusals_in(found: list[Outcome]) -> list[str]:
    """Return why rows were refused."""
    return [outcome.reason for outcome in found if outcome.verdict == "refused"]
