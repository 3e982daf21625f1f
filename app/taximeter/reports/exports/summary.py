"""What a workbook and a document for managers show: the sections of a report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from taximeter.reports.figures import FIGURES, Row, figure_rows, with_shares
from taximeter.spend_report import SUMS, Stretch
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = ["Section", "Summary", "period_words", "summary"]

_SECTIONS: Final = (
    ("model", "By model"),
    ("project", "By project"),
    ("user", "By user"),
    ("day", "By day"),
)
COLUMNS: Final = (*SUMS, *FIGURES)


class Section(NamedTuple):
    """Spend by one dimension, all of it."""

    title: str
    by: str
    rows: list[Row]


class Summary(NamedTuple):
    """A report of one stretch of time, in all and by what it went to."""

    period: str
    total: Row
    sections: list[Section]
    made_at: datetime

    @property
    def columns(self) -> Sequence[str]:
        """What each row says behind its dimension."""
        return COLUMNS


def summary(ledger: Ledger, stretch: Stretch, only: Only, now: datetime) -> Summary:
    """Return the report that is exported."""
    (whole,) = figure_rows(ledger, (), stretch, only=only)
    (total,) = with_shares([whole], whole)
    sections = [
        Section(
            title,
            by,
            with_shares(figure_rows(ledger, (by,), stretch, only=only), total),
        )
        for by, title in _SECTIONS
    ]
    return Summary(period_words(stretch), total, sections, now)


def period_words(stretch: Stretch) -> str:
    """Return the stretch in words.

    >>> period_words(Stretch(datetime.fromisoformat("2026-11-01T00:00+00:00"), None))
    'from 2026-11-01 00:00 (UTC)'
    """
    bounds = [("from", stretch.start), ("to", stretch.end)]
    said = [f"{word} {moment:%Y-%m-%d %H:%M}" for word, moment in bounds if moment]
    return f"{' '.join(said)} (UTC)" if said else "all time"
