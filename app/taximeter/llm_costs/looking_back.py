"""What calls would have been estimated at, beside what they did cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from taximeter.estimates import Asked, Estimator
from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.estimating import estimator_of
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_prices import price_books
from taximeter.llm_costs.logged_events import logged_event_id, sold_as, tokens_in
from taximeter.llm_costs.logs_db import LoggedCall
from taximeter.llm_costs.noted_calls import read_noted
from taximeter.reports.figures import percent
from taximeter.spend_report import Stretch
from taximeter_processors.price_versions import PriceBooks
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.dimensions import Only, chosen
from taximeter_sinks.queries import Ledger

__all__ = ["COLUMNS", "estimates_beside_costs"]

COLUMNS: Final = (
    "model",
    "calls",
    "estimated_usd",
    "cost_usd",
    "difference_usd",
    "difference_percent",
)

Row = dict[str, Any]


def estimates_beside_costs(
    home: Home, config: CostsConfig, ledger: Ledger, stretch: Stretch, only: Only
) -> list[Row]:
    """Return a row for each model, and the sum last: estimated, less what it cost.

    Of the calls that the plugin has seen, for only of those it knows how much was
    sent. Calls without a price are left out on both sides.
    """
    costs = _costs(ledger, stretch, only)
    sums: dict[str, Row] = {}
    for model, estimated, cost in _pairs(home, config, costs):
        for name in (model, "total"):
            _add(sums.setdefault(name, _row(name)), estimated, cost)
    total = sums.pop("total", _row("total"))
    dearest_first = sorted(sums.values(), key=lambda row: -row["cost_usd"])
    return [_told(row) for row in (*dearest_first, total)]


def _costs(ledger: Ledger, stretch: Stretch, only: Only) -> Mapping[UUID, Decimal]:
    where = chosen(stretch.start, stretch.end, only)
    query = f"SELECT event_id, cost_usd FROM calls {where}"  # noqa: S608
    rows = ledger.sql(query).rows
    return {event_id: cost for event_id, cost in rows if cost is not None}


def _pairs(
    home: Home, config: CostsConfig, costs: Mapping[UUID, Decimal]
) -> Iterator[tuple[str, Decimal, Decimal]]:
    estimates = _Estimates(price_books(home), config.calls.answer_tokens)
    for call, _ in read_noted(home.noted_calls):
        cost = costs.get(logged_event_id(call))
        estimated = None if cost is None else estimates.of(call)
        if cost is not None and estimated is not None:
            yield sold_as(call.model)[1], estimated, cost


class _Estimates:
    """Estimates calls as they would have been when they were made."""

    def __init__(self, books: PriceBooks, answer_tokens: int) -> None:
        self._books = books
        self._answer_tokens = answer_tokens
        self._by: tuple[PriceBook, Estimator] | None = None

    def of(self, call: LoggedCall) -> Decimal | None:
        """Return what a call was worth guessing at; None without a known price."""
        provider, model = sold_as(call.model)
        asked = Asked(
            model=model,
            provider=provider,
            input_tokens=tokens_in(call.asked_bytes or 0),
            max_output_tokens=self._answer_tokens,
        )
        try:
            return self._estimator(call.occurred_at).estimate(asked).cost_usd
        except ConfigurationError:
            return None

    def _estimator(self, moment: datetime) -> Estimator:
        book = self._books.book_at(moment)
        if self._by is None or self._by[0] is not book:
            self._by = book, estimator_of(book)
        return self._by[1]


def _row(model: str) -> Row:
    nothing = Decimal(0)
    return {"model": model, "calls": 0, "estimated_usd": nothing, "cost_usd": nothing}


def _add(row: Row, estimated: Decimal, cost: Decimal) -> None:
    row["calls"] += 1
    row["estimated_usd"] += estimated
    row["cost_usd"] += cost


def _told(row: Row) -> Row:
    difference = row["estimated_usd"] - row["cost_usd"]
    return row | {
        "difference_usd": difference,
        "difference_percent": percent(difference, row["cost_usd"]),
    }
