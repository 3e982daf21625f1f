"""What has been spent, summed up: for the command and for programs alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from taximeter.llm_costs.conversations import with_names
from taximeter.llm_costs.home import Home
from taximeter.reports.figures import with_shares
from taximeter.reports.overview import overview
from taximeter.reports.stretches import first_days
from taximeter.spend_report import Stretch, spend_rows
from taximeter_sinks.dear_calls import conversations_query
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = ["Costs", "costs_of"]

_MOST: Final = 10

Row = dict[str, Any]


@dataclass(frozen=True)
class Costs:
    """What some calls cost; `total` is exact, in USD, without what has no price.

    `row` is the total with its counts; `periods` are today, this week, this month and
    all time, empty where a stretch was asked for. `when` says what the models are
    about, if that is less than everything.
    """

    row: Row
    periods: list[Row] = field(default_factory=list[Row])
    by_model: list[Row] = field(default_factory=list[Row])
    by_project: list[Row] = field(default_factory=list[Row])
    by_weekday: list[Row] = field(default_factory=list[Row])
    by_day: list[Row] = field(default_factory=list[Row])
    by_conversation: list[Row] = field(default_factory=list[Row])
    when: str = ""

    @property
    def total(self) -> Decimal:
        """What was spent, in USD."""
        cost = self.row["cost_usd"]
        return cost if isinstance(cost, Decimal) else Decimal(0)

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return int(self.row["calls"])

    @property
    def unpriced_calls(self) -> int:
        """How many of them have no known price, and are in no sum."""
        return int(self.row["unpriced_calls"])

    @property
    def models(self) -> Mapping[str, Decimal | None]:
        """What each model cost; None is unpriced."""
        return {row["model"]: row["cost_usd"] for row in self.by_model}


def costs_of(
    ledger: Ledger, stretch: Stretch, now: datetime, only: Only, home: Home
) -> Costs:
    """Return what these calls cost, in all and by what people ask for."""
    found = overview(ledger, stretch, now, None, only)
    by_model, when = found.by_model, ""
    if found.periods:
        when = "this month"
        this_month = Stretch.parse(
            first_days(now, stretch.zone)[2].isoformat(), None, stretch.zone
        )
        rows = spend_rows(ledger, ("model",), this_month, only=only)
        by_model = with_shares(rows, found.periods[2])
    days = spend_rows(ledger, ("weekday",), stretch, only=only)
    query = conversations_query(stretch.start, stretch.end, _MOST, only=only)
    threads = ledger.sql(query).named()
    return Costs(
        found.total,
        found.periods,
        by_model,
        found.by_project,
        with_shares(days, found.total),
        found.by_day,
        with_names(home, threads),
        when,
    )
