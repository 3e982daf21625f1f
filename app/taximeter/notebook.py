"""The ledger in a notebook: `taximeter.open_ledger()`.

Read-only, from the sink while one runs, else from the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from taximeter.reading import open_ledger as open_for_reading
from taximeter.reports.stretches import Asked, stretch_of
from taximeter.settings import CommonSettings, read
from taximeter.spend_report import parse_dimensions
from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock
from taximeter_sinks.answers import Answer
from taximeter_sinks.call_costs import call_costs_query
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = ["NotebookLedger", "open_ledger"]


def open_ledger(data: str | Path | None = None) -> NotebookLedger:
    """Open the ledger of a data directory for reading.

    Args:
        data: the directory; without it `TAXIMETER_DATA`, else `~/.taximeter`.

    Raises:
        LedgerUnavailable: there is no ledger, or what holds it does not serve it.
    """
    given = {} if data is None else {"data": Path(data)}
    settings = read(CommonSettings, **given)
    return NotebookLedger(open_for_reading(DataDir(settings.data)))


class NotebookLedger:
    """Answers questions as relations, Arrow tables and data frames."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what reading needed."""
        self._ledger.close()

    def sql(self, query: str) -> Answer:
        """Answer one SELECT over the ledger's tables, views and macros.

        Raises:
            QueryRefused: it is more than that.
            QueryFailed: it is wrong.
        """
        return Answer(self._ledger.arrow(query))

    def spend(
        self,
        by: str | Sequence[str] = (),
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        last: str | None = None,
        month: str | None = None,
        tz: str = "UTC",
        only: Only | None = None,
    ) -> Answer:
        """Return what `taximeter report --by` says, without what it divides.

        Args:
            by: dimensions, with commas or as a sequence.
            start: a moment, included; `end` is not.
            end: see `start`.
            last: instead of the two: 24h, 7d, 4w, 3m or 1y.
            month: instead of these: one like 2026-11.
            tz: the IANA time zone of the days.
            only: for each dimension the values that count.

        Raises:
            ConfigurationError: one of these is not understood.
        """
        asked = Asked(_text(start), _text(end), last, month, None, tz)
        stretch = stretch_of(asked, SystemClock().now())
        names = parse_dimensions(by if isinstance(by, str) else ",".join(by))
        query = call_costs_query(
            names,
            stretch.start,
            stretch.end,
            tz,
            version=self._ledger.schema_version(),
            only=only,
        )
        return self.sql(query)


def _text(moment: datetime | str | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
