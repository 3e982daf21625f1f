"""All that the page asks the ledger, in one place: few questions, each a query or two.

What is slow here is slow on the page; nothing else of it asks for sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from taximeter.budget_outlook import with_outlook
from taximeter.budget_standing import budget_standing
from taximeter.page.course import Course, course_of, grain_of
from taximeter.page.view import View
from taximeter.raised_alerts import raised_alerts
from taximeter.reports.figures import Row, added, amount, with_shares
from taximeter.reports.spend_now import spend_now
from taximeter.spend_forecast import spend_forecast
from taximeter.spend_report import spend_rows
from taximeter_sinks.queries import Ledger

__all__ = [
    "CARDS",
    "COLOURS",
    "Card",
    "Plans",
    "Spent",
    "ask_card",
    "ask_now",
    "ask_plans",
    "ask_spent",
    "ledger_version",
]

CARDS: Final = ("model", "user", "project")
"""The dimensions that are always shown."""

COLOURS: Final = 6
"""How many series of a chart have a colour of their own."""

_BUDGETS: Final = 12
_ALERTS: Final = 8
_MISSING: Final = 8


class Spent(NamedTuple):
    """Spend over the stretch: in all, over time, and by the view's dimension."""

    total: Row
    course: Course
    rows: list[Row]
    more: bool


class Card(NamedTuple):
    """The dearest values of a dimension; `more` says that there are others."""

    by: str
    rows: list[Row]
    more: bool


class Plans(NamedTuple):
    """Budgets and where they are going, alerts, and what has no price."""

    forecast: Mapping[str, Any] | None
    budgets: list[dict[str, Any]]
    more_budgets: bool
    alerts: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    more_missing: int


def ask_now(ledger: Ledger, view: View, now: datetime) -> dict[str, Row]:
    """Return today and what it is held against: one query."""
    return spend_now(ledger, now, view.zone, view.only)


def ask_spent(ledger: Ledger, view: View, now: datetime) -> Spent:
    """Return the chart and the rows it is made of: three queries."""
    stretch = view.stretch(now)
    grain = grain_of(stretch, now)
    rows, more = _dearest(ledger, view, now, view.by)
    sums = spend_rows(ledger, (grain,), stretch, only=view.only)
    parts = _parts(ledger, view, now, rows[:COLOURS])
    total = added(sums)
    course = course_of(stretch, now, grain, sums, parts)
    return Spent(total, course, with_shares(rows, total), more)


def ask_card(ledger: Ledger, view: View, now: datetime, by: str) -> Card:
    """Return the dearest values of a dimension: one query."""
    rows, more = _dearest(ledger, view, now, by)
    return Card(by, rows, more)


def ask_plans(ledger: Ledger, view: View, now: datetime) -> Plans:
    """Return what is said of everything, whatever the view chooses."""
    budgets = budget_standing(ledger, now, limit=_BUDGETS + 1)
    forecast = spend_forecast(ledger, now, "month", view.zone)
    missing = ledger.unpriced().named()
    return Plans(
        forecast[0] if forecast else None,
        with_outlook(ledger, budgets[:_BUDGETS], now),
        len(budgets) > _BUDGETS,
        raised_alerts(ledger, _ALERTS),
        missing[:_MISSING],
        max(0, len(missing) - _MISSING),
    )


def ledger_version(ledger: Ledger) -> int:
    """Return a number that is another one once the ledger has taken anything in."""
    return hash(frozenset(ledger.consumed_offsets().items()))


def _dearest(
    ledger: Ledger, view: View, now: datetime, by: str
) -> tuple[list[Row], bool]:
    rows = spend_rows(ledger, (by,), view.stretch(now), view.top + 1, view.only)
    return rows[: view.top], len(rows) > view.top


def _parts(
    ledger: Ledger, view: View, now: datetime, rows: Sequence[Row]
) -> list[tuple[object, str, Decimal | None]]:
    """Return what each of these spent, column by column; they come in their order."""
    names = [str(row[view.by]) for row in rows if row[view.by] is not None]
    if not names:
        return []
    stretch = view.stretch(now)
    grain = grain_of(stretch, now)
    only = {**view.only, view.by: tuple(names)}
    cells = spend_rows(ledger, (grain, view.by), stretch, only=only)
    found = [(c[grain], str(c[view.by]), amount(c["cost_usd"])) for c in cells]
    return sorted(found, key=lambda cell: names.index(cell[1]))
