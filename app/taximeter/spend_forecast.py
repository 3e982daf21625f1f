"""What everybody, or each user, model and so on, will have spent by a period's end."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from taximeter.budget_outlook import amount_in, history_in
from taximeter_processors.forecast import HISTORY, project
from taximeter_processors.windows import period_bounds, window_start
from taximeter_schemas.budgets import Period
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.subjects import EVERYTHING, Subject, SubjectKind
from taximeter_sinks.hourly import HourSums
from taximeter_sinks.queries import Ledger

__all__ = ["FORECAST_COLUMNS", "FORECAST_KINDS", "spend_forecast"]

FORECAST_KINDS: Final = (
    "user",
    "model",
    "project",
    "provider",
    "source",
    "session",
    "endpoint",
)
"""By what a forecast can be told apart."""

FORECAST_COLUMNS: Final = (
    "period_start",
    "period_end",
    "spent_usd",
    "projected_usd",
    "projected_low_usd",
    "projected_high_usd",
)
"""What is said of each."""


def spend_forecast(
    ledger: Ledger,
    now: datetime,
    period: Period,
    zone: str,
    by: SubjectKind | None = None,
) -> list[dict[str, Any]]:
    """Return what the current period of a calendar will come to, the dearest first.

    Who has spent nothing in it yet is not told apart.

    Args:
        ledger: where history is read.
        now: the present moment.
        period: one of the calendar's.
        zone: an IANA name.
        by: a dimension; without it the spend of everything.
    """
    start, end = period_bounds(period, zone, window_start(now))
    assert start is not None
    assert end is not None
    history = ledger.hourly({by or EVERYTHING.kind: None}, now - HISTORY)
    spent = _spent(ledger, start, end, by)
    rows = [
        _row(subject, history.get(subject, {}), (start, end), now, spent[subject], zone)
        for subject in spent
    ]
    return sorted(rows, key=lambda row: -row["projected_usd"])


def _spent(
    ledger: Ledger, start: datetime, end: datetime, by: SubjectKind | None
) -> dict[Subject, int]:
    rows = ledger.spend((by,) if by else (), start, end)
    return {
        Subject(by, str(row.keys[0])) if by else EVERYTHING: pico_from_usd(
            row.cost_usd or Decimal(0)
        )
        for row in rows
        if not by or row.keys[0] is not None
    }


def _row(
    subject: Subject,
    sums: HourSums,
    period: tuple[datetime, datetime],
    now: datetime,
    spent: int,
    zone: str,
) -> dict[str, Any]:
    found = project(history_in("usd", sums), period, now, spent, zone=zone)
    named = {} if subject == EVERYTHING else {subject.kind: subject.id}
    return named | {
        "period_start": period[0],
        "period_end": period[1],
        "spent_usd": amount_in("usd", spent),
        "projected_usd": amount_in("usd", found.expected),
        "projected_low_usd": amount_in("usd", found.low),
        "projected_high_usd": amount_in("usd", found.high),
    }
